"""Tokens in, logits out."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ops.nn.anatomy import Anatomy
from ops.nn.bigrams import Bigrams
from ops.nn.embedding import make_embedding
from ops.nn.encoder import Encoder
from ops.nn.head import level_head
from ops.nn.norms import unit_rms
from ops.nn.pooling import make_pooling
from ops.nn.positions import make_positions


class TextClassifier(nn.Module):
    """Embedding, positions, encoder, pooling, and a linear head that starts at zero (all classes equally likely).

    What `scaled` and `embedding_norm` do is said in `LanguageModel`.
    """

    def __init__(
        self,
        anatomy: Anatomy,
        *,
        vocabulary: int,
        classes: int,
        pooling: str,
        bigrams: int = 0,
        scaled: bool = False,
        embedding_norm: bool = False,
    ) -> None:
        super().__init__()
        dim = anatomy.dim
        self.scale, self.embedding_norm = math.sqrt(dim) if scaled else 1.0, embedding_norm
        self.embedding = make_embedding(vocabulary, dim, scaled)
        self.bigrams = Bigrams(bigrams, dim) if bigrams else None
        self.pooling = make_pooling(pooling, dim)
        self.positions = make_positions(anatomy.positions, anatomy.length, dim)
        self.dropout = nn.Dropout(anatomy.dropout)
        self.encoder = Encoder(anatomy)
        self.head = level_head(dim, classes)

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """Logits (B, C).

        Args:
            tokens: (B, T) int64; what is behind an example's length does not matter.
            lengths: (B,) int64; an empty text counts as its first padding token.
        """
        embedded = self.embedding(tokens)
        if self.scale != 1.0:
            embedded = embedded * self.scale
        if self.bigrams is not None:
            embedded = embedded + self.bigrams(tokens)
        x, mask = self.pooling.prepare(embedded, length_mask(lengths, tokens.shape[1]))
        x = self.positions(x)
        x = self.encoder(self.dropout(unit_rms(x) if self.embedding_norm else x), mask)
        logits: Tensor = self.head(self.pooling(x, mask))
        return logits


def length_mask(lengths: Tensor, positions: int) -> Tensor | None:
    """(B,) to (B, T): true for the first `length` positions, at least one; None if all texts fill all positions."""
    if bool((lengths >= positions).all()):
        return None
    return torch.arange(positions, device=lengths.device) < lengths.clamp(min=1)[:, None]
