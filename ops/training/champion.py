"""The weights that did best on the validation split so far."""

from __future__ import annotations

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
    """

    def __init__(self, config: TrainingConfig, task: Task) -> None:
        self._config, self._task = config, task
        self.found: dict[str, Any] | None = None
        self.weights: dict[str, Tensor] = {}

    def judge(self, step: int, verdict: Verdict, weights: Mapping[str, Tensor]) -> bool:
        """Keep a copy of the weights if they are better than those before; returns whether they are."""
        if not self._is_better(verdict):
            return False
        self.found = {"step": step, **asdict(verdict)}
        self.weights = {name: value.clone() for name, value in weights.items()}
        return True

    def restore(self, found: dict[str, Any] | None, weights: Mapping[str, Tensor]) -> None:
        """Put back what a checkpoint holds."""
        self.found, self.weights = found, {name: value.clone() for name, value in weights.items()}

    def _is_better(self, verdict: Verdict) -> bool:
        """Whether the task's score is higher than before, or equal at a lower loss."""
        best, score = self.found, self._task.score
        if best is None or self._config.select == "last":
            return True
        return (score(verdict.metrics), -verdict.loss) > (score(best["metrics"]), -best["loss"])
