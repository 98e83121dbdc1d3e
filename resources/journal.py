"""The local record of trainings: written first, sent to MLflow whenever that can be reached.

    <home>/tracking/<recipe>/<fingerprint>/
        training.json   what is trained: parameters, input datasets, tags, where it is to be recorded
        points.jsonl    metrics, one step a line, only ever appended to
        ended.json      how it ended: status, model, last metrics, checks
        remote.json     what the sender knows: ids in MLflow, bytes of points.jsonl that are there, whether all is
        sync.lock       held by the process that sends; sync.log is what it said
        unreachable     there while MLflow does not answer

Points have the timestamps of the training itself, and each (metric, step) is kept once, whatever a resumed training
says again: sending a line twice therefore writes the same row in MLflow's database, hence once.
"""

from __future__ import annotations

import fcntl
import itertools
import json
import logging
import os
import re
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from ops.errors import IntegrityError

Record = Mapping[str, Any]

# Up to the last `@`, as SQLAlchemy takes it; a slash may stand in a password, but not behind a port.
_USER_INFO = re.compile(r"(?<=://)(?:[^/@\s:]*:(?!\d+/)\S+|[^/\s]+)(?=@)")
log = logging.getLogger("satiety.tracking")

ASIDE = ".damaged-"
"""In the name of a folder that was a damaged journal."""
MEND = "remove the file's folder: the training is then missing in MLflow, and nothing else"


class DamagedJournal(IntegrityError):
    """A journal's file is not what was written: a disk that failed, or a hand that edited it."""


_NOT_METRICS = frozenset({"step", "time_ms"})


def redact(text: str) -> str:
    """The text with user names and passwords in addresses replaced."""
    return _USER_INFO.sub("***", text)


@dataclass(frozen=True)
class Dataset:
    """One input of a training.

    Attributes:
        name: stage and partition, such as `token_cache[abc]`.
        digest: its digest in the store (32 hex characters).
        path: where it lies.
        context: what it was used for.
    """

    name: str
    digest: str
    path: str
    context: str = "training"


