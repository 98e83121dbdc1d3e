"""Near-duplicates: MinHash proposes pairs, their exact similarity decides, the longest text stays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import polars as pl
from pydantic import Field

from ops.columns import TEXT, require
from ops.deduplication.base import Deduplication, Gone
from ops.storage import Output, Version

if TYPE_CHECKING:
    from ops.deduplication.near.decision import Inputs

LEAST_MEMORY = 64
"""MB below which the buffers of fixed size do not fit."""


class NearDuplicates(Deduplication):
    """Drop texts that are nearly the same as a longer one that is kept.

    Texts are compared as sets of word n-grams by their Jaccard similarity, the share of all n-grams of two texts that
    are in both (words: runs of letters, marks and digits in lower case). MinHash with bands (Broder, 1997;
    `ops/deduplication/near/minhash.py`) proposes pairs and misses less than 0.3% of those at the threshold; the exact
    similarity of the stored sets decides. A text goes only if its own similarity to a text that is kept reaches the
    threshold, never along a chain of others. Of texts that are alike the one with the most different n-grams stays. A
    text shorter than the n-gram is one shingle; a text without words equals nothing.
    """

    kind: Literal["near_duplicates"] = "near_duplicates"
    """Texts that are nearly the same as another text dropped."""
    column: str = "text"
    """The text that is compared."""
    threshold: Annotated[float, Field(ge=0.5, le=1.0)] = 0.8
    """The least Jaccard similarity at which a text is dropped."""
    ngram: Annotated[int, Field(ge=1, le=16)] = 3
    """How many words in a row are compared as one."""
    action: Literal["drop", "keep"] = "drop"
    """What happens to them: `keep` leaves them to `split.near_duplicates`, which keeps them on one side."""
    memory_mb: Annotated[int, Field(ge=LEAST_MEMORY)] = 128
    """The most memory that comparing takes, in MB; changes no result."""

    applies_to: ClassVar[frozenset[str]] = frozenset({"text"})
    thresholds: ClassVar[frozenset[str]] = frozenset({"threshold", "action"})
    paired: ClassVar[bool] = True

    def signature_settings(self) -> dict[str, Any]:
        """The settings but for the threshold, and the scheme of bands that the threshold asks for."""
        from ops.deduplication.near.minhash import scheme_for

        return {**super().signature_settings(), "scheme": list(scheme_for(self.threshold))}

    def pair_settings(self) -> dict[str, Any]:
        """The settings but for what is only looked at in the end."""
        return {**self.signature_settings(), "threshold": self.threshold}

    def sign(self, table: pl.DataFrame, output: Output) -> None:
        """Write shingle sets, sketches and bands."""
        from ops.deduplication.near.minhash import scheme_for
        from ops.deduplication.near.signed import sign

        require(table, [self.column], step=self.kind, types=TEXT)
        sign(table, self.column, self.ngram, scheme_for(self.threshold), output, self.key)

    def index(self, signed: Mapping[str, Version], output: Output) -> None:
        """Write the bands of several partitions in one order (`ops/deduplication/near/runs.py`)."""
        from ops.deduplication.near.pairing import index

        index(self.key, signed, self.threshold, self._memory, output)

    def pair(
        self, partition: str, signed: Mapping[str, Version], indexed: Mapping[str, Version], output: Output
    ) -> None:
        """Write the pairs of shingle sets that reach the threshold."""
        from ops.deduplication.near.pairing import pair

        pair(self.key, partition, signed, indexed, self.threshold, self._memory, output)

    def decisions(
        self, signed: Mapping[str, Version], paired: Mapping[str, Version], gone: Gone
    ) -> Iterator[tuple[str, pl.DataFrame]]:
        """(id, reason, evidence, kept, jaccard) of the rows to drop: the row kept instead, and how alike."""
        from ops.deduplication.near.decision import decide

        for partition, found in decide(self._inputs(signed, paired, gone)):
            yield partition, found if self.action == "drop" else found.clear()

    def clusters(
        self, signed: Mapping[str, Version], paired: Mapping[str, Version], gone: Gone
    ) -> Iterator[tuple[str, pl.DataFrame]]:
        """(id, cluster) of all rows that are linked by pairs that reach the threshold."""
        from ops.deduplication.near.decision import clusters

        return clusters(self._inputs(signed, paired, gone))

    @property
    def _memory(self) -> int:
        return self.memory_mb << 20

    def _inputs(self, signed: Mapping[str, Version], paired: Mapping[str, Version], gone: Gone) -> Inputs:
        from ops.deduplication.near.decision import Inputs

        return Inputs(self.key, signed, paired, gone, self._memory)
