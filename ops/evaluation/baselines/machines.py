"""What baselines share: rows spread evenly, and the machine with a Gaussian kernel."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ops.errors import BadData
from ops.evaluation.baselines.base import Baseline, Guess
from ops.evaluation.metrics import Labels


def evenly(rows: int, limit: int) -> NDArray[np.int64]:
    """Indices of at most `limit` rows, spread evenly over all."""
    return np.arange(rows) if rows <= limit else (np.arange(limit) * rows) // limit


class KernelMachine(Baseline):
    """A support vector machine with a Gaussian kernel over values of each input. A subclass adds its kind and them."""

    needs: ClassVar[tuple[str, ...]] = ("sklearn.svm",)
    of: ClassVar[str]
    """What the values are."""
    one: ClassVar[str]
    """What one input is."""

    kind: Any
    """What the values are made of."""

    regularization: float = Field(default=10.0, gt=0)
    """The machine's C: larger follows the training rows more closely."""

    rows: int = Field(default=10_000, ge=2)
    """Fit on at most that many training rows, evenly spaced: the time grows with their square."""

    def values(self, inputs: NDArray[np.uint8]) -> NDArray[np.float64]:
        """(rows, values) of the inputs."""
        raise TypeError(f"{type(self).__name__} has no values")

    def scaled(
        self, train: NDArray[np.float64], test: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], int]:
        """The values as the machine gets them, and how many numbers were fitted for that."""
        return train, test, 0

    def guess(self, train_inputs: NDArray[np.uint8], train_labels: Labels, test_inputs: NDArray[np.uint8]) -> Guess:
        """Fit on inputs and predict inputs, uint8 with the rows in front.

        Raises:
            BadData: inputs of unequal size.
        """
        chosen = evenly(len(train_labels), self.rows)
        train, test = self.values(np.asarray(train_inputs)[chosen]), self.values(np.asarray(test_inputs))
        if train.shape[1] != test.shape[1]:
            said = f"{train.shape[1]} values a training {self.one}, {test.shape[1]} a test {self.one}"
            raise BadData(f"{self.title}: {said}")
        train, test, more = self.scaled(train, test)
        return svm_guess(train, train_labels, chosen, test, self.regularization, self.of, more)


def svm_guess(
    train: NDArray[np.float64],
    train_labels: Labels,
    chosen: NDArray[np.int64],
    test: NDArray[np.float64],
    regularization: float,
    of: str,
    more: int = 0,
) -> Guess:
    """What a support vector machine with a Gaussian kernel says (Cortes and Vapnik, 1995).

    Args:
        train: (chosen rows, values).
        train_labels: (rows,) class indices.
        chosen: which of the rows it is fitted on.
        test: (test rows, values).
        regularization: its C.
        of: what one value is.
        more: numbers that were fitted beside the machine's.
    """
    from sklearn.svm import SVC

    labels = np.asarray(train_labels)[chosen]
    note = f"Fitted on {len(chosen):,} of {len(train_labels):,} rows." if len(chosen) < len(train_labels) else ""
    if len(np.unique(labels)) == 1:  # where the rows of other classes were not chosen
        only = np.full(len(test), labels[0], dtype=np.int64)
        return Guess(only, 0, note=f"{note} They are of one class.".strip())
    machine = SVC(C=regularization, kernel="rbf", gamma="scale", random_state=0).fit(train, labels)
    predictions = machine.predict(test).astype(np.int64)
    # A step of SMO needs the kernel of two rows with all rows of its two classes (Platt, 1998; one against one).
    sizes = np.bincount(np.searchsorted(machine.classes_, labels))
    pairs = [sizes[i] + sizes[j] for i in range(len(sizes)) for j in range(i + 1, len(sizes))]
    steps = np.atleast_1d(machine.n_iter_).astype(np.float64)
    fitted = machine.support_vectors_.size + machine.dual_coef_.size + machine.intercept_.size + more
    return Guess(
        predictions,
        parameters=int(fitted),
        flops=float(np.sum(steps * np.asarray(pairs)) * 2 * 3 * train.shape[1]),
        flops_how=f"at most steps x 2 kernel rows x rows of the pair x 3 x {of}",
        note=note,
    )
