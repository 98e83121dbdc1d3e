"""What a computation took: the cost record, the energy estimate, and figures with SI prefixes."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import Field

from ops.config import Config

WATTS_PER_CORE = 12.0
WATTS_PER_GIGABYTE = 0.3725
WATTS_PER_GPU = 200.0
ESTIMATE = f"CPU-seconds x {WATTS_PER_CORE:g} W + wall seconds x peak GB x {WATTS_PER_GIGABYTE:g} W"
GPU_ESTIMATE = f"GPU-seconds x {WATTS_PER_GPU:g} W"

_PREFIXES = ("", "k", "M", "G", "T", "P", "E", "Z")


class Energy(Config):
    """Energy in joules, and how the figure came about."""

    joules: float = Field(ge=0, allow_inf_nan=False)
    """Joules."""

    method: Literal["measured", "estimated"]
    """`measured` by a counter of the machine, or `estimated` from other figures."""

    how: str
    """The counter and what it covers, or the formula."""


class Cost(Config):
    """What training (and, for a baseline, predicting) took. A figure that nobody counted is null, not zero."""

    parameters: int | None = Field(default=None, ge=0)
    """Numbers that were fitted to the training rows."""

    flops: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """Floating-point operations."""

    flops_how: str = ""
    """How the operations were counted or bounded."""

    cpu_seconds: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """User and system time over all threads and processes, in seconds."""

    wall_seconds: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """Time from start to end, in seconds."""

    gpu_seconds: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """Time in which GPUs were held, added up over them, in seconds."""

    peak_bytes: int | None = Field(default=None, ge=0)
    """Largest resident memory of the process (the sum over ranks), in bytes."""

    gpu_peak_bytes: int | None = Field(default=None, ge=0)
    """Largest memory that was taken of GPUs for tensors (the sum over ranks), in bytes."""

    energy: Energy | None = None
    """Energy with its method."""

    flops_by_torch: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """Operations of a training batch as torch counts them over those counted in closed form."""

    utilisation: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """Share of the operations that the processors could have done while the model computed (model FLOPs
    utilisation)."""

    waiting: float | None = Field(default=None, ge=0, le=1)
    """Share of training's time in which it waited for data."""


def estimate_energy(cpu_seconds: float, wall_seconds: float, peak_bytes: int) -> Energy:
    """Energy of processor and memory from busy time.

    12 W for a busy core of unknown make and 0.3725 W for a gigabyte of memory are the defaults of Green Algorithms
    (Lannelongue, Grealey and Inouye, 2021); cooling and idle machines are left out.
    """
    memory = wall_seconds * peak_bytes / 1e9 * WATTS_PER_GIGABYTE
    return Energy(joules=cpu_seconds * WATTS_PER_CORE + memory, method="estimated", how=ESTIMATE)


def estimate_gpu_energy(gpu_seconds: float) -> float:
    """Joules of GPUs that nobody counted: 200 W for each second, of a GPU of unknown make at work."""
    return gpu_seconds * WATTS_PER_GPU


def si(value: float, unit: str = "", digits: int = 3) -> str:
    """The value with an SI prefix and `digits` significant digits: `si(2460, "J")` is `2.46 kJ`."""
    if not math.isfinite(value):
        return f"{value} {unit}".strip()
    # The exponent after rounding: 999.9 is 1.00 k, not 1000.
    exponent = int(f"{value:.{digits - 1}e}".partition("e")[2])
    power = max(0, min(exponent // 3, len(_PREFIXES) - 1))
    small_and_whole = power == 0 and value == int(value)
    decimals = 0 if small_and_whole else max(0, digits - 1 - (exponent - 3 * power))
    return f"{value / 1000**power:.{decimals}f} {_PREFIXES[power]}{unit}".strip()


def whole(value: int) -> str:
    """A count with commas between thousands."""
    return f"{value:,d}"
