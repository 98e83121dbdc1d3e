"""Progress as events: stages publish, whoever listens (the command line) shows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

Listener = Callable[["Event"], None]


@dataclass(frozen=True)
class Event:
    """One step of progress.

    Attributes:
        what: `stage` (a stage begins), `partition` (one is done), `record` (training has measured),
            `download` (some of a remote file is here), `done` (it ends).
        stage: name of the stage.
        data: `stage`: partitions; `partition`: key, built, rows, done, of, and where it has rows, how many were
            rejected and dropped by reason; `record`: the metrics record;
            `download`: name, done and of in bytes (of: null where the server does not say it).
    """

    what: str
    stage: str
    data: dict[str, Any]


_listeners: list[Listener] = []


def publish(what: str, stage: str, **data: Any) -> None:
    """Tell all listeners of this process."""
    for listener in tuple(_listeners):
        listener(Event(what, stage, data))


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Have `listener` called with each event for the length of a `with` block."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)
