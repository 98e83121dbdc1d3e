"""A Transformer that classifies rows of tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from ops.errors import ConfigError
from ops.nn.models.base import Model
from ops.nn.models.transformer import Transformer
from ops.nn.spec import RowSpec, Spec

if TYPE_CHECKING:
    from torch import nn


class FeatureTransformer(Transformer):
    """A Transformer encoder over the columns of a row: FT-Transformer (Gorishniy et al., 2021).

    A number becomes x_j · w_j + b_j with trained vectors w_j and b_j of its column, brought to mean zero and deviation
    one before; a category becomes a trained vector of its own.
    """

    modality: ClassVar[str] = "row"
    inner_ratio: ClassVar[int] = 2

    kind: Literal["feature_transformer"] = "feature_transformer"
    """A Transformer for rows of tables."""
    dim: Annotated[int, Field(ge=4, le=4096)] = 64
    positions: Literal["none"] = "none"
    """Columns have no order: which one it is, is in the vector of each."""
    pooling: Literal["mean", "cls"] = "cls"
    """How a row becomes one vector: the mean of its columns, or an extra one in front."""

    def build(self, spec: Spec, classes: int) -> nn.Module:
        """The network: numbers (B, N) float32 and categories (B, K) int64 to logits (B, C)."""
        from ops.nn.row_classifier import RowClassifier

        row = row_spec(self, spec)
        anatomy = self.anatomy(row.size + (self.pooling == "cls"))
        return RowClassifier(row, anatomy, classes=classes, pooling=self.pooling)

    def flops(self, spec: Spec, classes: int, length: int | None = None) -> int:
        """Operations of one row's forward pass; see `Model.flops`. The first layer has no product of matrices."""
        from ops.nn.flops import stack_flops

        columns = row_spec(self, spec).size + (self.pooling == "cls")
        return stack_flops(columns, self.anatomy(columns)) + 2 * self.dim * classes


def row_spec(model: Model, spec: Spec) -> RowSpec:
    """The spec, which is that of rows.

    Raises:
        ConfigError: it is not.
    """
    model.check(spec)
    if not isinstance(spec, RowSpec):
        raise ConfigError(f"{model.kind} reads rows", where="model")
    return spec
