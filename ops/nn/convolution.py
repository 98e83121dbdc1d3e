"""Convolutions whose kernels are matrices."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional


class Convolution(nn.Module):
    """A convolution over one or two dimensions whose kernel is kept as a matrix, a row for each output channel.

    That is what it is once the input is cut into windows: each output is a row times a window (Chellapilla et al.,
    2006). Optimisers for matrices take it as one. Starts as He et al. (2015) say for ReLU: normal, with deviation
    sqrt(2 / (inputs · kernel^dimensions)), so that the variance stays from layer to layer.
    """

    bias: nn.Parameter | None

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        *,
        dimensions: int = 2,
        stride: int = 1,
        padding: int = 0,
        bias: bool = False,
    ) -> None:
        super().__init__()
        self.window = (inputs, *[kernel] * dimensions)
        self.stride, self.padding = stride, padding
        self.weight = nn.Parameter(torch.empty(outputs, math.prod(self.window)))
        nn.init.normal_(self.weight, std=math.sqrt(2.0 / math.prod(self.window)))
        self.register_parameter("bias", nn.Parameter(torch.zeros(outputs)) if bias else None)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, T) or (B, inputs, height, width) to (B, outputs, ...)."""
        convolve = functional.conv1d if len(self.window) == 2 else functional.conv2d
        kernel = self.weight.view(-1, *self.window)
        found: Tensor = convolve(x, kernel, self.bias, self.stride, self.padding)
        return found


def side_after(side: int, kernel: int, stride: int, padding: int) -> int:
    """How many windows fit along a side: pixels (or positions) after a convolution or pooling."""
    return (side + 2 * padding - kernel) // stride + 1
