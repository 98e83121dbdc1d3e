from __future__ import annotations

import pytest

from ops.evaluation.cost import Cost
from ops.evaluation.html import render
from ops.evaluation.summary import asset_metadata, cost_rows, markdown, terminal
from tests.ops.evaluation.example import text_report
from tests.ops.evaluation.test_html import hostile_report


def test_markdown_tells_what_the_report_tells() -> None:
    report = text_report()
    text = markdown(report)
    assert report.verdict.title in text
    for score in report.scores:
        assert f"| {score.name} | {score.accuracy.value:.3f} |" in text
    assert "| clean\\_corpus | 45,234 | 0 | 6,846 | 0 | 38,388 |" in text
    assert text.count("](data:image/svg+xml;base64,") == 6
    tables = [block.splitlines() for block in text.split("\n\n") if block.startswith("|")]
    assert len(tables) == 3
    for rows in tables:
        assert len({row.count("|") - row.count("\\|") for row in rows}) == 1


def test_markdown_shows_what_users_write_and_does_not_obey_it() -> None:
    text = markdown(hostile_report())
    prose = "\n".join(line for line in text.splitlines() if not line.startswith("!["))
    for live in ("<script", "<img", "<svg", "http://", "javascript:", "\u202e", "\x1b"):
        assert live not in prose, live
    assert "&lt;script&gt;" in prose


@pytest.mark.parametrize(
    "mark", ["- item", "# title", "1. one", "+ plus", "> quote", "a | b", "[x](y)", "www.x.org", "*b*"]
)
def test_markdown_marks_are_taken_as_text(mark: str) -> None:
    from ops.evaluation.summary import md

    shown = md(mark)
    assert shown != mark
    plain = shown.replace("\\", "").replace("&gt;", ">").replace("&lt;", "<").replace("&amp;", "&")
    assert plain == mark


def test_metadata_holds_plain_figures_only() -> None:
    report = text_report()
    figures = asset_metadata(report)
    assert figures["accuracy"] == report.scores[0].accuracy.value
    assert figures["baseline_accuracy"] == report.scores[1].accuracy.value
    assert figures["joules"] == 1480.5 and figures["energy_method"] == "measured"
    assert all(isinstance(value, str | int | float) for value in figures.values())
    assert "baseline_accuracy" not in asset_metadata(text_report(baseline=None))


def test_terminal_lines_are_plain_and_aligned() -> None:
    report = text_report()
    text = terminal(report)
    assert report.verdict.headline in text
    assert "\x1b" not in text
    table = text.split("\n\n")[1].splitlines()
    assert len({len(row) for row in table}) == 1
    assert table[1].split()[:2] == ["Model", f"{report.scores[0].accuracy.value:.3f}"]
    assert not set(terminal(hostile_report())) & {"\x1b", "\x00", "\u202e"}


def test_time_and_memory_of_gpus_are_told_where_gpus_were_held() -> None:
    held = text_report(model_cost=Cost(cpu_seconds=1.0, gpu_seconds=12.5, gpu_peak_bytes=3_000_000_000))
    assert ("GPU time", "12.5 s", "-") in cost_rows(held) and "GPU time" in render(held)
    assert ("Peak memory of GPUs", "3.00 GB", "-") in cost_rows(held) and "Peak memory of GPUs" in render(held)
    without = text_report(model_cost=Cost(cpu_seconds=1.0, gpu_seconds=0.0, gpu_peak_bytes=0))
    assert "GPU" not in markdown(without) and "GPU" not in render(without)
