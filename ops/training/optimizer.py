"""The optimisers: which weights get which, their rates, and their state as named tensors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ops.errors import IntegrityError
from ops.training.config import TrainingConfig
from ops.training.descent import Adam, Descent, Sgd
from ops.training.distributed import Group
from ops.training.muon import Muon, Pieces
from ops.training.parallel.base import Strategy

Named = list[tuple[str, nn.Parameter]]
Share = Callable[[str, Tensor, Tensor], Tensor]

EPSILON = 1e-8
"""What Adam adds to the root of the squared gradient's mean."""


class Optimizers:
    """One optimiser or several that step together; each group of weights keeps its own base rate."""

    def __init__(self, model: nn.Module, config: TrainingConfig, strategy: Strategy | None = None) -> None:
        """Nothing is computed yet.

        Args:
            model: the network, as the strategy has prepared it.
            config: the recipe's training.
            strategy: how processes share the work; without one this process is alone.
        """
        shares = strategy or Strategy(Group())
        every = list(model.named_parameters())
        mine = [(name, weight) for name, weight in every if weight.requires_grad and shares.steps(name)]
        # What is stepped are plain tensors: where a weight is in pieces, this process's, in the same memory.
        named = [(name, _stepped(weight, shares.piece(weight.data))) for name, weight in mine]
        self._pieces = [(weight, piece, shares) for (_, weight), (_, piece) in zip(mine, named, strict=True)]
        self._others = {name for name, _ in every} - {name for name, _ in named}
        self._names: dict[Tensor, str] = {weight: name for name, weight in named}
        self._rate = config.learning_rate
        self._parts = _make(named, hidden_matrices(model), config)
        for part in self._parts:
            if isinstance(part, Muon) and shares.group.world > 1:
                part.pieces = _PiecesOfMatrices(shares, self._names)
        for group in self._groups():
            group["base_lr"], group["base_decay"] = group["lr"], group["weight_decay"]

    def set_rate(self, factor: float) -> float:
        """Scale all base rates; returns the `learning_rate`, which is what the metrics show."""
        for group in self._groups():
            group["lr"] = group["base_lr"] * factor
        return self._rate * factor

    def set_decay(self, factor: float) -> None:
        """Scale all base weight decays."""
        for group in self._groups():
            group["weight_decay"] = group["base_decay"] * factor

    def set_momentum(self, value: float) -> None:
        """Set the momentum of the optimisers that have one."""
        for group in self._groups():
            if "momentum" in group:
                group["momentum"] = value

    @property
    def flops(self) -> int:
        """Operations of the matrix products of one step: those by which Muon orthogonalises; the others make none."""
        return sum(part.flops for part in self._parts if isinstance(part, Muon))

    def step(self) -> None:
        """Update the weights from their gradients."""
        for weight, piece, shares in self._pieces:
            if piece is not weight:
                piece.grad = None if weight.grad is None else shares.piece(weight.grad)
        for part in self._parts:
            part.step()

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for part in self._parts:
            part.zero_grad()

    def state(self) -> dict[str, Tensor]:
        """The state by `weight's name:state's name`; what is no tensor is one of zero dimensions."""
        return {
            f"{self._names[weight]}:{key}": value if isinstance(value, Tensor) else torch.tensor(value)
            for part in self._parts
            for weight, slots in part.state.items()
            for key, value in slots.items()
            if value is not None
        }

    def load(self, state: Mapping[str, Tensor], share: Share = lambda name, value, weight: value.clone()) -> None:
        """Put back what `state` gave.

        Args:
            state: the state; of weights that other processes step nothing is taken.
            share: what this process holds of a tensor. A copy: bytes read from a file lie at any address, and vector
                code may round by alignment.

        Raises:
            IntegrityError: it is the state of other weights.
        """
        weights = {name: weight for weight, name in self._names.items()}
        owner = {weight: part for part in self._parts for group in part.param_groups for weight in group["params"]}
        for full, value in state.items():
            name, _, key = full.rpartition(":")
            if name in self._others:
                continue
            if name not in weights:
                raise IntegrityError(f"the optimiser's state is of other weights: {name}")
            owner[weights[name]].state[weights[name]][key] = share(name, value, weights[name])

    def _groups(self) -> Iterable[dict[str, Any]]:
        return (group for part in self._parts for group in part.param_groups)


class _PiecesOfMatrices(Pieces):
    """The matrices of a strategy, by their names."""

    def __init__(self, strategy: Strategy, names: Mapping[Tensor, str]) -> None:
        self._strategy, self._names = strategy, names

    def shape(self, weight: Tensor) -> torch.Size:
        return self._strategy.shape(self._names[weight], weight)

    def merge(self, weight: Tensor, value: Tensor) -> Tensor:
        return self._strategy.merged(self._names[weight], value)

    def share(self, weight: Tensor, value: Tensor) -> Tensor:
        return self._strategy.share(self._names[weight], value, weight)


def _stepped(weight: nn.Parameter, piece: Tensor) -> nn.Parameter:
    return weight if type(weight.data) is type(piece) else nn.Parameter(piece)


def _make(named: Named, matrices: set[str], config: TrainingConfig) -> list[Descent]:
    if config.optimizer == "sgd":
        return [Sgd(_groups(named, config), lr=config.learning_rate, momentum=config.momentum)]
    hidden = [pair for pair in named if config.optimizer == "muon" and pair[0] in matrices]
    chosen = {name for name, _ in hidden}
    rest = [pair for pair in named if pair[0] not in chosen]
    parts: list[Descent] = []
    if rest:
        settings = {"lr": config.learning_rate, "betas": config.betas, "eps": EPSILON}
        parts.append(Adam(_groups(rest, config), decoupled=config.optimizer != "adam", **settings))
    if hidden:
        parts.append(
            Muon(
                [weight for _, weight in hidden],
                lr=config.muon_learning_rate,
                momentum=config.momentum,
                weight_decay=config.weight_decay,
            )
        )
    return parts


def hidden_matrices(model: nn.Module) -> set[str]:
    """Names of the weights that Muon (Jordan et al., 2024) is for: the matrices inside an `encoder` or `decoder`.

    Tables, of which a row is looked up, are no matrices: the weights of `nn.Embedding`, and parameters named `table`.
    Whatever is in front of the blocks or behind them is none either. A model whose hidden matrices are others says so
    by a method of this name.
    """
    own = getattr(model, "hidden_matrices", None)
    if own is not None:
        return set(own())
    return {
        f"{owner}.{name}"
        for owner, module in model.named_modules()
        if {"encoder", "decoder"} & set(owner.split(".")) and not isinstance(module, nn.Embedding)
        for name, weight in module.named_parameters(recurse=False)
        if weight.ndim == 2 and name != "table"
    }


def _groups(named: Named, config: TrainingConfig) -> list[dict[str, Any]]:
    """Weights of two dimensions and more decay; biases and the gains of norms do not."""
    decayed = [weight for _, weight in named if weight.ndim >= 2]
    others = [weight for _, weight in named if weight.ndim < 2]
    groups = [
        {"params": decayed, "weight_decay": config.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]
