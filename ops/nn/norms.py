"""Normalisation: LayerNorm (Ba et al., 2016) and RMSNorm (Zhang and Sennrich, 2019)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


def make_norm(kind: str, dim: int, bias: bool = True) -> nn.Module:
    """The norm of that kind over the last dimension, D: `layer_norm` (with a constant or not) or `rms_norm`."""
    return nn.RMSNorm(dim) if kind == "rms_norm" else nn.LayerNorm(dim, bias=bias)


def unit_rms(x: Tensor) -> Tensor:
    """(..., D) to (..., D) with a root mean square of one: RMSNorm without a gain."""
    return functional.rms_norm(x, (x.shape[-1],), eps=torch.finfo(x.dtype).eps)
