from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ops.nn.models.recurrent_encoder import RecurrentEncoder as Model
from ops.nn.recurrent import RecurrentEncoder, gru_step, lstm_step, make_cells, pool_states
from ops.nn.spec import TextSpec
from tests.ops.nn.learning import first_words, learned

CELLS = ("lstm", "gru")
TEXT = TextSpec(vocabulary=20, max_length=12)


def weights_of(cells: nn.LSTM | nn.GRU, layer: int, reverse: bool) -> tuple[Tensor, ...]:
    end = f"_l{layer}{'_reverse' if reverse else ''}"
    return tuple(cells.get_parameter(name + end) for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))


def naive(cells: nn.LSTM | nn.GRU, text: Tensor) -> tuple[Tensor, Tensor]:
    """States (T, W) and end (W,) of one text (T, D), step by step with our own cells."""
    x, width = text, cells.hidden_size
    for layer in range(cells.num_layers):
        sides, ends = [], []
        for reverse in (False, True)[: 2 if cells.bidirectional else 1]:
            weights = weights_of(cells, layer, reverse)
            hidden, cell, states = torch.zeros(1, width), torch.zeros(1, width), []
            for row in x.flip(0) if reverse else x:
                if isinstance(cells, nn.LSTM):
                    hidden, cell = lstm_step(row[None], (hidden, cell), weights)
                else:
                    hidden = gru_step(row[None], hidden, weights)
                states.append(hidden[0])
            sides.append(torch.stack(states[::-1] if reverse else states))
            ends.append(hidden[0])
        x = torch.cat(sides, dim=1)
    return x, torch.cat(ends)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(("layers", "both"), [(1, False), (1, True), (2, True)])
def test_the_fused_cells_are_the_steps_written_out(cell: str, layers: int, both: bool) -> None:
    torch.manual_seed(0)
    encoder = RecurrentEncoder(cell, 3, 5, layers, both, 0.0).double()
    for weight in encoder.parameters():
        nn.init.normal_(weight)
    torch.set_default_dtype(torch.float64)
    try:
        x, lengths = torch.randn(4, 6, 3), torch.tensor([2, 6, 1, 4])
        states, ends = encoder(x, lengths)
        for row, length in enumerate(lengths.tolist()):
            expected, end = naive(encoder.cells, x[row, :length])
            assert torch.allclose(states[row, :length], expected, atol=1e-12)
            assert torch.allclose(ends[row], end, atol=1e-12)
            assert states[row, length:].abs().sum() == 0
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("cell", CELLS)
def test_our_steps_are_torchs_cells_and_their_gradients(cell: str) -> None:
    torch.manual_seed(0)
    theirs: Any = (nn.LSTMCell if cell == "lstm" else nn.GRUCell)(3, 5)
    ours: Any = [weight.detach().clone().requires_grad_() for weight in theirs.parameters()]
    x, hidden, memory = torch.randn(2, 3), torch.randn(2, 5), torch.randn(2, 5)
    found: Any = lstm_step(x, (hidden, memory), ours) if cell == "lstm" else (gru_step(x, hidden, ours),)
    expected: Any = theirs(x, (hidden, memory)) if cell == "lstm" else (theirs(x, hidden),)
    for mine, other in zip(found, expected, strict=True):
        assert torch.allclose(mine, other, atol=1e-6)
    sum(part.square().sum() for part in found).backward()
    sum(part.square().sum() for part in expected).backward()
    assert all(torch.allclose(a.grad, b.grad, atol=1e-5) for a, b in zip(ours, theirs.parameters(), strict=True))


def test_cells_start_well() -> None:
    torch.manual_seed(0)
    for cell in CELLS:
        cells = make_cells(cell, 4, 6, layers=2, bidirectional=True)
        for name, weight in cells.state_dict().items():
            if name.startswith("weight_hh"):
                for gate in weight.chunk(len(weight) // 6):
                    assert torch.allclose(gate @ gate.T, torch.eye(6), atol=1e-5)
            elif "bias" in name:
                forget = 6.0 if cell == "lstm" and "ih" in name else 0.0
                assert float(weight.sum()) == float(weight[6:12].sum()) == forget


def test_a_text_is_pooled_over_its_tokens() -> None:
    states = torch.tensor([[[1.0, -1.0], [3.0, -3.0], [0.0, 0.0]], [[-5.0, 2.0], [0.0, 0.0], [0.0, 0.0]]])
    ends, lengths = torch.ones(2, 2), torch.tensor([2, 1])
    assert pool_states("mean", states, ends, lengths).tolist() == [[2.0, -2.0], [-5.0, 2.0]]
    assert pool_states("max", states, ends, lengths).tolist() == [[3.0, -1.0], [-5.0, 2.0]]
    assert pool_states("last", states, ends, lengths) is ends


@pytest.mark.parametrize("cell", CELLS)
def test_it_remembers_the_first_word_of_texts_of_any_length(cell: Any) -> None:
    torch.manual_seed(0)
    model = Model(cell=cell, dim=12, hidden=16, bidirectional=False, pooling="last", dropout=0.0)
    assert learned(model.build(TEXT, 2), first_words, 120) > 0.97
