"""What a GPU has used, by its own counter of energy: NVIDIA's management library (NVML), through `nvidia-ml-py`."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import torch

Reading = Callable[[], "float | None"]
"""Joules since some time in the past; None where nothing tells them."""


def gpu_energy(device: torch.device) -> Reading:
    """The counter of the GPU where this process computes.

    Nothing is told by GPUs other than NVIDIA's, by those older than Volta, by parts of a GPU, or without `nvidia-ml-py`
    (`pip install satiety[gpu]`). Energy is a figure of the report: no fault of its counter stops a training.
    """
    if device.type != "cuda":
        return _unknown
    try:
        nvml: Any = importlib.import_module("pynvml")
    except ImportError:
        return _unknown
    try:
        nvml.nvmlInit()
        # By its name: other programs may be told to see the GPUs in another order.
        handle = nvml.nvmlDeviceGetHandleByUUID(f"GPU-{torch.cuda.get_device_properties(device).uuid}")
    except nvml.NVMLError:
        return _unknown

    def read() -> float | None:
        try:
            return float(nvml.nvmlDeviceGetTotalEnergyConsumption(handle)) / 1000  # it counts millijoules
        except nvml.NVMLError:
            return None

    return read


def spent(before: float | None, after: float | None) -> float | None:
    """Joules between two readings; None where either is unknown, or the counter began anew between them."""
    return None if before is None or after is None or after < before else after - before


def _unknown() -> float | None:
    return None
