"""What changes of all forms have in common: the steps, their seeds, and errors with their place."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ops.augmentation.base import Change
from ops.augmentation.engine import row_seed
from ops.errors import ConfigError, SatietyError
from ops.nn.spec import Spec, TextSpec
from ops.training.run import Changes, kind_value

Made = tuple[NDArray[Any], NDArray[np.int64]]
"""Values (B, longest) of examples, zero behind each one's end, and how many each has (B,)."""

CHANGING = "ops.training.changing"

MODULES = {"image": "images", "text": "texts", "sound": "sounds", "row": "rows"}
"""Of each form of examples the module that changes them, in this package."""


class Changing:
    """Changes of a run's training examples; a subclass adds `made`.

    Any thread may call it. What is drawn depends on (seed, epoch, id of the row, place of the step) alone.
    """

    def __init__(self, changes: Changes, steps: Sequence[Change], spec: Spec, seed: int) -> None:
        """Nothing is changed yet.

        Args:
            changes: as the run has them.
            steps: their steps.
            spec: what the model reads.
            seed: the recipe's seed.
        """
        self.changes, self.steps, self.spec, self.seed = changes, steps, spec, seed
        self.begin()

    def begin(self) -> None:
        """Look at what was told, and get ready what all threads share."""

    @property
    def longest(self) -> int:
        """Values of the longest example that there can be."""
        return self.spec.max_length if isinstance(self.spec, TextSpec) else self.spec.size

    def __call__(self, given: Sequence[NDArray[Any]], ids: Sequence[str], epoch: int) -> Made:
        """The examples with those ids as they are in the epoch, which counts from 0.

        Args:
            given: what changes read of each: its values, or what lies in `originals.bin`.
            ids: their rows.
            epoch: the pass over the examples.

        Raises:
            SatietyError: an example cannot be changed.
        """
        raise TypeError(f"{type(self).__name__} has no __call__")

    def seeds(self, ids: Sequence[str], epoch: int, place: int) -> list[int]:
        """What a step draws from for each of the rows: what the copy of that number would draw from."""
        return [row_seed(self.seed, row, epoch + 1, place) for row in ids]


@contextmanager
def named(place: int, examples: Sequence[str]) -> Iterator[list[int]]:
    """Says of an error from which step it is, and of which example: that at the number in the list, if there is one."""
    done: list[int] = []
    try:
        yield done
    except Exception as error:
        said = " ".join(str(error).split()) or "no more is known"
        whose = f"example {examples[done[-1]]}" if done else f"examples {examples[0]} and so on"
        where = f"augmentation.steps[{place}], {whose}"
        raise SatietyError(f"cannot be changed: {type(error).__name__}: {said}", where=where) from error


def changing_of(changes: Changes, spec: Spec, seed: int) -> Changing:
    """What changes a run's training examples.

    Raises:
        ConfigError: the steps, or what they read, are not for what the model reads.
    """
    if spec.kind not in MODULES or (changes.form is not None and changes.form.kind != spec.kind):
        what = changes.form.kind if changes.form is not None else "examples"
        raise ConfigError(f"{what} are changed, the model reads {spec.kind}", where="changes")
    steps: list[Change] = []
    modality = {"row": "table"}.get(spec.kind, spec.kind)
    for place, told in enumerate(changes.steps):
        where = f"changes.steps[{place}]"
        step = kind_value(told, "ops.augmentation", Change, where)
        if modality not in step.applies_to:
            raise ConfigError(f"{step.kind} cannot change what the model reads: {spec.kind}", where=where)
        steps.append(step)
    module = importlib.import_module(f"{CHANGING}.{MODULES[spec.kind]}")
    found: Changing = module.CHANGING(changes, steps, spec, seed)
    return found
