"""The strategy that a recipe names."""

from __future__ import annotations

from ops.errors import ConfigError
from ops.training.distributed import Group
from ops.training.parallel.base import Strategy
from ops.training.parallel.ddp import Ddp
from ops.training.run import RunSpec


def strategy_of(run: RunSpec, group: Group, total: int) -> Strategy:
    """The strategy by which the processes of the group share the work; alone there is nothing to share.

    Args:
        run: the resolved run.
        group: the processes that train together.
        total: number of updates of the whole run.

    Raises:
        ConfigError: the strategy is for several processes, and there is one.
    """
    config = run.training
    if run.world_size == 1 and config.strategy != "ddp":
        raise ConfigError(f"{config.strategy} is for several processes", where="training.strategy", hint="say ddp")
    if config.strategy == "hogwild":
        from ops.training.parallel.hogwild import Hogwild

        return Hogwild(run.folder, run.world_size - 1, total, group.device)
    if config.strategy == "parameter_server":
        from ops.training.parallel.server import Server

        staleness = config.parallel.staleness or 0
        bound = None if staleness == "any" else int(staleness)
        return Server(run.folder, run.world_size - 1, total, bound, group.device)
    if group.world == 1:
        return Strategy(group)
    if config.strategy == "zero1":
        from ops.training.parallel.zero1 import Zero1

        return Zero1(group)
    if config.strategy == "fsdp":
        from ops.training.parallel.fsdp import Fsdp

        return Fsdp(group)
    if config.strategy == "tensor":
        from ops.training.parallel.tensor import TensorParallel

        return TensorParallel(group)
    if config.strategy == "fsdp_tensor":
        from ops.training.parallel.fsdp_tensor import FsdpTensor

        return FsdpTensor(group, config.parallel.tensor or 2)
    if config.strategy == "pipeline":
        from ops.training.parallel.pipeline import Pipeline

        return Pipeline(group, config.parallel.schedule or "1f1b", config.parallel.microbatches or 4)
    if config.strategy == "local_sgd":
        from ops.training.parallel.local_sgd import LocalSgd

        return LocalSgd(group, config.parallel.average_every or 8)
    return Ddp(group, config.parallel.compression or "none")
