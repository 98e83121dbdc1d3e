"""Recurrent networks that classify texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from ops.errors import ConfigError
from ops.nn.models.base import Model
from ops.nn.spec import Spec, TextSpec

if TYPE_CHECKING:
    from torch import nn


GATES = {"lstm": 4, "gru": 3}
"""Matrices of each kind of cell: gates and candidate."""


class RecurrentEncoder(Model):
    """Long short-term memory or gated recurrent units over tokens, pooled to one vector, with a linear head.

    Hochreiter and Schmidhuber (1997); Cho et al. (2014); from both sides: Schuster and Paliwal (1997).
    """

    modality: ClassVar[str] = "text"

    kind: Literal["recurrent_encoder"] = "recurrent_encoder"
    """A recurrent network for text."""
    cell: Literal["lstm", "gru"] = "lstm"
    """Long short-term memory, or the gated recurrent unit with three matrices in place of four."""
    dim: Annotated[int, Field(ge=1, le=4096)] = 128
    """Length of the vector of each token."""
    hidden: Annotated[int, Field(ge=1, le=4096)] = 128
    """Width of the state, of each direction."""
    layers: Annotated[int, Field(ge=1, le=16)] = 1
    """Cells one above the other."""
    bidirectional: bool = True
    """Whether a second row of cells reads from the end."""
    pooling: Literal["last", "mean", "max"] = "last"
    """How a text becomes one vector: the states at the end of reading, or mean or maximum over its tokens."""
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.2
    """Share of values that are zeroed in training, after the embedding, between layers and before the head."""

    @property
    def directions(self) -> int:
        """Rows of cells."""
        return 2 if self.bidirectional else 1

    def build(self, spec: Spec, classes: int) -> nn.Module:
        """The network: (tokens (B, T) int64, lengths (B,) int64) to logits (B, C)."""
        from ops.nn.recurrent import RecurrentClassifier

        return RecurrentClassifier(
            vocabulary=self._text(spec).vocabulary,
            classes=classes,
            cell=self.cell,
            dim=self.dim,
            hidden=self.hidden,
            layers=self.layers,
            bidirectional=self.bidirectional,
            pooling=self.pooling,
            dropout=self.dropout,
        )

    def flops(self, spec: Spec, classes: int, length: int | None = None) -> int:
        """Operations of one text's forward pass; see `Model.flops`.

        For each token, layer and direction a cell multiplies its matrices, four (LSTM) or three (GRU) of H rows, with
        the input and with the state.
        """
        width = self.directions * self.hidden
        inputs = self.dim + (self.layers - 1) * width
        per_token = 2 * self.directions * GATES[self.cell] * self.hidden * (inputs + self.layers * self.hidden)
        return (length or self._text(spec).max_length) * per_token + 2 * width * classes

    def _text(self, spec: Spec) -> TextSpec:
        self.check(spec)
        if not isinstance(spec, TextSpec):
            raise ConfigError(f"{self.kind} reads text", where="model")
        return spec
