"""Gradients of a modern language model, whole again, are those of one process under every strategy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from ops.errors import ConfigError
from ops.nn.language_model import LanguageModel
from ops.nn.models.transformer_decoder import TransformerDecoder
from ops.nn.spec import TextSpec
from ops.training.config import TrainingConfig
from ops.training.distributed import Group
from ops.training.loader import Batch
from ops.training.optimizer import Optimizers
from ops.training.parallel.base import Strategy
from ops.training.parallel.fsdp import Fsdp
from ops.training.parallel.fsdp_tensor import FsdpTensor
from ops.training.parallel.pipeline import Pipeline
from ops.training.parallel.tensor import TensorParallel
from ops.training.parallel.zero1 import Zero1
from tests.ops.training.parallel.apart import together

Found = tuple[float, float, dict[str, Any]]
SPEC = TextSpec(vocabulary=11, max_length=6)


def language_model(**settings: Any) -> LanguageModel:
    """Grouped heads, rotary positions, value embeddings, weighed residuals; no weight is zero."""
    torch.manual_seed(1)
    kind = TransformerDecoder(**{"dim": 16, "depth": 3, "heads": 4, "kv_heads": 2, "value_embeddings": 2, **settings})
    model = kind.build(SPEC, 11).double()
    assert isinstance(model, LanguageModel)
    for weight in model.parameters():
        nn.init.normal_(weight, std=0.3)
    return model


def batch(rows: int = 5) -> Batch:
    rng = np.random.default_rng(2)
    tokens = torch.from_numpy(rng.integers(0, 11, (rows, 6)))
    labels = torch.from_numpy(rng.integers(0, 11, (rows, 6)))
    return Batch(rows * 6, rows, 6, (tokens,), labels, torch.ones(rows, dtype=torch.float64))


def loss_of(said: Tensor, part: Batch) -> Tensor:
    losses = functional.cross_entropy(said.transpose(1, 2), part.labels, reduction="none").sum(dim=1)
    return (losses * part.weights).sum()


def gradients(strategy: Strategy, model: nn.Module) -> Found:
    """Loss, length of the gradients, and the gradients themselves, after one backward pass of the strategy."""
    strategy.prepare(model)
    every = batch()
    place, parts = strategy.part
    mine = every.rows(slice(place, None, parts))
    loss = strategy.backward(mine, loss_of, 1.0 / every.count)
    total = float(strategy.total(loss.double()))
    length = strategy.clip(model, None)
    pieces = {name: strategy.piece(w.grad) for name, w in model.named_parameters() if w.grad is not None}
    whole = {name: value.numpy() for name, value in strategy.whole(pieces).items()}
    with torch.no_grad():
        said = strategy.forward(mine.inputs)
    assert said.shape == (len(mine.labels), 6, 11)
    return total, length, whole


def every(group: Group, cases: dict[str, Callable[[Group], Strategy]], **settings: Any) -> dict[str, Found]:
    return {name: gradients(make(group), language_model(**settings)) for name, make in cases.items()}


def same(found: Found, expected: Found) -> None:
    assert found[:2] == pytest.approx(expected[:2], rel=1e-12)
    assert found[2].keys() == expected[2].keys()
    for name, value in found[2].items():
        np.testing.assert_allclose(value, expected[2][name], atol=1e-12, err_msg=name)


TWO: dict[str, Callable[[Group], Strategy]] = {
    "fsdp": Fsdp,
    "tensor": TensorParallel,
    "gpipe": lambda group: Pipeline(group, "gpipe", 3),
    "1f1b": lambda group: Pipeline(group, "1f1b", 9),
}


@pytest.mark.parametrize("projections", ["separate", "joint"])
def test_gradients_of_two_processes_are_those_of_one(tmp_path: Path, projections: str) -> None:
    expected = gradients(Strategy(Group()), language_model(projections=projections))
    first, second = together(tmp_path, 2, lambda group: every(group, TWO, projections=projections))
    for name, found in first.items():
        same(found, expected)
        assert second[name][:2] == found[:2]


def passes(group: Group) -> dict[str, str]:
    """The forward and backward passes of this process's stage, in their order."""
    told = {}
    for schedule in ("gpipe", "1f1b"):
        said: list[str] = []

        class Watched(Pipeline):
            def _forward_part(self, part: Batch, loss: Any, said: list[str] = said) -> Any:
                said.append("F")
                return super()._forward_part(part, loss)

            def _backward_part(self, before: Any, out: Tensor, scale: float, said: list[str] = said) -> None:
                said.append("B")
                super()._backward_part(before, out, scale)

        gradients(Watched(group, schedule, 5), language_model())
        told[schedule] = "".join(said)
    return told


def test_by_1f1b_a_stage_is_ahead_by_the_stages_behind_it(tmp_path: Path) -> None:
    """So many activations are kept (Narayanan et al., 2019, figure 4); by GPipe those of the whole batch."""
    first, last = together(tmp_path, 2, passes)
    assert first == {"gpipe": "FFFFFBBBBB", "1f1b": "FFBFBFBFBB"}
    assert last == {"gpipe": "FFFFFBBBBB", "1f1b": "FBFBFBFBFB"}


