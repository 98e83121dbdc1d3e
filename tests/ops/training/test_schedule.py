from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.optim.lr_scheduler import ConstantLR, CosineAnnealingLR, LinearLR, LRScheduler

from ops.training.config import TrainingConfig
from ops.training.schedule import rate

KINDS = ("constant", "linear", "cosine", "trapezoid")


def rates(total: int, **settings: Any) -> list[float]:
    config = TrainingConfig(steps=total, **settings)
    return [rate(config, step, total) for step in range(total)]


def torchs(scheduler: type[LRScheduler], steps: int, **settings: Any) -> list[float]:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    made = scheduler(optimizer, **settings)
    found = []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        made.step()
    return found


@pytest.mark.parametrize(
    ("kind", "scheduler", "settings"),
    [
        ("constant", ConstantLR, {"factor": 1.0}),
        ("linear", LinearLR, {"start_factor": 1.0, "end_factor": 0.0, "total_iters": 50}),
        ("cosine", CosineAnnealingLR, {"T_max": 50}),
    ],
)
def test_equals_torchs_schedulers(kind: Any, scheduler: type[LRScheduler], settings: dict[str, Any]) -> None:
    assert rates(50, schedule=kind, warmup=0.0) == pytest.approx(torchs(scheduler, 50, **settings), abs=1e-6)


def test_the_warm_up_rises_in_equal_parts() -> None:
    assert rates(40, schedule="cosine", warmup=0.1)[:5] == pytest.approx([0.25, 0.5, 0.75, 1.0, 1.0])


def test_a_trapezoid_is_flat_and_then_a_line() -> None:
    found = rates(20, schedule="trapezoid", warmup=0.1, cooldown=0.5)
    assert found == pytest.approx([0.5, 1.0, *[1.0] * 8, *(i / 10 for i in range(10, 0, -1))])


def test_the_cosine_is_at_half_in_the_middle() -> None:
    config = TrainingConfig(steps=100, schedule="cosine", warmup=0.2)
    assert rate(config, 60, 100) == pytest.approx(0.5)
    assert rate(config, 40, 100) == pytest.approx((1 + math.cos(math.pi / 4)) / 2)


@given(
    st.sampled_from(KINDS),
    st.integers(1, 60),
    st.floats(0, 1, exclude_max=True),
    st.floats(0, 1, exclude_min=True),
)
def test_rates_are_above_zero_and_at_most_one(kind: Any, total: int, warmup: float, cooldown: float) -> None:
    assert all(0 < value <= 1 for value in rates(total, schedule=kind, warmup=warmup, cooldown=cooldown))
