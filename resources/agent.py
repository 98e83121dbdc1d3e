"""torchrun as a program that says which rank failed how.

    python resources/agent.py REPORT.json [torchrun's options] SCRIPT ARGUMENTS

Four things more than `python -m torch.distributed.run`, whose options and behaviour it has:

* torchrun exits with 1 whatever its ranks exited with. Here the exit code is that of the rank that failed first, and
  the report lists all of them with exit code, message and log.
* With a torch that knows no GPU the ranks are forked (torchrun's `--start-method fork --run-path`): torch, which takes
  1.2 to 2 CPU-seconds to import, is then imported once, and not once more in every rank. CUDA does not survive a fork.
* When the process that started it dies, it gets a TERM and ends its ranks.
* torch's store, where the ranks meet, listens on all interfaces and asks nobody for a password. Where they meet on
  loopback it listens there only.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any

PR_SET_PDEATHSIG = 1


def main(argv: list[str]) -> int:
    """Run torchrun with the arguments behind the report's path; returns the exit code."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    report, options = Path(argv[0]), argv[1:]
    from torch.distributed import run
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    if "--run-path" in options and not _may_fork():
        start = options.index("--run-path")
        del options[start]
    _stay_on_loopback()
    try:
        run.main(options)
    except ChildFailedError as error:
        ranks = {str(rank): _described(failure) for rank, failure in sorted(error.failures.items())}
        first, failure = error.get_first_failure()
        report.write_text(json.dumps({"first": first, "ranks": ranks}, indent=1), encoding="utf-8")
        print(error, file=sys.stderr)
        return _code(failure.exitcode)
    except SignalException as error:
        return 128 + int(error.sigval)
    return 0


def _may_fork() -> bool:
    import torch

    # Asking whether there is a GPU would itself spoil the fork; whether torch was built for one does not.
    return sys.platform == "linux" and torch.version.cuda is None and torch.version.hip is None


def _stay_on_loopback() -> None:
    """Make torchrun's stores that are for this machine alone listen where only this machine reaches them."""
    from torch._C._distributed_c10d import TCPStore
    from torch.distributed.elastic.rendezvous import c10d_rendezvous_backend, static_tcp_rendezvous

    class LoopbackStore(TCPStore):
        def __init__(
            self,
            host_name: str,
            port: int,
            world_size: int | None = None,
            is_master: bool = False,
            *rest: Any,
            **more: Any,
        ) -> None:
            if is_master and host_name == "127.0.0.1" and port:
                listening = socket.create_server((host_name, port))
                # The store closes it.
                more["master_listen_fd"] = listening.detach()
            super().__init__(host_name, port, world_size, is_master, *rest, **more)

    for module in (c10d_rendezvous_backend, static_tcp_rendezvous):
        module.TCPStore = LoopbackStore  # type: ignore[attr-defined]


def _described(failure: Any) -> dict[str, Any]:
    # A dictionary where the rank ended by an exception, one line of text otherwise.
    said = failure.message if isinstance(failure.message, dict) else {}
    trace = said.get("extraInfo", {}).get("py_callstack", "")
    return {
        "local_rank": failure.local_rank,
        "exit_code": _code(failure.exitcode),
        "message": str(said.get("message", "")),
        "trace": str(trace).splitlines()[-20:],
    }


def _code(code: int) -> int:
    """Exit code as a shell has it: 128 + n for signal n."""
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    status = main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    # Tearing down an interpreter that holds torch takes 0.6 s, and there is nothing left to do.
    os._exit(status)
