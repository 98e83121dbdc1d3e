"""Tensors of any shape from one process to another."""

from __future__ import annotations

import torch
from torch import Tensor, distributed

from ops.training.distributed import Group

DIMENSIONS = 6
DTYPES = (torch.float32, torch.float64, torch.bfloat16, torch.float16)


class Channel:
    """Sends without waiting, receives in the order of sending; a head of numbers tells the shape and type."""

    def __init__(self, group: Group) -> None:
        """Every process of the group makes its channel at the same point."""
        self._group = group
        # One group for each direction: on GPUs a send waits for its receive, and would be waited for by another send.
        self._ways: list[distributed.ProcessGroup] = [distributed.new_group(), distributed.new_group()]
        self._under_way: list[tuple[distributed.Work, Tensor]] = []

    def send(self, value: Tensor, to: int) -> None:
        """Begin to send a tensor; it must not be changed before `wait`."""
        value = value.detach().contiguous()
        for part in (_head(value), value):
            work = distributed.isend(part, to, group=self._way(self._group.rank, to))
            if work is not None:
                self._under_way.append((work, part))

    def receive(self, source: int) -> Tensor:
        """The next tensor from a process."""
        way = self._way(source, self._group.rank)
        head = torch.zeros(DIMENSIONS + 2, dtype=torch.int64)
        distributed.recv(head, source, group=way)
        value = _empty(head, self._group.device)
        distributed.recv(value, source, group=way)
        return value

    def wait(self) -> None:
        """Until all is sent."""
        for work, _ in self._under_way:
            work.wait()
        self._under_way.clear()

    def tell(self, value: Tensor | None, source: int) -> Tensor:
        """The tensor of one process, in all of them."""
        head = torch.zeros(DIMENSIONS + 2, dtype=torch.int64) if value is None else _head(value)
        distributed.broadcast(head, source)
        found = _empty(head, self._group.device) if value is None else value.detach().contiguous()
        distributed.broadcast(found, source)
        return found

    def _way(self, source: int, target: int) -> distributed.ProcessGroup:
        return self._ways[int(target < source)]


def _head(value: Tensor) -> Tensor:
    shape = [*value.shape, *[0] * (DIMENSIONS - value.ndim)]
    return torch.tensor([DTYPES.index(value.dtype), value.ndim, *shape])


def _empty(head: Tensor, device: torch.device) -> Tensor:
    kind, count, *shape = head.tolist()
    return torch.empty(shape[:count], dtype=DTYPES[kind], device=device)
