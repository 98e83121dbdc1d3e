"""Progress of a run: bars with rates on a terminal, plain lines with a heartbeat without one."""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.console import err, say, seconds, size

if TYPE_CHECKING:
    from resources.progress import Event

HEARTBEAT_SECONDS = 30.0
"""No silence is longer than this."""
LINE_SECONDS = 5.0
"""Lines about parts of a stage do not come faster than this."""


@dataclass
class StageProgress:
    """How far one stage is."""

    name: str
    of: int
    started: float
    done: int = 0
    built: int = 0
    rows: int = 0
    """Rows that were built now: what was reused cost no time."""
    lost: dict[str, Counter[str]] = field(default_factory=lambda: {"rejected": Counter(), "dropped": Counter()})
    """Rows that were rejected and dropped now, by reason."""
    note: str = ""

    def add(self, data: dict[str, Any]) -> None:
        """Count a partition that is done."""
        self.done = int(data.get("done", self.done + 1))
        self.of = int(data.get("of", self.of))
        self.built += bool(data.get("built"))
        if data.get("built"):
            self.rows += int(data.get("rows") or 0)
            for what, reasons in self.lost.items():
                reasons.update(data.get(what) or {})

    def rate(self, now: float) -> str:
        """Rows per second so far, if there are rows."""
        elapsed = max(now - self.started, 1e-9)
        return f"{self.rows / elapsed:,.0f} rows/s" if self.rows else ""

    def losses(self) -> str:
        """How many rows went no further, and why: the two most frequent reasons."""
        said = []
        for what, reasons in self.lost.items():
            if total := reasons.total():
                first = [f"{reason} {count:,}" for reason, count in reasons.most_common(2)]
                said.append(f"{total:,} {what} ({', '.join(first)}{', …' if len(reasons) > 2 else ''})")
        return ", ".join(said)

    def line(self, now: float) -> str:
        """The state in a line."""
        reused = self.done - self.built
        parts = [f"{self.name} {self.done}/{self.of}", f"{self.built} built" + (f", {reused} reused" if reused else "")]
        losses = self.losses()
        if self.rows or losses:
            parts += [f"{self.rows:,} rows" + (f", {losses}" if losses else "")]
        parts += [self.rate(now)] if self.rows else []
        return "  ".join([*parts, seconds(now - self.started)])


def describe_record(record: dict[str, Any]) -> str:
    """A metrics record of training in a few words."""
    if "strength" in record:
        return f"{record['steps']:,} steps at strength {record['strength']:g}"
    if "trial" in record:
        return _describe_trial(record)
    if "cut" in record:
        return f"the {record['cut']}"
    words = [f"step {record['step']:,}"] if "step" in record else []
    names = (
        ("loss", "loss"),
        ("valid_loss", "valid loss"),
        ("valid_accuracy", "valid accuracy"),
        ("valid_mae", "valid error"),
        ("valid_nats", "valid nats"),
    )
    told: list[float] = []
    for name, label in names:
        value = record.get(name)
        if isinstance(value, int | float) and not (
            name == "valid_nats" and value in told
        ):  # A loss in nats is said once.
            words.append(f"{label} {value:.4f}")
            told.append(value)
    if isinstance(record.get("examples_per_s"), int | float):
        words.append(f"{record['examples_per_s']:,.0f} examples/s")
    return ", ".join(words)


def _describe_trial(record: dict[str, Any]) -> str:
    values = ", ".join(
        f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}"
        for key, value in record["values"].items()
    )
    figures = [
        f"{name.replace('_', ' ')} {value:.4g}"
        for name, value in record.items()
        if name.startswith("valid_") and value is not None
    ]
    state = [record["state"], *figures] if "state" in record else [f"{record['steps']:,} steps"]
    return f"trial {record['trial']} ({values}): {', '.join(state)}"


def describe_download(data: dict[str, Any]) -> str:
    """How far a download is in a few words."""
    of = f" of {size(data['of'])}" if data["of"] is not None else ""
    return f"{data['name']} {size(data['done'])}{of}"


@contextmanager
def following() -> Iterator[Callable[[Event], None]]:
    """Show the events of a run until the `with` block ends."""
    shown = Bars() if sys.stderr.isatty() else Lines()
    shown.start()
    try:
        yield shown.on_event
    finally:
        shown.stop()


