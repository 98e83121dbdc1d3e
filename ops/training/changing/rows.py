"""Rows of tables changed while they are loaded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ops.augmentation.forms import RowForm
from ops.augmentation.tables import TableChange, row_seeds
from ops.errors import ConfigError
from ops.nn.spec import RowSpec
from ops.training.changing.base import Changing, Made, named


class ChangingRows(Changing):
    """Changes numbers in 64 bits, which the model then reads in 32, as it reads those of stored copies."""

    def begin(self) -> None:
        """Find out where in a row each step's columns and kin are."""
        form = self.changes.form
        if not isinstance(form, RowForm):
            raise ConfigError("rows are changed, and there are no numbers of them", where="changes.form")
        self._plans: list[tuple[TableChange, list[int], slice]] = []
        end = len(form.columns)
        for place, step in enumerate(cast(Sequence[TableChange], self.steps)):
            missing = [name for name in step.columns if name not in form.columns]
            if missing:
                raise ConfigError(f"the rows have no column {missing[0]!r}", where=f"changes.steps[{place}]")
            start, end = end, end + step.kin_count * len(step.columns)
            self._plans.append((step, [form.columns.index(name) for name in step.columns], slice(start, end)))
        self._width, self._columns = end, len(form.columns)

    def __call__(self, given: Sequence[NDArray[Any]], ids: Sequence[str], epoch: int) -> Made:
        """Their numbers."""
        rows = np.stack(given).view("<f8")
        if rows.shape[1] != self._width or self._columns != cast(RowSpec, self.spec).size:
            raise ConfigError("the rows have not the numbers that are changed", where="changes.form")
        values = rows[:, : self._columns].copy()
        for place, (step, columns, behind) in enumerate(self._plans):
            with named(place, ids):
                kin = rows[:, behind].reshape(len(rows), step.kin_count, len(columns))
                seeds = row_seeds(ids, self.seed, epoch + 1, place)
                values[:, columns] = step.changed(values[:, columns], kin, seeds)
        return values.astype(np.float32), np.full(len(ids), self._columns)


CHANGING = ChangingRows
