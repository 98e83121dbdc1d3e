"""How an image becomes a row of vectors."""

from __future__ import annotations

from torch import Tensor, nn


class Patches(nn.Module):
    """Cut images into squares and project each to width D, after a 3 by 3 convolution if `stem` is above 0."""

    def __init__(self, channels: int, patch: int, dim: int, stem: int = 0) -> None:
        super().__init__()
        self.patch = patch
        self.stem = nn.Sequential(nn.Conv2d(channels, stem, 3, padding=1), nn.GELU()) if stem else nn.Identity()
        self.project = nn.Linear((stem or channels) * patch * patch, dim)

    def forward(self, images: Tensor) -> Tensor:
        """(B, channels, height, width) to (B, height·width / patch², D), patches row by row."""
        vectors: Tensor = self.project(cut(self.stem(images), self.patch))
        return vectors


def cut(images: Tensor, patch: int) -> Tensor:
    """(B, channels, height, width) to (B, height·width / patch², channels·patch²): the pixels of each square."""
    batch, channels, height, width = images.shape
    squares = images.reshape(batch, channels, height // patch, patch, width // patch, patch)
    return squares.permute(0, 2, 4, 1, 3, 5).reshape(batch, -1, channels * patch * patch)
