"""Tables of a vector for each token."""

from __future__ import annotations

import math

from torch import nn


def make_embedding(vocabulary: int, dim: int, scaled: bool = False) -> nn.Embedding:
    """A table (V, D) with a deviation of 0.02, or of 1/sqrt(D) where its vectors will be multiplied by sqrt(D)."""
    table = nn.Embedding(vocabulary, dim)
    nn.init.normal_(table.weight, std=1.0 / math.sqrt(dim) if scaled else 0.02)
    return table
