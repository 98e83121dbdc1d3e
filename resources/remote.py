"""What the engines of clusters share: what a worker must have before it may build, and the call that it makes.

A worker needs the same software, or it would build other results under other fingerprints, and the same store, or
nobody would find them. Both are proved when a map begins, on every worker there is, and again by every call: workers
may join later.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

from ops.errors import ConfigError, SatietyError, StorageError, Temporary
from ops.storage.staging import staging
from resources.child import ROOT, call_apart

PATIENCE_S = 10.0
"""Seconds until a file that one machine has written must be there for the others (network file systems cache names)."""
TOKEN = "token"
SHAPING = ("polars", "pyarrow", "numpy")
"""Packages whose version may change the bytes of a result."""


@dataclass(frozen=True)
class Probe:
    """What a worker must have.

    Attributes:
        folder: a folder in the store with a file `token`; None where no store is needed.
        token: the content of that file.
        software: what `software` says on the machine that asks.
        env: variables that the work gets, beside the worker's own.
    """

    folder: Path | None
    token: str
    software: Mapping[str, str]
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """What a call on a worker came to: its result, or its error."""

    done: bool
    value: Any


@contextmanager
def probing(store: Path | None) -> Iterator[Probe]:
    """A probe with its file in the store, for the `with` block; what a killed process leaves of it, gc removes."""
    token = secrets.token_hex(16)
    env = {name: value for name, value in os.environ.items() if name.startswith("SATIETY_")}
    if store is None:
        yield Probe(None, token, software(), env)
        return
    with staging(store.absolute(), "probe of the engine's workers") as folder:
        (folder / TOKEN).write_text(token)
        yield Probe(folder, token, software(), env)


def check_worker(probe: Probe) -> str:
    """Run by a worker: compare software and store, and leave a file in the store; returns that file's name.

    Raises:
        ConfigError: the software is another one.
        StorageError: the store is not there, is another one, or cannot be written.
    """
    host, here = socket.gethostname(), software()
    other = [name for name in probe.software if here.get(name) != probe.software[name]]
    if other:
        said = ", ".join(f"{name} is {here.get(name)}, not {probe.software[name]}" for name in other)
        raise ConfigError(
            f"worker {host} has other software: {said}", where="engine", hint="install the same on every machine"
        )
    if probe.folder is None:
        return ""
    _wait_for(lambda: _token(probe.folder) == probe.token, host, probe.folder, "does not see the store")
    name = f"worker-{secrets.token_hex(8)}"
    try:
        (probe.folder / name).write_text(probe.token)
    except OSError as error:
        raise _unshared(host, probe.folder, f"cannot write the store ({error.strerror})") from error
    return name


def check_answers(probe: Probe, answers: Mapping[str, str | BaseException]) -> None:
    """Run by the one who asks: what each worker said, by its name, must be a file that is there.

    Raises:
        SatietyError: the first that is wrong.
    """
    for worker, answer in answers.items():
        if isinstance(answer, SatietyError):
            raise answer
        if isinstance(answer, BaseException):
            raise ConfigError(
                f"worker {worker} cannot run satiety: {type(answer).__name__}: {answer}",
                where="engine",
                hint="install the same version of satiety on every machine",
            ) from answer
        folder = probe.folder
        if folder is not None:
            written = folder / answer
            _wait_for(written.is_file, worker, folder, "writes another store")


def call(probe: Probe, function: Callable[[Any], Any], item: Any, wanted: Callable[[], bool]) -> Answer:
    """Run by a worker: the call in a process of its own, its error returned whole instead of raised.

    Libraries wrap what a task raises into errors of their own, some of which do not cross processes.
    """
    try:
        if probe.folder is not None and _token(probe.folder) != probe.token:
            check_worker(probe)
        return Answer(True, call_apart(function, item, probe.env, wanted))
    except Exception as error:
        return Answer(False, error)


def value_of(answer: Answer) -> Any:
    """The result of a call; raises its error."""
    if not answer.done:
        raise answer.value
    return answer.value


def lost(what: str, error: BaseException | None = None) -> Temporary:
    """The error for work whose worker is gone."""
    why = f": {' '.join(str(error).split())[:300]}" if error is not None and str(error) else ""
    return Temporary(
        f"{what}{why}", where="engine", hint="run again, with more memory per worker or smaller partitions"
    )


def need(module: str, extra: str) -> ModuleType:
    """Import what an extra brings.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise ConfigError(
            f"the {extra} engine needs packages that are not installed ({error})",
            where="engine.kind",
            hint=f'pip install "satiety[{extra}]"',
        ) from error


@cache
def software() -> dict[str, str]:
    """What results depend on: Python, the packages that write them, and this project's code below `ops`."""
    digest = hashlib.sha256()
    for path in sorted((ROOT / "ops").rglob("*.py")):
        digest.update(f"{path.relative_to(ROOT).as_posix()}\0{path.stat().st_size}\0".encode() + path.read_bytes())
    versions = {name: version(name).partition("+")[0] for name in SHAPING}
    return {"python": f"{sys.version_info[0]}.{sys.version_info[1]}", **versions, "code": digest.hexdigest()[:16]}


def _token(folder: Path | None) -> str | None:
    try:
        return (folder / TOKEN).read_text() if folder is not None else None
    except OSError:
        return None


def _wait_for(there: Callable[[], bool], worker: str, folder: Path, what: str) -> None:
    until = time.monotonic() + PATIENCE_S
    while not there():
        if time.monotonic() > until:
            raise _unshared(worker, folder, what)
        time.sleep(0.1)


def _unshared(worker: str, folder: Path, what: str) -> StorageError:
    return StorageError(
        f"worker {worker} {what} at {folder.parents[2]}",
        where="engine",
        hint="put the store on a folder that every machine sees at the same path; SATIETY_STORE names it",
    )
