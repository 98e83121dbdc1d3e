"""Images that show the same picture in another size, quality, light, cut or mirrored: the largest stays."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import polars as pl
from pydantic import Field

from ops.columns import BYTES, require
from ops.deduplication.base import DUPLICATES_SCHEMA, Deduplication
from ops.normalization.decode import MAXIMUM_PIXELS, Refusal, decoded, in_mode

THUMB = 64


class ImageDuplicates(Deduplication):
    """Drop images that show what a larger one shows: resized, recompressed, in another light, mirrored, or cut.

    Pairs are proposed by pHash and dHash in all four mirrorings, and by the pHash of 70 windows of each image that are
    80 to 95% of it (for crops). Two thumbnails of 64 x 64 grey values decide: the correlation of their slopes, which is
    the same in any light, must reach the threshold, and a lower one in each of 5 x 5 parts, which tells another
    photograph of the same thing from a copy; a crop is first laid over its window. An image goes only if it is itself
    like one that is kept, never along a chain of others. Of images that are alike the one with the most pixels
    stays, then the first. Images with little detail, such as even areas and plain ramps, equal nothing here;
    `exact_duplicates` still drops their copies. What cannot be decoded equals nothing. A signature is some 4 kB.
    """

    kind: Literal["image_duplicates"] = "image_duplicates"
    """Images that show the same as another image dropped."""
    column: str = "image"
    """The column of encoded images."""
    threshold: Annotated[float, Field(ge=0.5, le=1.0)] = 0.9
    """The least likeness at which an image is dropped: the correlation of slopes on thumbnails."""
    agreement: Annotated[float, Field(ge=-1.0, le=1.0)] = 0.84
    """The least likeness in any of 5 x 5 parts of the thumbnails at which an image is dropped; at -1 no part counts."""
    radius: Annotated[int, Field(ge=0, le=15)] = 10
    """How many of 64 bits of their hashes may differ for two images to be compared."""
    flips: bool = True
    """Whether a mirrored image counts as the same; not where left and right mean something."""
    crops: bool = True
    """Whether a part of an image (from 80% of its sides on) counts as the same."""
    low_detail: Annotated[float, Field(ge=0.0, le=255.0)] = 4.0
    """Images whose grey values deviate from a plain ramp by less than this are not compared."""
    maximum_pixels: Annotated[int, Field(ge=1, le=MAXIMUM_PIXELS)] = 50_000_000
    """Largest width times height that is decoded."""

    applies_to: ClassVar[frozenset[str]] = frozenset({"image"})
    thresholds: ClassVar[frozenset[str]] = frozenset(
        {"threshold", "agreement", "radius", "flips", "crops", "low_detail"}
    )

    def signatures(self, table: pl.DataFrame) -> pl.DataFrame:
        """Return (id, pixels, thumbnail): width times height, and 64 x 64 grey values; null where nothing decodes."""
        require(table, [self.column], step=self.kind, types=BYTES)
        found = [self._thumbnail(data) for data in table[self.column]]
        return table.select(
            pl.col("id"),
            pl.Series("pixels", [pixels for pixels, _ in found], dtype=pl.UInt32),
            pl.Series("thumbnail", [thumb for _, thumb in found], dtype=pl.Binary),
        )

    def fold(self, signatures: pl.DataFrame) -> pl.DataFrame:
        """Return (id, reason, evidence) of the rows to drop, given the signatures of all partitions in their order.

        The reason is `duplicate`, `mirrored` or `crop`; the evidence names the image that is kept, and how alike it is.
        """
        import numpy as np

        from ops.deduplication.images.pairs import Bounds, pairs
        from ops.deduplication.images.stars import stars

        seen = signatures.filter(pl.col("thumbnail").is_not_null())
        thumbs = np.frombuffer(b"".join(seen["thumbnail"].to_list()), np.uint8).reshape(-1, THUMB, THUMB)
        bounds = Bounds(self.radius, self.threshold, self.agreement, self.low_detail)
        found = pairs(thumbs, bounds, flips=self.flips, crops=self.crops)
        rows = [
            (seen["id"][gone], reason, f"{seen['id'][kept]} ({alike:.3f})")
            for gone, kept, reason, alike in stars(found, seen["pixels"].to_numpy())
        ]
        return pl.DataFrame(rows, schema=DUPLICATES_SCHEMA, orient="row")

    def _thumbnail(self, data: bytes | None) -> tuple[int, bytes] | tuple[None, None]:
        from PIL.Image import Resampling

        image = decoded(data, self.maximum_pixels)
        if isinstance(image, Refusal):
            return None, None
        grey = in_mode(image, channels=1, background=255)
        # Means over areas: what an image shows, not which of its pixels happens to lie at a place.
        return image.width * image.height, grey.resize((THUMB, THUMB), Resampling.BOX).tobytes()
