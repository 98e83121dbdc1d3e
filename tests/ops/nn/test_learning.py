"""Each member of the family learns what only a sound one can, in seconds; and planted faults are found by it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import ops.nn.attention
from ops.nn.anatomy import Anatomy
from ops.nn.attention import attend
from ops.nn.encoder_decoder import EncoderDecoder
from ops.nn.models.series_transformer import SeriesTransformer
from ops.nn.models.transformer_decoder import TransformerDecoder
from ops.nn.models.transformer_encoder import TransformerEncoder
from ops.nn.models.vision_transformer import VisionTransformer
from ops.nn.spec import ImageSpec, SeriesSpec, TextSpec

SMALL: dict[str, Any] = {"dim": 32, "depth": 2, "heads": 4, "dropout": 0.0}

pytestmark = pytest.mark.slow


def learn(network: nn.Module, loss: Callable[[], Tensor], steps: int, rate: float = 0.005) -> float:
    """Mean loss of the last ten of some steps of AdamW, whose rate rises, then falls to zero."""
    optimizer = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=0.0)
    losses = []
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1.0, (step + 1) / 20) * (1 - step / steps)
        value = loss()
        optimizer.zero_grad()
        torch.autograd.backward(value)
        optimizer.step()
        losses.append(float(value.detach()))
    return sum(losses[-10:]) / 10


def language(steps: int, **settings: Any) -> tuple[float, float]:
    """Losses of a decoder on rows of random tokens that come twice.

    Returns:
        The loss on the second half, which the first one tells, and on the first, which nothing tells (ln 11 = 2.40 at
        the least). The latter counts little in training: enough that what could be known would be learned.
    """
    torch.manual_seed(0)
    network = TransformerDecoder(**{**SMALL, **settings}).build(TextSpec(vocabulary=11, max_length=12), 11)
    halves: list[tuple[float, float]] = []

    def loss() -> Tensor:
        half = torch.randint(0, 11, (32, 6))
        rows = torch.cat((half, half), dim=1)
        logits = network(rows[:, :-1])
        untold = functional.cross_entropy(logits[:, :5].flatten(0, 1), rows[:, 1:6].flatten())
        told = functional.cross_entropy(logits[:, 5:].flatten(0, 1), rows[:, 6:].flatten())
        halves.append((float(told.detach()), float(untold.detach())))
        return told + 0.03 * untold

    learn(network, loss, steps)
    last = torch.tensor(halves[-10:]).mean(dim=0)
    return float(last[0]), float(last[1])


@pytest.mark.parametrize(("block", "steps"), [("article", 500), ("gpt2", 150), ("modern", 150)])
def test_a_decoder_learns_to_repeat(block: str, steps: int) -> None:
    told, untold = language(steps, block=block)
    assert told < 0.3
    assert untold > 2.2


def test_a_look_ahead_by_one_would_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a mask that is off by one the model says what nobody can know."""

    def leaking(queries: Tensor, keys: Tensor, values: Tensor, visible: Any, bias: Any, causal: bool) -> Tensor:
        return attend(queries, keys, values, torch.ones(queries.shape[2], keys.shape[2]).tril(1).bool())

    monkeypatch.setattr(ops.nn.attention, "fused", leaking)
    assert language(150)[1] < 1.0


def test_scores_that_say_nothing_would_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def blind(queries: Tensor, keys: Tensor, values: Tensor, visible: Any, bias: Any, causal: bool) -> Tensor:
        return attend(0.0 * queries, keys, values, causal=causal)

    monkeypatch.setattr(ops.nn.attention, "fused", blind)
    assert language(150)[0] > 1.0


def marked(**settings: Any) -> float:
    """Loss of an encoder that is to say which token stands behind a mark (from 2.08 = ln 8 down)."""
    torch.manual_seed(0)
    network = TransformerEncoder(**{**SMALL, **settings}).build(TextSpec(vocabulary=10, max_length=8), 10)

    def loss() -> Tensor:
        rows, lengths, every = torch.randint(2, 10, (32, 8)), torch.randint(3, 9, (32,)), torch.arange(32)
        mark = (torch.rand(32) * (lengths - 1)).long()
        rows[every, mark] = 1
        return functional.cross_entropy(network(rows, lengths), rows[every, mark + 1])

    return learn(network, loss, 300)


@pytest.mark.parametrize("block", ["gpt2", "modern"])
@pytest.mark.parametrize("positions", ["learned", "rotary"])
def test_an_encoder_learns_what_stands_behind_a_mark(block: str, positions: str) -> None:
    assert marked(block=block, positions=positions) < 0.3


@pytest.mark.parametrize(("positions", "knows"), [("relative", True), ("t5", True), ("none", False)])
def test_without_positions_it_cannot(positions: str, knows: bool) -> None:
    assert (marked(positions=positions) < 0.3) == knows


def test_an_encoder_decoder_learns_to_copy() -> None:
    """Every token of the target is in the source, the last one too, and only looking at the right place tells it."""
    torch.manual_seed(0)
    made = Anatomy(dim=32, depth=2, heads=4, inner=64, length=8, positions="sinusoidal")
    network = EncoderDecoder(made, source_vocabulary=9, target_vocabulary=9, scaled=True)

    def loss() -> Tensor:
        source, lengths = torch.randint(1, 9, (32, 8)), torch.randint(2, 9, (32,))
        inside = torch.arange(8) < lengths[:, None]
        logits = network(source, lengths, functional.pad(source[:, :-1], (1, 0)))
        return functional.cross_entropy(logits[inside], source[inside])

    assert learn(network, loss, 300) < 0.1


@pytest.mark.parametrize("block", ["gpt2", "modern"])
def test_a_vision_transformer_learns_where_the_brighter_spot_is(block: str) -> None:
    torch.manual_seed(0)
    model = VisionTransformer.model_validate({**SMALL, "block": block, "stem": "patches", "positions": "learned"})
    network = model.build(ImageSpec(height=8, width=8, channels=1), 4)

    def loss() -> Tensor:
        images, every = torch.randint(0, 60, (32, 8, 8, 1), dtype=torch.uint8), torch.arange(32)
        first, second = torch.rand(32, 8).argsort(dim=1)[:, :2].T
        images[every, torch.randint(0, 8, (32,)), first] = 255
        images[every, torch.randint(0, 8, (32,)), second] = 150
        return functional.cross_entropy(network(images), first // 2)

    assert learn(network, loss, 400) < 0.3


@pytest.mark.parametrize("block", ["gpt2", "modern"])
def test_a_series_transformer_learns_to_go_on(block: str) -> None:
    """A wave of unknown phase and period: going on from its last value leaves an error of 0.3."""
    torch.manual_seed(0)
    network = SeriesTransformer.model_validate({**SMALL, "block": block, "patch": 4}).build(
        SeriesSpec(features=1, history=16), 4
    )

    def loss() -> Tensor:
        phase, pace = torch.rand(2, 32, 1)
        wave = torch.sin(6.28 * phase + torch.arange(20) * (0.3 + 0.3 * pace))
        return functional.mse_loss(network(wave[:, :16, None]), wave[:, 16:])

    assert learn(network, loss, 200) < 0.02
