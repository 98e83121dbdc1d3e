"""Optimisers from first principles: SGD, Adam and AdamW, and what all optimisers of this project have in common.

Those of `torch.optim` compute the same, but the first of them imports torch's compiler and a computer algebra system,
which doubles the time until a process makes its first step.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

Group = dict[str, Any]


class Descent:
    """Base of optimisers: groups of weights with settings, and a state for each weight.

    Attributes:
        param_groups: each with `params`, `lr`, `weight_decay`, and the settings of the optimiser.
        state: named tensors by weight, made at its first step.
    """

    def __init__(self, groups: Iterable[Group], **defaults: Any) -> None:
        """Nothing is computed yet.

        Args:
            groups: each with `params`; what else it says goes before the defaults.
            defaults: settings of the groups that do not say them.
        """
        self.param_groups: list[Group] = [{**defaults, **group} for group in groups]
        self.state: dict[Tensor, dict[str, Any]] = defaultdict(dict)

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for group in self.param_groups:
            for weight in group["params"]:
                weight.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Update the weights that have gradients."""
        for group in self.param_groups:
            weights = [weight for weight in group["params"] if weight.grad is not None]
            if weights:
                self.update(group, weights, [weight.grad for weight in weights])

    def update(self, group: Group, weights: list[Tensor], gradients: list[Tensor]) -> None:
        """Update some weights of a group, at least one, from their gradients, which it may not change."""
        raise TypeError(f"{type(self).__name__} has no update")

    def slot(self, weights: list[Tensor], name: str) -> list[Tensor]:
        """The named state of each weight; of the weight's form, and zero before its first step."""
        for weight in weights:
            if name not in self.state[weight]:
                self.state[weight][name] = torch.zeros_like(weight)
        return [self.state[weight][name] for weight in weights]


class Sgd(Descent):
    """Stochastic gradient descent with Nesterov momentum (Sutskever et al., 2013).

    With g the gradient plus `weight_decay` W: M <- mu M + g, from M = 0, and W <- W - lr (g + mu M). With mu = 0 it is
    W <- W - lr g.
    """

    def update(self, group: Group, weights: list[Tensor], gradients: list[Tensor]) -> None:
        """See `Descent.update`."""
        momentum: float = group["momentum"]
        if group["weight_decay"]:
            gradients = list(torch._foreach_add(gradients, weights, alpha=group["weight_decay"]))
        if momentum:
            buffers = self.slot(weights, "momentum_buffer")
            torch._foreach_mul_(buffers, momentum)
            torch._foreach_add_(buffers, gradients)
            gradients = list(torch._foreach_add(gradients, buffers, alpha=momentum))
        torch._foreach_add_(weights, gradients, alpha=-group["lr"])


class Adam(Descent):
    """Adam (Kingma and Ba, 2015); `decoupled` makes it AdamW (Loshchilov and Hutter, 2019).

    M <- b1 M + (1 - b1) g and V <- b2 V + (1 - b2) g², from zero; at step t

        W <- W - lr (M / (1 - b1^t)) / (sqrt(V / (1 - b2^t)) + eps)

    `weight_decay` W is added to g; decoupled, W <- (1 - lr weight_decay) W comes first instead. All of it is one pass
    over each weight, by torch's fused kernel.
    """

    def __init__(self, groups: Iterable[Group], *, decoupled: bool, **defaults: Any) -> None:
        super().__init__(groups, **defaults)
        self._kernel = torch._fused_adamw_ if decoupled else torch._fused_adam_

    def update(self, group: Group, weights: list[Tensor], gradients: list[Tensor]) -> None:
        """See `Descent.update`."""
        for weight in weights:
            if "step" not in self.state[weight]:
                # A tensor where the weight is: the kernel reads it there.
                self.state[weight]["step"] = torch.zeros((), dtype=torch.float32, device=weight.device)
        steps = [self.state[weight]["step"] for weight in weights]
        torch._foreach_add_(steps, 1)
        self._kernel(
            weights,
            gradients,
            self.slot(weights, "exp_avg"),
            self.slot(weights, "exp_avg_sq"),
            [],
            steps,
            lr=group["lr"],
            beta1=group["betas"][0],
            beta2=group["betas"][1],
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            amsgrad=False,
            maximize=False,
            grad_scale=None,
            found_inf=None,
        )
