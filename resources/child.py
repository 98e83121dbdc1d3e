"""One call in a process of its own: with one core, ended when nobody wants its result, named when it is killed.

Workers of a cluster use it. Their own processes are shared, were started with whatever number of threads, and cannot
be ended without harm to others; a child has one core, and a call that runs out of memory takes only itself down.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from ops.errors import SatietyError, Temporary
from resources.processes import end_with, kill_tree

ROOT = Path(__file__).parents[1]
POLL_S = 0.3

ONE_CORE = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
    "POLARS_MAX_THREADS": "1",
    "RAYON_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
}
"""One core per worker: threads in every one of them would only get in each other's way."""


def call_apart(
    function: Callable[[Any], Any],
    item: Any,
    env: Mapping[str, str] | None = None,
    wanted: Callable[[], bool] = lambda: True,
) -> Any:
    """Call `function(item)` in a new process and return its result.

    Args:
        function: importable by name in the new process.
        item: its argument; it, the result and any error must be picklable.
        env: variables beside those of this process and of `ONE_CORE`.
        wanted: asked all the time; once it says no, the process is killed.

    Raises:
        Temporary: the process was killed, by `wanted` or by somebody else.
        SatietyError: the process ended before it had a result.
        Exception: whatever the call raised; errors that are not ours carry their traceback as a note.
    """
    ours, theirs = Pipe()
    with ours:
        with theirs:
            child = _start(theirs, env or {})
        try:
            ours.send((function, item))
            while not ours.poll(POLL_S):
                if not wanted():
                    raise Temporary("the work was called off", where="engine")
            done, result = ours.recv()
        except (EOFError, ConnectionError) as error:
            raise _ended(child.wait()) from error
        finally:
            kill_tree(child.pid)
            child.wait()
    if not done:
        raise result
    return result


def _start(theirs: Connection, env: Mapping[str, str]) -> subprocess.Popen[bytes]:
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    number = theirs.fileno()
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "resources.child", str(number), str(os.getpid())],
        env={**os.environ, **ONE_CORE, **env, "PYTHONPATH": path},
        stdin=subprocess.DEVNULL,
        pass_fds=[number],
    )


def _ended(code: int) -> SatietyError:
    if code < 0:
        return Temporary(
            f"a worker process was killed (signal {-code}), most likely for lack of memory",
            where="engine",
            hint="lower engine.workers in params.yaml, or use smaller partitions; what is built stays built",
        )
    return SatietyError(
        f"a worker process ended with {code} before its work was done", where="engine", hint="its log says why"
    )


def main(number: int, parent: int) -> None:
    """Take one call from the connection and answer it: (True, result) or (False, error)."""
    import traceback

    end_with(parent)
    with Connection(number) as connection:
        try:
            function, item = connection.recv()
            answer: tuple[bool, Any] = (True, function(item))
        except Exception as error:
            if not isinstance(error, SatietyError):
                error.add_note("".join(traceback.format_exception(error)))
            answer = (False, error)
        try:
            connection.send(answer)
        except Exception as error:
            if isinstance(error, ConnectionError):
                raise
            kind = "result" if answer[0] else "error"
            connection.send((False, TypeError(f"the {kind} {answer[1]!r} cannot be sent: {error}")))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
