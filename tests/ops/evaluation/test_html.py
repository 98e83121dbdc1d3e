from __future__ import annotations

import json
import re
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ops.evaluation.cost import Cost
from ops.evaluation.html import FORMATS, LIMIT, charts, look_up, render
from ops.evaluation.report import TestRows, build_report
from ops.evaluation.schema import Flow, Origin, Report, Subject
from tests.ops.evaluation.example import image_report, text_report
from tests.ops.evaluation.given import with_given
from tests.ops.evaluation.page import Page

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "javascript:alert(1)",
    "invoice\u202egpj.exe",
    "</style></title><svg onload=alert(1)>",
    "{{ 7 * 7 }}{% include 'x' %}",
    "http://evil.example/pixel.png",
    "\x00\x1b[2J\ud800&amp;",
)


@pytest.fixture(scope="module")
def report() -> Report:
    return text_report()


@pytest.fixture(scope="module")
def page(report: Report) -> Page:
    return Page(render(report))


def hostile_report() -> Report:
    names = [name * 3 for name in HOSTILE]
    truth = np.arange(80) % len(names)
    return with_given(
        build_report,
        subject=Subject(
            recipe=HOSTILE[0], description="\n".join(HOSTILE), task=HOSTILE[1], modality="text", model=HOSTILE[4],
            seed=1, fingerprint=HOSTILE[3], settings=HOSTILE[6],
        ),
        classes=names,
        test=TestRows(names * 10, names * 10, truth, np.roll(truth, 7)),
        balance={"train": [4] * 8, HOSTILE[1]: [1] * 8},
        flows=[
            Flow(stage=name, partition=part, rows_in=3, rows_out=1, rejected={name: 1}, dropped={part: 1})
            for name in HOSTILE
            for part in HOSTILE
        ],
        history=[{"step": 1, "loss": 2.0}],
        inputs=[Origin(stage=name, partition=name, digest=name) for name in HOSTILE],
        model_cost=Cost(flops=1.0, flops_how=HOSTILE[0]),
        notes=HOSTILE,
    )  # fmt: skip


def test_every_figure_is_that_of_report_json(report: Report, page: Page) -> None:
    data = json.loads(report.model_dump_json())
    assert len(page.figures) >= 200
    for path, value, shown in page.figures:
        figure = look_up(data, path)
        assert json.loads(value) == figure, path
        kinds = set(FORMATS) if isinstance(figure, int) else set(FORMATS) - {"count"}
        assert shown in {FORMATS[kind](figure) for kind in kinds}, path
    found = {path for path, _, _ in page.figures}
    for score in range(len(report.scores)):
        for metric in ("accuracy", "macro_f1"):
            assert {f"scores.{score}.{metric}.{key}" for key in ("value", "low", "high")} <= found
    for index in range(len(report.per_class)):
        assert {f"per_class.{index}.{key}" for key in ("support", "precision", "recall", "f1")} <= found
    for index in range(len(report.stages)):
        assert {f"stages.{index}.{key}" for key in ("rows_in", "rows_out", "added")} <= found
    assert {f"costs.{i}.cost.{key}" for i in (0, 1) for key in ("parameters", "flops", "cpu_seconds")} <= found


@pytest.mark.parametrize(
    ("kind", "value", "shown"),
    [
        ("score", 0.86249, "0.862"),
        ("signed", -0.0305, "\N{MINUS SIGN}0.030"),
        ("count", 1234567, "1,234,567"),
        ("percent", 0.125, "12.5%"),
        ("plain", 7, "7"),
        ("seconds", 35.2, "35.2 s"),
        ("bytes", 689_000_000, "689 MB"),
        ("joules", 1480.5, "1.48 kJ"),
    ],
)
def test_figures_are_shown_in_their_kind(kind: str, value: float, shown: str) -> None:
    assert FORMATS[kind](value) == shown


def test_the_headline_is_that_of_report_json(report: Report, page: Page) -> None:
    text = page.text().replace("[ ", "[").replace(" ]", "]")
    folded = re.sub(r"\s+([,;.)])", r"\1", text)
    for sentence in (report.verdict.title, report.verdict.headline, report.verdict.detail):
        assert re.sub(r"\s+([,;.)])", r"\1", sentence) in folded


def test_the_same_report_gives_the_same_bytes(report: Report) -> None:
    assert render(report) == render(Report.model_validate_json(report.model_dump_json()))


