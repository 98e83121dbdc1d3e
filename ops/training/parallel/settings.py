"""The ways in which processes share the work, by the names that recipes know; what they are is in their own modules."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ops.config import Config

StrategyName = Literal[
    "ddp", "zero1", "fsdp", "tensor", "fsdp_tensor", "pipeline", "local_sgd", "parameter_server", "hogwild"
]

SERVED = frozenset({"parameter_server", "hogwild"})
"""Strategies in which one process has the weights and the others work for it."""


class Parallel(Config):
    """Settings of single strategies. Those of other strategies than the chosen one are refused."""

    tensor: Annotated[int, Field(ge=2, le=64)] | None = None
    """Of `fsdp_tensor`: neighbours that divide each matrix and share a part of the batch, 2 by default."""

    schedule: Literal["1f1b", "gpipe"] | None = None
    """Of `pipeline`: forward and backward passes in turn, which keeps the fewest activations; or all forward first."""
    microbatches: Annotated[int, Field(ge=1, le=4096)] | None = None
    """Of `pipeline`: parts that each batch is cut into, 4 by default; more keep processes waiting less."""

    compression: Literal["none", "fp16", "bf16", "powersgd"] | None = None
    """Of `ddp`: gradients are told in 16 bits, or as products of thin matrices; none by default. They are then not
    quite those of one process."""
    average_every: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """Of `local_sgd`: steps from one average of the weights to the next, 8 by default."""

    staleness: Annotated[int, Field(ge=0, le=4096)] | Literal["any"] | None = None
    """Of `parameter_server`: updates that a gradient may be behind the weights. With 0, the default, batches are
    divided among the workers, and the result is that of one process; `any` sets no bound."""


OWNERS = {
    "tensor": ("fsdp_tensor",),
    "schedule": ("pipeline",),
    "microbatches": ("pipeline",),
    "compression": ("ddp",),
    "average_every": ("local_sgd",),
    "staleness": ("parameter_server",),
}
"""The strategies that each setting is for."""
