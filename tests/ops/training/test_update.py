"""One update against autograd, torch's own clipping and smoothing, and the schedules written out step by step."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from ops.tasks.base import Task
from ops.tasks.language_model import OUTSIDE, LanguageModel
from ops.tasks.text_classification import TextClassification
from ops.training.config import TrainingConfig
from ops.training.distributed import Group
from ops.training.loader import Batch
from ops.training.optimizer import Optimizers
from ops.training.parallel.base import Strategy
from ops.training.precision import lower
from ops.training.update import Update

CLASSES = 5
TEXTS = LanguageModel.model_validate({"input": "text"})
LABELS = TextClassification(input="text", label="label")


class Table(nn.Module):
    """Logits of each token; of a text their mean."""

    def __init__(self, pooled: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.table, self.head, self.pooled = nn.Embedding(9, 16), nn.Linear(16, CLASSES), pooled

    def forward(self, tokens: Tensor) -> Tensor:
        x: Tensor = self.head(self.table(tokens))
        return x.mean(dim=1) if self.pooled else x


def update(task: Task, model: nn.Module, total: int = 8, **settings: Any) -> Update:
    config = TrainingConfig(steps=total, **settings)
    strategy = Strategy(Group())
    lower(model, torch.device("cpu"), config.precision)
    strategy.prepare(model)
    return Update(config, total, task, model, Optimizers(model, config, strategy), strategy)


def texts() -> Batch:
    """Seven texts of one to six tokens to tell: 24 in all."""
    source = torch.Generator().manual_seed(1)
    tokens, told = (torch.randint(0, n, (7, 6), generator=source) for n in (9, CLASSES))
    told[torch.arange(6) >= torch.tensor([6, 1, 3, 2, 6, 1, 5])[:, None]] = OUTSIDE
    return Batch(24, 7, 7, (tokens,), told, torch.ones(7))


def labelled() -> Batch:
    source = torch.Generator().manual_seed(1)
    tokens, labels = torch.randint(0, 9, (7, 6), generator=source), torch.randint(0, CLASSES, (7,), generator=source)
    return Batch(7, 7, 6, (tokens,), labels, torch.ones(7))


@pytest.mark.parametrize("precision", ["float32", "float16"])
@pytest.mark.parametrize("micro_batch", [None, 1, 3])
@pytest.mark.parametrize(
    "settings",
    [
        {"clip_norm": None},
        {"clip_norm": 0.05},
        {"clip_norm": None, "clip_value": 0.003},
        {"clip_norm": 0.03, "clip_value": 0.003, "label_smoothing": 0.3},
    ],
)
@pytest.mark.parametrize("pooled", [True, False])
def test_gradients_are_those_of_the_mean_clipped_as_torch_clips(
    pooled: bool, settings: dict[str, Any], micro_batch: int | None, precision: Any
) -> None:
    """The mean over tokens, however they lie in texts and parts; in 16 bits nothing of the scale is left."""
    batch, ours = labelled() if pooled else texts(), Table(pooled)
    theirs = copy.deepcopy(ours)
    found = update(LABELS if pooled else TEXTS, ours, **settings, precision=precision).gradients(
        batch, False, micro_batch
    )
    loss = functional.cross_entropy(
        theirs(*batch.inputs).flatten(0, -2),
        batch.labels.flatten(),
        ignore_index=OUTSIDE,
        label_smoothing=settings.get("label_smoothing", 0.0),
    )
    loss.backward()  # type: ignore[no-untyped-call]
    if "clip_value" in settings:
        nn.utils.clip_grad_value_(theirs.parameters(), settings["clip_value"])
    norm = nn.utils.clip_grad_norm_(theirs.parameters(), settings["clip_norm"] or torch.inf)
    rtol, atol = (1e-4, 1e-7) if precision == "float32" else (0.02, 1e-4)
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert mine.grad is not None and other.grad is not None
        assert torch.allclose(mine.grad, other.grad, rtol=rtol, atol=atol)
    assert found.loss / batch.count == pytest.approx(float(loss.detach()), rel=rtol)
    assert found.norm == pytest.approx(float(norm), rel=rtol)
    assert found.usable and not found.overflow and not found.stopping


@pytest.mark.parametrize("optimizer", ["muon", "sgd"])
def test_each_step_has_its_rate_its_decay_and_its_momentum(optimizer: Any) -> None:
    model = nn.ModuleDict({"encoder": nn.Linear(3, 3), "head": nn.Linear(3, 2)})
    settings: dict[str, Any] = {
        "warmup": 0.25,
        "schedule": "linear",
        "weight_decay": 0.4,
        "weight_decay_schedule": "linear",
    }
    made = update(
        LABELS, model, optimizer=optimizer, learning_rate=0.1, muon_learning_rate=0.3, momentum=0.95,
        momentum_warmup=0.5, **settings,
    )  # fmt: skip
    rates = [0.5, 1.0, 1.0, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6]
    momenta = [0.85, 0.875, 0.9, 0.925, 0.95, 0.95, 0.95, 0.95]
    for step, (rate, momentum) in enumerate(zip(rates, momenta, strict=True)):
        assert made.step(step) == pytest.approx(0.1 * rate)
        for group in (group for part in made._optimizers._parts for group in part.param_groups):
            matrix = any(weight is model.get_parameter("encoder.weight") for weight in group["params"])
            base = 0.3 if matrix and optimizer == "muon" else 0.1
            decays = 0.4 if any(weight.ndim == 2 for weight in group["params"]) else 0.0
            assert group["lr"] == pytest.approx(base * rate)
            assert group["weight_decay"] == pytest.approx(decays * (1 - step / 8))
            assert "momentum" not in group or group["momentum"] == pytest.approx(momentum)


def test_an_update_that_overflowed_changes_nothing_but_the_scale() -> None:
    model = Table(pooled=True)
    made = update(LABELS, model, precision="float16")
    before = [weight.detach().clone() for weight in model.parameters()]
    made.gradients(labelled(), False)
    made.step(0, overflow=True)
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
    assert made.scale.value == 2.0**15
    made.step(0)
    assert not all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


def test_label_smoothing_is_left_out_where_the_model_is_judged() -> None:
    batch = labelled()
    logits = Table(pooled=True)(*batch.inputs).detach()
    losses = -logits.log_softmax(dim=1).gather(1, batch.labels[:, None])
    assert float(LABELS.loss(logits, batch.labels, batch.weights)) == pytest.approx(float(losses.sum()), rel=1e-5)
    told = np.asarray(TEXTS.nats(logits[None], batch.labels[None]))
    assert told.sum() == pytest.approx(float(losses.sum()), rel=1e-5)
