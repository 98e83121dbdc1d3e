"""Gradients told in fewer bits: hooks of DDP that wait for their sums.

torch's own hooks want NVIDIA's library for bfloat16, and its PowerSGD tells things from several threads at once, which
gloo mixes up (seen with torch 2.13).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, distributed
from torch.futures import Future

RANK = 2
"""Columns of PowerSGD's thin matrices."""
SMALL = 16
"""Matrices of fewer rows or columns are told as they are: thin ones would not be smaller."""

Told = Callable[[Any], Future[Tensor]]
"""Makes a bucket of gradients (`GradBucket`) its mean over all processes."""


def in_bits(dtype: torch.dtype) -> Told:
    """Gradients are told as numbers of that type; sums are taken in it as well."""

    def hook(bucket: Any) -> Future[Tensor]:
        whole = bucket.buffer()
        told = whole.div(distributed.get_world_size()).to(dtype)
        distributed.all_reduce(told)
        return _done(whole.copy_(told))

    return hook


class PowerSgd:
    """Matrices of gradients as products of thin ones (Vogels et al., 2019, algorithm 1).

    With M the gradient and what was left out before, P is the orthogonal base of mean(M Q), the new Q is mean(M^T P),
    and P Q^T is taken for the gradient; Q is kept for the next step. What M has beside it is left out, and remembered.
    """

    def __init__(self, seed: int = 0) -> None:
        self._generator = torch.Generator().manual_seed(seed)
        self._factors: dict[tuple[int, int], Tensor] = {}
        self._errors: dict[tuple[int, int], Tensor] = {}

    def __call__(self, bucket: Any) -> Future[Tensor]:
        """The mean of a bucket of gradients over all processes, nearly."""
        whole = bucket.buffer().div_(distributed.get_world_size())
        rest = []
        for place, gradient in enumerate(bucket.gradients()):
            matrix = gradient.view(gradient.shape[0], -1) if gradient.ndim > 1 else gradient[None]
            if min(matrix.shape) < SMALL:
                rest.append(gradient)
            else:
                self._compress((bucket.index(), place), matrix)
        if rest:
            flat = torch.cat([gradient.reshape(-1) for gradient in rest])
            distributed.all_reduce(flat)
            for gradient, mean in zip(rest, torch.split(flat, [each.numel() for each in rest]), strict=True):
                gradient.copy_(mean.view_as(gradient))
        return _done(whole)

    def _compress(self, key: tuple[int, int], matrix: Tensor) -> None:
        columns = matrix.shape[1]
        if key not in self._factors:
            start = torch.randn(columns, RANK, generator=self._generator, dtype=torch.float64)
            self._factors[key] = start.to(matrix)
            self._errors[key] = torch.zeros_like(matrix)
        own = matrix + self._errors[key]
        left = own @ self._factors[key]
        distributed.all_reduce(left)
        left = torch.linalg.qr(left).Q
        right = own.T @ left
        mine = left @ right.T
        distributed.all_reduce(right)
        self._factors[key] = right
        self._errors[key] = own - mine
        matrix.copy_(left @ right.T)


def _done(value: Tensor) -> Future[Tensor]:
    future: Future[Tensor] = Future()
    future.set_result(value)
    return future
