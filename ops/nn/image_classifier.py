"""Pixels in, logits out."""

from __future__ import annotations

from torch import Tensor, nn

from ops.nn.encoder import Encoder
from ops.nn.patches import Patches
from ops.nn.pooling import make_pooling
from ops.nn.positions import make_positions


class ImageClassifier(nn.Module):
    """Patches, positions, encoder, pooling, and a linear head that starts at zero (all classes equally likely)."""

    def __init__(
        self,
        *,
        height: int,
        width: int,
        channels: int,
        classes: int,
        patch: int,
        stem: int,
        dim: int,
        depth: int,
        heads: int,
        inner: int,
        dropout: float,
        positions: str,
        pooling: str,
    ) -> None:
        super().__init__()
        self.patches = Patches(channels, patch, dim, stem)
        self.pooling = make_pooling(pooling, dim)
        self.positions = make_positions(positions, (height // patch) * (width // patch) + self.pooling.extra, dim)
        self.dropout = nn.Dropout(dropout)
        self.encoder = Encoder(dim, depth, heads, inner, dropout)
        self.head = nn.Linear(dim, classes)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, C) of images (B, height, width, channels) uint8."""
        x = self.patches(images.permute(0, 3, 1, 2).float() / 127.5 - 1.0)
        x, mask = self.pooling.prepare(x, None)
        x = self.encoder(self.dropout(self.positions(x)), mask)
        logits: Tensor = self.head(self.pooling(x, mask))
        return logits
