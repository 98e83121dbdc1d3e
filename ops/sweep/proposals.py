"""Which values a sweep tries next: Optuna's samplers, asked and told in one order, or all combinations."""

from __future__ import annotations

import itertools
import warnings
from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from ops.sweep.config import Range, Sweep
from ops.sweep.values import is_whole, listed

if TYPE_CHECKING:
    from optuna.trial import Trial

    from ops.recipe import Recipe

Values = dict[str, Any]


class Proposals(Protocol):
    """Hands out the values of trials, and hears how each did."""

    def ask(self) -> list[Values]:
        """The values of the next trials, of as many as do not wait for the figures of others; none at the end."""

    def tell(self, figure: float | None) -> None:
        """How the next one of them did, in their order: less is better, nothing where it cannot be said."""


class Grid:
    """All combinations, the last key's values changing fastest.

    Args:
        choices: the values of each key.
    """

    def __init__(self, choices: Mapping[str, list[Any]]) -> None:
        self._rest = [dict(zip(choices, values, strict=True)) for values in itertools.product(*choices.values())]

    def ask(self) -> list[Values]:
        """The combinations; see `Proposals`."""
        found, self._rest = self._rest, []
        return found

    def tell(self, figure: float | None) -> None:
        """A grid learns nothing."""


class Sampled:
    """Values by one of Optuna's samplers (Akiba et al., 2019); the same seed and figures give the same values.

    Args:
        sweep: the keys, the kind of search and how many trials there are.
        whole: the keys of ranges of whole numbers.
        seed: seed of the sampler.
    """

    def __init__(self, sweep: Sweep, whole: set[str], seed: int) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        samplers = optuna.samplers
        tpe = sweep.search == "tpe"
        with warnings.catch_warnings():
            # Optuna calls it an experiment: trials of one batch are not to be alike.
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            self._study = optuna.create_study(
                sampler=samplers.TPESampler(seed=seed, constant_liar=sweep.batch > 1)
                if tpe
                else samplers.RandomSampler(seed=seed)
            )
        self._failed = optuna.trial.TrialState.FAIL
        self._sweep, self._whole, self._left = sweep, whole, sweep.trials
        self._batch = sweep.batch if tpe else sweep.trials
        self._asked: deque[Trial] = deque()

    def ask(self) -> list[Values]:
        """The sampler's next values; see `Proposals`."""
        count = min(self._batch, self._left)
        self._left -= count
        return [self._next() for _ in range(count)]

    def _next(self) -> Values:
        trial = self._study.ask()
        self._asked.append(trial)
        return {key: self._suggest(trial, key, values) for key, values in self._sweep.over.items()}

    def tell(self, figure: float | None) -> None:
        """What the sampler learns from; see `Proposals`."""
        trial = self._asked.popleft()
        if figure is None:
            self._study.tell(trial, state=self._failed)
        else:
            self._study.tell(trial, figure)

    def _suggest(self, trial: Trial, key: str, values: Range | list[Any]) -> Any:
        if isinstance(values, list):
            # By their places: Optuna takes no lists and mappings for values.
            return values[trial.suggest_categorical(key, list(range(len(values))))]
        step = values.distance(key in self._whole)
        if step is not None:
            return values.point(step, trial.suggest_int(key, 0, values.count(step) - 1))
        if key in self._whole:
            return trial.suggest_int(key, int(values.low), int(values.high), log=values.log)
        return trial.suggest_float(key, values.low, values.high, log=values.log)


def proposals(recipe: Recipe, sweep: Sweep) -> Proposals:
    """What the recipe's sweep tries, from the start; the recipe's seed is the sampler's."""
    if sweep.search == "grid":
        return Grid(listed(recipe, sweep))
    ranges = {key: values for key, values in sweep.over.items() if isinstance(values, Range)}
    return Sampled(sweep, {key for key, values in ranges.items() if is_whole(recipe, key, values)}, recipe.seed)
