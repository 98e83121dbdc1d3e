"""A convolutional network that classifies texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from ops.errors import ConfigError
from ops.nn.models.base import Model
from ops.nn.spec import Spec, TextSpec

if TYPE_CHECKING:
    from torch import nn


class TextCnn(Model):
    """Filters over windows of several widths, the largest value of each over the text, and a linear head (Kim, 2014).

    With the paper's widths, filters and dropout by default. Its limit on the length of the head's rows is not there:
    `weight_decay` does that. It sees which short phrases occur, not where.
    """

    modality: ClassVar[str] = "text"

    kind: Literal["text_cnn"] = "text_cnn"
    """A convolutional network for text."""
    dim: Annotated[int, Field(ge=1, le=4096)] = 128
    """Length of the vector of each token."""
    widths: Annotated[
        tuple[Annotated[int, Field(ge=1, le=64)], ...], Field(min_length=1, max_length=16, strict=False)
    ] = (3, 4, 5)
    """Tokens of a window, for each group of filters."""
    filters: Annotated[int, Field(ge=1, le=4096)] = 100
    """Filters of each width."""
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.5
    """Share of values that are zeroed in training, before the head."""

    def build(self, spec: Spec, classes: int) -> nn.Module:
        """The network: (tokens (B, T) int64, lengths (B,) int64) to logits (B, C)."""
        from ops.nn.text_cnn import TextCnn as Network

        return Network(
            vocabulary=self._text(spec).vocabulary,
            classes=classes,
            dim=self.dim,
            widths=self.widths,
            filters=self.filters,
            dropout=self.dropout,
        )

    def flops(self, spec: Spec, classes: int, length: int | None = None) -> int:
        """Operations of one text's forward pass; see `Model.flops`. T tokens have T + width - 1 windows."""
        tokens = length or self._text(spec).max_length
        windows = sum((tokens + width - 1) * width for width in self.widths)
        return 2 * windows * self.dim * self.filters + 2 * len(self.widths) * self.filters * classes

    def _text(self, spec: Spec) -> TextSpec:
        self.check(spec)
        if not isinstance(spec, TextSpec):
            raise ConfigError(f"{self.kind} reads text", where="model")
        return spec
