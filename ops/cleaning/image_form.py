"""Images whose stored form misleads readers, written anew as plain ones, and counted by what was odd."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import polars as pl
from pydantic import Field

from ops.columns import BYTES, require
from ops.normalization.decode import MAXIMUM_PIXELS, Refusal, decoded, in_mode
from ops.steps import Facts, Outcome, Step

if TYPE_CHECKING:
    from PIL.Image import Image

ORIENTATION = 0x0112
"""Number of the EXIF tag that says how a picture is turned."""

PLAIN = ("L", "RGB")
ODD = {"CMYK": "cmyk", "YCCK": "cmyk", "P": "palette", "1": "bilevel", "F": "float"}


class ImageForm(Step):
    """Write anew as PNG the images that readers see differently, and count them by what was odd about each.

    Counted are `rotated` (by EXIF), `animated` (the first frame stays), `cmyk`, `palette`, `bilevel`, `sixteen_bit`
    (the upper byte stays), `alpha` (on the background) and `other_mode`; an image may count for several. The others
    keep their very bytes. What does not decode stays too: it is `image_decodable`'s. Boxes are taken to be of the
    picture as it is shown, upright.
    """

    kind: Literal["image_form"] = "image_form"
    """Turned, animated, transparent, CMYK, palette and 16-bit images written as plain ones."""
    column: str = "image"
    """The column of encoded images."""
    background: Annotated[int, Field(ge=0, le=255)] = 255
    """Grey value behind transparent pixels."""
    maximum_pixels: Annotated[int, Field(ge=1, le=MAXIMUM_PIXELS)] = 50_000_000
    """Largest width times height that is decoded."""

    applies_to: ClassVar[frozenset[str]] = frozenset({"image"})

    def apply(self, table: pl.DataFrame, facts: Facts) -> Outcome:
        """Return all rows, those with an odd form as PNG."""
        require(table, [self.column], step=self.kind, types=BYTES)
        changed: dict[str, int] = {}
        images: list[bytes | None] = []
        for data in table[self.column]:
            odd = oddities(data, self.maximum_pixels)
            for reason in odd:
                changed[reason] = changed.get(reason, 0) + 1
            images.append(self._plain(data) if odd else data)
        column = pl.Series(self.column, images, dtype=pl.Binary)
        return Outcome.mapped(table.with_columns(column), dict(sorted(changed.items())))

    def _plain(self, data: bytes | None) -> bytes | None:
        image = decoded(data, self.maximum_pixels)
        if isinstance(image, Refusal):
            return data
        grey = image.mode in ("L", "LA", "1") or image.mode.startswith("I")
        buffer = io.BytesIO()
        in_mode(image, 1 if grey else 3, self.background).save(buffer, "PNG")
        return buffer.getvalue()


def oddities(data: bytes | None, maximum_pixels: int) -> list[str]:
    """What is odd about an image; nothing where it does not decode."""
    from PIL import Image

    if isinstance(decoded(data, maximum_pixels), Refusal):
        return []
    with Image.open(io.BytesIO(data or b"")) as image:
        return _oddities(image)


def _oddities(image: Image) -> list[str]:
    found = []
    if image.getexif().get(ORIENTATION, 1) in range(2, 9):
        found.append("rotated")
    if int(getattr(image, "n_frames", 1)) > 1:
        found.append("animated")
    if image.has_transparency_data:
        found.append("alpha")
    if image.mode.startswith("I"):
        found.append("sixteen_bit")
    elif image.mode in ODD:
        found.append(ODD[image.mode])
    elif image.mode not in (*PLAIN, "LA", "RGBA"):
        found.append("other_mode")
    return found