@dataclass
class Lines:
    """Plain lines: one when a stage ends, some in between, and a heartbeat when nothing else is heard."""

    clock: Callable[[], float] = time.monotonic
    write: Callable[[str], None] = say
    stage: StageProgress | None = None
    last: float = 0.0
    stopped: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def start(self) -> None:
        """Begin the heartbeat."""
        self.last = self.clock()
        threading.Thread(target=self._beat, daemon=True, name="heartbeat").start()

    def stop(self) -> None:
        """End the heartbeat."""
        self.stopped.set()

    def on_event(self, event: Event) -> None:
        """Take in one event."""
        with self.lock:
            now = self.clock()
            if event.what == "stage":
                self.stage = StageProgress(event.stage, _count(event.data.get("partitions")), now)
                if event.stage == "model":
                    self._line(f"{event.stage}: training")
            elif self.stage is None:
                return
            elif event.what == "partition":
                self.stage.add(event.data)
                if self.stage.done < self.stage.of and now - self.last >= LINE_SECONDS:
                    self._line(self.stage.line(now))
            elif event.what == "record":
                record = event.data.get("record", event.data)
                self.stage.note = describe_record(record)
                if {"valid_loss", "cut"} & record.keys() or now - self.last >= LINE_SECONDS:
                    self._line(f"{self.stage.name}: {self.stage.note}")
            elif event.what == "download":
                self.stage.note = describe_download(event.data)
                if now - self.last >= LINE_SECONDS or event.data["done"] == event.data["of"]:
                    self._line(f"{self.stage.name}: {self.stage.note}")
            elif event.what == "done":
                self._line(self.stage.line(now))
                self.stage = None

    def beat(self) -> None:
        """Say what is being done, if nothing was said for a while."""
        with self.lock:
            now = self.clock()
            if now - self.last < HEARTBEAT_SECONDS:
                return
            stage = self.stage
            note = f", {stage.note}" if stage and stage.note else ""
            self._line(f"still at {stage.line(now)}{note}" if stage else "still running")

    def _beat(self) -> None:
        while not self.stopped.wait(1.0):
            self.beat()

    def _line(self, text: str) -> None:
        self.last = self.clock()
        self.write(text)


class Bars:
    """A bar for each stage, with rates."""

    def __init__(self) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
        from rich.table import Column

        self.progress = Progress(
            SpinnerColumn(finished_text="✓"),
            TextColumn("{task.description:<14}", markup=False),
            BarColumn(bar_width=24, table_column=Column(min_width=12)),
            MofNCompleteColumn(table_column=Column(no_wrap=True, min_width=7)),
            TimeElapsedColumn(table_column=Column(no_wrap=True, min_width=7)),
            # What is long is cut, and not the columns in front of it.
            TextColumn("{task.fields[note]}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis")),
            console=err(),
        )
        self.stage: StageProgress | None = None
        self.task: Any = None
        self.begun = False
        self.downloads: dict[str, Any] = {}

    def start(self) -> None:
        """Take the terminal."""
        # Importing Dagster takes some seconds: say so rather than nothing.
        self.task = self.progress.add_task("starting", total=None, note="Dagster")
        self.progress.start()

    def stop(self) -> None:
        """Give the terminal back."""
        self.progress.stop()

    def on_event(self, event: Event) -> None:
        """Take in one event."""
        now = time.monotonic()
        if event.what == "stage":
            if not self.begun and self.task is not None:
                self.progress.remove_task(self.task)
            self.begun = True
            self.stage = StageProgress(event.stage, _count(event.data.get("partitions")), now)
            self.task = self.progress.add_task(event.stage, total=self.stage.of, note="")
        elif self.stage is None:
            return
        elif event.what == "partition":
            self.stage.add(event.data)
            self.progress.update(self.task, completed=self.stage.done, total=self.stage.of, note=self.stage.rate(now))
        elif event.what == "record":
            self.stage.note = describe_record(event.data.get("record", event.data))
            self.progress.update(self.task, note=self.stage.note)
        elif event.what == "download":
            self._download(event.data)
        elif event.what == "done":
            note = self.stage.rate(now) or self.stage.note
            self.progress.update(self.task, completed=self.stage.of, total=self.stage.of, note=note)
            if losses := self.stage.losses():
                self.progress.console.print(f"{self.stage.name}: {losses}", markup=False)
            self.stage = None

    def _download(self, data: dict[str, Any]) -> None:
        """A bar of its own for each file: a tenth of a percent is a step, and the bytes stand behind it."""
        name, done, of = str(data["name"]), int(data["done"]), data["of"]
        if name not in self.downloads:
            self.downloads[name] = self.progress.add_task("download", total=None, note=name)
        total = None if of is None else 1000
        completed = 0 if not of else min(done * 1000 // of, 1000)
        self.progress.update(self.downloads[name], completed=completed, total=total, note=describe_download(data))


def _count(partitions: Any) -> int:
    if isinstance(partitions, int):
        return partitions
    return max(len(partitions or ()), 1)


@contextmanager
def hashing(title: str) -> Iterator[Callable[[Path, int], None]]:
    """Progress over files of known size: bytes per second on a terminal, a line every while without one."""
    total = files = 0
    started = last = time.monotonic()
    live = err().status(title) if sys.stderr.isatty() else None
    if live is not None:
        live.start()

    def on_file(path: Path, count: int) -> None:
        nonlocal total, files, last
        total, files, now = total + count, files + 1, time.monotonic()
        text = f"{title}: {files:,} files, {size(total)}, {size(total / max(now - started, 1e-9))}/s"
        if live is not None:
            live.update(text)
        elif now - last >= LINE_SECONDS:
            say(text)
            last = now

    try:
        yield on_file
    finally:
        if live is not None:
            live.stop()
