"""The last layer of a model, behind everything that it shares with others."""

from __future__ import annotations

from torch import nn


def level_head(width: int, outputs: int) -> nn.Linear:
    """A linear layer (B, width) to (B, outputs) that says zero at first: all classes are equally likely then."""
    head = nn.Linear(width, outputs)
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)
    return head
