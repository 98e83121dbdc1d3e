"""What a recipe says of a sweep: the keys and their values, how they are searched, and what it may cost."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from ops.config import Config

MOST = 1000
"""Trials of one sweep, at most."""

Number = int | float


class Range(Config):
    """Numbers from `low` to `high`, both among them."""

    low: Number
    """The least value."""
    high: Number
    """The largest value."""
    log: bool = False
    """Look as closely at 0.001 to 0.01 as at 0.01 to 0.1, as befits learning rates."""
    step: Number | None = None
    """Distance of the values from each other; without it whole numbers have 1, and others none."""

    @model_validator(mode="after")
    def _in_order(self) -> Range:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise ValueError(f"low must be below high, and {self.low} is not below {self.high}")
        if self.log and self.low <= 0:
            raise ValueError("log: a range on a logarithmic scale begins above 0")
        if self.log and self.step is not None:
            raise ValueError("log: the values of a logarithmic scale have no step")
        if self.step is not None and not 0 < self.step <= self.high - self.low:
            raise ValueError(f"step must be above 0 and at most {self.high - self.low}")
        return self

    def distance(self, whole: bool) -> Number | None:
        """Distance of the values from each other, where they have one."""
        return self.step if self.step is not None else 1 if whole and not self.log else None

    def count(self, step: Number) -> int:
        """How many values there are at that distance from each other."""
        return math.floor((self.high - self.low) / step * (1 + 1e-12)) + 1

    def point(self, step: Number, place: int) -> Number:
        """The value at a place among those at that distance from each other, without the dust of binary fractions."""
        value = self.low + step * place
        return value if isinstance(value, int) else round(value, 12)


class Halving(Config):
    """Successive halving: all trials are trained for a while, the best share of them longer, and so on."""

    factor: Annotated[int, Field(ge=2, le=10)] = 3
    """One in so many trials goes on to the next round, whose trainings are so many times as long."""
    first: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.1
    """Share of the recipe's own training that those of the first round have at least."""

    @model_validator(mode="after")
    def _has_rounds(self) -> Halving:
        if self.first * self.factor > 1 + 1e-9:
            least = f"first: {self.first:g}, and factor {self.factor} makes more than the whole training of it"
            raise ValueError(f"{least}: nothing would be halved; at most {1 / self.factor:.3g}")
        return self


class Sweep(Config):
    """A search of settings by trainings of the recipe's model, judged on the validation split.

    The model is then trained with the values that did best. No test row is looked at.
    """

    over: Annotated[dict[str, Range | list[Any]], Field(min_length=1)]
    """The keys of `model` and `training` that are searched (as `training.learning_rate`), each with a list of values
    or a range."""
    search: Literal["tpe", "random", "grid"] = "tpe"
    """How values are chosen: by a model of what did well so far (tree-structured Parzen estimators, Bergstra et al.,
    2011), evenly at random, or all combinations in order."""
    trials: Annotated[int, Field(ge=1, le=MOST)] = 20
    """How many combinations are tried; a grid has as many as there are."""
    judged: Literal["loss", "score"] = "loss"
    """What is compared on the validation split: the loss, or the metric by which the task chooses weights."""
    halving: Halving | None = None
    """Stop bad trials early; null trains each as long as the recipe says."""
    budget_cpu_s: Annotated[float, Field(gt=0.0)] | None = None
    """CPU-seconds of all trainings together after which none begins any more; null has no limit."""
    at_once: Annotated[int, Field(ge=1, le=256)] = 1
    """Trainings that run side by side, each with `launch.processes` processes; the result is the same for any
    number."""
    batch: Annotated[int, Field(ge=1, le=MOST)] = 1
    """Trials that `tpe` proposes before it hears how they did; with more it learns a little less and they can run side
    by side. The others propose all at once."""

    @model_validator(mode="after")
    def _lists_say_something(self) -> Sweep:
        for key, values in self.over.items():
            if isinstance(values, list) and not 1 <= len(values) <= MOST:
                raise ValueError(f"over.{key} has {len(values)} values, must have 1 to {MOST}")
        if self.search == "grid" and "trials" in self.model_fields_set:
            raise ValueError("trials: a grid tries all combinations; leave trials out, or say search: random")
        if self.search != "tpe" and self.batch > 1:
            raise ValueError(f"batch is for search: tpe; {self.search} learns nothing from trials that have ended")
        return self
