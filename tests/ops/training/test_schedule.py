from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from torch.optim.lr_scheduler import ConstantLR, CosineAnnealingLR, ExponentialLR, LinearLR, LRScheduler

from ops.training.config import TrainingConfig
from ops.training.schedule import decay, momentum, rate

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
    own = {"cooldown": cooldown} if kind == "trapezoid" else {}
    assert all(0 < value <= 1 for value in rates(total, schedule=kind, warmup=warmup, **own))


@pytest.mark.parametrize(
    ("kind", "scheduler", "settings"),
    [
        ("linear", LinearLR, {"start_factor": 1.0, "end_factor": 0.1, "total_iters": 50}),
        ("cosine", CosineAnnealingLR, {"T_max": 50, "eta_min": 0.1}),
        ("exponential", ExponentialLR, {"gamma": 0.1 ** (1 / 50)}),
    ],
)
def test_with_a_final_rate_they_are_torchs_too(
    kind: Any, scheduler: type[LRScheduler], settings: dict[str, Any]
) -> None:
    found = rates(50, schedule=kind, warmup=0.0, final_rate=0.1)
    assert found == pytest.approx(torchs(scheduler, 50, **settings), abs=1e-6)


def test_a_trapezoid_falls_to_the_final_rate() -> None:
    found = rates(10, schedule="trapezoid", warmup=0.0, cooldown=0.4, final_rate=0.2)
    assert found == pytest.approx([1.0] * 7 + [0.8, 0.6, 0.4])


def test_the_inverse_square_root_is_the_articles() -> None:
    width, warmup = 512, 10
    found = rates(100, schedule="inverse_square_root", warmup=0.1)
    article = [width**-0.5 * min(n**-0.5, n * warmup**-1.5) for n in range(1, 101)]
    assert found == pytest.approx([value / max(article) for value in article])


def test_weight_decay_falls_over_all_steps() -> None:
    configs = [TrainingConfig(steps=8, weight_decay_schedule=kind) for kind in ("constant", "linear", "cosine")]
    found = [[decay(config, step, 8) for step in range(8)] for config in configs]
    assert found[0] == [1.0] * 8
    assert found[1] == pytest.approx([1 - step / 8 for step in range(8)])
    assert found[2] == pytest.approx([(1 + math.cos(math.pi * step / 8)) / 2 for step in range(8)])


def test_momentum_warms_up_from_below() -> None:
    config = TrainingConfig(steps=20, optimizer="muon", momentum=0.95, momentum_warmup=0.5)
    found = [momentum(config, step, 20) for step in range(20)]
    assert found == pytest.approx([0.85 + 0.01 * step for step in range(10)] + [0.95] * 10)
    assert [
        momentum(TrainingConfig(steps=9, optimizer="sgd", momentum=0.5, momentum_warmup=1.0), s, 9) for s in (0, 8)
    ] == [0.5, 0.5]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"schedule": "exponential"}, "give final_rate above 0"),
        ({"schedule": "constant", "final_rate": 0.1}, "no end to fall to"),
    ],
)
def test_ends_that_are_not_reached_are_refused(settings: Any, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        TrainingConfig(steps=1, **settings)
