"""Pixels in, logits out."""

from __future__ import annotations

from torch import Tensor, nn

from ops.nn.anatomy import Anatomy
from ops.nn.encoder import Encoder
from ops.nn.head import level_head
from ops.nn.patches import Patches
from ops.nn.pixels import Pixels
from ops.nn.pooling import make_pooling
from ops.nn.positions import make_positions
from ops.nn.spec import ImageSpec


class ImageClassifier(nn.Module):
    """Patches, positions, encoder, pooling, and a linear head that starts at zero (all classes equally likely)."""

    def __init__(
        self,
        spec: ImageSpec,
        anatomy: Anatomy,
        *,
        classes: int,
        patch: int,
        stem: int,
        pooling: str,
    ) -> None:
        super().__init__()
        dim = anatomy.dim
        self.pixels = Pixels(spec)
        self.patches = Patches(spec.channels, patch, dim, stem)
        self.pooling = make_pooling(pooling, dim)
        self.positions = make_positions(anatomy.positions, anatomy.length, dim)
        self.dropout = nn.Dropout(anatomy.dropout)
        self.encoder = Encoder(anatomy)
        self.head = level_head(dim, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, C) of images (B, height, width, channels) uint8."""
        x = self.patches(self.pixels(images))
        x, mask = self.pooling.prepare(x, None)
        x = self.encoder(self.dropout(self.positions(x)), mask)
        logits: Tensor = self.head(self.pooling(x, mask))
        return logits
