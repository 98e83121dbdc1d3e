"""What a sweep tries next: Optuna's own sampler, asked and told in the same order, is the oracle."""

from __future__ import annotations

import warnings
from typing import Any

import optuna
import pytest

from ops.sweep.config import Sweep
from ops.sweep.proposals import Sampled

KEY = "training.learning_rate"
SPREAD = {"low": 0.0001, "high": 1.0, "log": True}


def figure(value: float) -> float:
    return abs(value - 0.01)


@pytest.mark.parametrize("batch", [1, 4])
def test_trials_of_a_batch_know_that_the_others_are_on_their_way(batch: int) -> None:
    """By a constant liar where there are several: without one they would crowd where the best was."""
    sweep = Sweep.model_validate({"over": {KEY: SPREAD}, "trials": 26, "batch": batch})
    ours, found = Sampled(sweep, set(), 7), list[float]()
    while asked := ours.ask():
        assert len(asked) == min(batch, 26 - len(found))
        found += [values[KEY] for values in asked]
        for values in asked:
            ours.tell(figure(values[KEY]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=7, constant_liar=batch > 1))
    expected = list[float]()
    while len(expected) < 26:
        trials: list[Any] = [study.ask() for _ in range(min(batch, 26 - len(expected)))]
        drawn = [trial.suggest_float(KEY, 0.0001, 1.0, log=True) for trial in trials]
        for trial, value in zip(trials, drawn, strict=True):
            study.tell(trial, figure(value))
        expected += drawn
    assert found == expected
