"""Vectors for pairs of neighbouring tokens, by a hash (as the n-grams of fastText; Joulin et al., 2017)."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional


class Bigrams(nn.Module):
    """A trained vector for each pair of a token and the one before it; pairs of equal hash share one.

    The vectors start at zero: a pair says nothing until it has been seen.
    """

    def __init__(self, rows: int, dim: int) -> None:
        super().__init__()
        self.table = nn.Embedding(rows, dim)
        nn.init.zeros_(self.table.weight)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, T) int64 to (B, T, D)."""
        vectors: Tensor = self.table(hashed_pairs(tokens, self.table.num_embeddings))
        return vectors


def hashed_pairs(tokens: Tensor, rows: int) -> Tensor:
    """(B, T) to (B, T): a number below `rows` for each token and the one before it (0 before the first)."""
    before = functional.pad(tokens[:, :-1], (1, 0))
    return (tokens * 36_313 ^ before * 27_191) % rows
