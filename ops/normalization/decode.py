"""Decoding of foreign images: header first, then pixels, and a named refusal instead of an error."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    from PIL.Image import Image

Format = Literal["PNG", "JPEG", "PPM", "BMP", "GIF", "WEBP", "TIFF"]
FORMATS: tuple[Format, ...] = get_args(Format)

MAXIMUM_PIXELS = 89_478_485
"""Pillow's own limit, above which it warns; no recipe may go beyond it."""

_EVIDENCE_CHARACTERS = 200


@dataclass(frozen=True)
class Refusal:
    """Why an image is not taken: a reason for counting, and what it rests on."""

    reason: Literal["missing", "not_an_image", "too_many_pixels", "unsupported", "undecodable"]
    evidence: str


def decoded(data: bytes | None, maximum_pixels: int, formats: Sequence[Format] = FORMATS) -> Image | Refusal:
    """Decode one image, upright by its EXIF orientation, in whatever mode it has.

    Args:
        data: the encoded image; of animations the first frame is taken.
        maximum_pixels: width times height that the header may state at most; checked before pixels are decoded.
        formats: the formats that are tried.
    """
    from PIL import Image

    if not data:
        return Refusal("missing", "0 bytes")
    with warnings.catch_warnings():
        # What decoders warn of either stops them too or is mended by them.
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        return _decoded(data, maximum_pixels, formats)


def _decoded(data: bytes, maximum_pixels: int, formats: Sequence[Format]) -> Image | Refusal:
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        image = Image.open(io.BytesIO(data), formats=list(formats))
        width, height = image.size
        if width * height > maximum_pixels:
            return Refusal("too_many_pixels", f"{width} x {height} pixels")
        if image.mode == "F":
            return Refusal("unsupported", "pixels are floating-point numbers")
        image.load()
        return ImageOps.exif_transpose(image)
    except UnidentifiedImageError:
        return Refusal("not_an_image", f"{len(data)} bytes, starting {data[:8].hex()}")
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        return Refusal("too_many_pixels", _message(error))
    except MemoryError:
        raise
    # A decoder on hostile bytes may raise anything, and one bad image must not end the run: all of it is a refusal.
    except Exception as error:
        return Refusal("undecodable", _message(error))


def form_of(data: bytes) -> str | None:
    """The format of encoded bytes by their header; null where it is none of ours."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(data), formats=list(FORMATS)) as image:
            return image.format
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError):
        return None


def in_mode(image: Image, channels: int, background: int) -> Image:
    """Convert to grey (1 channel; luma of ITU-R BT.601) or RGB (3), 8 bits a channel.

    Transparent pixels show the background (a grey value); 16-bit grey keeps its upper byte. CMYK and palettes are
    converted as Pillow does.
    """
    import numpy as np
    from PIL import Image

    if image.mode.startswith("I"):
        # Pillow's own conversion clips at 255, which leaves white.
        image = Image.fromarray((np.asarray(image).clip(0, 65_535) >> 8).astype(np.uint8))
    elif image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, (background,) * 3 + (255,)), image)
    return image.convert("L" if channels == 1 else "RGB")


def _message(error: Exception) -> str:
    # One line, and without the addresses of objects that some messages have: evidence is the same in every run.
    text = " ".join(str(error).split()) or type(error).__name__
    return text.split(" <_io")[0][:_EVIDENCE_CHARACTERS]
