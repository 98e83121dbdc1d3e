"""The learning rate over the steps, as a share of the one that the recipe names."""

from __future__ import annotations

import math

from ops.training.config import TrainingConfig


def rate(config: TrainingConfig, step: int, total: int) -> float:
    """The factor, between 0 and 1, for the update of `step`, which counts from 0 to `total` - 1.

    The warm-up rises in equal parts and reaches 1 with its last step. After it, with p the share of the remaining steps
    that are done: `constant` is 1, `linear` 1 - p, `cosine` (1 + cos(pi p)) / 2 (Loshchilov and Hutter, 2017), and
    `trapezoid` 1 until the last `cooldown` share of all steps, then a line to zero (Zhai et al., 2022).
    """
    warmup = round(config.warmup * total)
    if step < warmup:
        return (step + 1) / warmup
    if config.schedule == "constant":
        return 1.0
    if config.schedule == "trapezoid":
        cooldown = min(total - warmup, max(1, round(config.cooldown * total)))
        return min(1.0, (total - step) / cooldown)
    done = (step - warmup) / (total - warmup)
    return 1.0 - done if config.schedule == "linear" else (1.0 + math.cos(math.pi * done)) / 2.0
