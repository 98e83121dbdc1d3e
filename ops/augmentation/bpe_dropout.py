"""Texts cut into other pieces each time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from ops.augmentation.base import Change, Shape
from ops.augmentation.draws import as_seeds, uniforms
from ops.augmentation.words import Rate

if TYPE_CHECKING:
    import polars as pl

DROPOUT_SEED, DROPOUT_RATE = "dropout_seed", "dropout_rate"
"""Columns that tell the token cache how to encode a row; the rate is 0 where all merges are made."""


class BpeDropout(Change):
    """Cut copies into other tokens by leaving out merges at random (BPE-dropout: Provilkov et al., 2020).

    The text of a copy stays; it is the token cache that leaves out merges where it encodes copies. At each step of the
    encoding each merge that could be made is left out with probability `rate`, and the best of the rest is made, until
    none is left. Valid and test rows, and the training rows themselves, are encoded as always. For `bpe` only.
    """

    applies_to: ClassVar[frozenset[str]] = frozenset({"text"})

    kind: Literal["bpe_dropout"] = "bpe_dropout"
    """Merges of byte pair encoding left out at random."""
    rate: Rate = 0.1
    """Probability with which a merge is left out."""

    def weakened(self, strength: float) -> dict[str, Any]:
        """Fewer merges left out."""
        return {"rate": self.rate * strength}

    def change(self, values: pl.Series, seeds: Sequence[int], shape: Shape | None) -> pl.Series:
        """The texts as they are."""
        return values

    def rates(self, seeds: Sequence[int]) -> NDArray[np.float64]:
        """For copies with these seeds the probability with which merges are left out; 0 for copies not drawn."""
        numbers = as_seeds(seeds)
        drawn = uniforms(numbers, np.zeros(len(numbers), np.int64), stream=-1) < self.probability
        return np.where(drawn, self.rate, 0.0)
