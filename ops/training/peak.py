"""The most that a machine can do and that was taken of it, and how many operations torch counts in a training step."""

from __future__ import annotations

import time
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from ops.nn.models.base import Model
from ops.nn.spec import Spec
from ops.tasks.base import Task

PUBLISHED = {
    "H100 PCIe": 756e12,
    "H100 NVL": 835e12,
    "H100": 989.4e12,
    "H200": 989.4e12,
    "GH200": 989.4e12,
    "A100": 312e12,
    "L40S": 362e12,
    "L4": 121e12,
}
"""Dense operations a second in 16 bits of some accelerators, from their makers' data sheets, by words of the name; of
two that fit it is the first."""

SIZE = {"cpu": 512, "cuda": 8192, "mps": 2048}
TURNS = 4


def peak_flops(device: torch.device, dtype: torch.dtype) -> float:
    """Operations a second of this process's device: its data sheet's, or the best of a few products of large matrices.

    Args:
        device: where training computes.
        dtype: the type of its matrix products.
    """
    if device.type == "cuda" and dtype in (torch.bfloat16, torch.float16):
        name = f" {torch.cuda.get_device_name(device).replace('-', ' ')} "
        for words, flops in PUBLISHED.items():
            if f" {words} " in name:
                return flops
    size = SIZE[device.type]
    one = torch.ones((size, size), device=device, dtype=dtype)
    best = float("inf")
    for _ in range(TURNS):
        began = time.perf_counter()
        _wait((one @ one)[:1, :1])
        best = min(best, time.perf_counter() - began)
    return 2 * size**3 / best


def gpu_peak(device: torch.device) -> int:
    """Most bytes that tensors of this process have taken of its GPU so far; 0 where it has none of NVIDIA's."""
    return int(torch.cuda.max_memory_allocated(device)) if device.type == "cuda" else 0


def counted_flops(
    kind: Model, spec: Spec, outputs: int, task: Task, inputs: tuple[Tensor, ...], labels: Tensor
) -> int | None:
    """Operations of the forward and backward pass of a batch by torch's own formulas.

    A fresh model computes them. Attention is written out for it, since the fused kernels compute parts of it twice.

    Returns:
        The count; None for a model of operations that the counter does not know.
    """
    if not kind.counted:
        return None
    model = kind.build(spec, outputs)
    with _Counter() as counter, sdpa_kernel(SDPBackend.MATH):
        torch.autograd.backward(task.loss(model(*inputs), labels, torch.ones(len(labels))))
    total: int = counter.total
    return total


class _Counter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """What `torch.utils.flop_counter` counts, without the compiler that its own mode imports."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.total: int = 0

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # nothing here is compiled; to say so to the compiler would import it

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        formula = flop_registry.get(func._overloadpacket)
        if formula is not None:
            self.total += int(formula(*args, **(kwargs or {}), out_val=found))
        return found


def _wait(value: Tensor) -> None:
    value.cpu()  # an accelerator works behind the program's back