def held(group: Group) -> dict[str, float]:
    """Which share of the weights' values a process holds, and with ZeRO-1 keeps the optimiser's state of."""
    shares = {}
    for name, make in {**TWO, "zero1": Zero1}.items():
        model, strategy = language_model(), make(group)
        whole = sum(weight.numel() for weight in model.parameters())
        strategy.prepare(model)
        mine = [w for each, w in model.named_parameters() if strategy.steps(each) and w.device.type != "meta"]
        shares[name] = sum(strategy.piece(weight).numel() for weight in mine) / whole
    return shares


def test_each_process_holds_its_share_only(tmp_path: Path) -> None:
    """Half of all with FSDP and ZeRO-1; with `tensor` half of the matrices; in a pipeline whole blocks."""
    for shares in together(tmp_path, 2, held):
        assert shares["fsdp"] == pytest.approx(0.5, abs=0.02)
        assert shares["zero1"] == pytest.approx(0.5, abs=0.1)
        assert 0.5 < shares["tensor"] < 0.6
        assert 0.3 < shares["1f1b"] < 0.7


@pytest.mark.slow
@pytest.mark.parametrize(("positions", "tied"), [("relative", False), ("t5", True)])
def test_gradients_of_four_processes_are_those_of_one(tmp_path: Path, positions: str, tied: bool) -> None:
    cases: dict[str, Callable[[Group], Strategy]] = {
        "fsdp_tensor": lambda group: FsdpTensor(group, 2),
        "1f1b": lambda group: Pipeline(group, "1f1b", 4),
    }
    expected = gradients(Strategy(Group()), language_model(depth=5, positions=positions, tied=tied))
    found = together(tmp_path, 4, lambda group: every(group, cases, depth=5, positions=positions, tied=tied))
    for each in found[0].values():
        same(each, expected)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("width", "world", "make"), [(10, 4, TensorParallel), (3, 4, lambda group: FsdpTensor(group, 2))]
)
def test_a_width_that_does_not_divide(
    tmp_path: Path, width: int, world: int, make: Callable[[Group], Strategy]
) -> None:
    """Of ten 3, 3, 3 and 1; of three 2 and 1, of which two processes then have pieces of 1 and 1, or of 1 and 0."""
    settings = {"feed_forward": width, "activation": "swiglu", "kv_heads": 4, "bias": True}
    expected = gradients(Strategy(Group()), language_model(**settings))
    for found in together(tmp_path, world, lambda group: every(group, {"": make}, **settings)):
        same(found[""], expected)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kv_heads", "world", "make"),
    [(1, 2, TensorParallel), (2, 4, TensorParallel), (1, 4, lambda group: FsdpTensor(group, 2))],
)
def test_fewer_heads_of_keys_than_processes(
    tmp_path: Path, kv_heads: int, world: int, make: Callable[[Group], Strategy]
) -> None:
    """Multi-query attention, and two heads for four processes: each uses one, of value embeddings too."""
    settings = {"kv_heads": kv_heads, "positions": "t5", "projections": "separate", "bias": True}
    expected = gradients(Strategy(Group()), language_model(**settings))
    for found in together(tmp_path, world, lambda group: every(group, {"": make}, **settings)):
        same(found[""], expected)


@pytest.mark.parametrize("positions", ["t5", pytest.param("relative", marks=pytest.mark.slow)])
def test_tables_of_distances_and_tied_heads_are_shared_too(tmp_path: Path, positions: str) -> None:
    """Attention's tables by heads and the head that is the embedding: two processes, and the gradients of one."""
    expected = gradients(Strategy(Group()), language_model(positions=positions, tied=True))
    assert any(name.endswith("relation.table") for name in expected[2])
    first, second = together(tmp_path, 2, lambda group: every(group, TWO, positions=positions, tied=True))
    for name, found in first.items():
        same(found, expected)
        assert second[name][:2] == found[:2]


def stepped(group: Group) -> tuple[set[str], bytes]:
    """After three steps of AdamW in a pipeline: the names of this process's states, and its embedding's bytes."""
    model, strategy = language_model(tied=True), Pipeline(group, "1f1b", 3)
    strategy.prepare(model)
    optimizers = Optimizers(model, TrainingConfig(steps=3, weight_decay=0.1), strategy)
    for _ in range(3):
        strategy.backward(batch(), loss_of, 0.1)
        strategy.clip(model, 1.0, 0.5)
        optimizers.step()
        optimizers.zero_grad()
    whole = strategy.whole_state(optimizers.state())
    assert not group.first or sum(name.startswith("embedding.weight:exp_avg_sq") for name in whole) == 1
    return {name.partition(":")[0] for name in optimizers.state()}, model.embedding.weight.detach().numpy().tobytes()


@pytest.mark.slow
def test_a_tied_head_is_the_same_in_both_ends_of_a_pipeline(tmp_path: Path) -> None:
    """To the bit, and between them nobody steps it."""
    (first, embedding), (between, other), (last, head) = together(tmp_path, 3, stepped)
    assert embedding == head != other
    assert "embedding.weight" in first & last and "embedding.weight" not in between
    assert not (first & last) - {"embedding.weight"}


def test_weights_of_two_stages_have_to_be_named(tmp_path: Path) -> None:
    def refused(group: Group) -> str:
        model = language_model(tied=True)
        model.tied_weights = set  # type: ignore[method-assign]
        try:
            gradients(Pipeline(group, "gpipe", 2), model)
        except ConfigError as error:
            return str(error)
        return ""

    assert "uses embedding.weight in another stage than its own" in together(tmp_path, 2, refused)[1]
