"""From the way the training processes ended to the error that the user sees."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from ops.errors import (
    BadData,
    CheckFailed,
    ConfigError,
    DiskFull,
    IntegrityError,
    SatietyError,
    ServiceDown,
    Temporary,
    TrainingFailed,
)
from resources.tail import last_lines

SPOKEN: dict[int, type[SatietyError]] = {
    kind.exit_code: kind for kind in (ConfigError, CheckFailed, IntegrityError, BadData, ServiceDown, DiskFull)
}
"""Exit codes by which a worker says what is wrong; trying again would not help."""
KILLED = 137
TERMINATED = 143
SIGNALS = range(129, 160)
MEMORY_HINT = (
    "out of memory is likely: lower training.batch_size, or use fewer launch.processes; "
    "the same command goes on from the last checkpoint"
)
RESUME_HINT = "the same command goes on from the last checkpoint"
# What the ranks left behind say when one of them is gone: the cause is the other rank's end, not theirs.
_PEER_GONE = re.compile(
    r"Connection (closed by peer|reset by peer|refused)|Broken pipe|recvValue failed", re.IGNORECASE
)
# What torchrun says when the ranks could not meet.
_NOT_MET = re.compile(r"EADDRINUSE|address already in use|Rendezvous\w*Error|timed out after", re.IGNORECASE)


def verdict(code: int, logs: Path) -> SatietyError:
    """The error for an attempt that ended with `code` (128 + n for signal n) and left its logs in `logs`."""
    ranks = _read_ranks(logs / "report.json")
    if not ranks:
        return _without_report(code, logs)
    rank, said = _cause(ranks)
    status = int(said["exit_code"])
    path = rank_log(logs, int(said["local_rank"]))
    # A forked rank's exception is in the report only; a program of its own has printed it.
    lines = last_lines(path) if path.name == "stderr.log" else []
    lines = lines or [str(line) for line in said.get("trace", [])][-8:] or last_lines(path)
    # A worker that says what is wrong does so in torchrun's error file; what it printed is the second choice.
    last = said.get("message") or (lines[-1] if lines else "it printed nothing")
    if status in SPOKEN:
        return SPOKEN[status](last, where=str(path))
    if status == KILLED:
        return Temporary(f"rank {rank} was killed (signal 9)", where=str(path), hint=MEMORY_HINT)
    if status in SIGNALS:
        return Temporary(f"rank {rank} was ended by signal {status - 128}", where=str(path), hint=RESUME_HINT)
    if status == Temporary.exit_code:
        said_by = "" if str(last).startswith(f"rank {rank}") else f"rank {rank}: "
        return Temporary(f"{said_by}{last}", where=str(path), hint=RESUME_HINT)
    if _PEER_GONE.search("\n".join(lines)):
        return Temporary(f"rank {rank} lost the connection to another: {last}", where=str(path), hint=RESUME_HINT)
    return TrainingFailed(f"rank {rank} ended with exit code {status}{_quoted(lines)}", where=str(path))


def rank_log(logs: Path, local_rank: int) -> Path:
    """What a rank last printed to standard error, or to standard output where that is empty."""
    for name in ("stderr.log", "stdout.log"):
        # One folder a run of torchrun, in it one an in-place restart.
        found = sorted(logs.glob(f"*/attempt_*/{local_rank}/{name}"))
        if found and found[-1].stat().st_size:
            return found[-1]
    return logs / "torchrun.log"


def _cause(ranks: dict[str, dict[str, Any]]) -> tuple[str, dict[str, Any]]:
    """The rank whose end explains the others': one that says why, then one that was killed, then the first."""

    def order(item: tuple[str, dict[str, Any]]) -> tuple[int, bool, int]:
        code = int(item[1]["exit_code"])
        group = 0 if code in SPOKEN else 1 if code in SIGNALS and code != TERMINATED else 2
        return (group if code != TERMINATED else 4, code != Temporary.exit_code, int(item[0]))

    return min(ranks.items(), key=order)


def _without_report(code: int, logs: Path) -> SatietyError:
    """Torchrun itself ended, not a rank."""
    path = logs / "torchrun.log"
    lines = last_lines(path)
    if code == KILLED:
        return Temporary("torchrun was killed (signal 9)", where=str(path), hint=MEMORY_HINT)
    if code in SIGNALS:
        return Temporary(f"torchrun was ended by signal {code - 128}", where=str(path), hint=RESUME_HINT)
    if _NOT_MET.search("\n".join(last_lines(path, count=40))):
        last = lines[-1] if lines else ""
        return Temporary(f"the ranks did not find each other: {last}", where=str(path), hint="check launch.endpoint")
    return TrainingFailed(f"torchrun ended with exit code {code}{_quoted(lines)}", where=str(path))


def _read_ranks(report: Path) -> dict[str, dict[str, Any]]:
    try:
        return dict(json.loads(report.read_text(encoding="utf-8"))["ranks"])
    except (OSError, ValueError, KeyError):
        return {}


def _quoted(lines: list[str]) -> str:
    return "; its last lines:\n" + "\n".join(f"    {line}" for line in lines) if lines else ""
