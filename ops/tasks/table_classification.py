"""Which of C classes a row of a table is of."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import model_validator

from ops.errors import IntegrityError
from ops.nn.spec import RowSpec, Spec
from ops.tasks.classification import Classification

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

TAKEN = ("id", "split", "label", "copy")
"""Names of columns that the shards have of their own."""


class TableClassification(Classification):
    """One label for each row of numbers and categories.

    A category is known by the training rows: a value that they lack, and none, is the same unknown one.
    """

    modality: ClassVar[str] = "table"

    kind: Literal["table_classification"] = "table_classification"
    """One label for each row of a table."""
    input: str = ""
    """Column by which a row is known (a number, a name): it decides partition and split, and the model does not read
    it. By default a row is known by all that the model reads."""
    features: list[str] = []
    """Columns of numbers that the model reads, with a value in every row behind cleaning."""
    categories: list[str] = []
    """Columns of names, whole numbers or truths that the model reads as such; a value may be missing."""

    @model_validator(mode="after")
    def _fit(self) -> TableClassification:
        if not self.reads:
            raise ValueError("give features, categories, or both")
        if len(set(self.reads)) < len(self.reads):
            raise ValueError("a column is there twice")
        if self.label in self.reads:
            raise ValueError(f"{self.label!r} is the label, so the model cannot read it")
        for name in self.reads:
            if name in TAKEN:
                raise ValueError(f"{name!r} is a name that Satiety uses itself; give the column another in the source")
        return self

    @property
    def form(self) -> str:
        """A row."""
        return "row"

    @property
    def reads(self) -> list[str]:
        """The features, then the categories."""
        return [*self.features, *self.categories]

    def collate(self, values: NDArray[np.generic], lengths: NDArray[np.int64], spec: Spec) -> tuple[Tensor, ...]:
        """Numbers (B, N) float32, and numbers of categories (B, K) int64.

        Raises:
            IntegrityError: a row has another size than the others.
        """
        import torch

        if not isinstance(spec, RowSpec) or not (lengths == spec.size).all():
            raise IntegrityError("a row of the cache has not the size that the cache says", where="token_cache")
        rows = torch.from_numpy(values.reshape(-1, spec.size))
        return rows[:, : spec.numbers], rows[:, spec.numbers :].long()
