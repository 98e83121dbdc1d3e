import math
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.errors import BadData, ConfigError
from ops.normalization import image_statistics
from ops.normalization.image_statistics import PixelMoments


def table(images: np.ndarray[Any, Any]) -> pl.DataFrame:
    count, height, width, channels = images.shape
    shape = {name: [size] * count for name, size in (("height", height), ("width", width), ("channels", channels))}
    columns = {"id": [str(k) for k in range(count)], "image": [image.tobytes() for image in images], **shape}
    types = {"id": pl.String, "image": pl.Binary, **dict.fromkeys(shape, pl.Int32)}
    return pl.DataFrame(columns, schema=types)


def moments(*tables: pl.DataFrame) -> dict[str, Any]:
    gathered = PixelMoments()
    for part in tables:
        gathered.update(part)
    return gathered.result()


@given(st.integers(1, 9), st.sampled_from([1, 3]), st.integers(0, 2**32 - 1))
def test_against_numpy(count: int, channels: int, seed: int) -> None:
    images = np.random.default_rng(seed).integers(0, 256, (count, 4, 3, channels), dtype=np.uint8)
    found = moments(table(images))
    assert (found["height"], found["width"], found["channels"]) == (4, 3, channels)
    np.testing.assert_allclose(found["mean"], (images / 255).mean(axis=(0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(found["std"], (images / 255).std(axis=(0, 1, 2)), rtol=1e-9, atol=1e-12)


def test_partitions_order_and_chunks_change_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    images = np.random.default_rng(1).integers(0, 256, (50, 5, 5, 3), dtype=np.uint8)
    whole = moments(table(images))
    assert moments(table(images[30:]), table(images[:7]), table(images[:0]), table(images[7:30])) == whole
    monkeypatch.setattr(image_statistics, "_CHUNK_BYTES", 100)
    assert moments(table(images)) == whole


def test_a_constant_image_has_no_deviation() -> None:
    found = moments(table(np.full((3, 4, 4, 1), 51, dtype=np.uint8)))
    assert math.isclose(found["mean"][0], 0.2) and found["std"] == [0.0]


def test_images_of_several_shapes_are_refused() -> None:
    one, other = table(np.zeros((1, 4, 4, 1), np.uint8)), table(np.zeros((1, 2, 8, 1), np.uint8))
    with pytest.raises(BadData, match="differ in shape"):
        moments(one, other)
    with pytest.raises(BadData, match="differ in shape"):
        moments(pl.concat([one, other]))


def test_a_value_of_another_length_is_named() -> None:
    bad = table(np.zeros((2, 4, 4, 1), np.uint8)).with_columns(pl.Series("image", [bytes(16), bytes(15)]))
    with pytest.raises(BadData, match="image 1 has not 4 x 4 x 1 bytes"):
        moments(bad)


def test_no_image_and_no_shape() -> None:
    with pytest.raises(BadData, match="no training images"):
        moments()
    with pytest.raises(ConfigError, match="no column 'height'"):
        moments(pl.DataFrame({"id": ["1"], "image": [b""]}))