@dataclass(frozen=True)
class Training:
    """What is trained; `recipe` and `fingerprint` say which training it is, in MLflow too.

    Attributes:
        recipe: name of the recipe: experiment and registered model in MLflow.
        fingerprint: what would be built; the same training resumed has the same.
        params: settings, nested as in the recipe.
        datasets: the inputs.
        tags: further tags, such as `dagster/run_id`.
        parent: fingerprint of what this is a part of, such as a sweep; then its own begins with that and a dash.
        name: what it is called in MLflow; by default recipe and fingerprint.
    """

    recipe: str
    fingerprint: str
    params: Mapping[str, Any] = field(default_factory=dict)
    datasets: tuple[Dataset, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    parent: str = ""
    name: str = ""


@dataclass(frozen=True)
class Ended:
    """How a training ended.

    Attributes:
        status: FINISHED, FAILED or KILLED, as MLflow has it.
        time_ms: when, in milliseconds since 1970.
        step: the last step.
        digest: the model's digest in the store; empty where there is no model.
        path: the model's folder.
        metrics: the last word on the model's quality.
        checks: name of each blocking check and whether it passed.
        awaiting: whether further checks follow, before which the model cannot be the champion.
        changed_ms: when a metric got another value than it had at the end, by its name.
        judged_ms: when the model was last judged and so came into use, in milliseconds since 1970; 0 where never.
    """

    status: str
    time_ms: int
    step: int = 0
    digest: str = ""
    path: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    checks: Mapping[str, bool] = field(default_factory=dict)
    awaiting: bool = False
    changed_ms: Mapping[str, int] = field(default_factory=dict)
    judged_ms: int = 0

    @property
    def in_use_ms(self) -> int:
        """Since when the model is the one to use, if it passed."""
        return max(self.time_ms, self.judged_ms)

    @property
    def verdict(self) -> str:
        """`failed` once a check has failed, `pending` while some are to come or none was made, `passed` otherwise."""
        if not all(self.checks.values()):
            return "failed"
        return "pending" if self.awaiting or not self.checks else "passed"


@dataclass(frozen=True)
class Point:
    """The metrics of one step.

    Attributes:
        step: the training's step.
        time_ms: when it was measured, in milliseconds since 1970.
        metrics: values by name.
        end: bytes of the journal up to and including this point.
    """

    step: int
    time_ms: int
    metrics: Mapping[str, float]
    end: int


class Journal:
    """The record of one training.

    Args:
        folder: its folder; made when something is written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._file: BinaryIO | None = None
        self._steps: dict[str, int] = {}
        self.step = 0

    def open(self, training: Training, started_ms: int, destination: str) -> None:
        """Begin, or go on with a training that was begun before: its start and parameters stay, tags are added.

        Args:
            training: what is trained.
            started_ms: time of the start, for a new one.
            destination: MLflow's address, without a password; another one than before starts the sending anew.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        known = self.read("training.json")
        said = {**asdict(training), "params": {k: redact(v) for k, v in flat(training.params)}}
        said["tags"] = {**known.get("tags", {}), **{k: redact(v) for k, v in training.tags.items()}}
        said |= {"started_ms": known.get("started_ms", started_ms), "params": known.get("params", said["params"])}
        # The same training may be done on another machine too, and is another run in MLflow then.
        said["id"] = known.get("id", uuid.uuid4().hex)
        self.write("training.json", {"destination": destination, **known, **said})
        self.send_to(destination)
        (self.folder / "ended.json").unlink(missing_ok=True)
        self.note_reachable(True)
        self._mend()
        for point in self.points():
            self._note(point.step, point.metrics)
        self._file = (self.folder / "points.jsonl").open("ab")

    def send_to(self, destination: str) -> None:
        """Send to this MLflow from now on; to another one than before everything is sent anew."""
        known = self.training
        if known.get("destination") != destination:
            (self.folder / "remote.json").unlink(missing_ok=True)
            self.write("training.json", {**known, "destination": destination})

    def add(self, record: Record, now_ms: int) -> bool:
        """Append a metrics record; values of a (metric, step) that is there already, and non-numbers, are left out.

        Returns:
            Whether anything was new.
        """
        assert self._file is not None, "the journal is not open"
        step = int(record.get("step", self.step))
        metrics = {
            name: float(value)
            for name, value in record.items()
            if name not in _NOT_METRICS
            and isinstance(value, int | float)
            and not isinstance(value, bool)
            and step > self._steps.get(name, -1)
        }
        if not metrics:
            return False
        self._note(step, metrics)
        line = {"step": step, "time_ms": int(record.get("time_ms", now_ms)), "metrics": metrics}
        self._file.write(json.dumps(line, separators=(",", ":")).encode() + b"\n")
        self._file.flush()
        return True

    def close(self, ended: Ended) -> None:
        """Note how the training ended; whatever was sent before, this is to be sent."""
        if self._file is not None:
            self._file.close()
            self._file = None
        # What the sender found before does not count: it will try once more.
        self.note_reachable(True)
        self.write("ended.json", asdict(ended))

    def points(self, start: int = 0) -> Iterator[Point]:
        """The points from byte `start` on; a half-written last line is not one.

        Raises:
            DamagedJournal: a line is not what was written.
        """
        try:
            file = (self.folder / "points.jsonl").open("rb")
        except FileNotFoundError:
            return
        with file:
            file.seek(start)
            position = start
            for line in file:
                if not line.endswith(b"\n"):
                    return
                position += len(line)
                try:
                    said = json.loads(line)
                    point = Point(said["step"], said["time_ms"], dict(said["metrics"]), position)
                except (ValueError, KeyError, TypeError) as error:
                    raise DamagedJournal(str(error), where=file.name, hint=MEND) from error
                yield point

    @property
    def training(self) -> dict[str, Any]:
        """What `training.json` says: the fields of `Training`, `started_ms` and `destination`."""
        return self.read("training.json")

    @property
    def ended(self) -> Ended | None:
        """How the training ended, None while it runs."""
        said = self.read("ended.json")
        try:
            return Ended(**said) if said else None
        except TypeError as error:
            raise DamagedJournal(str(error), where=str(self.folder / "ended.json"), hint=MEND) from error

    def parts(self) -> list[Journal]:
        """The journals of what is a part of this, such as a sweep's trials, by name; not those set aside."""
        found = sorted(self.folder.parent.glob(f"{self.folder.name}-*"))
        return [Journal(folder) for folder in found if ASIDE not in folder.name]

    def set_aside(self) -> Path:
        """Give the folder another name, which no training has, and return it."""
        for number in itertools.count(1):
            aside = self.folder.with_name(f"{self.folder.name}{ASIDE}{number}")
            if not aside.exists():
                return self.folder.rename(aside)
        raise AssertionError("unreachable")

    @property
    def pending(self) -> bool:
        """Whether something is not in MLflow yet."""
        remote = self.read("remote.json")
        ended = self.read("ended.json")
        path = self.folder / "points.jsonl"
        size = path.stat().st_size if path.exists() else 0
        return bool(self.training) and (remote.get("ended") != ended or remote.get("sent", 0) < size)

    @property
    def reachable(self) -> bool:
        """Whether MLflow answered the last time that something was sent."""
        return not (self.folder / "unreachable").exists()

    def note_reachable(self, answered: bool) -> None:
        """Leave word for the process that trains."""
        if answered:
            (self.folder / "unreachable").unlink(missing_ok=True)
        else:
            (self.folder / "unreachable").touch()

    @contextmanager
    def locked(self, wait: bool = False) -> Iterator[bool]:
        """Hold the journal for sending; without `wait`, False when another sender has it."""
        with (self.folder / "sync.lock").open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError:
                yield False
            else:
                yield True

    def read(self, name: str) -> dict[str, Any]:
        """One of the journal's JSON files; empty where it is not there.

        Raises:
            DamagedJournal: it is not what was written.
        """
        path = self.folder / name
        try:
            said = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except ValueError as error:
            raise DamagedJournal(str(error), where=str(path), hint=MEND) from error
        if not isinstance(said, dict):
            raise DamagedJournal("not a JSON object", where=str(path), hint=MEND)
        return said

    def write(self, name: str, content: Mapping[str, Any]) -> None:
        """Replace one of the journal's JSON files in one go."""
        temporary = self.folder / f".{name}.{os.getpid()}"
        with temporary.open("w", encoding="utf-8") as file:
            file.write(json.dumps(content, indent=1))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self.folder / name)

    def _note(self, step: int, metrics: Mapping[str, float]) -> None:
        self.step = max(self.step, step)
        for name in metrics:
            self._steps[name] = max(step, self._steps.get(name, -1))

    def _mend(self) -> None:
        """Drop a last line that a killed writer left unfinished."""
        path = self.folder / "points.jsonl"
        if not path.exists():
            return
        content = path.read_bytes()
        if content and not content.endswith(b"\n"):
            os.truncate(path, content.rfind(b"\n") + 1)


def flat(params: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Nested settings as `a.b.c` and text; lists and empty mappings as JSON."""
    for name, value in params.items():
        path = f"{prefix}.{name}" if prefix else str(name)
        if isinstance(value, Mapping) and value:
            yield from flat(value, path)
        else:
            yield path, value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def left_behind(root: Path, destination: str | None) -> list[Journal]:
    """Journals of ended trainings below `root` that are not all in MLflow, by name; damaged ones are warned of.

    Args:
        root: folder of all journals.
        destination: only those that are for this MLflow; None for all.
    """
    found = []
    for path in sorted(root.glob("*/*/ended.json")):
        journal = Journal(path.parent)
        if ASIDE in path.parent.name:
            continue
        try:
            if destination in (None, journal.training.get("destination")) and journal.pending:
                found.append(journal)
        except DamagedJournal as error:
            log.warning("tracking: a damaged journal is passed over: %s", error)
    return found
