from __future__ import annotations

import base64
import hashlib
import io
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from PIL import Image

from ops.augmentation.config import Augmentation
from ops.augmentation.flip import Flip
from ops.evaluation.contact_sheet import GAP, LIMIT, ROWS, contact_sheet, picture, sheet_of
from ops.evaluation.html import render
from ops.evaluation.schema import Learned
from ops.evaluation.sheet import ContactSheet, SheetRow
from ops.evaluation.sheet_copies import COPIES
from ops.evaluation.summary import sheet_markdown
from ops.steps import Facts
from ops.storage import Output, Store, Version
from tests.ops.evaluation.example import text_report
from tests.ops.evaluation.page import Page
from tests.ops.evaluation.test_html import HOSTILE


def stored(folder: Path, table: pl.DataFrame, parts: int) -> list[Version]:
    """The table as shards in so many partitions."""
    found = []
    for part in range(parts):
        rows = table.gather_every(parts, part)
        slot = Store(folder).slot("tiny", "shards", str(part))
        fingerprint = hashlib.sha256(f"{part}/{parts}/{table['id'].to_list()}".encode()).hexdigest()
        found.append(slot.commit(fingerprint, {}, partial(_write, rows))[0])
    return found


def _write(rows: pl.DataFrame, output: Output) -> None:
    output.parquet("data.parquet", rows)


def images(rows: int, copies: int) -> pl.DataFrame:
    """Rows of three classes in turn, of 8 x 12 pixels, and their mirrored copies."""
    pixels = np.random.default_rng(0).integers(0, 256, (rows, 8, 12, 3), dtype=np.uint8)
    table = pl.DataFrame(
        {
            "id": [f"r/{row:02d}" for row in range(rows)],
            "image": [image.tobytes() for image in pixels],
            "label": pl.Series([row % 3 for row in range(rows)], dtype=pl.Int32),
            "split": ["test" if row == 0 else "train" for row in range(rows)],
            "height": [8] * rows,
            "width": [12] * rows,
            "channels": [3] * rows,
        }
    )
    facts = Facts("0", 1)
    if not copies:
        return table.with_columns(copy=pl.lit(0, pl.Int32))
    return Augmentation(copies=copies, steps=[Flip(probability=1.0)]).apply(table, facts).kept


def texts(rows: int) -> pl.DataFrame:
    originals = pl.DataFrame(
        {
            "id": [f"t{row}" for row in range(rows)],
            "text": [f"one two {row}" for row in range(rows)],
            "label": pl.Series([0] * rows, dtype=pl.Int32),
            "copy": pl.Series([0] * rows, dtype=pl.Int32),
            "split": ["train"] * rows,
        }
    )
    copies = originals.with_columns(
        pl.col("id") + "+1", ("two one" + pl.col("text").str.tail(2)).alias("text"), pl.lit(1, pl.Int32).alias("copy")
    )
    return pl.concat([originals, copies])


def decoded(uri: str) -> np.ndarray:
    head, _, data = uri.partition(",")
    assert head == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))


def test_rows_of_every_class_stand_beside_their_copies(tmp_path: Path) -> None:
    table = images(20, 2)
    sheet = contact_sheet(stored(tmp_path, table, 2), "image", "image", ["flip"])
    assert sheet is not None and sheet.image is not None
    # Row 0 is of the test split and has no copy; the first of class 0 after it is row 3.
    assert [row.id for row in sheet.rows] == ["r/03", "r/01", "r/02", "r/06", "r/04", "r/05"]
    assert (sheet.copies, sheet.steps) == (2, ["flip"])
    shown = decoded(sheet.image)
    assert shown.shape == (sheet.height, sheet.width, 3)
    # Cells of 96 pixels: 12 x 8 pixels enlarged eightfold.
    for down, row in enumerate(sheet.rows):
        first = np.frombuffer(table.filter(id=row.id)["image"][0], np.uint8).reshape(8, 12, 3)
        for across, expected in enumerate((first, first[:, ::-1], first[:, ::-1])):
            left, top = GAP + across * (96 + GAP) + (2 * GAP if across else 0), GAP + down * (64 + GAP)
            assert np.array_equal(shown[top : top + 64 : 8, left : left + 96 : 8], expected), (row.id, across)


def test_partitions_do_not_matter(tmp_path: Path) -> None:
    table = images(20, 1)
    once = contact_sheet(stored(tmp_path, table, 1), "image", "image", [])
    assert once is not None
    assert contact_sheet(stored(tmp_path, table, 3), "image", "image", []) == once
    assert contact_sheet(stored(tmp_path, table.reverse(), 2), "image", "image", []) == once


def test_copies_on_the_fly_are_made_for_it(tmp_path: Path) -> None:
    recipe = SimpleNamespace(
        augmentation=Augmentation(mode="on_the_fly", steps=[Flip(probability=1.0)]),
        task=SimpleNamespace(input="image", modality="image", form="image"),
        seed=1,
    )
    plain = dict(enumerate(stored(tmp_path / "plain", images(20, 0), 2)))
    offline = contact_sheet(stored(tmp_path / "offline", images(20, COPIES), 1), "image", "image", ["flip"])
    assert offline is not None and offline.copies == COPIES
    assert sheet_of(recipe, plain) == offline  # type: ignore[arg-type]


def test_there_is_nothing_without_copies_or_for_tables(tmp_path: Path) -> None:
    assert contact_sheet(stored(tmp_path, images(6, 0), 2), "image", "image", []) is None
    assert contact_sheet(stored(tmp_path, images(6, 1), 1), "image", "table", []) is None
    assert contact_sheet(stored(tmp_path, images(6, 1).clear(), 1), "image", "image", []) is None


