"""Recurrent networks: long short-term memory and gated recurrent units, and texts read by them."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from ops.nn.head import level_head


def lstm_step(x: Tensor, state: tuple[Tensor, Tensor], weights: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
    """One step of long short-term memory (Hochreiter and Schmidhuber, 1997; forget gate: Gers et al., 2000).

    i, f, o = sigmoid(W x + b + U h + d), g = tanh of the same, c' = f c + i g, h' = o tanh(c').

    Args:
        x: (B, D).
        state: h and c, each (B, H).
        weights: W (4H, D), U (4H, H), b (4H,), d (4H,), rows in the order i, f, g, o.

    Returns:
        h' and c', each (B, H).
    """
    hidden, cell = state
    input_weight, hidden_weight, input_bias, hidden_bias = weights
    mixed = x @ input_weight.T + input_bias + hidden @ hidden_weight.T + hidden_bias
    entering, forget, candidate, output = mixed.chunk(4, dim=1)
    cell = forget.sigmoid() * cell + entering.sigmoid() * candidate.tanh()
    return output.sigmoid() * cell.tanh(), cell


def gru_step(x: Tensor, hidden: Tensor, weights: tuple[Tensor, ...]) -> Tensor:
    """One step of a gated recurrent unit (Cho et al., 2014, with the reset behind the product as in cuDNN).

    r, z = sigmoid(W x + b + U h + d), n = tanh(W x + b + r (U h + d)), h' = (1 - z) n + z h.

    Args:
        x: (B, D).
        hidden: (B, H).
        weights: W (3H, D), U (3H, H), b (3H,), d (3H,), rows in the order r, z, n.

    Returns:
        h' (B, H).
    """
    input_weight, hidden_weight, input_bias, hidden_bias = weights
    seen = (x @ input_weight.T + input_bias).chunk(3, dim=1)
    kept = (hidden @ hidden_weight.T + hidden_bias).chunk(3, dim=1)
    reset, update = (seen[0] + kept[0]).sigmoid(), (seen[1] + kept[1]).sigmoid()
    candidate = (seen[2] + reset * kept[2]).tanh()
    return (1.0 - update) * candidate + update * hidden


def make_cells(
    cell: str, dim: int, hidden: int, layers: int = 1, *, bidirectional: bool = False, dropout: float = 0.0
) -> nn.LSTM | nn.GRU:
    """torch's fused cells, started well: the same steps as `lstm_step` and `gru_step`, all positions in one call.

    Input matrices as Glorot and Bengio (2010) say, each gate's recurrent matrix orthogonal (Saxe et al., 2014), biases
    zero but for the forget gate's, which is 1 so that memory lasts from the start (Jozefowicz et al., 2015).

    Args:
        cell: `lstm` or `gru`.
        dim: width of the input.
        hidden: width of the state.
        layers: cells one above the other.
        bidirectional: whether a second row of cells reads from the end.
        dropout: share of values that are zeroed in training between layers.
    """
    make = nn.LSTM if cell == "lstm" else nn.GRU
    between = dropout if layers > 1 else 0.0  # torch warns where there is nothing between
    cells = make(dim, hidden, layers, batch_first=True, bidirectional=bidirectional, dropout=between)
    for name, weight in cells.named_parameters():
        if "bias" in name:
            nn.init.zeros_(weight)
            if cell == "lstm" and name.startswith("bias_ih"):
                nn.init.ones_(weight.data[hidden : 2 * hidden])
            continue
        for gate in weight.data.chunk(len(weight) // hidden):
            (nn.init.orthogonal_ if name.startswith("weight_hh") else nn.init.xavier_uniform_)(gate)
    return cells


class RecurrentEncoder(nn.Module):
    """Cells that read texts of any lengths; nothing behind a text's end is read, from either side."""

    def __init__(self, cell: str, dim: int, hidden: int, layers: int, bidirectional: bool, dropout: float) -> None:
        super().__init__()
        self.cells = make_cells(cell, dim, hidden, layers, bidirectional=bidirectional, dropout=dropout)

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Read texts.

        Args:
            x: (B, T, D).
            lengths: (B,) int64, at least 1.

        Returns:
            States after each token (B, T, W), zero behind the end; and states at the end of reading (B, W), of the
            last layer. W is the width of the state, twice that where two rows of cells read.
        """
        packed = pack_padded_sequence(x, lengths.cpu(), batch_first=True, enforce_sorted=False)
        found, last = self.cells(packed)
        states, _ = pad_packed_sequence(found, batch_first=True, total_length=x.shape[1])
        ends = last[0] if isinstance(last, tuple) else last
        directions = 2 if self.cells.bidirectional else 1
        return states, torch.cat(tuple(ends[-directions:]), dim=1)


class RecurrentClassifier(nn.Module):
    """Embedding, recurrent encoder, pooling, and a linear head that starts at zero (all classes equally likely)."""

    def __init__(
        self,
        *,
        vocabulary: int,
        classes: int,
        cell: str,
        dim: int,
        hidden: int,
        layers: int,
        bidirectional: bool,
        pooling: str,
        dropout: float,
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, dim)
        nn.init.normal_(self.embedding.weight, std=1.0 / math.sqrt(dim))
        self.encoder = RecurrentEncoder(cell, dim, hidden, layers, bidirectional, dropout)
        self.pooling = pooling
        self.dropout = nn.Dropout(dropout)
        self.head = level_head(hidden * (2 if bidirectional else 1), classes)

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """Logits (B, C).

        Args:
            tokens: (B, T) int64; what is behind an example's length does not matter.
            lengths: (B,) int64; an empty text counts as its first padding token.
        """
        lengths = lengths.clamp(min=1)
        states, ends = self.encoder(self.dropout(self.embedding(tokens)), lengths)
        logits: Tensor = self.head(self.dropout(pool_states(self.pooling, states, ends, lengths)))
        return logits


def pool_states(kind: str, states: Tensor, ends: Tensor, lengths: Tensor) -> Tensor:
    """One vector (B, W) for each text: its end (`last`), or the mean or maximum over its tokens.

    Args:
        kind: `last`, `mean` or `max`.
        states: (B, T, W), zero behind the end.
        ends: (B, W).
        lengths: (B,) int64, at least 1.
    """
    if kind == "mean":
        return states.sum(dim=1) / lengths[:, None]
    if kind == "max":
        outside = torch.arange(states.shape[1], device=states.device) >= lengths[:, None]
        return states.masked_fill(outside.unsqueeze(2), -torch.inf).amax(dim=1)
    return ends
