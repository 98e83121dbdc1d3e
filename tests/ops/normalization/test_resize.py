import io
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image
from pydantic import ValidationError

from ops.normalization.resize import Resize
from ops.sources.boxes import BOX
from ops.steps import Facts, Outcome

RNG = np.random.default_rng(0)


def png(pixels: np.ndarray[Any, Any]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def resize(images: list[bytes | None], **settings: Any) -> Outcome:
    ids = [str(k) for k in range(len(images))]
    table = pl.DataFrame({"id": ids, "image": images}, schema={"id": pl.String, "image": pl.Binary})
    return Resize(**settings).apply(table, Facts("p"))


def pixels(outcome: Outcome, row: int = 0) -> np.ndarray[Any, Any]:
    values = outcome.kept.row(row, named=True)
    return np.frombuffer(values["image"], np.uint8).reshape(values["height"], values["width"], values["channels"])


@pytest.mark.parametrize("channels", [1, 3])
def test_an_image_of_the_size_keeps_its_pixels(channels: int) -> None:
    image = RNG.integers(0, 256, (8, 6, channels), dtype=np.uint8)
    outcome = resize([png(image.squeeze())], height=8, width=6, channels=channels)
    assert (pixels(outcome) == image).all()
    assert outcome.changed == {"resize": 1}
    assert dict(outcome.kept.schema) == {
        "id": pl.String, "image": pl.Binary, "height": pl.Int32, "width": pl.Int32, "channels": pl.Int32
    }  # fmt: skip


def test_a_box_reduction_is_the_mean_of_blocks() -> None:
    image = RNG.integers(0, 256, (12, 20), dtype=np.uint8)
    outcome = resize([png(image)], height=3, width=5, channels=1, filter="box")
    means = image.reshape(3, 4, 5, 4).mean(axis=(1, 3))
    assert np.abs(pixels(outcome)[..., 0] - means).max() <= 1.0


def test_reduction_does_not_alias() -> None:
    stripes = np.tile(np.array([[0, 255]], dtype=np.uint8), (64, 32))
    assert np.abs(pixels(resize([png(stripes)], height=8, width=8, channels=1)).astype(int) - 128).max() <= 16


def test_contain_adds_bars_of_the_background() -> None:
    wide = np.full((10, 20), 50, dtype=np.uint8)
    image = pixels(resize([png(wide)], height=20, width=20, channels=1, fit="contain", background=200))[..., 0]
    assert (image[:5] == 200).all() and (image[5:15] == 50).all() and (image[15:] == 200).all()
    colour = pixels(resize([png(wide)], height=20, width=20, fit="contain", background=200))
    assert (colour[0] == 200).all() and (colour[10] == 50).all()


def test_cover_cuts_the_edges() -> None:
    wide = np.repeat(np.array([[0] * 5 + [100] * 10 + [0] * 5], dtype=np.uint8), 10, axis=0)
    assert (pixels(resize([png(wide)], height=10, width=10, channels=1, fit="cover")) == 100).all()


def test_stretch_uses_every_pixel() -> None:
    halves = np.repeat(np.array([[10] * 10 + [90] * 10], dtype=np.uint8), 10, axis=0)
    image = pixels(resize([png(halves)], height=4, width=4, channels=1, filter="box"))[..., 0]
    assert (image[:, :2] == 10).all() and (image[:, 2:] == 90).all()


def test_what_fails_is_dropped_with_a_reason() -> None:
    good = png(RNG.integers(0, 256, (4, 4, 3), dtype=np.uint8))
    outcome = resize([None, b"no image", good[:-30], good], height=2, width=2)
    assert outcome.kept["id"].to_list() == ["3"]
    assert outcome.dropped["reason"].to_list() == ["missing", "not_an_image", "undecodable"]
    assert outcome.changed == {"resize": 1}
    assert resize([png(np.zeros((4, 4), np.uint8))], height=2, width=2, maximum_pixels=15).kept.is_empty()


@pytest.mark.parametrize(
    "settings", [{"height": 0, "width": 4}, {"height": 4}, {"height": 4, "width": 4, "channels": 2}]
)
def test_shapes_that_make_no_sense(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Resize(**settings)


@pytest.mark.parametrize("fit", ["stretch", "contain", "cover"])
@pytest.mark.parametrize("size", [(30, 20), (20, 30), (31, 17), (64, 64)])
def test_boxes_follow(fit: str, size: tuple[int, int]) -> None:
    width, height = size
    image = np.zeros((height, width), np.uint8)
    left, top, right, bottom = width // 3, height // 4, width - 3, height - 2
    image[top:bottom, left:right] = 255
    box = {"label": "a", "left": left, "top": top, "right": right, "bottom": bottom}
    table = pl.DataFrame({"id": ["0", "1"], "image": [png(image), None], "boxes": [[box], [box]]}).cast(
        {"boxes": pl.List(BOX)}
    )
    step = Resize.model_validate({"height": 64, "width": 64, "channels": 1, "fit": fit, "background": 0})
    outcome = step.apply(table, Facts("p"))
    lit = np.argwhere(pixels(outcome)[..., 0] > 127)
    (found,) = outcome.kept["boxes"][0].to_list()
    seen = [lit[:, 1].min(), lit[:, 0].min(), lit[:, 1].max() + 1, lit[:, 0].max() + 1]
    assert np.abs(np.array([found[s] for s in ("left", "top", "right", "bottom")]) - seen).max() <= 1.0
    assert outcome.kept.schema["boxes"] == pl.List(BOX) and outcome.changed == {"resize": 1}


def test_boxes_that_cover_cuts_off_are_counted() -> None:
    box = {"label": "a", "left": 0, "top": 0, "right": 4, "bottom": 4}
    table = pl.DataFrame({"id": ["0"], "image": [png(np.zeros((10, 40), np.uint8))], "boxes": [[box]]}).cast(
        {"boxes": pl.List(BOX)}
    )
    outcome = Resize(height=10, width=10, channels=1, fit="cover").apply(table, Facts("p"))
    assert outcome.kept["boxes"].to_list() == [[]] and outcome.changed == {"resize": 1, "box_cut_off": 1}
