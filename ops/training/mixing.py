"""Mixing the examples of a batch in pairs: Mixup (Zhang et al., 2018) and CutMix (Yun et al., 2019).

What is mixed with what, and how much, is drawn for the global batch from (seed, step) alone: the same for any number of
processes, and after a resume. As in `order`, only the raw words of Philox are used.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from ops.errors import ConfigError
from ops.nn.spec import ImageSpec, Spec
from ops.training.config import Mixing
from ops.training.order import Rows, permutation

Window = tuple[int, int, int, int]
"""Top, left, bottom, right of some pixels."""

_UNIT = 2.0**-52
"""Step between numbers drawn from 52 bits."""


@dataclass(frozen=True, eq=False)
class Mix:
    """What one global batch is mixed with.

    Attributes:
        partners: (N,) the example that is mixed into each one of the batch.
        share: what each example keeps of itself; its label counts as much.
        window: pixels that are the partner's, for CutMix; with Mixup all are blended.
    """

    partners: Rows
    share: float
    window: Window | None

    def part(self, rank: int, world: int) -> Mix:
        """Of one of the processes; one without examples has the first, as in `loader`."""
        mine = self.partners[rank::world]
        return Mix(mine if len(mine) else self.partners[:1], self.share, self.window)

    def apply(self, images: Tensor, others: Tensor) -> Tensor:
        """The images (B, height, width, channels) uint8 with their partners in them; float32 where they are blended."""
        if self.window is None:
            return images.float().mul_(self.share).add_(others.float(), alpha=1.0 - self.share)
        top, left, bottom, right = self.window
        images = images.clone()
        images[:, top:bottom, left:right] = others[:, top:bottom, left:right]
        return images


def check_mixing(mixing: Mixing | None, spec: Spec) -> None:
    """Whether what the model reads can be mixed.

    Raises:
        ConfigError: it is no image.
    """
    if mixing is not None and not isinstance(spec, ImageSpec):
        raise ConfigError(
            f"{mixing.kind} mixes pixels, the model reads {spec.kind}", where="training.mixing", hint="leave it out"
        )


def draw_mix(mixing: Mixing | None, seed: int, step: int, rows: Rows, spec: Spec) -> Mix | None:
    """What the global batch of a step is mixed with; nothing where it is left as it is.

    Args:
        mixing: the settings.
        seed: the run's seed.
        step: counts from 0 over all epochs.
        rows: (N,) the examples of the global batch.
        spec: what the model reads.
    """
    if mixing is None or not isinstance(spec, ImageSpec):
        return None
    draws = _uniforms("mixing", seed, step)
    if next(draws) >= mixing.probability:
        return None
    partners = rows[permutation(len(rows), "partners", seed, step)]
    share = beta(mixing.alpha, draws)
    if mixing.kind == "mixup":
        return Mix(partners, share, None)
    window = _window(share, spec.height, spec.width, next(draws), next(draws))
    top, left, bottom, right = window
    # The window may have been cut off at the edge: labels follow the pixels.
    return Mix(partners, 1.0 - (bottom - top) * (right - left) / (spec.height * spec.width), window)


def _window(share: float, height: int, width: int, down: float, across: float) -> Window:
    """The window of CutMix: of 1 - share of the pixels, its middle anywhere, cut off at the edge."""
    side = math.sqrt(1.0 - share)
    middle, half = (int(height * down), int(width * across)), (int(height * side) // 2, int(width * side) // 2)
    (top, left), (bottom, right) = (
        [min(max(m + sign * h, 0), size) for m, h, size in zip(middle, half, (height, width), strict=True)]
        for sign in (-1, 1)
    )
    return top, left, bottom, right


def beta(alpha: float, draws: Iterator[float]) -> float:
    """One draw from Beta(alpha, alpha): the share of one of two draws from Gamma(alpha) in their sum."""
    first, second = _log_gamma_draw(alpha, draws), _log_gamma_draw(alpha, draws)
    larger = max(first, second)  # as logarithms, since those of a small alpha are often below the smallest number
    return math.exp(first - larger) / (math.exp(first - larger) + math.exp(second - larger))


def _log_gamma_draw(alpha: float, draws: Iterator[float]) -> float:
    """Logarithm of a draw from Gamma(alpha): the method of Marsaglia and Tsang (2000)."""
    if alpha < 1:
        return _log_gamma_draw(alpha + 1, draws) + math.log(next(draws)) / alpha
    d = alpha - 1 / 3
    while True:
        x = math.sqrt(-2 * math.log(next(draws))) * math.cos(2 * math.pi * next(draws))  # Box and Muller (1958)
        v = (1 + x / math.sqrt(9 * d)) ** 3
        if v > 0 and math.log(next(draws)) < 0.5 * x * x + d - d * v + d * math.log(v):
            return math.log(d * v)


def _uniforms(*key: object) -> Iterator[float]:
    """Numbers above 0 and below 1 that depend on nothing but the key."""
    digest = hashlib.sha256(repr(key).encode()).digest()
    source = np.random.Philox(key=int.from_bytes(digest[:16], "little"))
    while True:
        words = source.random_raw(16)
        yield from (((words >> np.uint64(12)).astype(np.float64) + 0.5) * _UNIT).tolist()
