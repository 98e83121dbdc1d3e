"""Pictures for tests of image duplicates: sums of waves and a disc, each its own."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image


def picture(seed: int, width: int = 120, height: int = 100) -> Image.Image:
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width] / 100
    values = sum(a * np.sin(b * x + c * y + d) for a, b, c, d in rng.normal(size=(12, 4)) * [1, 6, 6, 3])
    values = values + 3 * (np.hypot(x - rng.random(), y - rng.random()) < 0.3)
    scaled = (values - values.min()) / (values.max() - values.min()) * 255
    return Image.fromarray(scaled.astype(np.uint8)).convert("RGB")


def encoded(image: Image.Image, form: str = "PNG", quality: int = 50) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **({"quality": quality} if form == "JPEG" else {}))
    return buffer.getvalue()


def weave(seed: int, width: int = 120, height: int = 100) -> Image.Image:
    """A picture with about as much detail everywhere, neither black nor white."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width] / 100
    values = sum(np.sin(a * x + b * y + c) for a, b, c in rng.normal(size=(16, 3)) * [12, 12, 3])
    scaled = 128 + 80 * np.tanh(values / 4)
    return Image.fromarray(scaled.astype(np.uint8)).convert("RGB")


def changed(image: Image.Image) -> Image.Image:
    """The image as if a mouth had opened in it: a thirtieth of it shows something else."""
    width, height = image.size
    left, top, wide, high = width * 41 // 100, height * 41 // 100, width * 18 // 100, height * 18 // 100
    other = image.copy()
    other.paste(image.crop((0, 0, wide, high)).transpose(Image.Transpose.ROTATE_180), (left, top))
    return other


def thumbnail(image: Image.Image) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    return np.asarray(image.convert("L").resize((64, 64), Image.Resampling.BOX))
