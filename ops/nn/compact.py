"""Compact convolutional Transformers (Hassani et al., 2021)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from ops.nn.anatomy import Anatomy
from ops.nn.convolution import Convolution
from ops.nn.encoder import Encoder
from ops.nn.head import level_head
from ops.nn.pixels import Pixels
from ops.nn.positions import make_positions
from ops.nn.spec import ImageSpec


class ConvolutionalTokens(nn.Module):
    """Convolutions of 3 by 3 with a ReLU, each followed by the maximum over 3 by 3 pixels in steps of two.

    Each pixel that is left is a token. Windows overlap, so no edge of a patch falls anywhere.
    """

    def __init__(self, channels: Sequence[int]) -> None:
        """Channels of the images, between the convolutions, and of the tokens."""
        super().__init__()
        self.convolutions = nn.ModuleList(Convolution(a, b, 3, padding=1) for a, b in pairwise(channels))

    def forward(self, images: Tensor) -> Tensor:
        """(B, channels, height, width) to (B, T, D), row by row."""
        for convolution in self.convolutions:
            images = functional.max_pool2d(functional.relu(convolution(images)), 3, stride=2, padding=1)
        return images.flatten(2).transpose(1, 2)


class SequencePooling(nn.Module):
    """The mean of the tokens by weights that a linear layer finds: softmax(g(x))^T x."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.score = nn.Linear(dim, 1)
        nn.init.zeros_(self.score.weight)  # the plain mean at first
        nn.init.zeros_(self.score.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, D) to (B, D)."""
        weights = self.score(x).softmax(dim=1)
        return torch.matmul(weights.transpose(1, 2), x).squeeze(1)


class CompactTransformer(nn.Module):
    """Convolutional tokens, positions, encoder, sequence pooling, and a linear head that starts at zero."""

    def __init__(self, spec: ImageSpec, anatomy: Anatomy, *, classes: int, channels: Sequence[int]) -> None:
        """Build it with fresh weights.

        Args:
            spec: the images.
            anatomy: the blocks; its `length` is the number of tokens.
            classes: number of logits.
            channels: channels of the images, between the convolutions, and of the tokens.
        """
        super().__init__()
        dim = anatomy.dim
        self.pixels = Pixels(spec)
        self.tokens = ConvolutionalTokens(channels)
        self.positions = make_positions(anatomy.positions, anatomy.length, dim)
        self.dropout = nn.Dropout(anatomy.dropout)
        self.encoder = Encoder(anatomy)
        self.pooling = SequencePooling(dim)
        self.head = level_head(dim, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, C) of images (B, height, width, channels) uint8."""
        x = self.positions(self.tokens(self.pixels(images)))
        logits: Tensor = self.head(self.pooling(self.encoder(self.dropout(x))))
        return logits
