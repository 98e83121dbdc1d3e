"""Which values a sweep tries next: Optuna's samplers, asked and told in one order, or all combinations."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from ops.sweep.config import Range, Sweep
from ops.sweep.values import is_whole, listed

if TYPE_CHECKING:
    from optuna.trial import Trial

    from ops.recipe import Recipe

Values = dict[str, Any]


class Proposals(Protocol):
    """Hands out the values of one trial after the other, and hears how each did."""

    def ask(self) -> Values | None:
        """The next trial's values; nothing when there are no more."""

    def tell(self, figure: float | None) -> None:
        """How the trial that was asked for last did: less is better, nothing where it cannot be said."""


class Grid:
    """All combinations, the last key's values changing fastest.

    Args:
        choices: the values of each key.
    """

    def __init__(self, choices: Mapping[str, list[Any]]) -> None:
        self._rest: Iterator[Values] = (
            dict(zip(choices, values, strict=True)) for values in itertools.product(*choices.values())
        )

    def ask(self) -> Values | None:
        """The next combination; see `Proposals`."""
        return next(self._rest, None)

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
        sampler = samplers.TPESampler(seed=seed) if tpe else samplers.RandomSampler(seed=seed)
        self._study = optuna.create_study(sampler=sampler)
        self._failed = optuna.trial.TrialState.FAIL
        self._sweep, self._whole, self._left = sweep, whole, sweep.trials
        self._trial: Trial | None = None

    def ask(self) -> Values | None:
        """The sampler's next values; see `Proposals`."""
        if not self._left:
            return None
        self._left -= 1
        self._trial = self._study.ask()
        return {key: self._suggest(self._trial, key, values) for key, values in self._sweep.over.items()}

    def tell(self, figure: float | None) -> None:
        """What the sampler learns from; see `Proposals`."""
        if self._trial is None:
            raise RuntimeError("no trial was asked for")
        if figure is None:
            self._study.tell(self._trial, state=self._failed)
        else:
            self._study.tell(self._trial, figure)

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
