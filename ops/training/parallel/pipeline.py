"""Pipeline parallelism: each process has some of the blocks, and microbatches go through them one after the other.

torch's own pipeline stages want all batches of one shape, which batches of texts have not; so the schedules are here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, distributed, nn

from ops.errors import ConfigError
from ops.nn.decoder import Decoder
from ops.nn.encoder import Encoder
from ops.training.distributed import Group
from ops.training.loader import Batch
from ops.training.parallel.base import Loss, Strategy, cut_off
from ops.training.parallel.channel import Channel

BEHIND = ("head", "pooling.score")
"""Modules by whose weights a model goes on behind its blocks; those of other modules outside are in front of them."""


class _CutError(Exception):
    """Ends the forward pass where the next process goes on."""

    def __init__(self, x: Tensor) -> None:
        super().__init__()
        self.x = x


class Pipeline(Strategy):
    """Stages of blocks, by the schedule of GPipe (Huang et al., 2019) or 1F1B (Narayanan et al., 2019).

    The first process also has what is in front of the blocks (embedding, positions), the last what is behind them.
    Every process runs the model's own forward pass: blocks of other stages do nothing in it, the first of its own takes
    what the stage before has sent, and behind the last of its own the pass ends. So the others compute what is in front
    of the blocks too, which does not count.

    A weight that is used in front of the blocks and behind them (a model names it by `tied_weights`) is in the first
    process and in the last. Its gradients are added up in both, which then make the same steps (Shoeybi et al., 2019);
    for the gradients' length and in checkpoints only the first one's counts.
    """

    def __init__(self, group: Group, schedule: str, microbatches: int) -> None:
        """Nothing is shared out yet.

        Args:
            group: all processes, in the order of their stages.
            schedule: `gpipe`: all forward passes, then all backward passes; `1f1b`: in turn, as early as can be.
            microbatches: how many parts a batch is cut into; of fewer examples as many as there are.
        """
        super().__init__(group)
        self._schedule, self._microbatches = schedule, microbatches
        self._stage = _Stage([], False, False)
        self._owners: dict[str, int] = {}
        self._tied: set[str] = set()
        self._checked = False

    @property
    def speaks(self) -> bool:
        """The last process, which knows the loss."""
        return self.group.rank == self.group.world - 1

    @property
    def sharers(self) -> int:
        """All."""
        return self.group.world

    def prepare(self, model: nn.Module) -> None:
        """Choose the blocks of each process and let go of the others'.

        Raises:
            ConfigError: the model cannot be cut, or has fewer blocks than there are processes.
        """
        rank, world = self.group.rank, self.group.world
        name, stack = _stack(model)
        stages = stages_of(len(stack.blocks), world)
        self._owners = {each: _owner(each, name, stages) for each, _ in model.named_parameters()}
        self._stage = _Stage(stages[rank], rank == 0, rank == world - 1)
        for number, block in enumerate(stack.blocks):
            if number in stages[rank]:
                self._stage.take(number, block)
            else:
                _let_go(block)
        self._module = model
        self._tied = set(getattr(model, "tied_weights", set)())
        self._channel = Channel(self.group)
        self._ends: distributed.ProcessGroup = distributed.new_group([0, world - 1])

    def steps(self, name: str) -> bool:
        """Whether the weight is used in this process's stage."""
        return self._is_mine(name) or (name in self._tied and self.speaks)

    def forward(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """The whole batch through all stages; what the last says is told to all."""
        before = None if self.group.first else self._channel.receive(self.group.rank - 1)
        out = self._run(inputs, before)
        if not self.speaks:
            self._channel.send(out, self.group.rank + 1)
        self._channel.wait()
        return self._channel.tell(out if self.speaks else None, self.group.world - 1)

    def backward(self, batch: Batch, loss: Loss, scale: float) -> Tensor:
        """All microbatches forward and backward, in the order of the schedule."""
        rows = len(batch.labels)
        parts = min(self._microbatches, rows)
        ends = [rows * number // parts for number in range(parts + 1)]
        micro = [batch.rows(slice(start, end)) for start, end in pairwise(ends)]
        ahead = parts if self._schedule == "gpipe" else min(self.group.world - 1 - self.group.rank, parts)
        under_way: list[tuple[Tensor | None, Tensor]] = []
        total = torch.zeros((), device=self.group.device)
        for number in range(parts + ahead):
            if number < parts:
                before, out = self._forward_part(micro[number], loss)
                total = total + out.detach() if self.speaks else total
                under_way.append((before, out))
            if number >= ahead:
                self._backward_part(*under_way.pop(0), scale)
        self._channel.wait()
        self._check()
        return total

    def _forward_part(self, part: Batch, loss: Loss) -> tuple[Tensor | None, Tensor]:
        """What came into this stage, and what it says: for the last one the sum of losses."""
        before = None if self.group.first else self._channel.receive(self.group.rank - 1).requires_grad_()
        out = self._run(part.inputs, before)
        if self.speaks:
            return before, loss(out, part)
        self._channel.send(out.detach(), self.group.rank + 1)
        return before, out

    def _backward_part(self, before: Tensor | None, out: Tensor, scale: float) -> None:
        if self.speaks:
            torch.autograd.backward(out * scale)
        else:
            torch.autograd.backward(out, self._channel.receive(self.group.rank + 1))
        if before is not None and before.grad is not None:
            self._channel.send(before.grad, self.group.rank - 1)

    def _run(self, inputs: tuple[Tensor, ...], before: Tensor | None) -> Tensor:
        self._stage.before = before
        try:
            said: Tensor = self._module(*inputs)
        except _CutError as cut:
            return cut.x
        return said

    def _check(self) -> None:
        """Whether gradients came to this stage's weights and to no others, with the first batch.

        Raises:
            ConfigError: the model uses a weight in front of its blocks and behind them, and has not named it.
        """
        if self._checked:
            return
        self._checked = True
        names = [name for name, weight in self._module.named_parameters() if weight.grad is not None]
        foreign = [name for name in names if not self.steps(name)]
        # Every process has to know of it: else the others would wait for this one.
        found = b"".join(self.group.gather(" ".join(foreign).encode())).decode()
        if found:
            raise ConfigError(
                f"the model uses {found} in another stage than its own, and does not say so by `tied_weights`",
                where="training.strategy",
                hint="take another strategy",
            )

    def clip(self, model: nn.Module, longest: float | None, largest: float | None = None) -> float:
        """As in one process, once gradients of tied weights are added up; so are the squares of all stages."""
        gradients = {name: weight.grad for name, weight in model.named_parameters() if weight.grad is not None}
        if self.group.first or self.speaks:
            for name in sorted(self._tied):
                distributed.all_reduce(gradients[name], group=self._ends)
        if largest is not None:
            cut_off(list(gradients.values()), largest)
        squares = torch.zeros((), dtype=torch.float64, device=self.group.sums)
        for name, gradient in gradients.items():
            if self._is_mine(name):
                squares += gradient.square().sum().to(squares)
        norm = math.sqrt(float(self.group.total(squares)))
        if longest is not None and not norm <= longest:
            for gradient in gradients.values():
                gradient.mul_(longest / (norm + 1e-6))  # as torch.nn.utils.clip_grad_norm_
        return norm

    def whole(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The tensors of all stages, in the first process."""
        mine = {name: value for name, value in tensors.items() if self._is_mine(name)}
        return self.group.union(dict(sorted(mine.items())))

    def load(self, model: nn.Module, weights: Mapping[str, Tensor]) -> None:
        """Each process takes those that are used in its stage."""
        own = model.state_dict()
        if own.keys() != weights.keys():
            raise RuntimeError(f"weights of another model: {sorted(own.keys() ^ weights.keys())[:3]}")
        with torch.no_grad():
            for name, value in own.items():
                if self.steps(name):
                    value.copy_(weights[name])

    def _is_mine(self, name: str) -> bool:
        return self._owners.get(name.partition(":")[0], self.group.world - 1) == self.group.rank


class _Stage:
    """The blocks of this process, whose forward passes take and give what goes between processes."""

    def __init__(self, numbers: list[int], first: bool, last: bool) -> None:
        self._numbers, self._first, self._last = numbers, first, last
        self._entered: Tensor | None = None
        self._wide = False
        self.before: Tensor | None = None

    def take(self, number: int, block: nn.Module) -> None:
        """Make a block one of this stage's."""
        inner: Callable[..., Tensor] = block.forward
        self._wide = self._wide or getattr(block, "scalars", None) is not None

        def forward(x: Tensor, *rest: Any, first: Tensor | None = None, **more: Any) -> Tensor:
            if number == self._numbers[0]:
                x, self._entered = self._enter(x)
            x = inner(x, *rest, first=self._entered, **more)
            if number == self._numbers[-1] and not self._last:
                raise _CutError(torch.cat((x, self._came_in()), dim=-1) if self._wide else x)
            return x

        block.forward = forward

    def _enter(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """What goes into this stage's first block, and what went into the first of all."""
        if self._first:
            return x, x
        if self.before is None:
            raise TypeError("a stage was run without what came before it")
        if not self._wide:
            return self.before, self.before
        now, first = self.before.chunk(2, dim=-1)
        return now, first

    def _came_in(self) -> Tensor:
        if self._entered is None:
            raise TypeError("a block was run before the first one")
        return self._entered


def stages_of(blocks: int, stages: int) -> list[list[int]]:
    """Numbers of the blocks of each stage: as even as can be, the later ones have the more, since the first embeds.

    Raises:
        ConfigError: there are fewer blocks than stages.
    """
    if blocks < stages:
        raise ConfigError(
            f"the model has {blocks} blocks, {stages} processes want one each",
            where="training.strategy",
            hint="lower launch.processes, or raise model.depth",
        )
    ends = [blocks * number // stages for number in range(stages + 1)]
    return [list(range(start, end)) for start, end in pairwise(ends)]


def _stack(model: nn.Module) -> tuple[str, Encoder | Decoder]:
    found = [(name, module) for name, module in model.named_modules() if isinstance(module, Encoder | Decoder)]
    if len(found) != 1:
        raise ConfigError(
            f"the model has {len(found)} stacks of blocks, and can be cut into stages only with one",
            where="training.strategy",
            hint="say strategy: ddp or fsdp",
        )
    return found[0]


def _owner(name: str, stack: str, stages: list[list[int]]) -> int:
    """The stage of a weight."""
    inside = name.removeprefix(f"{stack}.").split(".")
    if name.startswith(f"{stack}.") and inside[0] in ("blocks", "values"):
        return next(stage for stage, numbers in enumerate(stages) if int(inside[1]) in numbers)
    behind = name.startswith((f"{stack}.", *(f"{part}." for part in BEHIND)))
    return len(stages) - 1 if behind else 0


def _let_go(block: nn.Module) -> None:
    """A block of another process does nothing and takes no memory."""
    block.to(torch.device("meta"))
    block.forward = lambda x, *rest, **more: x
