"""Recording trainings in MLflow: journal first, a separate process sends, nothing ever waits for the server.

    with Tracker(settings).begin(training) as run:
        launch(plan, run.forward)
        run.finish(digest=…, path=…, metrics=…, checks=…)
    run.link()

Metrics reach the journal in some ten microseconds each and MLflow in batches, every few seconds, from a process at low
priority, so that training is not slowed. With MLflow down the training ends well with a warning, and the next one, or
`Tracker.sync_pending`, sends what is missing, exactly once.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from resources.journal import DamagedJournal, Ended, Journal, Record, Training, left_behind, redact
from resources.settings import Settings
from resources.tracking_sync import NOT_SENT

log = logging.getLogger("satiety.tracking")

POLL_S = 0.05
ROOT = Path(__file__).resolve().parent.parent
QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_ENABLE_ASYNC_LOGGING": "false",
}
"""By default one call to a dead server blocks for 251 s."""


@dataclass(frozen=True)
class Synced:
    """What a sending did.

    Attributes:
        trainings: trainings that are whole in MLflow now.
        values: metric values sent.
        pending: trainings that still wait.
        reason: why the first of them does, in MLflow's or the network's words.
    """

    trainings: int
    values: int
    pending: int
    reason: str = field(default="", compare=False)


class Tracker:
    """Where this machine's trainings are recorded.

    Args:
        settings: `tracking` says whether and where, `home` where the journals lie.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def begin(self, training: Training) -> TrackedRun:
        """Begin to record a training, or go on recording one that is resumed: the same run in MLflow."""
        if not self.settings.tracking.enabled:
            return TrackedRun(self, self.journal(training.recipe, training.fingerprint), None)
        tags = {**_git_tags(self.settings.root), **training.tags}
        journal = self.opened(replace(training, tags=tags))
        return TrackedRun(self, journal, self._start_sender(journal))

    def opened(self, training: Training) -> Journal:
        """The training's journal, begun or gone on with; one that is damaged is set aside."""
        journal, address = self.journal(training.recipe, training.fingerprint), redact(self.settings.tracking_uri)
        try:
            journal.open(training, _now_ms(), address)
        except DamagedJournal as error:
            log.warning("tracking: a damaged journal was set aside as %s: %s", journal.set_aside().name, error)
            journal = self.journal(training.recipe, training.fingerprint)
            journal.open(training, _now_ms(), address)
        return journal

    def judge(self, recipe: str, fingerprint: str, metrics: Mapping[str, float], checks: Mapping[str, bool]) -> None:
        """Add what was found out about a finished model later on, and decide on the champion.

        Where `finish` was told that this follows, the training's sender is still there and sends it within a second;
        otherwise `sync_pending` does. Metrics and checks of the same name are replaced. A training that was never
        recorded is passed over.
        """
        journal = self.journal(recipe, fingerprint)
        try:
            ended = journal.ended
        except DamagedJournal as error:
            log.warning("tracking: the judgement of %s is not recorded: %s", recipe, error)
            return
        if ended is None:
            return
        quality, passed = {**ended.metrics, **metrics}, {**ended.checks, **checks}
        other = [name for name, value in metrics.items() if ended.metrics.get(name, value) != value]
        changed = {**ended.changed_ms, **dict.fromkeys(other, _now_ms())}
        judged = replace(ended, metrics=quality, checks=passed, awaiting=False, changed_ms=changed)
        if judged == ended and self._in_use(recipe) == fingerprint:
            return
        journal.close(replace(judged, judged_ms=_now_ms()))
        self._mark(recipe).write_text(fingerprint, encoding="utf-8")
        self._wait(journal, lambda: _has_sender(journal))
        if journal.pending:
            self.sync_pending()
        self._warn(journal)

    def _mark(self, recipe: str) -> Path:
        """The file that names the training whose model was judged last."""
        return self.settings.journals / recipe / "in-use"

    def _in_use(self, recipe: str) -> str:
        try:
            return self._mark(recipe).read_text(encoding="utf-8")
        except FileNotFoundError:
            return ""

    def sync_pending(self, *, all_addresses: bool = False) -> Synced:
        """Send what earlier trainings left in their journals; with MLflow down everything stays pending.

        Args:
            all_addresses: also what was meant for another MLflow than the one that is set now, which is where it goes.
        """
        if not self.settings.tracking.enabled:
            return Synced(0, 0, 0)
        address = redact(self.settings.tracking_uri)
        waiting = left_behind(self.settings.journals, None if all_addresses else address)
        if not waiting:
            return Synced(0, 0, 0)
        for journal in waiting:
            with journal.locked() as mine:
                if mine:
                    journal.send_to(address)
        done = subprocess.run(self._command(), env=self._env(), capture_output=True, text=True, check=False)
        counts = _last_json(done.stdout)
        if not counts:
            log.warning("tracking: the sender failed: %s", redact(done.stderr.strip()[-300:]))
        said = [line.removeprefix(NOT_SENT) for line in done.stderr.splitlines() if line.startswith(NOT_SENT)]
        trainings, values, pending = (counts.get(name, 0) for name in ("trainings", "values", "pending"))
        return Synced(trainings, values, pending, redact(said[0]) if said else "")

    def wait(self, journal: Journal, sending: Callable[[], bool]) -> None:
        """Wait until MLflow has all of a journal, does not answer, or nobody sends any more; `tracking.wait_s` at most.

        A warning says what is missing then.
        """
        self._wait(journal, sending)
        self._warn(journal)

    def _wait(self, journal: Journal, sending: Callable[[], bool]) -> None:
        deadline = time.monotonic() + self.settings.tracking.wait_s
        while journal.pending and time.monotonic() < deadline and sending() and journal.reachable:
            time.sleep(POLL_S)

    def _warn(self, journal: Journal) -> None:
        if journal.pending:
            log.warning(
                "tracking: MLflow at %s lacks some of this training (%s); `satiety sync` sends it",
                redact(self.settings.tracking_uri),
                journal.folder / "sync.log",
            )

    def link(self, recipe: str, fingerprint: str) -> str | None:
        """The web address of a training's run; None while MLflow has not got it."""
        remote = self.journal(recipe, fingerprint).read("remote.json")
        if "run_id" not in remote:
            return None
        return f"{self.page}/#/experiments/{remote['experiment_id']}/runs/{remote['run_id']}"

    @property
    def page(self) -> str:
        """The address of MLflow's web page: the server, or what `satiety ui` starts on loopback."""
        uri = redact(self.settings.tracking_uri)
        if uri.startswith(("http://", "https://")):
            # A browser would send the stars as a user's name.
            return uri.replace("***@", "", 1).rstrip("/")
        return f"http://127.0.0.1:{self.settings.pages.mlflow_port}"

    def journal(self, recipe: str, fingerprint: str) -> Journal:
        """The local record of a training."""
        return Journal(self.settings.journals / recipe / fingerprint)

    def dagster_tags(self, run_id: str, asset_key: str) -> dict[str, str]:
        """Tags that link a run in MLflow to the run in Dagster that made it."""
        address = f"http://127.0.0.1:{self.settings.pages.dagster_port}/runs/{run_id}"
        return {"dagster/run_id": run_id, "dagster/asset_key": asset_key, "dagster.url": address}

    def _start_sender(self, journal: Journal) -> subprocess.Popen[bytes]:
        options = ["--follow", str(journal.folder), "--parent", str(os.getpid())]
        options += ["--interval", str(self.settings.tracking.interval_s)]
        with (journal.folder / "sync.log").open("wb") as output:
            return subprocess.Popen(
                [*self._command(), *options],
                env=self._env(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # A Ctrl-C is for the training; the sender ends by itself when its parent has.
                start_new_session=True,
            )

    def _command(self) -> list[str]:
        command = [sys.executable, "-m", "resources.tracking_sync", "--root", str(self.settings.journals)]
        own = self.settings.tracking.uri is None
        return [*command, "--home", str(self.settings.mlflow_database.parent)] if own else command

    def _env(self) -> dict[str, str]:
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
        uri = self.settings.tracking_uri
        threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        return {**os.environ, **QUIET, **threads, "PYTHONPATH": path, "PYTHONSAFEPATH": "1", "MLFLOW_TRACKING_URI": uri}


class TrackedRun:
    """One training that is being recorded; leaving it by an exception records a failure.

    Args:
        tracker: where it is recorded.
        journal: its local record.
        sender: the process that sends; None where nothing is recorded.
    """

    def __init__(self, tracker: Tracker, journal: Journal, sender: subprocess.Popen[bytes] | None) -> None:
        self._tracker = tracker
        self._journal = journal
        self._sender = sender
        self._ended = sender is None

    def forward(self, *records: Record) -> None:
        """Record metrics: numbers by name, with `step` and `time_ms`. Steps that are there already are left out."""
        if self._ended:
            return
        for record in records:
            self._journal.add(record, _now_ms())

    def finish(
        self,
        *,
        digest: str,
        path: Path,
        metrics: Mapping[str, float] | None = None,
        checks: Mapping[str, bool] | None = None,
        judged_later: bool = False,
    ) -> None:
        """Record the model, and wait a while for MLflow to have it all.

        Args:
            digest: the model's digest in the store.
            path: its folder.
            metrics: the last word on its quality.
            checks: the blocking checks by name; with all passed the model becomes the champion.
            judged_later: whether `Tracker.judge` follows in this process, before which there is no champion.
        """
        step = self._journal.step
        quality, passed = dict(metrics or {}), dict(checks or {})
        self._end(Ended("FINISHED", _now_ms(), step, digest, str(path), quality, passed, judged_later))

    def conclude(self, metrics: Mapping[str, float]) -> None:
        """Record that something has ended well that leaves no model of its own, such as a sweep."""
        self.forward({"step": self._journal.step + 1, **metrics})
        self._end(Ended("FINISHED", _now_ms(), self._journal.step))

    def nested(self, training: Training, record: Record, *, failed: bool = False) -> None:
        """Record what a part of this has come to, as a run below this one; it may come further later on."""
        if self._ended:
            return
        journal = self._tracker.opened(replace(training, tags={**self._journal.training["tags"], **training.tags}))
        journal.add(record, _now_ms())
        journal.close(Ended("FAILED" if failed else "FINISHED", _now_ms(), journal.step))

    def fail(self, interrupted: bool = False) -> None:
        """Record that there is no model."""
        self._end(Ended("KILLED" if interrupted else "FAILED", _now_ms(), self._journal.step))

    def link(self) -> str | None:
        """The web address of the run; None while MLflow has not got it."""
        remote = self._journal.training
        return self._tracker.link(remote["recipe"], remote["fingerprint"]) if remote else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._ended:
            self.fail(interrupted=kind is None or not issubclass(kind, Exception))

    def _end(self, ended: Ended) -> None:
        if self._ended or self._sender is None:
            return
        self._ended = True
        self._journal.close(ended)
        sender = self._sender
        if ended.status != "KILLED":
            self._tracker.wait(self._journal, lambda: sender.poll() is None)


def _git_tags(root: Path) -> dict[str, str]:
    """The commit that the working folder is at; nothing outside a repository."""
    command = ["git", "-C", str(root), "rev-parse", "--verify", "--quiet", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return {}
    return {"mlflow.source.git.commit": done.stdout.strip()} if done.returncode == 0 else {}


def _has_sender(journal: Journal) -> bool:
    with journal.locked() as free:
        return not free


def _last_json(text: str) -> dict[str, Any]:
    lines = text.strip().splitlines()
    try:
        return dict(json.loads(lines[-1])) if lines else {}
    except ValueError:
        return {}


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
