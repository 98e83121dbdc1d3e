"""Wrong pairs of strategy, processes and model, found from the recipe alone before anything runs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from ops.launch import LaunchConfig

if TYPE_CHECKING:
    from ops.nn.models.base import Model
    from ops.training.config import TrainingConfig

Problem = tuple[tuple[str | int, ...], str]


def strategy_problems(training: TrainingConfig, launch: LaunchConfig, model: Model) -> Iterator[Problem]:
    """What speaks against training that model by that strategy with so many processes.

    Args:
        training: the recipe's training.
        launch: how many processes there are.
        model: the recipe's model.
    """
    strategy, world = training.strategy, launch.world_size
    if strategy != "ddp" and world == 1:
        yield ("training", "strategy"), f"{strategy} is for several processes, and launch.processes is 1"
    elif strategy == "tensor":
        yield from _division(model, world)
    elif strategy == "fsdp_tensor":
        size = training.parallel.tensor or 2
        if world % size:
            yield ("training", "parallel", "tensor"), f"{world} processes are no groups of {size}"
        yield from _division(model, size)
    elif strategy == "hogwild" and launch.nodes > 1:
        yield ("training", "strategy"), "hogwild shares memory, so it is for one machine"
    elif strategy == "pipeline":
        yield from _stages(model, world)
    if training.sync_batch_norm and strategy in ("tensor", "fsdp_tensor", "pipeline"):
        yield ("training", "sync_batch_norm"), f"{strategy} is for models that have no batch norms"
    elif training.sync_batch_norm and not model.batch_norms:
        yield ("training", "sync_batch_norm"), f"{model.kind} has no batch norms"


def oversubscribed(launch: LaunchConfig, trainings: int = 1) -> str:
    """What speaks against so many threads on this machine; nothing where the launch has leave for it.

    Args:
        launch: the processes and threads of one training.
        trainings: how many run at once.
    """
    cores, wanted = cores_here(), trainings * launch.processes * launch.threads
    if launch.oversubscribe or wanted <= cores:
        return ""
    many = f"{trainings} trainings at once, " if trainings > 1 else ""
    return (
        f"{many}{launch.processes} processes of {launch.threads} threads want {wanted} cores, this machine has "
        f"{cores}; more cost many times their work (launch.oversubscribe: true for leave)"
    )


def cores_here() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _division(model: Model, size: int) -> Iterator[Problem]:
    """Heads and widths that so many processes cannot divide."""
    heads: int | None = getattr(model, "heads", None)
    if heads is None:
        yield ("training", "strategy"), f"{model.kind} has no heads of attention to divide"
        return
    if heads % size:
        yield ("model", "heads"), f"{size} processes cannot divide {heads} heads"
    shared: int | None = getattr(model, "kv_heads", None)
    if shared and shared % size:
        what = f"{size} processes cannot divide {shared} heads of keys and values"
        chosen: Callable[[str], Any] | None = getattr(model, "chosen", None)
        if size % shared:
            yield ("model", "kv_heads"), what
        elif chosen is not None and chosen("projections") == "joint":
            yield ("model", "projections"), f"{what}, nor share them with projections: joint; say separate"
    inner: int = getattr(model, "inner", 0)
    if not fills(inner, size):
        yield ("model", "feed_forward"), f"{size} processes cannot divide the width {inner} inside feed-forward layers"


def fills(width: int, size: int) -> bool:
    """Whether each of so many processes gets something of a width, in equal parts of which the last one has fewer."""
    return -(-width // size) * (size - 1) < width


def _stages(model: Model, world: int) -> Iterator[Problem]:
    """Models that cannot be cut into so many stages."""
    if getattr(model, "heads", None) is None:
        yield ("training", "strategy"), f"{model.kind} is no stack of blocks that can be cut into stages"
    elif (depth := int(getattr(model, "depth", world))) < world:
        yield ("model", "depth"), f"{world} stages need {world} blocks at least, not {depth}"
