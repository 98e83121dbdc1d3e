"""Layers that classify rows of tables."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from ops.nn.models.base import Model
from ops.nn.models.feature_transformer import row_spec
from ops.nn.spec import Spec

if TYPE_CHECKING:
    from torch import nn


class Perceptron(Model):
    """A multilayer perceptron over numbers, brought to mean zero and deviation one, and vectors of categories.

    Gorishniy et al. (2021) find it hard to beat on tables.
    """

    modality: ClassVar[str] = "row"

    kind: Literal["perceptron"] = "perceptron"
    """A multilayer perceptron for rows of tables."""
    layers: Annotated[list[Annotated[int, Field(ge=1, le=32_768)]], Field(min_length=1, max_length=64)] = [64, 64]
    """Width of each layer, from the first."""
    category_dim: Annotated[int, Field(ge=1, le=1024)] = 8
    """Length of the vector of each category."""
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.1
    """Share of values that are zeroed in training, behind each layer."""

    def build(self, spec: Spec, classes: int) -> nn.Module:
        """The network: numbers (B, N) float32 and categories (B, K) int64 to logits (B, C)."""
        from ops.nn.row_classifier import RowPerceptron

        return RowPerceptron(
            row_spec(self, spec),
            classes=classes,
            layers=self.layers,
            category_dim=self.category_dim,
            dropout=self.dropout,
        )

    def flops(self, spec: Spec, classes: int, length: int | None = None) -> int:
        """Operations of one row's forward pass; see `Model.flops`."""
        row = row_spec(self, spec)
        widths = [row.numbers + self.category_dim * len(row.categories), *self.layers, classes]
        return sum(2 * before * behind for before, behind in pairwise(widths))
