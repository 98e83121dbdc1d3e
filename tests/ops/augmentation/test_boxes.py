"""Boxes go where their image goes."""

from typing import Any

import numpy as np
import polars as pl
import pytest

from ops.augmentation.blur import Blur
from ops.augmentation.colour import Colour
from ops.augmentation.config import Augmentation
from ops.augmentation.crop import Crop
from ops.augmentation.engine import _albumentations
from ops.augmentation.erasing import Erasing
from ops.augmentation.flip import Flip
from ops.augmentation.noise import Noise
from ops.augmentation.rotate import Rotate
from ops.augmentation.scale import Scale
from ops.sources.boxes import BOX
from ops.steps import Facts

STEPS = [
    *(Flip(direction="both"), Rotate(degrees=40.0), Scale(low=0.5, high=2.0), Crop(minimum=0.3), Colour()),
    *(Blur(), Noise(), Erasing(probability=1.0)),
]
SHAPE = (40, 50, 3)


def scene(count: int) -> tuple[pl.Series, pl.Series, list[int]]:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (count, *SHAPE), dtype=np.uint8)
    rows = []
    for _ in range(count):
        corners = [sorted(rng.uniform(0, side, 2).tolist()) for side in (50, 40) for _ in range(1)]
        other = [sorted(rng.uniform(0, side, 2).tolist()) for side in (50, 40)]
        rows.append(
            [
                {"label": name, "left": x[0], "top": y[0], "right": x[1] + 1e-3, "bottom": y[1] + 1e-3}
                for name, (x, y) in (("a", corners), ("b", other))
            ]
        )
    values = pl.Series("image", [image.tobytes() for image in images], dtype=pl.Binary)
    return values, pl.Series("boxes", rows, dtype=pl.List(BOX)), [977 * k for k in range(count)]


@pytest.mark.parametrize("step", STEPS, ids=lambda step: str(step.kind))
def test_pixels_are_those_without_boxes(step: Any) -> None:
    values, boxes, seeds = scene(30)
    images, moved, _ = step.change_with_boxes(values, boxes, seeds, SHAPE)
    assert images.equals(step.change(values, seeds, SHAPE))
    assert moved.dtype == boxes.dtype
    geometric = step.kind in ("flip", "rotate", "scale", "crop")
    assert (moved.to_list() != boxes.to_list()) == geometric or not geometric


@pytest.mark.parametrize("step", STEPS[1:4], ids=lambda step: str(step.kind))
def test_boxes_against_the_librarys_own_pipeline(step: Any) -> None:
    library = _albumentations()
    values, boxes, seeds = scene(30)
    _, moved, _ = step.change_with_boxes(values, boxes, seeds, SHAPE)
    (transform,) = step.transforms(SHAPE)
    for data, row, seed, found in zip(values, boxes.to_list(), seeds, moved.to_list(), strict=True):
        action = getattr(library, transform.name)(**transform.arguments)
        parameters = library.BboxParams("pascal_voc", label_fields=["labels"], min_visibility=0.1, clip=True)
        pipeline = library.Compose([action], bbox_params=parameters)
        action.set_random_seed(seed)
        done = pipeline(
            image=np.frombuffer(data, np.uint8).reshape(SHAPE),
            bboxes=[[box[s] for s in ("left", "top", "right", "bottom")] for box in row],
            labels=[box["label"] for box in row],
        )
        assert [box["label"] for box in found] == [str(label) for label in done["labels"]]
        ours = np.array([[box[s] for s in ("left", "top", "right", "bottom")] for box in found]).reshape(-1, 4)
        assert np.allclose(ours, np.array(done["bboxes"]).reshape(-1, 4), atol=0.01)


def test_a_bright_rectangle_stays_within_its_box() -> None:
    image = np.zeros((60, 60, 1), np.uint8)
    image[20:32, 24:44] = 255
    boxes = pl.Series("boxes", [[{"label": "a", "left": 24, "top": 20, "right": 44, "bottom": 32}]], pl.List(BOX))
    for step in (Flip(probability=1.0, direction="both"), Scale(low=0.6, high=1.4), Crop(minimum=0.6), Rotate()):
        for seed in range(0, 5000, 500):
            data = pl.Series([image.tobytes()])
            pixels, moved, lost = step.change_with_boxes(data, boxes, [seed], (60, 60, 1))
            lit = np.argwhere(np.frombuffer(pixels[0], np.uint8).reshape(60, 60) > 200)
            assert lost == 0
            box = moved[0][0]
            assert lit[:, 1].min() >= box["left"] - 1.5 and lit[:, 1].max() <= box["right"] + 0.5
            assert lit[:, 0].min() >= box["top"] - 1.5 and lit[:, 0].max() <= box["bottom"] + 0.5


def test_copies_carry_boxes_and_lost_ones_are_counted() -> None:
    values, boxes, _ = scene(20)
    table = pl.DataFrame(
        {"id": [str(k) for k in range(20)], "image": values, "boxes": boxes, "split": ["train"] * 15 + ["test"] * 5}
    ).with_columns(height=pl.lit(40), width=pl.lit(50), channels=pl.lit(3))
    steps = [{"kind": "crop", "minimum": 0.2}, {"kind": "flip"}]
    outcome = Augmentation.model_validate({"steps": steps, "copies": 2}).apply(table, Facts("p"))
    assert outcome.kept.height == 50 and outcome.kept.head(20).drop("copy").equals(table)
    left = int(outcome.kept[20:]["boxes"].list.len().sum())
    assert 0 < left < 60 and outcome.changed == {"boxes_lost": 60 - left}
    bare = Augmentation.model_validate({"steps": steps, "copies": 2}).apply(table.drop("boxes"), Facts("p"))
    assert bare.kept["image"].equals(outcome.kept["image"]) and not bare.changed
