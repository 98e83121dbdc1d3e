from __future__ import annotations

import gc
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from ops.errors import ConfigError
from ops.nn.models.transformer_decoder import TransformerDecoder
from ops.nn.spec import TextSpec
from ops.nn.text_classifier import TextClassifier
from ops.tasks.language_model import LanguageModel
from ops.tasks.text_classification import TextClassification
from ops.training.config import TrainingConfig
from ops.training.data import Examples
from ops.training.distributed import Group
from ops.training.loader import Batch
from ops.training.micro_batches import largest, parts
from ops.training.optimizer import Optimizers
from ops.training.parallel.base import Strategy
from ops.training.update import Update
from tests.ops.training.runs import hashes, log, records, text_run, work, work_together

CPU = torch.device("cpu")
MODEL = {"kind": "transformer_encoder", "dim": 8, "depth": 1, "heads": 2, "dropout": 0.0}


def batch(rows: int, examples: int | None = None) -> Batch:
    values = torch.arange(rows * 3).reshape(rows, 3)
    return Batch(examples or rows, examples or rows, 3, (values,), torch.arange(rows), torch.ones(rows))


@pytest.mark.parametrize(
    ("rows", "size", "sizes"), [(9, None, [9]), (9, 9, [9]), (9, 4, [3, 3, 3]), (7, 2, [2, 2, 1, 2])]
)
def test_parts_have_each_example_once(rows: int, size: int | None, sizes: list[int]) -> None:
    found = parts(batch(rows), 1, size)
    assert sorted(len(part.labels) for part in found) == sorted(sizes)
    assert torch.cat([part.labels for part in found]).equal(torch.arange(rows))
    assert torch.cat([part.inputs[0] for part in found]).equal(batch(rows).inputs[0])
    assert all(part.count == rows for part in found)


def test_each_process_has_as_many_parts() -> None:
    # Five examples over two processes: three and two, in parts of one.
    first, second = parts(batch(3, 5), 2, 1), parts(batch(2, 5), 2, 1)
    assert len(first) == len(second) == 3
    assert [float(part.weights.sum()) for part in second] == [1.0, 1.0, 0.0]


def losses(run: Path) -> list[float]:
    return [line[name] for line in records(run) for name in ("loss", "valid_loss") if name in line]


@pytest.mark.parametrize("micro_batch", [1, 2, 4])
def test_the_gradients_are_those_of_the_whole_batch(tmp_path: Path, micro_batch: int) -> None:
    settings = {"log_every": 1, "batch_size": 9, "precision": "float64"}
    whole = text_run(tmp_path / "whole", settings, model=MODEL)
    parted = text_run(tmp_path / "parted", {**settings, "micro_batch": micro_batch}, model=MODEL)
    assert work(whole) == 0 and work(parted) == 0
    assert losses(parted) == pytest.approx(losses(whole), abs=1e-12)


@pytest.mark.parametrize("micro_batch", [None, 1, 2])
def test_each_token_counts_alike_however_long_the_texts_are(micro_batch: int | None) -> None:
    """Three windows of 4, 1 and 2 tokens, padded: what comes is torch's mean over the seven of them."""
    task, spec = LanguageModel.model_validate({"input": "text", "context": 4}), TextSpec(vocabulary=9, max_length=4)
    values, lengths = np.array([[2, 5, 6, 5, 8], [2, 7, 0, 0, 0], [4, 4, 4, 0, 0]], "<u2"), np.array([5, 2, 3])
    torch.manual_seed(3)
    model = TransformerDecoder(dim=8, depth=1, heads=2).build(spec, 9).double()
    for weight in model.parameters():
        nn.init.normal_(weight, std=0.3)
    inputs, labels = task.collate(values, lengths, spec), torch.from_numpy(task.targets(values, lengths, np.zeros(3)))
    units = int(task.units(lengths).sum())
    config, strategy = TrainingConfig(steps=1, clip_norm=None), Strategy(Group())
    strategy.prepare(model)
    update = Update(config, 1, task, model, Optimizers(model, config, strategy), strategy)
    found = update.gradients(Batch(units, 3, 5, inputs, labels, torch.ones(3).double()), False, micro_batch)
    mine = [weight.grad.clone() for weight in model.parameters() if weight.grad is not None]
    model.zero_grad()
    told = [(0, 0, 5), (0, 1, 6), (0, 2, 5), (0, 3, 8), (1, 0, 7), (2, 0, 4), (2, 1, 4)]
    said = model(*inputs)
    chosen = torch.stack([said[row, place] for row, place, _ in told])
    mean = functional.cross_entropy(chosen, torch.tensor([token for *_, token in told]))
    torch.autograd.backward(mean)
    assert found.loss == pytest.approx(7 * float(mean.detach()))
    theirs = [weight.grad for weight in model.parameters() if weight.grad is not None]
    assert found.norm == pytest.approx(float(torch.cat([each.reshape(-1) for each in theirs]).norm()))
    for left, right in zip(mine, theirs, strict=True):
        torch.testing.assert_close(left, right, atol=1e-12, rtol=0)


def test_two_processes_accumulate_what_one_computes_at_once(tmp_path: Path) -> None:
    # 48 examples in batches of 9 and 3: the second process has parts that only stand in.
    settings = {"log_every": 1, "batch_size": 9, "precision": "float64"}
    whole = text_run(tmp_path / "whole", settings, model=MODEL)
    parted = text_run(tmp_path / "parted", {**settings, "micro_batch": 1}, model=MODEL, world_size=2)
    assert work(whole) == 0 and work_together(parted) == [0, 0]
    assert losses(parted) == pytest.approx(losses(whole), abs=1e-12)


