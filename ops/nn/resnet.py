"""Residual networks (He et al., 2016)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional

from ops.nn.convolution import Convolution


class ResidualBlock(nn.Module):
    """Two convolutions of 3 by 3, each with BatchNorm, added to what came in; a ReLU behind each.

    Where the block halves the image or changes the channels, what came in goes through a convolution of 1 by 1 with
    BatchNorm (the paper's option B).
    """

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.first = Convolution(inputs, width, 3, stride=stride, padding=1)
        self.first_norm = nn.BatchNorm2d(width)
        self.second = Convolution(width, width, 3, padding=1)
        self.second_norm = nn.BatchNorm2d(width)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != width:
            self.shortcut = nn.Sequential(Convolution(inputs, width, 1, stride=stride), nn.BatchNorm2d(width))

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, height, width) to (B, channels, height / stride, width / stride), rounded up."""
        inside = functional.relu(self.first_norm(self.first(x)))
        return functional.relu(self.shortcut(x) + self.second_norm(self.second(inside)))


class ResidualStages(nn.Module):
    """Stages of blocks; each stage but the first halves the image."""

    def __init__(self, inputs: int, widths: Sequence[int], blocks: int) -> None:
        super().__init__()
        parts = []
        for stage, width in enumerate(widths):
            for number in range(blocks):
                parts.append(ResidualBlock(inputs, width, 2 if stage and not number else 1))
                inputs = width
        self.blocks = nn.ModuleList(parts)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, height, width) to (B, last of the widths, ...)."""
        for block in self.blocks:
            x = block(x)
        return x
