"""Muon (Jordan et al., 2024): momentum whose matrices are made nearly orthogonal before they are applied."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable

import torch
from torch import Tensor

from ops.training.descent import Descent, Group

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the quintic iteration; chosen for a steep start, so that five steps bring all singular values near 1."""
STEPS = 5
TINY = 1e-7


class Pieces:
    """How a process that holds a piece of each weight gets at whole ones; this one holds all of them."""

    def shape(self, weight: Tensor) -> torch.Size:
        """The whole weight's."""
        return weight.shape

    def merge(self, weight: Tensor, value: Tensor) -> Tensor:
        """A tensor of which each process holds a piece as of the weight, whole in every process."""
        return value

    def share(self, weight: Tensor, value: Tensor) -> Tensor:
        """This process's piece of a whole tensor."""
        return value


class Muon(Descent):
    """For the hidden matrices of a network; all that is no matrix of a linear map or a convolution belongs elsewhere.

    With G the gradient, M = mu M + (1 - mu) G, and U = (1 - mu) G + mu M (Nesterov), a step is

        W <- (1 - lr decay) W - lr sqrt(max(1, rows / columns)) orthogonal(U)

    as in `torch.optim.Muon`. A convolution's weights (O, I, ...) count as a matrix (O, I ...). Matrices of one form are
    orthogonalised in one call, which on small ones spares a quarter of the time.
    """

    def __init__(self, weights: Iterable[Tensor], lr: float, momentum: float = 0.95, weight_decay: float = 0.0) -> None:
        """Nothing is computed yet.

        Args:
            weights: of at least two dimensions.
            lr: learning rate.
            momentum: mu above.
            weight_decay: decay towards zero, times the learning rate.

        Raises:
            ValueError: a weight has fewer than two dimensions.
        """
        self.pieces = Pieces()
        super().__init__([{"params": list(weights)}], lr=lr, momentum=momentum, weight_decay=weight_decay)
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.ndim < 2:
                    raise ValueError(f"Muon is for matrices, not for a weight of shape {tuple(weight.shape)}")

    def update(self, group: Group, weights: list[Tensor], gradients: list[Tensor]) -> None:
        """See `Descent.update`."""
        buffers, momentum = self.slot(weights, "momentum_buffer"), group["momentum"]
        torch._foreach_lerp_(buffers, gradients, 1.0 - momentum)
        updates = torch._foreach_lerp(gradients, buffers, momentum)
        if group["weight_decay"]:
            torch._foreach_mul_(weights, 1.0 - group["lr"] * group["weight_decay"])
        forms: dict[tuple[int, int], list[int]] = defaultdict(list)
        for place, weight in enumerate(weights):
            forms[_form(self.pieces.shape(weight))].append(place)
        for (rows, columns), places in forms.items():
            matrices = [self.pieces.merge(weights[place], updates[place]).reshape(rows, columns) for place in places]
            found = orthogonal(torch.stack(matrices))
            scale = -group["lr"] * math.sqrt(max(1.0, rows / columns))
            for place, update in zip(places, found, strict=True):
                weight = weights[place]
                whole = update.reshape(self.pieces.shape(weight)).to(weight.dtype)
                weight.add_(self.pieces.share(weight, whole), alpha=scale)

    @property
    def flops(self) -> int:
        """Operations of the matrix products of one step."""
        weights = (weight for group in self.param_groups for weight in group["params"])
        return sum(_flops(*sorted(_form(self.pieces.shape(weight)))) for weight in weights)


def orthogonal(matrices: Tensor) -> Tensor:
    """(N, R, C) to the nearest matrices with singular values near 1, by a Newton-Schulz iteration in bfloat16.

    With A = X X^T each of five steps is X <- a X + (b A + c A A) X; X starts as the matrix over its Frobenius norm.
    Singular values end between about 0.7 and 1.2, which serves as well as 1.
    """
    a, b, c = COEFFICIENTS
    tall = matrices.shape[-2] > matrices.shape[-1]
    x = matrices.to(torch.bfloat16)
    x = x.mT if tall else x
    x = x / torch.linalg.vector_norm(x, dim=(-2, -1), keepdim=True).clamp(min=TINY)
    for _ in range(STEPS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x


def _form(shape: torch.Size) -> tuple[int, int]:
    return shape[0], shape.numel() // shape[0]


def _flops(short: int, long: int) -> int:
    """The Gram matrix, its square, and its product with the weights."""
    return STEPS * (2 * (2 * short * short * long) + 2 * short**3)
