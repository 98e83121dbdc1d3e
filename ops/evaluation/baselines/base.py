"""What a classical baseline is: settings in, predictions and their measured cost out."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ops.config import Config
from ops.errors import BadData
from ops.evaluation.cost import Cost
from ops.evaluation.measure import Meter
from ops.evaluation.metrics import Labels


@dataclass(frozen=True, eq=False)
class Stretches:
    """The last steps of a series before each forecast.

    Attributes:
        values: (rows, history, features).
        past: the one of the features that holds the past of what is forecast.
        horizon: steps to forecast, at most `history`.
    """

    values: NDArray[np.float32]
    past: int
    horizon: int

    def __len__(self) -> int:
        return len(self.values)


@dataclass(frozen=True, eq=False)
class Streams:
    """Runs of tokens, each read from its beginning.

    Attributes:
        tokens: token numbers of all of them, flat.
        starts: (N,) where each begins.
        lengths: (N,) how many tokens it has. All but its first are told from those before them.
        vocabulary: number of tokens that there are.
    """

    tokens: NDArray[np.unsignedinteger[Any]]
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]
    vocabulary: int

    def __len__(self) -> int:
        return len(self.starts)

    def flat(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """All runs one behind the other as (tokens, place of each in its run)."""
        ends = np.cumsum(self.lengths)
        places = np.arange(int(ends[-1]) if len(ends) else 0) - np.repeat(ends - self.lengths, self.lengths)
        return self.tokens[np.repeat(self.starts, self.lengths) + places].astype(np.int64), places


@dataclass(frozen=True, eq=False)
class Table:
    """Rows of a table.

    Attributes:
        numbers: (rows, features), all finite.
        categories: (rows, columns) whole numbers below the column's size; 0 is unknown.
        sizes: how many categories each of those columns knows.
    """

    numbers: NDArray[np.float64]
    categories: NDArray[np.int64]
    sizes: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.numbers)


Rows = Sequence[str] | NDArray[np.uint8]
"""Texts, or images, or spectrograms."""

Inputs = Rows | Stretches | Table


@dataclass(frozen=True)
class Guess:
    """What a fitted baseline says, before its cost is known.

    Attributes:
        predictions: class indices of shape (test rows,), forecasts of shape (test rows, horizon), or of tokens the nats
            that each one told cost, run by run.
        parameters: numbers that were fitted.
        flops: bound on the floating-point operations of fitting.
        flops_how: its formula.
        note: what a reader must know about the fit, or nothing.
    """

    predictions: NDArray[Any]
    parameters: int
    flops: float | None = None
    flops_how: str = ""
    note: str = ""


@dataclass(frozen=True)
class Fitted:
    """A baseline's predictions on the test rows with its name and what it took to fit and predict."""

    title: str
    predictions: NDArray[Any]
    cost: Cost
    note: str = ""


class Baseline(Config):
    """One kind of classical model. A subclass adds `kind: Literal[...]`, `title`, its settings and `guess`."""

    applies_to: ClassVar[frozenset[str]] = frozenset()
    title: ClassVar[str] = ""
    needs: ClassVar[tuple[str, ...]] = ()
    """Modules imported before the clock starts."""

    if TYPE_CHECKING:
        kind: Any = None

    def fit_predict(self, train_inputs: Inputs, train_labels: Labels, test_inputs: Inputs) -> Fitted:
        """Fit on the training rows and predict the test rows, on one thread, the same for the same rows.

        Args:
            train_inputs: texts; images as uint8 of shape (rows, height, width, channels); spectrograms as uint8 of
                shape (rows, frames, mels); rows of a table; or stretches of a series.
            train_labels: class indices of shape (rows,), or the truth of shape (rows, horizon), NaN where not known.
            test_inputs: as `train_inputs`.

        Raises:
            BadData: no rows, or not one label per row.
        """
        labels = np.asarray(train_labels)
        if len(labels) == 0 or len(labels) != len(train_inputs):
            raise BadData(f"{self.title}: {len(train_inputs)} training rows with {len(labels)} labels")
        return self._measured(lambda: self._guess(train_inputs, labels, test_inputs))

    def fit_tell(self, train: Streams, test: Streams) -> Fitted:
        """Fit on runs of tokens and tell those of other runs: the nats of each, on one thread.

        Raises:
            BadData: nothing to learn from.
        """
        if not int((train.lengths - 1).clip(min=0).sum()):
            raise BadData(f"{self.title}: no training run has two tokens")
        return self._measured(lambda: self.tell(train, test))

    def tell(self, train: Streams, test: Streams) -> Guess:
        """Fit on runs of tokens and tell those of others."""
        raise TypeError(f"{type(self).__name__} has no tell")

    def _measured(self, compute: Callable[[], Guess]) -> Fitted:
        from threadpoolctl import threadpool_limits

        for module in self.needs:
            importlib.import_module(module)
        with threadpool_limits(limits=1), Meter() as meter:
            guess = compute()
        cost = meter.cost(parameters=guess.parameters, flops=guess.flops, flops_how=guess.flops_how)
        return Fitted(self.title, guess.predictions, cost, guess.note)

    def guess(self, train_inputs: Any, train_labels: Labels, test_inputs: Any) -> Guess:
        """Fit and predict; at least two classes occur in `train_labels`."""
        raise TypeError(f"{type(self).__name__} has no guess")

    def _guess(self, train_inputs: Inputs, labels: Labels, test_inputs: Inputs) -> Guess:
        if len(test_inputs) == 0:
            return Guess(np.zeros(0, dtype=np.int64), 0)
        if len(np.unique(labels)) == 1:  # nothing to separate
            only = np.full(len(test_inputs), labels[0], dtype=np.int64)
            return Guess(only, 0, note="All training rows are of one class.")
        return self.guess(train_inputs, labels, test_inputs)
