"""The weights that did best on the validation split so far."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from torch import Tensor

from ops.tasks.base import Task
from ops.training.config import TrainingConfig
from ops.training.evaluate import Verdict


class Champion:
    """Keeps the best weights, or with `select: last` the latest that were judged.

    Attributes:
        found: step and verdict of these weights; nothing before the first evaluation.
        weights: the weights by name.
        stale: evaluations in a row that were no better than one before.
    """

    def __init__(self, config: TrainingConfig, task: Task) -> None:
        self._config, self._task = config, task
        self._best: tuple[float, float] | None = None
        self.found: dict[str, Any] | None = None
        self.weights: dict[str, Tensor] = {}
        self.stale = 0

    @property
    def given_up(self) -> bool:
        """Whether the recipe's patience is at its end."""
        return self._config.patience is not None and self.stale >= self._config.patience

    def judge(self, step: int, verdict: Verdict, weights: Mapping[str, Tensor]) -> None:
        """Keep a copy of the weights if they are to be kept: the task's score is higher, or equal at a lower loss."""
        score = self._task.score(verdict.metrics)
        # Nothing is greater than what is no number: it would be the best for ever.
        quality = (-math.inf if math.isnan(score) else score, -verdict.loss)
        better = self._best is None or quality > self._best
        self.stale = 0 if better else self.stale + 1
        if better:
            self._best = quality
        if better or self._config.select == "last":
            self.found = {"step": step, **asdict(verdict)}
            self.weights = {name: value.clone() for name, value in weights.items()}

    def state(self) -> dict[str, Any]:
        """All but the weights, for a checkpoint."""
        return {"found": self.found, "best": self._best, "stale": self.stale}

    def restore(self, state: Mapping[str, Any], weights: Mapping[str, Tensor]) -> None:
        """Put back what a checkpoint holds."""
        best = state["best"]
        self._best = None if best is None else (best[0], best[1])
        self.found, self.stale = state["found"], state["stale"]
        self.weights = {name: value.clone() for name, value in weights.items()}
