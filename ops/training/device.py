"""Where a process computes."""

from __future__ import annotations

from typing import Literal

import torch

from ops.errors import ConfigError

Accelerator = Literal["auto", "cpu", "cuda", "mps"]


def choose_device(accelerator: str, local_rank: int = 0) -> torch.device:
    """The device of a process: with `auto` a GPU of its own where there is one, else Apple's, else the CPU.

    Args:
        accelerator: the recipe's `training.accelerator`.
        local_rank: number of the process on this machine; it takes the GPU of that number.

    Raises:
        ConfigError: the machine has no such device, or fewer than processes.
    """
    if accelerator == "auto":
        accelerator = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    if accelerator == "cuda":
        count = torch.cuda.device_count()
        if local_rank >= count:
            raise ConfigError(
                f"process {local_rank} of this machine has no GPU of its own: there are {count}",
                where="training.accelerator",
                hint="lower launch.processes, or say accelerator: cpu",
            )
        return torch.device("cuda", local_rank)
    if accelerator == "mps" and not torch.backends.mps.is_available():
        raise ConfigError("this machine has no GPU of Apple's", where="training.accelerator", hint="accelerator: cpu")
    return torch.device(accelerator)
