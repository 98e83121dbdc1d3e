from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from ops.errors import IntegrityError
from ops.nn.models.transformer_decoder import TransformerDecoder
from ops.nn.models.transformer_encoder import TransformerEncoder
from ops.nn.spec import TextSpec
from ops.training.config import TrainingConfig
from ops.training.optimizer import Optimizers, hidden_matrices

KINDS = ("adamw", "adam", "sgd", "muon")


def network() -> nn.Module:
    torch.manual_seed(0)
    model = TransformerEncoder(dim=8, depth=1, heads=2, dropout=0.0)
    built = model.build(TextSpec(vocabulary=9, max_length=5), 3)
    nn.init.normal_(built.head.weight)  # type: ignore[arg-type, union-attr]
    return built


def make(kind: Any, built: nn.Module, **settings: Any) -> Optimizers:
    return Optimizers(built, TrainingConfig(steps=9, optimizer=kind, **{"learning_rate": 0.001, **settings}))


def step(built: nn.Module, optimizers: Optimizers, number: int) -> None:
    tokens = torch.randint(0, 9, (4, 5), generator=torch.Generator().manual_seed(number))
    optimizers.zero_grad()
    built(tokens, torch.full((4,), 5)).square().sum().backward()
    optimizers.step()


@pytest.mark.parametrize("kind", KINDS)
def test_it_goes_on_exactly_from_its_state(kind: str) -> None:
    whole, parted = network(), network()
    optimizers = make(kind, whole)
    for number in range(6):
        step(whole, optimizers, number)
    first = make(kind, parted)
    for number in range(3):
        step(parted, first, number)
    second = make(kind, parted)
    second.load(first.state())
    for number in range(3, 6):
        step(parted, second, number)
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), parted.parameters(), strict=True))


def test_without_its_state_it_does_not() -> None:
    whole, parted = network(), network()
    optimizers, other = make("adamw", whole), make("adamw", parted)
    for number in range(6):
        step(whole, optimizers, number)
        step(parted, other if number < 3 else make("adamw", parted), number)
    assert not torch.equal(next(whole.parameters()), next(parted.parameters()))


SAID = {"learning_rate": 0.004, "weight_decay": 0.3}
GIVEN: dict[str, dict[str, Any]] = {
    "adamw": {"betas": (0.7, 0.8)},
    "adam": {"betas": (0.7, 0.8)},
    "sgd": {"momentum": 0.6},
    "muon": {"betas": (0.7, 0.8), "momentum": 0.6, "muon_learning_rate": 0.03},
}


def torchs(kind: str, built: nn.Module) -> list[torch.optim.Optimizer]:
    """torch's optimisers with the same settings: matrices decay, nothing else does."""
    named = dict(built.named_parameters())
    hidden = [named[name] for name in sorted(hidden_matrices(built))] if kind == "muon" else []
    groups = [
        {"params": [weight], "weight_decay": 0.3 if weight.ndim >= 2 else 0.0}
        for weight in named.values()
        if not any(weight is matrix for matrix in hidden)
    ]
    if kind == "sgd":
        return [torch.optim.SGD(groups, lr=0.004, momentum=0.6, nesterov=True)]
    make = torch.optim.Adam if kind == "adam" else torch.optim.AdamW
    rest: torch.optim.Optimizer = make(groups, lr=0.004, betas=(0.7, 0.8), eps=1e-8)
    return [rest, torch.optim.Muon(hidden, lr=0.03, momentum=0.6, weight_decay=0.3)] if hidden else [rest]


