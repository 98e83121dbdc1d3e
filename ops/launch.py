"""Where training runs: how many processes on how many nodes, and how a failed one is tried again."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from ops.config import Config

SPENT = "spent.txt"
"""In a run's folder: a line for each start of its processes with the CPU-seconds that all of them took, however they
ended."""

WARNINGS = "warnings.jsonl"
"""In a run's folder: what the first process warned of (`said`, at a `time`), which the launcher hands on."""

ENDPOINT = r"^([A-Za-z0-9.\-]+|\[[0-9A-Fa-f:]+\]):[0-9]{1,5}$"


class LaunchConfig(Config):
    """How torchrun starts the training processes.

    Only the number of processes over all nodes (`world_size`) and their threads can change a model's bits; where they
    run, and how often they were started, cannot.
    """

    nodes: Annotated[int, Field(ge=1, le=4096)] = 1
    """Machines that train together. With more than one, the same recipe is run on each, over a shared store."""
    processes: Annotated[int, Field(ge=1, le=256)] = 1
    """Training processes (ranks) per node; with GPUs, one per GPU."""
    threads: Annotated[int, Field(ge=1, le=1024)] = 1
    """Threads per process on CPUs, where OMP_NUM_THREADS does not say otherwise. More than free cores cost many times
    their work; like the number of processes, they can change a model's last bits."""
    oversubscribe: bool = False
    """Leave for more processes times threads than this machine has cores, which costs many times their work."""
    endpoint: Annotated[str, Field(pattern=ENDPOINT)] | None = None
    """`host:port` of node 0 where the nodes meet; needed with more than one node, refused with one."""
    node_rank: Annotated[int, Field(ge=0)] = 0
    """This node's number; node 0 hosts the meeting point and reports to Dagster and MLflow."""
    predictors: Annotated[int, Field(ge=1, le=256)] = 1
    """Processes of one machine that share the test split when the report is made; they say the same as one."""
    max_restarts: Annotated[int, Field(ge=0, le=100)] = 0
    """How often torchrun restarts the ranks in place after any failure, before the launcher sees one."""
    retries: Annotated[int, Field(ge=0, le=100)] = 1
    """How often a fresh torchrun goes on from the last checkpoint after a temporary failure (a rank was killed)."""
    timeout_s: Annotated[float, Field(gt=0)] = 600.0
    """Seconds without a sign of life from rank 0 after which the ranks are ended; counts as a temporary failure."""
    grace_s: Annotated[float, Field(ge=0)] = 10.0
    """Seconds that ranks get to write a checkpoint when they are asked to end, before they are killed."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.nodes > 1 and self.endpoint is None:
            raise ValueError("`nodes` above 1 needs `endpoint`, the host:port of node 0")
        if self.nodes == 1 and self.endpoint is not None:
            raise ValueError("`endpoint` is for more than one node: with one, a free port of this machine is taken")
        if self.node_rank >= self.nodes:
            raise ValueError(f"`node_rank` counts from 0: with {self.nodes} nodes it is at most {self.nodes - 1}")
        return self

    @property
    def world_size(self) -> int:
        """Training processes over all nodes."""
        return self.nodes * self.processes

    @property
    def reports(self) -> bool:
        """Whether this node follows the training and hands on what it says."""
        return self.node_rank == 0
