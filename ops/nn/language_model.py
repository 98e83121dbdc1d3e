"""Tokens in, logits of the next token out."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from ops.nn.anatomy import Anatomy
from ops.nn.bigrams import Bigrams
from ops.nn.cache import KeyValueCache
from ops.nn.decoder import Decoder
from ops.nn.embedding import make_embedding
from ops.nn.norms import unit_rms
from ops.nn.positions import make_positions


class LanguageModel(nn.Module):
    """Embedding and positions (`front`), the decoder's blocks, and a head over the vocabulary (`back`).

    The head is a matrix of its own that starts at zero (all tokens equally likely), or the embedding's where `tied`
    (Press and Wolf, 2017). With `softcap` c logits z become c·tanh(z/c) (Gemma 2). With `scaled` embeddings are
    multiplied by sqrt(D) (Vaswani et al., 2017, section 3.4), and start with a deviation of 1/sqrt(D). With
    `embedding_norm` what goes into the first block has a root mean square of one (nanochat).
    """

    def __init__(
        self,
        anatomy: Anatomy,
        *,
        vocabulary: int,
        tied: bool = False,
        softcap: float = 0.0,
        scaled: bool = False,
        embedding_norm: bool = False,
        bigrams: int = 0,
        value_embeddings: int = 0,
        cross: bool = False,
    ) -> None:
        super().__init__()
        dim = anatomy.dim
        self.anatomy, self.softcap = anatomy, softcap
        self.scale = math.sqrt(dim) if scaled else 1.0
        self.embedding = make_embedding(vocabulary, dim, scaled)
        if embedding_norm and not tied:
            # Of vectors that are brought to one length anyway: small ones would be turned about by the first few steps.
            nn.init.normal_(self.embedding.weight)
        self.bigrams = Bigrams(bigrams, dim) if bigrams else None
        self.positions = make_positions(anatomy.positions, anatomy.length, dim)
        self.embedding_norm = embedding_norm
        self.dropout = nn.Dropout(anatomy.dropout)
        self.decoder = Decoder(anatomy, vocabulary=vocabulary, value_embeddings=value_embeddings, cross=cross)
        self.head = None if tied else nn.Linear(dim, vocabulary, bias=False)
        if self.head is not None:
            nn.init.zeros_(self.head.weight)

    def forward(
        self,
        tokens: Tensor,
        cache: KeyValueCache | None = None,
        memory: Tensor | None = None,
        memory_mask: Tensor | None = None,
    ) -> Tensor:
        """Logits (B, T, V) of the token after each one.

        Args:
            tokens: (B, T) int64. Padding is at the end, where nothing before it can see it.
            cache: what was read before; the tokens are those that follow, and are added to it.
            memory: (B, S, D), what a model made with `cross` looks at beside its own tokens.
            memory_mask: (B, S) bool, true where there is something to look at.
        """
        x = self.decoder(self.front(tokens, cache), tokens, cache, memory, memory_mask)
        if cache is not None:
            cache.last = tokens[:, -1:]
        return self.back(x)

    def tied_weights(self) -> set[str]:
        """Names of the weights that are used in front of the blocks and behind them."""
        return {"embedding.weight"} if self.head is None else set()

    def front(self, tokens: Tensor, cache: KeyValueCache | None = None) -> Tensor:
        """(B, T) int64 to what goes into the first block, (B, T, D)."""
        x: Tensor = self.embedding(tokens)
        if self.scale != 1.0:
            x = x * self.scale
        if self.bigrams is not None:
            before = None if cache is None else cache.last
            if before is None:
                x = x + self.bigrams(tokens)
            else:
                x = x + self.bigrams(torch.cat((before, tokens), dim=1))[:, 1:]
        x = self.positions(x, 0 if cache is None else cache.length)
        placed: Tensor = self.dropout(unit_rms(x) if self.embedding_norm else x)
        return placed

    def back(self, x: Tensor) -> Tensor:
        """What comes out of the decoder, (B, T, D), to logits (B, T, V)."""
        logits = functional.linear(x, self.embedding.weight if self.head is None else self.head.weight)
        return self.softcap * torch.tanh(logits / self.softcap) if self.softcap else logits

    def cache(self, batch: int, capacity: int) -> KeyValueCache:
        """An empty cache for `batch` texts of up to `capacity` tokens, where and of what the weights are."""
        weight = self.embedding.weight
        return KeyValueCache(self.anatomy, batch, capacity, weight.dtype, weight.device)