@pytest.fixture
def small_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """No more than three examples fit."""
    whole = TextClassifier.forward

    def forward(self: TextClassifier, tokens: Tensor, lengths: Tensor) -> Tensor:
        if len(tokens) > 3:
            raise torch.OutOfMemoryError("Tried to allocate")
        return whole(self, tokens, lengths)

    monkeypatch.setattr(TextClassifier, "forward", forward)
    monkeypatch.setattr("ops.training.evaluate.BATCH", 3)


@pytest.mark.usefixtures("small_memory")
def test_auto_finds_what_fits_and_keeps_to_it(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"micro_batch": "auto"}
    found, killed = text_run(tmp_path / "auto", settings), text_run(tmp_path / "killed", settings)
    same = text_run(tmp_path / "same", {"micro_batch": 3})
    assert work(found) == 0 and work(same) == 0
    assert "trying 5 examples at once" in log(found) and "trying 3 examples" in log(found)
    assert losses(found) == losses(same)  # trying it changed no bit
    assert work(killed, SATIETY_FAULT="kill@60") == -signal.SIGKILL
    assert work(killed) == 0 and hashes(killed) == hashes(found)
    assert log(killed).count("trying 3 examples") == 1  # the checkpoint knows


@pytest.mark.usefixtures("small_memory")
def test_without_it_too_large_a_batch_fails(tmp_path: Path) -> None:
    assert work(text_run(tmp_path)) == 99


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("Tried to allocate"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."),
        RuntimeError("MPS backend out of memory (MPS allocated: 9 GB, other allocations: 1 GB, max allowed: 9 GB)."),
    ],
)
def test_where_nothing_fits_it_says_so(error: RuntimeError) -> None:
    class Greedy(nn.Module):
        def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
            raise error

    ones = np.ones(4, np.int64)
    examples = Examples((np.zeros(4, "<u2"),), 0 * ones, np.arange(4), ones, 0 * ones)
    task, spec = TextClassification(input="text", label="label"), TextSpec(vocabulary=9, max_length=3)
    with pytest.raises(ConfigError, match="too small for one example"):
        largest(Greedy(), task, spec, examples, 4, torch.device("cpu"))


def test_the_longest_examples_are_tried_and_nothing_is_changed() -> None:
    seen = []

    class Normed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.BatchNorm1d(2)

        def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
            seen.append(lengths.tolist())
            return self.norm(torch.rand(len(tokens), 2) + tokens.float().mean())  # type: ignore[no-any-return]

    lengths = np.array([1, 3, 2, 3])
    examples = Examples((np.ones(9, "<u2"),), 0 * lengths, np.cumsum(lengths) - lengths, lengths, 0 * lengths)
    task, spec = TextClassification(input="text", label="label"), TextSpec(vocabulary=9, max_length=3)
    model = Normed()
    before, drawn = model.norm.running_mean.clone(), torch.get_rng_state()  # type: ignore[union-attr]
    assert largest(model, task, spec, examples, 3, torch.device("cpu")) == 3
    assert seen == [[3, 3, 2]]
    assert torch.equal(model.norm.running_mean, before) and torch.equal(torch.get_rng_state(), drawn)  # type: ignore[arg-type]
    assert all(weight.grad is None for weight in model.parameters())


def test_memory_for_the_optimisers_state_is_taken_while_it_is_tried() -> None:
    class Heavy(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(1237, 3))

        def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
            held = [o for o in gc.get_objects() if type(o) in (Tensor, nn.Parameter)]
            found.append(sum(value.shape == self.weight.shape for value in held))
            return tokens.float() @ self.weight[:3]

    found: list[int] = []
    ones = np.ones(4, np.int64)
    examples = Examples((np.zeros(12, "<u2"),), 0 * ones, 3 * np.arange(4), 3 * ones, 0 * ones)
    task, spec = TextClassification(input="text", label="label"), TextSpec(vocabulary=9, max_length=3)
    assert largest(Heavy(), task, spec, examples, 4, CPU) == 4
    assert found == [3]  # the weight itself, and Adam's two means


def test_auto_is_for_whole_models() -> None:
    with pytest.raises(ValueError, match="micro_batch: auto is for the strategies ddp"):
        TrainingConfig(steps=1, micro_batch="auto", strategy="fsdp")


def test_what_is_told_of_the_longest_texts_is_in_them(tmp_path: Path) -> None:
    """A language model's examples have no labels: what it is to tell lies in their values."""
    lengths = np.array([2, 3, 3])
    examples = Examples((np.ones(8, "<u2"),), 0 * lengths, np.cumsum(lengths) - lengths, lengths, np.zeros((3, 0)))
    spec = TextSpec(vocabulary=9, max_length=3)
    model = TransformerDecoder(dim=8, depth=1, heads=2).build(spec, 9)
    assert largest(model, LanguageModel.model_validate({"input": "text"}), spec, examples, 3, CPU) == 3


def test_auto_cannot_try_what_waits_for_other_processes() -> None:
    with pytest.raises(ValueError, match="give a number beside sync_batch_norm"):
        TrainingConfig(steps=1, micro_batch="auto", sync_batch_norm=True)
