"""What classifiers by an encoder have behind their first layer."""

from __future__ import annotations

from torch import Tensor, nn

from ops.nn.anatomy import Anatomy
from ops.nn.encoder import Encoder
from ops.nn.head import level_head
from ops.nn.pooling import make_pooling
from ops.nn.positions import make_positions


class EncoderClassifier(nn.Module):
    """Positions, encoder, pooling, and a linear head that starts at zero (all classes equally likely).

    A subclass makes vectors of what it reads, and gives them to `classify`.
    """

    def __init__(self, anatomy: Anatomy, *, classes: int, pooling: str) -> None:
        super().__init__()
        self.pooling = make_pooling(pooling, anatomy.dim)
        self.positions = make_positions(anatomy.positions, anatomy.length, anatomy.dim)
        self.dropout = nn.Dropout(anatomy.dropout)
        self.encoder = Encoder(anatomy)
        self.head = level_head(anatomy.dim, classes)

    def classify(self, x: Tensor) -> Tensor:
        """Logits (B, C) of vectors (B, T, D)."""
        x, mask = self.pooling.prepare(x, None)
        x = self.encoder(self.dropout(self.positions(x)), mask)
        logits: Tensor = self.head(self.pooling(x, mask))
        return logits
