"""One training process: `python -m ops.training.worker run.json`, alone or as one of torchrun's ranks.

Exit codes: 0 done; 1 a mistake in the program; 2 wrong settings; 4 the loss is not finite; 5 damaged inputs; 65 inputs
that cannot be used; 74 the disk failed or is full; 75 temporary, a fresh start goes on; 130 and 143 asked to stop (a
checkpoint was written).
"""

from __future__ import annotations

import contextlib
import gc
import json
import logging
import os
import sys
import time
from pathlib import Path

if __name__ == "__main__":
    gc.disable()  # until all is imported: see `_look_for_garbage`

# Before pydantic is imported: it would read what every installed distribution declares, to look for plugins.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
# Texts that are changed on the fly are tokenised in the loader's threads, which share the cores as it is.
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

from ops.errors import ConfigError, SatietyError, Temporary
from ops.launch import WARNINGS
from ops.storage.files import remove_tree
from ops.training.run import RunSpec, read_run
from ops.training.signals import Stop

UNSAFE = "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"


def main(arguments: list[str]) -> int:
    """Train what the run file says; returns the exit code."""
    started = time.perf_counter()
    stop = Stop()
    stop.listen()
    try:
        if len(arguments) != 1:
            raise ConfigError("give one file", where="worker", hint="python -m ops.training.worker run.json")
        return _train(read_run(Path(arguments[0])), stop, started)
    except SatietyError as error:
        return _fail(error)


def _train(run: RunSpec, stop: Stop, started: float) -> int:
    from ops.training.result import is_done

    rank = os.environ.get("RANK", "0")
    _open_log(run.folder, rank)
    try:
        if run.resume and is_done(run.folder / "result"):
            logging.getLogger("satiety.training").info("the result is there already")
            return 0
        _prepare_torch(run.training.deterministic, run.training.compile)
        if run.training.compile:
            _empty_compiled(run.folder / "compiled" / rank)
        signal = _join_and_train(run, stop, started)
    except Exception:
        logging.getLogger("satiety.training").exception("rank %s failed", rank)
        raise
    return 128 + signal if signal else 0


def _join_and_train(run: RunSpec, stop: Stop, started: float) -> int:
    from ops.training.distributed import Group, join
    from ops.training.loop import Trainer
    from ops.training.parallel.settings import SERVED

    _look_for_garbage()
    served = run.training.strategy in SERVED
    group = join(run.world_size, run.training.accelerator, connect=not served)
    if served and not group.first:
        from ops.training.parallel.server_worker import work

        return work(run, group, stop)
    if served:
        group = Group(device=group.device)
    try:
        signal = Trainer(run, group, stop, started).train()
    except RuntimeError as error:
        if group.world > 1 and _lost_contact(error):
            raise Temporary(f"lost contact with another process: {error}", where=f"rank {group.rank}") from error
        raise
    group.close()
    return signal


def _look_for_garbage() -> None:
    """Let Python look for garbage from now on, but not among what was imported, if this process does not already.

    Imports make hundreds of thousands of objects that stay. To go through them again and again, to see that they do,
    is a tenth of the time that they take.
    """
    if not gc.isenabled():
        gc.freeze()
        gc.enable()


def _prepare_torch(deterministic: bool, compiles: bool) -> None:
    """Deterministic if asked for; one thread unless OMP_NUM_THREADS says otherwise.

    Raises:
        ConfigError: the environment makes torch load pickles.
    """
    if os.environ.get(UNSAFE, "0").lower() not in ("", "0", "n", "no", "false"):
        raise ConfigError("is set: torch would run code that a file supplies", where=UNSAFE, hint=f"unset {UNSAFE}")
    threads = os.environ.setdefault("OMP_NUM_THREADS", "1")
    if not threads.isdecimal() or int(threads) < 1:
        raise ConfigError(f"{threads!r} is no number of threads", where="OMP_NUM_THREADS")
    # Without it cuBLAS refuses to compute deterministically.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    import torch

    torch.set_num_threads(int(threads))
    if compiles:
        torch.use_deterministic_algorithms(deterministic)
    else:
        # What that function does but for a setting of the compiler, whose import takes as long as torch's own.
        torch._C._set_deterministic_algorithms(deterministic, warn_only=False)
    # Deterministic mode also fills new memory, which only matters to code that reads what it never wrote.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def _empty_compiled(folder: Path) -> None:
    """Let torch keep what it compiles in a folder of this run, emptied: a killed run can leave half a file there."""
    remove_tree(folder)
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(folder)


def _lost_contact(error: RuntimeError) -> bool:
    from torch.distributed import DistError

    text = str(error).lower()
    return isinstance(error, DistError) or any(word in text for word in ("gloo", "connection", "timed out", "peer"))


def _open_log(folder: Path, rank: str) -> None:
    """Messages go to `logs/rank<N>.log`, warnings also to standard error; errors are printed there by `_fail`.

    Those of the first process stand in `warnings.jsonl` too, for who started it.
    """
    logs = folder / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    to_file: logging.Handler = logging.FileHandler(logs / f"rank{rank}.log", encoding="utf-8")
    to_screen = logging.StreamHandler()
    handlers = [to_file, to_screen]
    if rank == "0":
        handlers.append(logging.FileHandler(folder / WARNINGS, encoding="utf-8", delay=True))
        handlers[-1].setFormatter(_AsJson())
    for handler in handlers[1:]:
        handler.addFilter(lambda record: record.levelno == logging.WARNING)
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", handlers=handlers, force=True
    )


class _AsJson(logging.Formatter):
    """A message as a line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        return json.dumps({"said": record.getMessage(), "time": record.created})


def _fail(error: SatietyError) -> int:
    """Say what went wrong on standard error and, under torchrun, in the file that it reports from."""
    print(error, file=sys.stderr)
    report = os.environ.get("TORCHELASTIC_ERROR_FILE")
    if report:
        said = {"message": str(error), "extraInfo": {"py_callstack": "", "timestamp": str(int(time.time()))}}
        with contextlib.suppress(OSError):
            Path(report).write_text(json.dumps({"message": said}), encoding="utf-8")
    return error.exit_code


if __name__ == "__main__":
    code = main(sys.argv[1:])
    if code:
        # At once: Python's orderly end would free what must not be freed (`parallel.ddp`).
        logging.shutdown()
        sys.stderr.flush()
        os._exit(code)
