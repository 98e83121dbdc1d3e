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
