"""Logistic regression on rows of a table."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from pydantic import Field

from ops.evaluation.baselines.base import Baseline, Guess, Table
from ops.evaluation.metrics import Labels

if TYPE_CHECKING:
    from numpy.typing import NDArray


class LogisticRegression(Baseline):
    """Logistic regression of scikit-learn on numbers of mean zero and deviation one, and categories one-hot."""

    applies_to: ClassVar[frozenset[str]] = frozenset({"row"})
    title: ClassVar[str] = "Logistic regression"
    needs: ClassVar[tuple[str, ...]] = ("sklearn.linear_model",)

    kind: Literal["logistic_regression"] = "logistic_regression"
    """Logistic regression for rows of tables."""
    regularization: float = Field(default=1.0, gt=0)
    """The inverse of how much large weights cost: larger follows the training rows more closely."""
    iterations: int = Field(default=1000, ge=1, le=1_000_000)
    """Steps of L-BFGS at most."""

    def guess(self, train_inputs: Table, train_labels: Labels, test_inputs: Table) -> Guess:
        """Fit on rows and predict rows."""
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression as Machine

        mean, spread = train_inputs.numbers.mean(axis=0), train_inputs.numbers.std(axis=0)
        spread = np.where(spread > 0, spread, 1.0)
        train, test = (
            np.hstack([(table.numbers - mean) / spread, one_hot(table)]) for table in (train_inputs, test_inputs)
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # the note says it
            machine = Machine(C=self.regularization, max_iter=self.iterations).fit(train, train_labels)
        steps = int(np.max(machine.n_iter_))
        enough = steps < self.iterations
        return Guess(
            machine.predict(test).astype(np.int64),
            parameters=int(machine.coef_.size + machine.intercept_.size + mean.size + spread.size),
            flops=4.0 * train.size * len(machine.coef_) * steps,
            flops_how="about 4 x rows x columns x classes x steps",
            note="" if enough else f"Stopped after {self.iterations:,} steps, before it had settled.",
        )


def one_hot(table: Table) -> NDArray[np.float64]:
    """(rows, sum of the sizes): 1 in the place of each column's category."""
    found = np.zeros((len(table), sum(table.sizes)))
    before = np.cumsum([0, *table.sizes[:-1]]) if table.sizes else np.zeros(0, np.int64)
    np.put_along_axis(found, table.categories + before.astype(np.int64), 1.0, axis=1)
    return found
