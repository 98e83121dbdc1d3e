"""Images that cannot be decoded whole, or are larger than they should ever be, dropped before anything reads them."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import polars as pl
from pydantic import Field

from ops.columns import BYTES, dropped_where, require
from ops.normalization.decode import FORMATS, MAXIMUM_PIXELS, Format, Refusal, decoded
from ops.steps import Facts, Outcome, Step


class ImageDecodable(Step):
    """Decode every image once and drop what fails: missing, not_an_image, too_many_pixels, unsupported, undecodable.

    The size is read from the header before any pixel is, so that a small file that claims a huge image costs nothing.
    Truncated files are undecodable. Of animations the first frame counts.
    """

    kind: Literal["image_decodable"] = "image_decodable"
    """Images that do not decode, or have too many pixels, dropped."""
    column: str = "image"
    """The column of encoded images."""
    maximum_pixels: Annotated[int, Field(ge=1, le=MAXIMUM_PIXELS)] = 50_000_000
    """Largest width times height."""
    formats: list[Format] = Field(default=list(FORMATS), min_length=1)
    """File formats that are taken, by content and not by name; PPM covers PGM and PBM."""

    applies_to: ClassVar[frozenset[str]] = frozenset({"image"})

    @property
    def writes(self) -> frozenset[str]:
        """None: rows are dropped or stay as they are."""
        return frozenset()

    def apply(self, table: pl.DataFrame, facts: Facts) -> Outcome:
        """Return the rows whose image decodes; the evidence is the size or the decoder's message."""
        require(table, [self.column], step=self.kind, types=BYTES)
        results = [decoded(data, self.maximum_pixels, self.formats) for data in table[self.column]]
        refusals = [result if isinstance(result, Refusal) else None for result in results]
        reasons = pl.Series([refusal and refusal.reason for refusal in refusals], dtype=pl.String)
        evidence = pl.Series([refusal and refusal.evidence for refusal in refusals], dtype=pl.String)
        return dropped_where(table, reasons, evidence, step=self.kind)
