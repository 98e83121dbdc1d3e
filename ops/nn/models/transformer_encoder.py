"""A Transformer encoder that classifies texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from ops.errors import ConfigError
from ops.nn.models.base import Model, check_attention
from ops.nn.spec import Spec, TextSpec

if TYPE_CHECKING:
    from torch import nn


class TransformerEncoder(Model):
    """A pre-norm Transformer encoder over tokens, pooled to one vector, with a linear head.

    Vaswani et al. (2017), with the normalisation in front of each part (Xiong et al., 2020).
    """

    modality: ClassVar[str] = "text"

    kind: Literal["transformer_encoder"] = "transformer_encoder"
    """A Transformer encoder for text."""
    dim: Annotated[int, Field(ge=4, le=4096)] = 128
    """Width: length of the vector of each token."""
    depth: Annotated[int, Field(ge=1, le=96)] = 2
    """Number of blocks."""
    heads: Annotated[int, Field(ge=1, le=128)] = 4
    """Number of attention heads; divides `dim`."""
    feed_forward: Annotated[int, Field(ge=1, le=32_768)] | None = None
    """Width inside the feed-forward layers; four times `dim` by default."""
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.1
    """Share of values that are zeroed in training, after the embedding and in each block."""
    positions: Literal["learned", "sinusoidal"] = "learned"
    """How the model knows the order of tokens: a trained table, or sines and cosines."""
    pooling: Literal["mean", "cls"] = "mean"
    """How a text becomes one vector: the mean of its tokens, or an extra token in front."""
    bigrams: Annotated[int, Field(ge=0, le=2**22)] = 0
    """Rows of a table of vectors for pairs of neighbours, hashed; spares attention to learn them. 0 for none."""

    @model_validator(mode="after")
    def _heads_divide_dim(self) -> TransformerEncoder:
        check_attention(self.dim, self.heads, self.positions)
        return self

    @property
    def inner(self) -> int:
        """Width inside the feed-forward layers."""
        return self.feed_forward or 4 * self.dim

    def build(self, spec: Spec, classes: int) -> nn.Module:
        """The network: (tokens (B, T) int64, lengths (B,) int64) to logits (B, C)."""
        from ops.nn.text_classifier import TextClassifier

        spec = self._text(spec)
        return TextClassifier(
            vocabulary=spec.vocabulary,
            max_length=spec.max_length,
            classes=classes,
            dim=self.dim,
            depth=self.depth,
            heads=self.heads,
            inner=self.inner,
            dropout=self.dropout,
            positions=self.positions,
            pooling=self.pooling,
            bigrams=self.bigrams,
        )

    def flops(self, spec: Spec, classes: int, length: int | None = None) -> int:
        """Operations of one text's forward pass; see `Model.flops`."""
        from ops.nn.flops import encoder_flops

        tokens = (length or self._text(spec).max_length) + (self.pooling == "cls")
        return encoder_flops(tokens, self.dim, self.depth, self.inner) + 2 * self.dim * classes

    def _text(self, spec: Spec) -> TextSpec:
        self.check(spec)
        if not isinstance(spec, TextSpec):
            raise ConfigError(f"{self.kind} reads text", where="model")
        return spec
