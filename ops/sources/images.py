"""What an encoded image is, seen by its header before a pixel is decoded."""

from __future__ import annotations

import re
import warnings
from io import BytesIO
from typing import Literal, NamedTuple

# Formats that every later stage can decode, by the name that Pillow gives them.
EXTENSIONS: dict[str, tuple[str, ...]] = {
    "PNG": (".png",),
    "JPEG": (".jpg", ".jpeg", ".jpe"),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm"),
    "BMP": (".bmp",),
    "TIFF": (".tif", ".tiff"),
    "WEBP": (".webp",),
}


class Seen(NamedTuple):
    """Size of an image in pixels, and what is wrong with it, as (reason, detail)."""

    width: int
    height: int
    fault: tuple[str, str] | None


def look(data: bytes, extension: str, max_pixels: int, wrong_extension: Literal["reject", "keep"]) -> Seen:
    """Read the header, judge it, and decode the pixels if nothing speaks against it.

    Args:
        data: the encoded image.
        extension: of the file's name, such as `.png`.
        max_pixels: most pixels that are decoded.
        wrong_extension: whether a name of another format is a fault.
    """
    from PIL import Image

    width = height = 0
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(BytesIO(data), formats=list(EXTENSIONS)) as image:
                width, height = image.size
                fault = _judge(image, extension, max_pixels, wrong_extension)
                if fault is None:
                    image.load()
    except Image.DecompressionBombError as error:
        fault = ("too_many_pixels", str(error))
    except MemoryError:
        fault = ("undecodable", "out of memory")
    except Exception as error:  # decoders raise anything on damaged bytes, and each means the same here
        # Without the address of an object that some messages have: rejects are the same in every run.
        said = re.sub(r" at 0x[0-9a-f]+", "", " ".join(str(error).split()))
        fault = ("undecodable", f"{type(error).__name__}: {said}")
    return Seen(width, height, fault)


def _judge(image: object, extension: str, max_pixels: int, wrong_extension: str) -> tuple[str, str] | None:
    from PIL import Image

    assert isinstance(image, Image.Image)
    width, height = image.size
    if width * height > max_pixels:
        return "too_many_pixels", f"{width} x {height}, {max_pixels} pixels are allowed"
    name = image.format or ""
    if wrong_extension == "reject" and extension not in EXTENSIONS[name]:
        return "wrong_extension", f"the file is {name}, its name says {extension or 'nothing'}"
    frames = int(getattr(image, "n_frames", 1))
    return ("animated", f"{frames} frames") if frames > 1 else None
