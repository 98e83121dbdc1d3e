"""A Transformer decoder that says what token comes next."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from ops.errors import ConfigError
from ops.nn.anatomy import Anatomy
from ops.nn.models.transformer import TokenTransformer
from ops.nn.spec import Spec, TextSpec

if TYPE_CHECKING:
    from torch import nn


class TransformerDecoder(TokenTransformer):
    """A decoder-only language model (Radford et al., 2018): causal blocks over tokens and a head over the vocabulary.

    Its `forward(tokens, cache=None)` takes tokens (B, T) int64 to logits (B, T, V). It has as many outputs as the
    vocabulary has tokens, whatever number of classes it is told.
    """

    modality: ClassVar[str] = "stream"

    kind: Literal["transformer_decoder"] = "transformer_decoder"
    """A Transformer decoder for text: a language model."""
    block: Literal["article", "gpt2", "modern"] = "modern"
    """Where the settings come from that are left out: the `article`'s blocks, GPT-2's, or `modern` ones, as in all
    Transformers. `modern` learns most from least, with a norm behind the embedding and a `softcap` of 15; the other two
    have a `tied` head, and `article` scales its embeddings."""
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    projections: Literal["joint", "separate"] = "separate"
    tied: bool | None = None
    """Whether the head is the matrix of the embedding."""
    softcap: Annotated[float, Field(ge=0.0, le=1000.0)] | None = None
    """Logits stay between minus and plus this, by a hyperbolic tangent; 0 for no bound."""
    value_embeddings: Annotated[int, Field(ge=0, le=96)] = 0
    """Number of blocks, the last ones, that have a table of vectors by token for the values of attention."""

    convolution: Annotated[int, Field(ge=0, le=64)] = 0
    """Positions that a convolution in front of each part of a block sees, a weight for each and dimension: cheap, and
    worth much where few tokens are learned from. 0 for none."""

    @model_validator(mode="after")
    def _no_more_tables_than_blocks(self) -> TransformerDecoder:
        if self.value_embeddings > self.depth:
            raise ValueError(f"value_embeddings: {self.value_embeddings} is more than depth: {self.depth}")
        return self

    def anatomy(self, length: int) -> Anatomy:
        """The blocks, for texts of up to `length` tokens."""
        return replace(super().anatomy(length), convolution=self.convolution)

    def build(self, spec: Spec, classes: int) -> nn.Module:
        """The network: tokens (B, T) int64 to logits (B, T, V)."""
        from ops.nn.language_model import LanguageModel

        spec = self._text(spec)
        return LanguageModel(
            self.anatomy(spec.max_length),
            vocabulary=spec.vocabulary,
            tied=self.chosen("tied"),
            softcap=self.chosen("softcap"),
            scaled=self.chosen("scaled_embedding"),
            embedding_norm=self.chosen("embedding_norm"),
            bigrams=self.bigrams,
            value_embeddings=self.value_embeddings,
        )

    def flops(self, spec: Spec, classes: int, length: int | None = None) -> int:
        """Operations of one text's forward pass; see `Model.flops`."""
        from ops.nn.flops import stack_flops

        spec = self._text(spec)
        tokens = length or spec.max_length
        return stack_flops(tokens, self.anatomy(spec.max_length)) + 2 * tokens * self.dim * spec.vocabulary

    def _text(self, spec: Spec) -> TextSpec:
        self.check(spec)
        if not isinstance(spec, TextSpec):
            raise ConfigError(f"{self.kind} reads text", where="model")
        return spec
