import io
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ops.cleaning.boxes import Boxes
from ops.errors import ConfigError
from ops.sources.boxes import BOX
from ops.steps import Facts, Outcome

Row = tuple[str | None, float | None, float | None, float | None, float | None]


def png(width: int = 20, height: int = 10) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (width, height)).save(buffer, "PNG")
    return buffer.getvalue()


def table(boxes: list[list[Row] | None], image: bytes | None = None) -> pl.DataFrame:
    names = ("label", "left", "top", "right", "bottom")
    values = [None if row is None else [dict(zip(names, box, strict=True)) for box in row] for row in boxes]
    return pl.DataFrame(
        {"id": [str(k) for k in range(len(boxes))], "image": [image or png()] * len(boxes), "boxes": values},
        schema={"id": pl.String, "image": pl.Binary, "boxes": pl.List(BOX)},
    )


def check(boxes: list[list[Row] | None], image: bytes | None = None, **settings: Any) -> Outcome:
    return Boxes(**settings).apply(table(boxes, image), Facts("p"))


def left(outcome: Outcome) -> list[list[tuple[Any, ...]]]:
    return [[tuple(box.values()) for box in row] for row in outcome.kept["boxes"].to_list()]


GOOD: Row = ("a", 1.0, 2.0, 5.0, 6.0)


def test_good_boxes_stay_as_they_are() -> None:
    edge: Row = ("b", 0.0, 0.0, 20.0, 10.0)
    outcome = check([[GOOD, edge], []])
    assert left(outcome) == [[GOOD, edge], []] and outcome.changed == {} and outcome.dropped.is_empty()
    assert outcome.kept.schema["boxes"] == pl.List(BOX)


def test_reasons_and_what_they_cost() -> None:
    boxes: list[list[Row] | None] = [
        [GOOD, ("a", 3.0, 3.0, 3.0, 8.0)],
        [("a", 25.0, 1.0, 30.0, 4.0), GOOD],
        [("a", -4.0, -2.0, 25.0, 30.0)],
        [(None, 1.0, 1.0, 2.0, 2.0)],
        [("a", float("nan"), 1.0, 2.0, 2.0)],
        None,
    ]
    outcome = check(boxes)
    assert left(outcome) == [[GOOD], [GOOD], [("a", 0.0, 0.0, 20.0, 10.0)], [], []]
    assert outcome.changed == {"outside": 1, "over_the_edge": 1, "zero_area": 2}
    assert outcome.dropped.select("id", "reason", "evidence").row(0) == ("3", "unknown_label", "null 1.0 1.0 2.0 2.0")


def test_rows_can_be_dropped_and_are_for_their_first_bad_box() -> None:
    boxes: list[list[Row] | None] = [
        [GOOD, ("a", 25.0, 1.0, 30.0, 4.0), ("a", 3.0, 3.0, 3.0, 8.0)],
        [("a", 3.0, 3.0, 3.0, 8.0)],
        [("a", 3.0, 3.0, 22.0, 8.0)],
    ]
    outcome = check(boxes, outside="drop_row", over_the_edge="drop_row", empty="drop_row")
    assert outcome.kept.is_empty() and outcome.changed == {}
    assert outcome.dropped["reason"].to_list() == ["outside", "no_boxes", "over_the_edge"]
    assert check(boxes, over_the_edge="drop_box").changed == {"outside": 1, "over_the_edge": 1, "zero_area": 2}


def test_labels() -> None:
    clipped: Row = ("z", 15.0, 5.0, 25.0, 8.0)
    outcome = check([[GOOD, clipped]], labels=["a"], unknown_label="drop_box")
    assert left(outcome) == [[GOOD]] and outcome.changed == {"unknown_label": 1}
    assert check([[clipped]], labels=["a"]).kept.is_empty()


def test_without_a_size_nothing_is_outside() -> None:
    outcome = check([[("a", 900.0, 1.0, 990.0, 4.0), ("a", 1.0, 1.0, 1.0, 1.0)]], image=b"no image")
    assert left(outcome) == [[("a", 900.0, 1.0, 990.0, 4.0)]] and outcome.changed == {"zero_area": 1}


def test_sizes_are_of_the_upright_image() -> None:
    buffer, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = 6
    Image.new("L", (20, 10)).save(buffer, "JPEG", exif=exif)
    assert left(check([[("a", 2.0, 2.0, 10.0, 20.0)]], image=buffer.getvalue())) == [[("a", 2.0, 2.0, 10.0, 20.0)]]


def test_a_column_that_holds_no_boxes() -> None:
    wrong = table([[]]).with_columns(pl.lit("x").alias("boxes"))
    with pytest.raises(ConfigError, match="not a list of boxes"):
        Boxes().apply(wrong, Facts("p"))
    with pytest.raises(ConfigError, match="no column 'boxes'"):
        Boxes().apply(table([[]]).drop("boxes"), Facts("p"))


SIDE = st.one_of(st.floats(-50, 50, width=32), st.just(float("nan")))


@given(st.lists(st.lists(st.tuples(st.sampled_from(["a", "b", ""]), SIDE, SIDE, SIDE, SIDE), max_size=4), max_size=4))
def test_what_is_left_lies_within_and_all_is_counted(boxes: list[list[Row] | None]) -> None:
    outcome = check(boxes, unknown_label="drop_box")
    kept = [box for row in left(outcome) for box in row]
    for label, x0, y0, x1, y1 in kept:
        assert label in ("a", "b") and 0 <= x0 < x1 <= 20 and 0 <= y0 < y1 <= 10
    gone = sum(count for reason, count in outcome.changed.items() if reason != "over_the_edge")
    assert outcome.kept.height == len(boxes) and len(kept) + gone == sum(len(row or []) for row in boxes)
