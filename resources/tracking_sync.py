"""The sender: a process of its own, at low priority, that brings journals to MLflow.

    python -m resources.tracking_sync --root JOURNALS [--follow JOURNAL --parent PID] [--home FOLDER] [--interval S]

With `--follow` it sends what one training writes every few seconds until that has ended, with all its checks, or the
parent is gone, and then what other trainings left behind; without, only the latter. MLflow's address is in
MLFLOW_TRACKING_URI, which, unlike an argument, other users cannot see. The last line printed is JSON:
`{"trainings": …, "values": …, "pending": …}`.

Exit code: 0 when nothing is pending, 69 when MLflow does not answer or refuses.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ops.errors import ServiceDown
from resources.journal import Journal, left_behind, redact

if TYPE_CHECKING:
    from resources.tracking_mlflow import Sender

POLL_S = 0.1
CONNECT_S = 3.0
MOST_FAILURES = 3
NOT_SENT = "not sent: "
"""Begins the line on standard error that says why a journal was not taken."""


class Outbox:
    """What is to be sent to one MLflow.

    Args:
        uri: MLflow's address.
        root: folder of all journals.
        home: folder of the default database, None for another MLflow.
    """

    def __init__(self, uri: str, root: Path, home: Path | None) -> None:
        self.uri = uri
        self.root = root
        self.home = home
        self.values = 0
        self.trainings = 0
        self._sender: Sender | None = None

    def send(self, journal: Journal) -> bool:
        """Send what a journal has; False, and a line on standard error, when MLflow does not answer or refuses."""
        try:
            self.values += self._connect().send(journal)
        except Exception as error:  # MLflow raises nearly everything; whatever it is, the journal keeps its points.
            said = redact(str(error)).splitlines()
            print(f"{NOT_SENT}{type(error).__name__}: {said[0][:300] if said else ''}", file=sys.stderr, flush=True)
            journal.note_reachable(False)
            return False
        journal.note_reachable(True)
        return True

    def send_parts(self, journal: Journal) -> None:
        """Send what the parts of a training that is being followed have come to, such as the trials of a sweep."""
        for part in journal.parts():
            with part.locked() as mine:
                if mine and part.pending:
                    self.send(part)

    def mark_killed(self, journal: Journal) -> None:
        """Note that the training's process is gone, where MLflow answers."""
        try:
            self._connect().mark_killed(journal)
        except Exception as error:
            print(f"not marked as killed: {redact(str(error))[:300]}", file=sys.stderr, flush=True)

    def send_rest(self) -> int:
        """Send what ended trainings left behind; returns how many are still pending."""
        pending = failures = 0
        for journal in left_behind(self.root, redact(self.uri)):
            with journal.locked() as mine:
                # One journal that MLflow refuses must not hold up the others; an MLflow that is down would, each time.
                sent = mine and failures < MOST_FAILURES and self.send(journal)
            failures += mine and not sent
            self.trainings += sent
            pending += not sent
        return pending

    def _connect(self) -> Sender:
        if self._sender is None:
            _reach(self.uri)
            # Only now: the import alone takes seconds, for nothing where MLflow does not answer.
            from resources.tracking_mlflow import Sender

            self._sender = Sender(self.uri, self.home)
        return self._sender


def follow(outbox: Outbox, journal: Journal, parent: int, interval_s: float) -> None:
    """Send what the journal gets until its training has ended or the parent is gone."""
    while True:
        said = journal.ended
        orphaned = os.getppid() != parent
        sent = outbox.send(journal)
        if sent:
            outbox.send_parts(journal)
        if said is not None and (orphaned or not said.awaiting):
            outbox.trainings += sent
            return
        if orphaned:
            outbox.mark_killed(journal)
            return
        deadline = time.monotonic() + interval_s
        while time.monotonic() < deadline and journal.ended == said and os.getppid() == parent:
            time.sleep(POLL_S)


def main(argv: list[str]) -> int:
    """Send; returns the exit code."""
    parser = argparse.ArgumentParser(prog="tracking_sync", description="Bring journals to MLflow.")
    parser.add_argument("--root", type=Path, required=True, help="folder of the journals")
    parser.add_argument("--follow", type=Path, help="journal of the running training")
    parser.add_argument("--parent", type=int, default=0, help="process that trains")
    parser.add_argument("--home", type=Path, help="folder of the default database")
    parser.add_argument("--interval", type=float, default=3.0, help="seconds between two batches")
    options = parser.parse_args(argv)
    os.nice(10)
    outbox = Outbox(os.environ["MLFLOW_TRACKING_URI"], options.root, options.home)
    if options.follow is not None:
        journal = Journal(options.follow)
        with journal.locked(wait=True):
            follow(outbox, journal, options.parent, options.interval)
    pending = outbox.send_rest()
    print(json.dumps({"trainings": outbox.trainings, "values": outbox.values, "pending": pending}), flush=True)
    return ServiceDown.exit_code if pending else 0


def _reach(uri: str) -> None:
    """Raise OSError where nothing listens at a server's address, in 3 s rather than in MLflow's minutes."""
    address = urlsplit(uri)
    if address.scheme in ("http", "https") and address.hostname:
        port = address.port or (443 if address.scheme == "https" else 80)
        socket.create_connection((address.hostname, port), timeout=CONNECT_S).close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