def test_a_partition_without_training_rows_is_no_hindrance(tmp_path: Path) -> None:
    versions = [*stored(tmp_path / "a", images(1, 1), 1), *stored(tmp_path / "b", images(4, 9), 1)]
    sheet = contact_sheet(versions, "image", "image", ["flip"])
    assert sheet is not None and len(sheet.rows) == 3 and sheet.copies == COPIES


@pytest.mark.parametrize("shape", [(200, 200, 3), (8, 400, 1), (96, 96, 3), (1, 1, 1)])
def test_no_sheet_is_large(shape: tuple[int, int, int]) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (ROWS, COPIES + 1, *shape), dtype=np.uint8)
    uri, width, height = picture([list(row) for row in noise])
    assert len(uri) <= LIMIT
    assert decoded(uri).shape[:2] == (height, width)
    assert (uri, width, height) == picture([list(row) for row in noise])


def test_texts_are_a_table(tmp_path: Path) -> None:
    sheet = contact_sheet(stored(tmp_path, texts(9), 2), "text", "text", ["word_swap"])
    assert sheet is not None and sheet.image is None
    assert sheet.rows[0] == SheetRow(id="t0", text="one two 0", copies=["two one 0"])
    assert "| t0 | one two 0 | two one 0 |" in sheet_markdown(sheet)
    page = Page(render(text_report(contact_sheet=sheet)))
    assert "augmentation" in {tag.get("id") for name, tag in page.tags if name == "section"}
    assert ("contact_sheet.copies", "1", "1") in page.figures
    assert "two one 0" in page.text() and "(word swap)" in page.text()


@pytest.mark.parametrize(
    ("strength", "said"),
    [(1.0, "of each: a copy that"), (0.5, "at a strength of 0.5"), (0.0, "the copies are as the rows are")],
)
def test_the_page_says_how_strong_the_changes_were(strength: float, said: str) -> None:
    rows = [SheetRow(id="t0", text="one", copies=["one"])]
    sheet = ContactSheet(steps=["word_swap"], copies=1, strength=strength, rows=rows)
    assert said in " ".join(Page(render(text_report(contact_sheet=sheet))).text().split())


def test_the_page_says_which_rows_taught_what() -> None:
    tables = [Learned(step="impute", rows=[{"mean": 1.0}])]
    tables += [Learned(step="augmentation.strength", source="validation", rows=[{"strength": 0.5, "cpu_seconds": 2}])]
    page = render(text_report(learned=tables))
    section = page.split('<section id="data">')
    assert ">impute<" in section[1] and ">augmentation.strength<" not in section[1]
    assert ">augmentation.strength<" in section[0].split('<section id="training">')[1], "trials are trainings"
    said = " ".join(Page(page).text().split())
    assert "What impute learned from the training rows" in said
    assert "What augmentation.strength learned from short trainings, judged on the validation split" in said
    assert "CPU seconds" in said


def test_rows_of_a_table_stand_above_their_copies_with_what_has_changed_marked(tmp_path: Path) -> None:
    name = HOSTILE[0]
    table = pl.DataFrame(
        {
            "id": ["a", "b", "a+1", "b+1"],
            name: [1.0, 2.0, 1.25, 2.0],
            "plain": [0.5, 0.5, 0.5, 0.5 + 1e-9],
            "label": pl.Series([0, 1, 0, 1], dtype=pl.Int32),
            "copy": pl.Series([0, 0, 1, 1], dtype=pl.Int32),
            "split": ["train"] * 4,
        }
    )
    sheet = contact_sheet(stored(tmp_path, table, 2), "", "table", ["jitter"], columns=[name, "plain"])
    assert sheet is not None and sheet.columns == [name, "plain"]
    assert sheet.rows == [
        SheetRow(id="a", cells=[["1", "0.5"], ["1.25", "0.5"]], changed=[[True, False]]),
        SheetRow(id="b", cells=[["2", "0.5"], ["2", "0.5"]], changed=[[False, True]]),
    ]
    shown = render(text_report(contact_sheet=sheet))
    assert shown.count("<mark>") == 2 and "<mark>1.25</mark>" in shown and "<script>alert" not in shown
    page = Page(shown)
    assert "copy 1" in page.text() and ("contact_sheet.copies", "1", "1") in page.figures
    markdown = sheet_markdown(sheet)
    assert r"1.25 \*" in markdown and "<script" not in markdown and "what is changed has a star" in markdown


def test_a_picture_is_in_the_page_and_in_the_markdown() -> None:
    uri, width, height = picture([[np.zeros((4, 4, 1), np.uint8)] * 2])
    rows = [SheetRow(id="a/1")]
    sheet = ContactSheet(steps=["flip"], copies=1, rows=rows, image=uri, width=width, height=height)
    page = Page(render(text_report(contact_sheet=sheet)))
    (shown,) = [tag for name, tag in page.tags if name == "img" and tag.get("class") == "sheet"]
    assert (shown["src"], shown["width"], shown["height"]) == (uri, str(width), str(height))
    assert f"]({uri})" in sheet_markdown(sheet) and "1. a/1" in sheet_markdown(sheet)


def test_what_texts_say_does_nothing(tmp_path: Path) -> None:
    table = texts(len(HOSTILE)).with_columns(
        text=pl.Series([t.encode("utf-8", "replace").decode() for t in HOSTILE] * 2)
    )
    sheet = contact_sheet(stored(tmp_path, table, 1), "text", "text", [HOSTILE[0]])
    assert sheet is not None
    for shown in (render(text_report(contact_sheet=sheet)), sheet_markdown(sheet)):
        assert not any(live in shown for live in ("<script", "<img src=x", "\u202e", "\x1b"))