@pytest.mark.parametrize("make", [text_report, image_report, hostile_report])
def test_nothing_is_loaded_and_nothing_runs(make: Any) -> None:
    page = Page(render(make()))
    policy = [tag for name, tag in page.tags if name == "meta" and tag.get("http-equiv") == "Content-Security-Policy"]
    assert policy[0]["content"].startswith("default-src 'none'; img-src data:; style-src 'unsafe-inline'")
    assert not {"script", "iframe", "object", "embed", "form", "base"} & {name for name, _ in page.tags}
    for name, attributes in page.tags:
        assert not [key for key in attributes if key.startswith("on")], name
        for key in ("src", "href", "xlink:href", "action", "srcset", "poster"):
            value = attributes.get(key, "#")
            assert value.startswith(("#", "data:image/png;base64,")) or (name, value) == ("link", "data:,")
        assert "url(" not in attributes.get("style", "")
    style = render(make()).partition("<style>")[2].partition("</style>")[0]
    assert "url(" not in style and "@import" not in style and "http" not in style


def test_what_users_write_is_shown_and_does_nothing() -> None:
    source = render(hostile_report())
    page = Page(source)
    assert "<script>alert(1)</script>" in page.text()
    assert "javascript:alert(1)" in page.text()
    assert "{{ 7 * 7 }}{% include 'x' %}" in page.text()
    assert "invoice<U+202E>gpj.exe" in page.text()
    assert not re.search("[\x00-\x08\x0b-\x1f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", source)
    assert "<script" not in source and "<img src=x" not in source


def test_the_page_stays_small_however_much_there_is() -> None:
    classes = [f"{'very ' * 30}long {i}" for i in range(400)]
    truth = np.arange(4000) % 400
    partitions = [f"{'partition ' * 30}{i}" for i in range(2000)]
    images = np.random.default_rng(0).integers(0, 256, (4000, 128, 128, 3), dtype=np.uint8)
    report = with_given(
        build_report,
        subject=Subject(
            recipe="r" * 9999, description="d" * 99_999, task="t", modality="image", model="m" * 9999, seed=1,
            fingerprint="f" * 9999, settings="c" * 9999,
        ),
        classes=classes,
        test=TestRows([str(i) * 999 for i in range(4000)], images, truth, np.roll(truth, 1)),
        balance={"train": [9] * 400},
        flows=[
            Flow(stage=s, partition=p, rows_in=2, rows_out=1, dropped={"x" * 999: 1}) for s in "ab" for p in partitions
        ],
        history=[{"step": i, "loss": 1.0, "valid_loss": 2.0, "valid_accuracy": 0.5} for i in range(50_000)],
        inputs=[Origin(stage="s", partition=p, digest="0" * 32) for p in partitions],
        model_cost=Cost(),
    )  # fmt: skip
    assert len(render(report).encode()) < LIMIT


def test_the_page_can_be_read_by_everyone(page: Page) -> None:
    tags = page.tags
    assert [attributes["lang"] for name, attributes in tags if name == "html"] == ["en"]
    assert all(attributes.get("scope") in ("col", "row") for name, attributes in tags if name == "th")
    assert all(attributes.get("alt") for name, attributes in tags if name == "img")
    ids = [attributes["id"] for _, attributes in tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    drawings = [a for name, a in tags if name == "svg" and a.get("aria-hidden") != "true"]
    assert len(drawings) == 7
    for drawing in drawings:
        assert drawing["role"] == "img"
        assert set(drawing["aria-labelledby"].split()) <= set(ids)
    targets = [a["href"][1:] for name, a in tags if name == "a"]
    assert len(targets) > 5 and set(targets) <= set(ids)
    assert [name for name, _ in tags if name == "h1"] == ["h1"]


def test_parts_without_figures_are_left_out() -> None:
    bare = text_report(baseline=None, history=[], flows=[], inputs=[], samples=0, mistakes=0, model_cost=Cost())
    page = Page(render(bare))
    sections = {attributes.get("id") for name, attributes in page.tags if name == "section"}
    assert sections == {"result", "classes", "data", "cost", "provenance", "limits"}
    assert "None" not in page.text() and "nan" not in page.text().lower().replace("provenance", "")


def test_charts_stand_on_their_own(report: Report) -> None:
    import base64

    for name, chart in charts(report).items():
        assert chart is not None
        head, _, data = chart.data_uri().partition(",")
        assert head == "data:image/svg+xml;base64"
        root = ElementTree.fromstring(base64.b64decode(data))
        space = "{http://www.w3.org/2000/svg}"
        assert root.tag == f"{space}svg", name
        assert root.findtext(f"{space}title") and root.findtext(f"{space}desc")
        assert root.find(f"{space}style") is not None


@pytest.mark.browser
def test_a_browser_opens_it_without_a_complaint(tmp_path: Path, report: Report) -> None:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not installed")
    (tmp_path / "report.html").write_text(render(report), encoding="utf-8")
    command = [
        chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
        f"--user-data-dir={tmp_path / 'profile'}", "--enable-logging=stderr", "--dump-dom",
        (tmp_path / "report.html").as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert "CONSOLE" not in done.stderr
    dumped = Page(done.stdout)
    assert [figure[:2] for figure in dumped.figures] == [figure[:2] for figure in Page(render(report)).figures]
