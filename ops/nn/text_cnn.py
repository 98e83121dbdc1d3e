"""A convolutional network over the words of a text (Kim, 2014)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from ops.nn.convolution import Convolution
from ops.nn.head import level_head


class Windows(nn.Module):
    """Filters over windows of several widths, a ReLU, and the largest value of each filter over the text.

    As in the paper's own program a text has width - 1 zeros on both sides: every token is seen by each weight of a
    filter, and texts shorter than a filter need no rule of their own. Windows behind a text's end do not count.
    """

    def __init__(self, dim: int, widths: Sequence[int], filters: int) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(
            Convolution(dim, filters, width, dimensions=1, padding=width - 1, bias=True) for width in widths
        )

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """(B, T, D) to (B, widths · filters); lengths (B,) int64 of at least 1."""
        positions = torch.arange(x.shape[1], device=x.device)
        inside = positions < lengths[:, None]
        channels = (x * inside.unsqueeze(2)).transpose(1, 2)
        return torch.cat([_largest(convolution, channels, lengths) for convolution in self.convolutions], dim=1)


def _largest(convolution: nn.Module, channels: Tensor, lengths: Tensor) -> Tensor:
    """(B, D, T) to (B, filters): the largest value over windows that touch the text, after a ReLU."""
    found = functional.relu(convolution(channels))
    behind = found.shape[2] - channels.shape[2]
    outside = torch.arange(found.shape[2], device=found.device) >= lengths[:, None] + behind
    # Nothing is below zero after the ReLU, so a zero never wins over a window inside.
    return found.masked_fill(outside.unsqueeze(1), 0.0).amax(dim=2)


class TextCnn(nn.Module):
    """Embedding, filters, dropout, and a linear head that starts at zero (all classes equally likely)."""

    def __init__(
        self, *, vocabulary: int, classes: int, dim: int, widths: Sequence[int], filters: int, dropout: float
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, dim)
        nn.init.uniform_(self.embedding.weight, -0.25, 0.25)  # the paper's
        self.encoder = Windows(dim, widths, filters)
        self.dropout = nn.Dropout(dropout)
        self.head = level_head(len(widths) * filters, classes)

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """Logits (B, C).

        Args:
            tokens: (B, T) int64; what is behind an example's length does not matter.
            lengths: (B,) int64; an empty text counts as its first padding token.
        """
        found = self.encoder(self.embedding(tokens), lengths.clamp(min=1))
        logits: Tensor = self.head(self.dropout(found))
        return logits
