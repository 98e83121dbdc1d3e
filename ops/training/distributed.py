"""The processes that train together, and what they tell one another, over gloo."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

import torch
from torch import Tensor, distributed

from ops.errors import ConfigError, Temporary
from ops.training.device import choose_device

TIMEOUT = timedelta(minutes=10)


@dataclass(frozen=True)
class Group:
    """This process's place among those that train together.

    Attributes:
        rank: its number, from 0.
        world: how many there are.
        local_rank: its number on this machine.
        device: where it computes.
    """

    rank: int = 0
    world: int = 1
    local_rank: int = 0
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @property
    def sums(self) -> torch.device:
        """Where sums in float64 are added up: Apple's GPUs have no such numbers."""
        return torch.device("cpu") if self.device.type == "mps" else self.device

    @property
    def first(self) -> bool:
        """Whether this is the process that writes what all have found."""
        return self.rank == 0

    def total(self, values: Tensor) -> Tensor:
        """The sum of a tensor over all processes, in each of them."""
        if self.world > 1:
            distributed.all_reduce(values)
        return values

    def gather(self, data: bytes) -> list[bytes]:
        """The bytes of every process, by rank, in each of them."""
        if self.world == 1:
            return [data]
        sizes = self.total(_one_at(self.rank, len(data), self.world)).tolist()
        mine = torch.zeros(max(sizes), dtype=torch.uint8)
        mine[: len(data)] = _tensor(data)
        parts = [torch.zeros_like(mine) for _ in sizes]
        distributed.all_gather(parts, mine)
        return [bytes(part[:size].numpy()) for part, size in zip(parts, sizes, strict=True)]

    def hand_out(self, data: bytes | None) -> bytes:
        """The first process's bytes, in each of them."""
        if self.world == 1:
            return data or b""
        size = int(self.total(torch.tensor(len(data or b"") if self.first else 0)))
        box = _tensor(data or b"") if self.first else torch.zeros(size, dtype=torch.uint8)
        distributed.broadcast(box, src=0)
        return bytes(box.numpy())

    def union(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The named tensors of all processes together, in the first; the others get nothing.

        A name that several have is that of the last of them.
        """
        if self.world == 1:
            return dict(tensors)
        mine = [[name, str(value.dtype)[6:], list(value.shape), value.device.type] for name, value in tensors.items()]
        found: dict[str, Tensor] = {}
        for rank, told in enumerate(self.gather(json.dumps(mine).encode())):
            for name, dtype, shape, device in json.loads(told):
                if rank == self.rank:
                    value = tensors[name].contiguous()
                    if self.first:
                        found[name] = value
                    else:
                        distributed.send(value, 0)
                elif self.first:
                    where = self.device if device == self.device.type else torch.device("cpu")
                    found[name] = torch.empty(shape, dtype=getattr(torch, dtype), device=where)
                    distributed.recv(found[name], rank)
        return found

    def close(self) -> None:
        """Leave the group; only while all of it is well."""
        if self.world > 1:
            distributed.destroy_process_group()


def join(expected: int, accelerator: str = "cpu", connect: bool = True) -> Group:
    """Join the processes that torchrun has started, or be alone without it.

    Raises:
        ConfigError: there are more or fewer than `expected`, or the machine has not what `accelerator` asks for.
        Temporary: the others cannot be reached; a fresh start may go through.
    """
    try:
        rank, world, local = (int(os.environ.get(name, default)) for name, default in _VARIABLES)
    except ValueError as error:
        raise ConfigError(f"torchrun's variables are no numbers: {error}", where="RANK, WORLD_SIZE") from error
    if world != expected:
        raise ConfigError(f"{world} processes were started, the run is for {expected}", where="world_size")
    if world > 1 and not torch.cuda.is_available() and accelerator == "auto":
        accelerator = "cpu"  # processes have no way to add up what lies on Apple's GPUs
    device = choose_device(accelerator, local)
    if world > 1 and device.type == "mps":
        raise ConfigError("one process only can use Apple's GPU", where="training.accelerator", hint="say cpu")
    if device.type == "cuda":
        torch.cuda.set_device(device)
    if world > 1 and connect:
        # What processes tell one another beside gradients lies in the CPU's memory.
        backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
        try:
            distributed.init_process_group(backend, timeout=TIMEOUT)
        except (RuntimeError, ValueError) as error:
            raise Temporary(f"the processes did not find each other: {error}", where=f"rank {rank}") from error
    return Group(rank, world, local, device)


_VARIABLES = (("RANK", "0"), ("WORLD_SIZE", "1"), ("LOCAL_RANK", "0"))


def _one_at(place: int, value: int, length: int) -> Tensor:
    found = torch.zeros(length, dtype=torch.int64)
    found[place] = value
    return found


def _tensor(data: bytes) -> Tensor:
    return torch.frombuffer(bytearray(data), dtype=torch.uint8) if data else torch.zeros(0, dtype=torch.uint8)
