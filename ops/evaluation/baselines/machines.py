"""What baselines share: rows spread evenly, and the machine with a Gaussian kernel."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ops.evaluation.baselines.base import Guess
from ops.evaluation.metrics import Labels


def evenly(rows: int, limit: int) -> NDArray[np.int64]:
    """Indices of at most `limit` rows, spread evenly over all."""
    return np.arange(rows) if rows <= limit else (np.arange(limit) * rows) // limit


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
