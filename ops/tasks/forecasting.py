"""What a number will be in the next hours, from what it and others were in the last."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, PositiveFloat, model_validator

from ops.errors import IntegrityError
from ops.nn.spec import SeriesSpec, Spec
from ops.tasks.base import Task

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

SUMS = ("steps", "error", "squared", "naive_error", "naive_squared")
"""Rows of a tally: known steps, and over these the sums of absolute and squared errors, and persistence's."""


class Forecasting(Task):
    """The next steps of a series from its last ones.

    Rows are steps of one length in the order of `input`, a column of moments. An example ends with a row, reads the
    `history` rows up to it and is asked for `label` in the `horizon` rows behind it. All of them lie in one partition,
    without a gap; the rows behind it are of one split, which is the example's. Steps of which the truth is not known
    (`label` is null) count neither in the loss nor in any metric.

    The naive forecast is persistence: each step will be as the one `horizon` steps earlier, as with 24 hours that
    tomorrow will be as today. Metrics: mean absolute error, root mean squared error, and skill
    1 - MSE / MSE of persistence (Murphy, 1988).
    """

    modality: ClassVar[str] = "table"
    rival: ClassVar[str] = "persistence"
    rival_check: ClassVar[str] = (
        "On the validation split the model's mean absolute error is below that of tomorrow being as today."
    )
    judged: ClassVar[tuple[str, str]] = ("mae", "persistence_mae")

    kind: Literal["forecasting"] = "forecasting"
    """The next steps of a series of numbers."""
    input: str = Field(min_length=1)
    """Column with the moment of each row: rows are put in its order and known by it."""
    label: str = Field(min_length=1)
    """Column of what is to be forecast; a step where it is null is not judged."""
    features: Annotated[list[str], Field(min_length=1)]
    """Columns of numbers that the model reads; null in none of them after cleaning."""
    past: str | None = None
    """The one of the features that holds the label's past, perhaps with gaps filled; by default the label itself."""
    minutes: Annotated[int, Field(ge=1, le=525_600)] = 60
    """Minutes from one row to the next."""
    history: Annotated[int, Field(ge=1, le=8192)] = 48
    """Rows that the model looks back on; at least `horizon`."""
    horizon: Annotated[int, Field(ge=1, le=8192)] = 24
    """Rows ahead that are forecast."""
    calendar: bool = True
    """Whether the model also reads the time of day and of year, each as sine and cosine."""
    loss_kind: Literal["huber", "squared"] = "huber"
    """Huber's loss (1964), squared for small errors and straight for large ones; or squared for all."""
    delta: PositiveFloat = 1.0
    """Error, in the label's unit, that the loss counts as one: where Huber's becomes straight."""

    @model_validator(mode="after")
    def _fit(self) -> Forecasting:
        if self.past_column not in self.features:
            raise ValueError(f"the past of {self.label!r} is none of the features; say `past`, or add it to them")
        if self.history < self.horizon:
            raise ValueError(f"history: {self.history} is shorter than horizon: {self.horizon}")
        for taken in ("label", self.input):
            if taken in self.features:
                raise ValueError(f"{taken!r} cannot be a feature")
        if len(set(self.features)) < len(self.features):
            raise ValueError("a feature is there twice")
        return self

    @property
    def past_column(self) -> str:
        """The feature that persistence repeats."""
        return self.past or self.label

    @property
    def form(self) -> str:
        """A stretch of a series."""
        return "series"

    @property
    def reads(self) -> list[str]:
        """The features."""
        return self.features

    @property
    def label_shape(self) -> tuple[int, ...]:
        """The truth of each step ahead, and what persistence says."""
        return (2, self.horizon)

    def outputs(self, classes: int, spec: Spec) -> int:
        """One number for each step ahead."""
        return self.horizon

    def collate(self, values: NDArray[np.generic], lengths: NDArray[np.int64], spec: Spec) -> tuple[Tensor, ...]:
        """Features (B, history, F) float32.

        Raises:
            IntegrityError: an example has another size than the others.
        """
        import torch

        if not isinstance(spec, SeriesSpec) or not (lengths == spec.size).all():
            raise IntegrityError("an example of the cache has not the size that the cache says", where="token_cache")
        return (torch.from_numpy(values.reshape(-1, spec.history, spec.features)),)

    def loss(self, logits: Tensor, labels: Tensor, weights: Tensor, smoothing: float = 0.0) -> Tensor:
        """Weighted sum over the examples of the mean loss over their known steps, errors counted in `delta`.

        Args:
            logits: (B, H) in the label's unit.
            labels: (B, 2, H) truth and persistence; NaN where the truth is not known.
            weights: (B,); 0 leaves an example out.
            smoothing: of classes; means nothing here.
        """
        from torch.nn import functional

        known = ~labels[:, 0].isnan()
        errors = (logits - labels[:, 0].nan_to_num()) / self.delta
        nothing = errors.new_zeros(())
        if self.loss_kind == "huber":
            losses = functional.huber_loss(errors, nothing.expand_as(errors), reduction="none")
        else:
            losses = 0.5 * errors**2
        each = losses.where(known, nothing).sum(dim=1) / known.sum(dim=1).clamp(min=1)
        return (each * weights).sum()

    def tally(self, logits: Tensor, labels: Tensor, weights: Tensor, classes: int) -> Tensor:
        """(5, H) float64: see `SUMS`, by step ahead; weight 0 is left out."""
        import torch

        known = ~labels[:, 0].isnan() & (weights > 0)[:, None]
        truth = labels[:, 0].double().nan_to_num()
        errors = [(said.double() - truth).abs().where(known, 0.0) for said in (logits, labels[:, 1])]
        rows = [known.double(), errors[0], errors[0] ** 2, errors[1], errors[1] ** 2]
        return torch.stack([row.sum(dim=0) for row in rows])

    def nothing(self, classes: int) -> Tensor:
        """Sums over no examples."""
        import torch

        return torch.zeros((len(SUMS), self.horizon), dtype=torch.float64)

    def metrics(self, tally: NDArray[Any]) -> dict[str, float]:
        """Mean absolute error, root mean squared error, and skill over persistence."""
        steps, error, squared, _, naive = (float(row) for row in tally.sum(axis=1))
        return {
            "mae": error / max(steps, 1.0),
            "rmse": (squared / max(steps, 1.0)) ** 0.5,
            "skill": 1.0 - squared / naive if naive else 0.0,
        }

    def naive(self, tally: NDArray[Any]) -> dict[str, float]:
        """The errors of persistence."""
        steps, _, _, error, squared = (float(row) for row in tally.sum(axis=1))
        return {
            "persistence_mae": error / max(steps, 1.0),
            "persistence_rmse": (squared / max(steps, 1.0)) ** 0.5,
        }

    def lost(self, figures: Mapping[str, float]) -> str:
        """What speaks against a model that is no nearer than persistence."""
        own, naive = figures["mae"], figures["persistence_mae"]
        if own < naive:
            return ""
        return f"its mean absolute error on the validation rows is {own:.4g}, that of persistence {naive:.4g}"

    def score(self, metrics: dict[str, float]) -> float:
        """Minus the mean absolute error."""
        return -metrics["mae"]

    def probabilities(self, logits: Tensor) -> Tensor:
        """The forecast itself."""
        return logits
