"""Forecasting: loss, tally and metrics against NumPy written out, and settings that do not fit each other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ops.errors import IntegrityError
from ops.nn.spec import SeriesSpec
from ops.tasks.forecasting import Forecasting

BASE: dict[str, Any] = {"input": "time", "label": "dust", "features": ["dust", "wind"], "history": 6, "horizon": 3}
TASK = Forecasting(**BASE, delta=2.0)


def drawn(rows: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Forecasts, labels with some truths missing, and weights of which one is zero."""
    random = np.random.default_rng(seed)
    said = random.normal(0, 5, (rows, 3)).astype(np.float32)
    labels = random.normal(0, 5, (rows, 2, 3)).astype(np.float32)
    labels[:, 0][random.random((rows, 3)) < 0.3] = np.nan
    weights = np.ones(rows, np.float32)
    weights[0] = 0
    return torch.from_numpy(said), torch.from_numpy(labels), torch.from_numpy(weights)


@pytest.mark.parametrize("kind", ["huber", "squared"])
def test_the_loss_is_its_formula_over_known_steps(kind: Any) -> None:
    said, labels, weights = drawn(40)
    total = 0.0
    for row in range(1, 40):
        errors = [abs(float(s - t)) / 2.0 for s, t in zip(said[row], labels[row, 0], strict=True) if not t.isnan()]
        each = [0.5 * e**2 if kind == "squared" or e < 1 else e - 0.5 for e in errors]
        total += sum(each) / max(len(each), 1)
    task = Forecasting(**BASE, delta=2.0, loss_kind=kind)
    assert float(task.loss(said, labels, weights)) == pytest.approx(total, rel=1e-5)


def test_unknown_truth_has_no_gradient() -> None:
    said, labels, weights = drawn(20)
    said.requires_grad_()
    torch.autograd.backward(TASK.loss(said, labels, weights))
    assert said.grad is not None and torch.isfinite(said.grad).all()
    unknown = labels[:, 0].isnan()
    assert (said.grad[unknown] == 0).all() and (said.grad[1:][~unknown[1:]] != 0).any()
    assert (said.grad[0] == 0).all()


@given(st.integers(2, 60), st.integers(1, 59), st.integers(0, 9))
def test_tallies_add_up_and_give_the_metrics(rows: int, cut: int, seed: int) -> None:
    said, labels, weights = drawn(rows, seed)
    whole = TASK.tally(said, labels, weights, 0)
    parts = [TASK.tally(said[s], labels[s], weights[s], 0) for s in (slice(cut), slice(cut, None))]
    assert torch.allclose(whole, TASK.nothing(0) + parts[0] + parts[1], rtol=1e-12)
    truth, naive = labels[1:, 0].numpy().astype(float), labels[1:, 1].numpy().astype(float)
    known = ~np.isnan(truth)
    if not known.any():
        return
    error, rival = (said[1:].numpy().astype(float) - truth)[known], (naive - truth)[known]
    found = TASK.metrics(whole.numpy())
    assert found["mae"] == pytest.approx(np.abs(error).mean())
    assert found["rmse"] == pytest.approx((error**2).mean() ** 0.5)
    assert found["skill"] == pytest.approx(1 - (error**2).mean() / (rival**2).mean())
    assert TASK.naive(whole.numpy()) == {
        "persistence_mae": pytest.approx(np.abs(rival).mean()),
        "persistence_rmse": pytest.approx((rival**2).mean() ** 0.5),
    }
    assert whole[0].tolist() == known.sum(axis=0).tolist()


def test_a_model_must_be_nearer_than_persistence() -> None:
    assert TASK.lost({"mae": 1.0, "persistence_mae": 1.5}) == ""
    for own in (1.5, 2.0, float("nan")):
        assert "that of persistence 1.5" in TASK.lost({"mae": own, "persistence_mae": 1.5})
    assert TASK.score({"mae": 1.0}) > TASK.score({"mae": 2.0})


def test_examples_are_cut_to_steps() -> None:
    spec = SeriesSpec(features=2, history=3)
    values = np.arange(12, dtype=np.float32).reshape(2, 6)
    (steps,) = TASK.collate(values, np.array([6, 6]), spec)
    assert steps.tolist() == [[[0, 1], [2, 3], [4, 5]], [[6, 7], [8, 9], [10, 11]]]
    with pytest.raises(IntegrityError, match="has not the size"):
        TASK.collate(values, np.array([6, 5]), spec)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"label": "other"}, "the past of 'other' is none of the features"),
        ({"past": "x"}, "none of the features"),
        ({"history": 2}, "history: 2 is shorter than horizon: 3"),
        ({"features": ["dust", "label"]}, "'label' cannot be a feature"),
        ({"features": ["dust", "time"]}, "'time' cannot be a feature"),
        ({"features": ["dust", "dust"]}, "there twice"),
        ({"horizon": 0}, "greater than or equal to 1"),
        ({"delta": 0.0}, "greater than 0"),
    ],
)
def test_settings_that_do_not_fit(change: dict[str, Any], text: str) -> None:
    with pytest.raises(ValidationError, match=text):
        Forecasting(**{**BASE, **change})