@pytest.mark.parametrize("kind", KINDS)
def test_with_the_settings_of_a_recipe_they_are_torchs(kind: str) -> None:
    """None of the settings is as by default. Adam's decay is in the gradient, AdamW's is not."""
    ours, theirs = network(), network()
    optimizers, others = make(kind, ours, **SAID, **GIVEN[kind]), torchs(kind, theirs)
    for number in range(3):
        step(ours, optimizers, number)
        for mine, weight in zip(ours.parameters(), theirs.parameters(), strict=True):
            weight.grad = None if mine.grad is None else mine.grad.clone()
        for other in others:
            other.step()
    for (name, mine), weight in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        # Muon's products are of 16 bits, and of several matrices at once round otherwise.
        close = 0.03 * 3 * 0.03 if kind == "muon" and name in hidden_matrices(ours) else 1e-6
        assert torch.allclose(mine, weight, atol=close), name


def test_muon_is_for_the_matrices_of_the_blocks() -> None:
    assert hidden_matrices(network()) == {
        "encoder.blocks.0.attention.project_in.weight",
        "encoder.blocks.0.attention.project_out.weight",
        "encoder.blocks.0.feed_forward.project_in.weight",
        "encoder.blocks.0.feed_forward.project_out.weight",
    }
    built = network()
    optimizers = make("muon", built)
    step(built, optimizers, 0)
    moments = {
        name.rpartition(":")[2] for name in optimizers.state() if name.startswith("encoder.blocks.0.attention.p")
    }
    assert "momentum_buffer" in moments


@pytest.mark.parametrize("positions", ["learned", "relative", "t5"])
def test_no_table_of_a_decoder_is_a_hidden_matrix(positions: Any) -> None:
    """Tables of positions, of tokens and of pairs have two dimensions too."""
    model = TransformerDecoder(
        dim=8, depth=1, heads=2, positions=positions, activation="swiglu", value_embeddings=1, bigrams=16
    )
    built = model.build(TextSpec(vocabulary=9, max_length=5), 9)
    names = ["queries", "keys", "values", "project_out"]
    inner = ["gate", "project_in", "project_out"]
    assert hidden_matrices(built) == {
        *(f"decoder.blocks.0.attention.{name}.weight" for name in names),
        *(f"decoder.blocks.0.feed_forward.{name}.weight" for name in inner),
    }


def test_a_model_may_say_which_its_hidden_matrices_are() -> None:
    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.middle, self.encoder = nn.Linear(2, 2), nn.Linear(2, 2)

        def hidden_matrices(self) -> set[str]:
            return {"middle.weight"}

    assert hidden_matrices(Own()) == {"middle.weight"}


@pytest.mark.parametrize("kind", KINDS)
def test_a_rate_of_zero_changes_nothing(kind: str) -> None:
    built, before = network(), network()
    optimizers = make(kind, built)
    assert optimizers.set_rate(0.0) == 0.0
    step(built, optimizers, 0)
    assert all(torch.equal(a, b) for a, b in zip(built.parameters(), before.parameters(), strict=True))
    assert optimizers.set_rate(0.5) == pytest.approx(0.0005)


def test_the_state_of_other_weights_is_refused() -> None:
    with pytest.raises(IntegrityError, match="of other weights: nobody"):
        make("sgd", network()).load({"nobody:momentum_buffer": torch.zeros(1)})


@pytest.mark.parametrize("kind", KINDS)
def test_operations_of_a_step_are_those_that_torch_counts(kind: str) -> None:
    built = network()
    optimizers = make(kind, built)
    step(built, optimizers, 0)
    with FlopCounterMode(display=False) as counter:
        optimizers.step()
    assert optimizers.flops == counter.get_total_flops()
    assert (optimizers.flops > 0) == (kind == "muon")


def test_decay_and_momentum_are_set_in_all_groups() -> None:
    built = network()
    optimizers = make("muon", built, weight_decay=0.4)
    optimizers.set_decay(0.5)
    optimizers.set_momentum(0.7)
    groups = [group for part in optimizers._parts for group in part.param_groups]
    assert sorted(group["weight_decay"] for group in groups) == [0.0, 0.2, 0.2]
    assert [group["momentum"] for group in groups if "momentum" in group] == [0.7]
