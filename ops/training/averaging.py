"""A running average of the weights, which is judged and kept in their place."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from ops.errors import ConfigError
from ops.training.config import Averaging
from ops.training.optimizer import Share

Tensors = dict[str, Tensor]
Piece = Callable[[Tensor], Tensor]


class Average:
    """The average that `Averaging` describes; without one, the weights themselves.

    Attributes:
        tensors: the average of each weight and each buffer of floats, by name; nothing until it begins.
    """

    def __init__(
        self, config: Averaging | None, model: nn.Module, total: int, piece: Piece = lambda value: value
    ) -> None:
        """Nothing is averaged yet.

        Args:
            config: the recipe's averaging.
            model: whose weights are followed, as the strategy has prepared it.
            total: number of updates of the whole run.
            piece: what this process holds of a weight.

        Raises:
            ConfigError: the run is over before there is anything to average.
        """
        self._config = config
        floats = model.state_dict() if config is not None else {}
        # The tensors themselves, which steps and checkpoints change in place.
        self._current = {name: piece(value) for name, value in floats.items() if value.is_floating_point()}
        self._start = round(config.start * total) if config is not None else total
        self.tensors: Tensors = {}
        if config is not None and total - self._start < max(1, config.every if config.kind == "swa" else 1):
            raise ConfigError(
                f"of {total} steps none is averaged: it begins after {self._start}, every {config.every}",
                where="training.averaging",
                hint="lower start or every",
            )

    @torch.no_grad()
    def follow(self, step: int) -> None:
        """Take the weights in after `step` updates."""
        share = self._share(step - self._start)
        if share is None:
            return
        if not self.tensors or share == 1.0:
            self.tensors = {name: value.clone() for name, value in self._current.items()}
            return
        torch._foreach_lerp_([self.tensors[name] for name in self._current], list(self._current.values()), share)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """The model with the average as its weights; afterwards with those it had, to the bit."""
        if not self.tensors:
            yield
            return
        kept = {name: value.clone() for name, value in self._current.items()}
        _copy(self.tensors, self._current)
        try:
            yield
        finally:
            _copy(kept, self._current)

    def restore(self, tensors: Mapping[str, Tensor], share: Share = lambda name, value, weight: value.clone()) -> None:
        """Put back what a checkpoint holds, or this process's share of it."""
        self.tensors = {name: share(name, value, self._current[name]) for name, value in tensors.items()}

    def _share(self, since: int) -> float | None:
        """What the weights count in the average after so many steps since its start; None where they do not."""
        if self._config is None or since < 1:
            return None
        if self._config.kind == "ema":
            return 1.0 - min(self._config.decay, since / (9 + since))
        taken, rest = divmod(since, self._config.every)
        return None if rest else 1.0 / taken


@torch.no_grad()
def _copy(source: Mapping[str, Tensor], target: Mapping[str, Tensor]) -> None:
    for name, value in target.items():
        value.copy_(source[name])
