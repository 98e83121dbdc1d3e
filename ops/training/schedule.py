"""Learning rate, weight decay and momentum over the steps, as shares of those that the recipe names."""

from __future__ import annotations

import math

from ops.training.config import TrainingConfig

FIRST_MOMENTUM = 0.85
"""Where a momentum's warm-up begins."""


def rate(config: TrainingConfig, step: int, total: int) -> float:
    """The learning rate's factor, between 0 and 1, for the update of `step`, which counts from 0 to `total` - 1.

    The warm-up rises in equal parts and reaches 1 with its last step. After it, with p the share of the remaining steps
    that are done and e the `final_rate`:

    - `constant`: 1;
    - `linear`: e + (1 - e) (1 - p);
    - `cosine`: e + (1 - e) (1 + cos(pi p)) / 2 (Loshchilov and Hutter, 2017);
    - `exponential`: e ** p;
    - `inverse_square_root`: sqrt(w / (step + 1)) with w steps of warm-up, at least one (Vaswani et al., 2017);
    - `trapezoid`: 1 until the last `cooldown` share of all steps, then a line to e (Zhai et al., 2022).
    """
    warmup = round(config.warmup * total)
    if step < warmup:
        return (step + 1) / warmup
    if config.schedule == "constant":
        return 1.0
    if config.schedule == "inverse_square_root":
        return math.sqrt(max(warmup, 1) / (step + 1))
    end = config.final_rate
    if config.schedule == "trapezoid":
        cooldown = min(total - warmup, max(1, round(config.cooldown * total)))
        return end + (1.0 - end) * min(1.0, (total - step) / cooldown)
    done = (step - warmup) / (total - warmup)
    if config.schedule == "exponential":
        return float(end**done)
    return end + (1.0 - end) * _fall(config.schedule, done)


def decay(config: TrainingConfig, step: int, total: int) -> float:
    """The weight decay's factor for the update of a step: 1, or falling to 0 over all steps."""
    if config.weight_decay_schedule == "constant":
        return 1.0
    return _fall(config.weight_decay_schedule, step / total)


def momentum(config: TrainingConfig, step: int, total: int) -> float:
    """The momentum for the update of a step: in the warm-up a line from 0.85 to the recipe's."""
    warmup = round(config.momentum_warmup * total)
    if step >= warmup:
        return config.momentum
    first = min(FIRST_MOMENTUM, config.momentum)
    return first + (config.momentum - first) * step / warmup


def _fall(kind: str, done: float) -> float:
    return 1.0 - done if kind == "linear" else (1.0 + math.cos(math.pi * done)) / 2.0
