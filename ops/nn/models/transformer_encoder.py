"""A Transformer encoder that classifies texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from ops.errors import ConfigError
from ops.nn.models.transformer import TokenTransformer
from ops.nn.spec import Spec, TextSpec

if TYPE_CHECKING:
    from torch import nn


class TransformerEncoder(TokenTransformer):
    """A Transformer encoder over tokens (Vaswani et al., 2017), pooled to one vector, with a linear head."""

    modality: ClassVar[str] = "text"

    kind: Literal["transformer_encoder"] = "transformer_encoder"
    """A Transformer encoder for text."""
    pooling: Literal["mean", "cls"] = "mean"
    """How a text becomes one vector: the mean of its tokens, or an extra token in front."""

    def build(self, spec: Spec, classes: int) -> nn.Module:
        """The network: (tokens (B, T) int64, lengths (B,) int64) to logits (B, C)."""
        from ops.nn.text_classifier import TextClassifier

        spec = self._text(spec)
        return TextClassifier(
            self.anatomy(spec.max_length + (self.pooling == "cls")),
            vocabulary=spec.vocabulary,
            classes=classes,
            pooling=self.pooling,
            bigrams=self.bigrams,
            scaled=self.chosen("scaled_embedding"),
            embedding_norm=self.chosen("embedding_norm"),
        )

    def flops(self, spec: Spec, classes: int, length: int | None = None) -> int:
        """Operations of one text's forward pass; see `Model.flops`."""
        from ops.nn.flops import stack_flops

        tokens = (length or self._text(spec).max_length) + (self.pooling == "cls")
        return stack_flops(tokens, self.anatomy(tokens)) + 2 * self.dim * classes

    def _text(self, spec: Spec) -> TextSpec:
        self.check(spec)
        if not isinstance(spec, TextSpec):
            raise ConfigError(f"{self.kind} reads text", where="model")
        return spec
