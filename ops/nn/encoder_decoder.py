"""A text in, logits of another out (Vaswani et al., 2017)."""

from __future__ import annotations

import math
from typing import NamedTuple

from torch import Tensor, nn

from ops.nn.anatomy import Anatomy
from ops.nn.cache import KeyValueCache
from ops.nn.embedding import make_embedding
from ops.nn.encoder import Encoder
from ops.nn.flops import stack_flops
from ops.nn.language_model import LanguageModel
from ops.nn.norms import unit_rms
from ops.nn.positions import make_positions
from ops.nn.text_classifier import length_mask


class Memory(NamedTuple):
    """What was read of the sources: what the writer looks at.

    Attributes:
        states: (B, S, D).
        mask: (B, S) bool, true inside a text; None where all texts fill all places.
    """

    states: Tensor
    mask: Tensor | None

    def select(self, rows: Tensor) -> Memory:
        """These examples in this order, (B',) int64."""
        return Memory(self.states[rows], None if self.mask is None else self.mask[rows])


class EncoderDecoder(nn.Module):
    """An encoder reads the source; a language model whose blocks look at what was read writes the target.

    One embedding serves both where they are `shared` (one vocabulary, as in the article), and the head too if `tied`.
    """

    def __init__(
        self,
        anatomy: Anatomy,
        *,
        source_vocabulary: int,
        target_vocabulary: int,
        shared: bool = False,
        tied: bool = True,
        softcap: float = 0.0,
        scaled: bool = False,
        embedding_norm: bool = False,
    ) -> None:
        """Build it with fresh weights.

        Args:
            anatomy: of both stacks; `depth` blocks in each.
            source_vocabulary: number of the source's tokens.
            target_vocabulary: number of the target's.
            shared: whether both have one embedding.
            tied: as in `LanguageModel`, and likewise the others.
            softcap: likewise.
            scaled: likewise, for both.
            embedding_norm: likewise, for both.

        Raises:
            ValueError: an embedding is shared by vocabularies of unequal size.
        """
        super().__init__()
        if shared and source_vocabulary != target_vocabulary:
            raise ValueError(f"one embedding for vocabularies of {source_vocabulary} and {target_vocabulary} tokens")
        self.scale, self.embedding_norm = math.sqrt(anatomy.dim) if scaled else 1.0, embedding_norm
        self.source = None if shared else make_embedding(source_vocabulary, anatomy.dim, scaled)
        self.positions = make_positions(anatomy.positions, anatomy.length, anatomy.dim)
        self.dropout = nn.Dropout(anatomy.dropout)
        self.encoder = Encoder(anatomy)
        self.writer = LanguageModel(
            anatomy,
            vocabulary=target_vocabulary,
            tied=tied,
            softcap=softcap,
            scaled=scaled,
            embedding_norm=embedding_norm,
            cross=True,
        )

    def forward(self, tokens: Tensor, lengths: Tensor, before: Tensor) -> Tensor:
        """Logits (B, T, V) of each next token of the target, with the true ones before it (teacher forcing).

        Args:
            tokens: (B, S) int64, the sources; what is behind an example's length does not matter.
            lengths: (B,) int64; an empty source counts as its first padding token.
            before: (B, T) int64, the targets without their last tokens. Padding is at the end.
        """
        return self.write(before, self.read(tokens, lengths))

    def read(self, tokens: Tensor, lengths: Tensor) -> Memory:
        """What the encoder makes of sources (B, S) int64 of these lengths (B,)."""
        table = self.writer.embedding if self.source is None else self.source
        x = self.positions(table(tokens) * self.scale)
        mask = length_mask(lengths, tokens.shape[1])
        return Memory(self.encoder(self.dropout(unit_rms(x) if self.embedding_norm else x), mask), mask)

    def write(self, before: Tensor, memory: Memory, cache: KeyValueCache | None = None) -> Tensor:
        """Logits (B, T, V) of the token after each one of the target.

        Args:
            before: (B, T) int64.
            memory: what `read` gave.
            cache: what was written before; the tokens are those that follow. Keys and values of the memory are
                computed with the first ones, and kept: a cache is for one memory.
        """
        logits: Tensor = self.writer(before, cache, memory.states, memory.mask)
        return logits

    def cache(self, batch: int, capacity: int) -> KeyValueCache:
        """An empty cache for `batch` targets of up to `capacity` tokens."""
        return self.writer.cache(batch, capacity)


def encoder_decoder_flops(anatomy: Anatomy, source: int, target: int, vocabulary: int) -> int:
    """Operations of the matrix products of one example's forward pass, of S tokens to T tokens of a vocabulary."""
    head = 2 * target * anatomy.dim * vocabulary
    return stack_flops(source, anatomy) + stack_flops(target, anatomy, memory=source) + head
