"""A function in several forked processes that can tell one another things, without a whole training run."""

from __future__ import annotations

import os
import pickle
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import distributed

from ops.training.distributed import Group, join
from tests.ops.training.runs import free_port


def together(folder: Path, world: int, function: Callable[[Group], Any]) -> list[Any]:
    """What the function returns in each of so many processes, by rank."""
    port, children = free_port(), []
    for rank in range(world):
        child = os.fork()
        if not child:
            _run(folder / f"said-{rank}", rank, world, port, function)
        children.append(child)
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    failed = [path.read_text() for path in folder.glob("failed-*")]
    assert codes == [0] * world, "\n".join(failed)
    return [pickle.loads((folder / f"said-{rank}").read_bytes()) for rank in range(world)]


def _run(said: Path, rank: int, world: int, port: int, function: Callable[[Group], Any]) -> None:
    code = 1
    try:
        os.environ.update(RANK=str(rank), WORLD_SIZE=str(world), LOCAL_RANK=str(rank))
        os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), GLOO_SOCKET_IFNAME="lo")
        said.write_bytes(pickle.dumps(function(join(world))))
        distributed.barrier()
        code = 0
    except BaseException:
        said.with_name(f"failed-{rank}").write_text(traceback.format_exc())
    finally:
        os._exit(code)
