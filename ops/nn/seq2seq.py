"""Sequence to sequence by recurrent networks with attention (Bahdanau et al., 2015; Luong et al., 2015)."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from ops.nn.recurrent import make_cells

Kind = Literal["additive", "general", "dot"]
Source = tuple[Tensor, Tensor, Tensor]
"""What a decoder looks at: states (B, S, D), keys made of them (B, S, K), and a mask (B, S), true inside a text."""


class SequenceAttention(nn.Module):
    """Weights over the states of a source for one state of the decoder or several, and what they mix.

    Scores of a decoder's state h and a source's state s: `additive` v · tanh(W h + U s) (Bahdanau et al., 2015),
    `general` h · U s and `dot` h · s (Luong et al., 2015). Weights are their softmax over the source.
    """

    def __init__(self, kind: Kind, dim: int, source: int) -> None:
        """Attention of that kind.

        Args:
            kind: how states are compared.
            dim: width D of the decoder's states.
            source: width of the source's states; D for `dot`.

        Raises:
            ValueError: `dot` of states of other widths.
        """
        super().__init__()
        if kind == "dot" and dim != source:
            raise ValueError(f"dot attention needs states of one width, not {dim} and {source}")
        self.kind = kind
        self.key = nn.Identity() if kind == "dot" else nn.Linear(source, dim, bias=False)
        self.query = nn.Linear(dim, dim) if kind == "additive" else nn.Identity()
        self.weigh = nn.Linear(dim, 1, bias=False) if kind == "additive" else None

    def forward(self, states: Tensor, source: Source) -> tuple[Tensor, Tensor]:
        """Mix the source.

        Args:
            states: (B, T, D) of the decoder.
            source: what is looked at.

        Returns:
            What is mixed (B, T, source's width), and the weights (B, T, S), zero outside of a text.
        """
        values, keys, inside = source
        queries = self.query(states)
        if self.weigh is None:
            scores = queries @ keys.transpose(1, 2)
        else:
            scores = self.weigh(torch.tanh(queries[:, :, None] + keys[:, None])).squeeze(3)
        weights = scores.masked_fill(~inside[:, None], -torch.inf).softmax(dim=2)
        return weights @ values, weights


class Seq2Seq(nn.Module):
    """A bidirectional GRU reads the source; a GRU with attention tells the target, token by token.

    The decoder begins with tanh(W s) of the states s at both ends of reading. A step reads the token before and what
    attention mixed for it a step earlier (input feeding, Luong et al., 2015, section 3.3), and says logits from its
    state and what attention mixes for that: tanh(W [h; c]), then a linear layer.
    """

    def __init__(
        self,
        *,
        source_vocabulary: int,
        target_vocabulary: int,
        dim: int,
        hidden: int,
        attention: Kind = "additive",
        dropout: float = 0.0,
    ) -> None:
        """Build it with fresh weights.

        Args:
            source_vocabulary: number of the source's tokens.
            target_vocabulary: number of the target's.
            dim: length of the vector of each token.
            hidden: width H of the decoder's state, and of both directions of the encoder together; even.
            attention: how states are compared.
            dropout: share of values that are zeroed in training, behind the embeddings and before the last layer.
        """
        super().__init__()
        if hidden % 2:
            raise ValueError(f"hidden: {hidden} is not even: half of it reads in each direction")
        self.hidden = hidden
        self.source = nn.Embedding(source_vocabulary, dim)
        self.target = nn.Embedding(target_vocabulary, dim)
        for table in (self.source, self.target):
            nn.init.normal_(table.weight, std=1.0 / math.sqrt(dim))
        self.encoder = make_cells("gru", dim, hidden // 2, bidirectional=True)
        self.bridge = nn.Linear(hidden, hidden)
        self.decoder = nn.GRUCell(dim + hidden, hidden)
        for name, weight in make_cells("gru", dim + hidden, hidden).named_parameters():
            self.decoder.get_parameter(name.removesuffix("_l0")).data.copy_(weight)
        self.attention = SequenceAttention(attention, hidden, hidden)
        self.mix = nn.Linear(2 * hidden, hidden)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(hidden, target_vocabulary)

    def read(self, tokens: Tensor, lengths: Tensor) -> tuple[Source, tuple[Tensor, Tensor]]:
        """Read the source.

        Args:
            tokens: (B, S) int64; what is behind an example's length does not matter.
            lengths: (B,) int64, at least 1.

        Returns:
            What the decoder looks at, and what it begins with: its state (B, H), and zeros for what was mixed (B, H).
        """
        embedded = self.dropout(self.source(tokens))
        packed = pack_padded_sequence(embedded, lengths.cpu(), batch_first=True, enforce_sorted=False)
        found, ends = self.encoder(packed)
        states, _ = pad_packed_sequence(found, batch_first=True, total_length=tokens.shape[1])
        inside = torch.arange(tokens.shape[1], device=tokens.device) < lengths[:, None]
        begin = torch.tanh(self.bridge(torch.cat((ends[0], ends[1]), dim=1)))
        return (states, self.attention.key(states), inside), (begin, torch.zeros_like(begin))

    def step(
        self, tokens: Tensor, state: tuple[Tensor, Tensor], source: Source
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Say one token.

        Args:
            tokens: (B,) int64, the tokens before.
            state: the decoder's state and what was mixed before, each (B, H).
            source: what `read` gave.

        Returns:
            Logits (B, V) and the next state.
        """
        hidden, mixed = state
        hidden = self.decoder(torch.cat((self.dropout(self.target(tokens)), mixed), dim=1), hidden)
        context, _ = self.attention(hidden[:, None], source)
        mixed = torch.tanh(self.mix(torch.cat((hidden, context[:, 0]), dim=1)))
        logits: Tensor = self.head(self.dropout(mixed))
        return logits, (hidden, mixed)

    def forward(self, tokens: Tensor, lengths: Tensor, before: Tensor) -> Tensor:
        """Logits (B, T, V) of each next token, with the true ones before it (teacher forcing).

        Args:
            tokens: (B, S) int64 of the source.
            lengths: (B,) int64, at least 1.
            before: (B, T) int64: the mark that begins, then the target's tokens but for the last.
        """
        source, state = self.read(tokens, lengths)
        said = []
        for column in before.unbind(dim=1):
            logits, state = self.step(column, state, source)
            said.append(logits)
        return torch.stack(said, dim=1)

    @torch.no_grad()
    def tell(self, tokens: Tensor, lengths: Tensor, *, begin: int, end: int, longest: int) -> list[list[int]]:
        """The likeliest token after the other (greedy), until `end` or `longest` tokens.

        Args:
            tokens: (B, S) int64 of the source.
            lengths: (B,) int64, at least 1.
            begin: the mark that stands before a target.
            end: the mark that stands behind it, which is not told.
            longest: tokens of a target, at most.
        """
        source, state = self.read(tokens, lengths)
        last = torch.full((len(tokens),), begin, dtype=torch.int64, device=tokens.device)
        told: list[Tensor] = []
        done = torch.zeros_like(last, dtype=torch.bool)
        while len(told) < longest and not bool(done.all()):
            logits, state = self.step(last, state, source)
            last = logits.argmax(dim=1)
            done = done | (last == end)
            told.append(last)
        rows = torch.stack(told, dim=1).tolist() if told else [[] for _ in range(len(tokens))]
        return [row[: row.index(end)] if end in row else row for row in rows]
