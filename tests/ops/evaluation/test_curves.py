from __future__ import annotations

import numpy as np
import pytest

from ops.evaluation.curves import learning_curves


def test_records_become_curves_without_gaps() -> None:
    history: list[dict[str, object]] = [
        {"step": 1, "loss": 2.0, "lr": 0.1},
        {"step": 3, "loss": float("nan")},
        {"step": 2, "loss": 1.5, "valid_loss": 1.6, "valid_accuracy": 1},
        {"step": 4, "loss": None},
        {"step": 5, "loss": float("inf")},
    ]
    curves = learning_curves(history)
    assert [(p.step, p.value) for p in curves.train_loss] == [(1, 2.0), (2, 1.5)]
    assert [(p.step, p.value) for p in curves.valid_loss] == [(2, 1.6)]
    assert [(p.step, p.value) for p in curves.valid_accuracy] == [(2, 1.0)]


def test_long_curves_are_thinned_to_means() -> None:
    values = np.random.default_rng(0).normal(2, 1, 10_000)
    curves = learning_curves(({"step": i, "loss": float(v)} for i, v in enumerate(values)), longest=100)
    assert len(curves.train_loss) == 100
    assert curves.train_loss[0].step == 99
    assert curves.train_loss[-1].step == 9_999
    assert curves.train_loss[7].value == pytest.approx(values[700:800].mean(), abs=1e-6)
