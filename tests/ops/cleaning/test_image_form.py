import io
from typing import Any

import numpy as np
import polars as pl
from PIL import Image

from ops.cleaning.image_form import ImageForm
from ops.steps import Facts, Outcome

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8)
RGB = Image.fromarray(PIXELS)


def saved(image: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def form(images: list[bytes | None]) -> Outcome:
    ids = [str(k) for k in range(len(images))]
    table = pl.DataFrame({"id": ids, "image": images}, schema={"id": pl.String, "image": pl.Binary})
    return ImageForm().apply(table, Facts("p"))


def opened(outcome: Outcome, row: int) -> Image.Image:
    return Image.open(io.BytesIO(outcome.kept["image"][row]))


def test_plain_images_and_broken_ones_keep_their_bytes() -> None:
    images = [saved(RGB), saved(RGB, "JPEG"), saved(RGB.convert("L")), None, b"no image"]
    outcome = form(images)
    assert outcome.kept["image"].to_list() == images and outcome.changed == {}


def test_odd_forms_are_written_plain_and_counted() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    deep = Image.fromarray((PIXELS[..., 0].astype(np.uint16) << 8) + 7)
    clear = RGB.copy()
    clear.putalpha(0)
    images: list[bytes | None] = [
        *(saved(RGB, "JPEG", exif=exif), saved(RGB.convert("CMYK"), "JPEG"), saved(RGB.quantize(16))),
        *(saved(deep), saved(clear), saved(RGB, "GIF", save_all=True, append_images=[RGB.rotate(180)])),
        saved(RGB.convert("1")),
    ]
    outcome = form(images)
    assert outcome.changed == {
        **{"alpha": 1, "animated": 1, "bilevel": 1, "cmyk": 1, "palette": 2, "rotated": 1, "sixteen_bit": 1}
    }
    assert opened(outcome, 0).size == (6, 9)
    assert [opened(outcome, row).mode for row in range(7)] == ["RGB", "RGB", "RGB", "L", "RGB", "RGB", "L"]
    assert (np.asarray(opened(outcome, 3)) == PIXELS[..., 0]).all()
    assert (np.asarray(opened(outcome, 4)) == 255).all()
    assert all(opened(outcome, row).format == "PNG" for row in range(7))
    assert form(outcome.kept["image"].to_list()).changed == {}  # nothing is odd any more
