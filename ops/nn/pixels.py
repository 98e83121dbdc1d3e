"""Pixels as the first layer of a network wants them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ops.nn.spec import ImageSpec


class Pixels(nn.Module):
    """Bring images to mean zero and deviation one by what the training images say; nothing trained, nothing stored."""

    mean: Tensor
    std: Tensor

    def __init__(self, spec: ImageSpec) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(spec.mean or 0.5) * 255, persistent=False)
        self.register_buffer("std", torch.tensor(spec.std or 0.5).clamp(min=1e-3) * 255, persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """(B, height, width, channels) uint8 to (B, channels, height, width)."""
        return ((images - self.mean) / self.std).permute(0, 3, 1, 2)
