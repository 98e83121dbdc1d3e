"""Recording in a real MLflow: its SQLite database, asked in SQL; and a server that is down."""

from __future__ import annotations

import dataclasses
import logging
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from resources.journal import Dataset, Ended, Journal, Training
from resources.settings import Settings, TrackingSettings
from resources.tracking import Synced, Tracker

Query = Callable[[str], list[tuple[Any, ...]]]
ROOT = Path(__file__).parents[2]
FINGERPRINT = "f" * 32
TRAINING = Training(
    "digits",
    FINGERPRINT,
    {"model": {"width": 8}, "source": "https://user:hunter2@host/data"},
    (Dataset("token_cache[a]", "a" * 32, "/data/a"), Dataset("statistics", "b" * 32, "/data/b")),
    {"dagster/run_id": "run-1"},
)


def pairs(found: list[tuple[Any, ...]]) -> dict[str, Any]:
    return {key: value for key, value in found}  # noqa: C416 - rows have no fixed length for the type checker


def record(step: int) -> dict[str, Any]:
    return {"step": step, "time_ms": 1_000_000 + step, "loss": 1 / (step + 1), "lr": 0.1}


def down(settings: Settings) -> Settings:
    """The same machine with a server at an address where nothing listens."""
    tracking = TrackingSettings(uri="http://user:hunter2@127.0.0.1:9", interval_s=0.2)
    return dataclasses.replace(settings, tracking=tracking)


def wait_for(condition: Callable[[], object], timeout_s: float = 30.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


def test_whole_training(machine: Settings, rows: Query, tmp_path: Path) -> None:
    """Live metrics, the end, a later judgement that makes the champion: one run, everything once, one sender."""
    tracker = Tracker(machine)
    with tracker.begin(TRAINING) as run:
        run.forward(*[record(step) for step in range(1200)])
        wait_for(lambda: rows("select count(*) from metrics")[0][0] == 2400)
        assert rows("select status from runs") == [("RUNNING",)]
        run.forward(record(1199), record(1200))
        run.finish(
            digest="d" * 32, path=tmp_path, metrics={"valid_loss": 0.5}, checks={"finite": True}, judged_later=True
        )
        assert rows("select status from runs") == [("FINISHED",)]
        assert rows("select alias from registered_model_aliases") == []
        tracker.judge("digits", FINGERPRINT, {"test_accuracy": 0.75}, {"majority": True})

    assert rows("select name, alias, version from registered_model_aliases") == [("digits", "champion", 1)]
    assert rows(
        "select key, count(*), min(timestamp), max(step) from metrics where key in ('loss','lr') group by key"
    ) == [
        ("loss", 1201, 1_000_000, 1200),
        ("lr", 1201, 1_000_000, 1200),
    ]
    assert pairs(rows("select key, value from params")) == {"model.width": "8", "source": "https://***@host/data"}
    assert rows("select name, digest from datasets order by digest") == [
        ("digits/token_cache[a]", "a" * 32),
        ("digits/statistics", "b" * 32),
    ]
    assert rows("select count(*) from inputs where destination_type = 'RUN'") == [(2,)]
    tags = pairs(rows("select key, value from tags"))
    assert tags["satiety.training"] == tags["satiety.fingerprint"] == FINGERPRINT
    assert tags["dagster/run_id"] == "run-1" and tags["satiety.digest"] == "d" * 32
    model_tags = pairs(rows("select tag_key, tag_value from logged_model_tags"))
    assert model_tags["uri"] == tmp_path.as_uri() and model_tags["satiety.digest"] == "d" * 32
    assert pairs(rows("select metric_name, metric_value from logged_model_metrics")) == {
        "valid_loss": 0.5,
        "test_accuracy": 0.75,
    }
    assert pairs(rows("select key, value from model_version_tags"))["checks"] == "passed"
    assert "hunter2" not in machine.mlflow_database.read_bytes().decode("latin-1")
    (experiment, run_id) = rows("select experiment_id, run_uuid from runs")[0]
    assert tracker.link("digits", FINGERPRINT) == f"http://127.0.0.1:5000/#/experiments/{experiment}/runs/{run_id}"
    # Nothing was left to send; and sending all of it again changes nothing.
    assert tracker.sync_pending() == Synced(0, 0, 0)
    before = {table: rows(f"select * from {table}") for table in ("metrics", "params", "datasets", "inputs", "tags")}
    versions = rows("select count(*) from model_versions"), rows("select count(*) from logged_models")
    (tracker.journal("digits", FINGERPRINT).folder / "remote.json").unlink()
    assert tracker.sync_pending() == Synced(1, 2402, 0)
    assert {table: rows(f"select * from {table}") for table in before} == before
    assert (rows("select count(*) from model_versions"), rows("select count(*) from logged_models")) == versions


def test_server_down_then_sent_once(
    machine: Settings, rows: Query, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The training ends well and soon, with a warning; what was kept is sent when the address answers, once."""
    away = Tracker(down(machine))
    started = time.monotonic()
    with caplog.at_level(logging.WARNING), away.begin(TRAINING) as run:
        run.forward(*[record(step) for step in range(50)])
        run.finish(digest="d" * 32, path=tmp_path, checks={"finite": False})
    assert time.monotonic() - started < 15
    (warning,) = [entry.getMessage() for entry in caplog.records if entry.name == "satiety.tracking"]
    assert "satiety sync" in warning and "hunter2" not in warning
    journal = away.journal("digits", FINGERPRINT)
    assert journal.pending and run.link() is None
    assert away.sync_pending() == Synced(0, 0, 1)
    written = [path.read_text() for path in journal.folder.iterdir()]
    assert not any("hunter2" in text for text in written)

    # The address was wrong. The right one gets what was meant for the other, when it is asked to.
    tracker = Tracker(machine)
    assert tracker.sync_pending() == Synced(0, 0, 0)
    assert tracker.sync_pending(all_addresses=True) == Synced(1, 100, 0)
    assert tracker.sync_pending() == Synced(0, 0, 0)
    assert rows("select count(*), count(distinct step) from metrics where key = 'loss'") == [(50, 50)]
    assert rows("select status, end_time from runs") == [("FINISHED", journal.ended.time_ms)]  # type: ignore[union-attr]
    assert rows("select version from model_versions") == [(1,)]
    assert rows("select alias from registered_model_aliases") == []
    assert pairs(rows("select key, value from model_version_tags"))["checks"] == "failed"


def test_resumed_training_goes_on_in_its_run(machine: Settings, rows: Query, tmp_path: Path) -> None:
    tracker = Tracker(machine)
    with pytest.raises(RuntimeError), tracker.begin(TRAINING) as run:
        run.forward(*[record(step) for step in range(30)])
        raise RuntimeError("a rank was killed")
    assert rows("select status from runs") == [("FAILED",)]
    again = dataclasses.replace(TRAINING, tags={"dagster/run_id": "run-2"})
    with tracker.begin(again) as run:
        # From the checkpoint at 20: the same losses at other times.
        run.forward(*[{**record(step), "time_ms": 2_000_000 + step} for step in range(20, 40)])
        run.finish(digest="d" * 32, path=tmp_path, checks={"finite": True})
    assert rows("select status from runs") == [("FINISHED",)]
    assert rows("select count(*), count(distinct step) from metrics where key = 'loss'") == [(40, 40)]
    assert pairs(rows("select key, value from tags"))["dagster/run_id"] == "run-2"
    assert rows("select alias, version from registered_model_aliases") == [("champion", 1)]


@pytest.fixture
def sender(machine: Settings) -> Iterator[Any]:
    """The sender in this process: MLflow is imported once for all tests."""
    import mlflow

    from resources.tracking_mlflow import Sender

    yield Sender(machine.tracking_uri, machine.mlflow_database.parent)
    mlflow.set_tracking_uri(None)  # type: ignore[arg-type]


def ended(machine: Settings, fingerprint: str, end: Ended, steps: int = 0) -> Journal:
    """A training as its process leaves it, not sent."""
    journal = Tracker(machine).journal("digits", fingerprint)
    journal.open(dataclasses.replace(TRAINING, fingerprint=fingerprint), 1000, machine.tracking_uri)
    for step in range(steps):
        journal.add(record(step), 0)
    journal.close(end)
    return journal


def test_champion_is_the_newest_that_passed(machine: Settings, rows: Query, sender: Any, tmp_path: Path) -> None:
    def train(name: str, time_ms: int, **checks: bool) -> list[tuple[Any, ...]]:
        end = Ended("FINISHED", time_ms, digest=name * 32, path=str(tmp_path), checks=checks)
        sender.send(ended(machine, name, end))
        return rows(
            "select t.value from registered_model_aliases a join model_version_tags t on t.version = a.version "
            "where t.key = 'satiety.training'"
        )

    assert train("a", 20, finite=True) == [("a",)]
    assert train("b", 30, finite=False) == [("a",)]
    assert train("e", 30) == [("a",)]
    # It passed, but ended before the champion did, and is only now being sent.
    assert train("c", 10, finite=True) == [("a",)]
    assert train("d", 40, finite=True) == [("d",)]
    # A later check takes it away again; the version stays.
    assert train("d", 40, finite=True, majority=False) == []
    assert len(rows("select version from model_versions")) == 5


def test_run_that_mlflow_has_lost_is_sent_anew(machine: Settings, rows: Query, sender: Any, tmp_path: Path) -> None:
    """Deleted in the web page, or gone with a database that was replaced: nothing may stay pending for ever."""
    journal = ended(machine, FINGERPRINT, Ended("FAILED", 30), steps=5)
    assert sender.send(journal) == 10
    for lost in ("deleted", "unknown"):
        run_id = journal.read("remote.json")["run_id"]
        if lost == "deleted":
            sender.client.delete_run(run_id)
        else:
            journal.write("remote.json", {**journal.read("remote.json"), "run_id": "0" * 32})
            sender.client.delete_run(run_id)
        ended(machine, FINGERPRINT, Ended("FAILED", 40), steps=6)
        sender._described.clear()
        sent = sender.send(journal)
        assert sent == 12
        assert not journal.pending
        assert rows("select count(*) from runs where lifecycle_stage = 'active'") == [(1,)]
        assert journal.read("remote.json")["run_id"] != run_id


def test_interrupted_sending_leaves_nothing_twice(
    machine: Settings, rows: Query, sender: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection breaks after each call in turn, when MLflow has done it and the sender does not know."""
    end = Ended("FINISHED", 5000, 699, "d" * 32, str(tmp_path), {"valid_loss": 0.5}, {"finite": True})
    journal = ended(machine, FINGERPRINT, end, steps=700)
    names = [
        *("create_experiment", "create_run", "log_batch", "log_inputs", "create_registered_model"),
        *("create_model_version", "set_registered_model_alias", "set_terminated"),
    ]
    breaks = {name: 2 if name == "log_batch" else 1 for name in names}
    for name in names:
        original = getattr(sender.client, name)

        def breaking(*args: Any, name: str = name, original: Any = original, **options: Any) -> Any:
            done = original(*args, **options)
            if breaks[name]:
                breaks[name] -= 1
                raise ConnectionError(name)
            return done

        monkeypatch.setattr(sender.client, name, breaking)
    broken = 0
    while journal.pending:
        try:
            sender.send(journal)
        except ConnectionError:
            broken += 1
    assert broken == sum({name: 2 if name == "log_batch" else 1 for name in names}.values())
    assert rows("select key, count(*) from metrics group by key order by key") == [
        ("loss", 700),
        ("lr", 700),
        ("valid_loss", 1),
    ]
    for table, count in {"runs": 1, "model_versions": 1, "logged_models": 1, "datasets": 2, "params": 2}.items():
        assert rows(f"select count(*) from {table}") == [(count,)], table
    assert rows("select alias, version from registered_model_aliases") == [("champion", 1)]


@pytest.mark.slow
def test_killed_caller_leaves_no_sender(machine: Settings, rows: Query) -> None:
    """What the journal has by then is sent, the run is marked, the sender ends."""
    program = f"""
import sys, time
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from resources.journal import Training
from resources.settings import Settings, TrackingSettings
from resources.tracking import Tracker
home = Path({str(machine.home)!r})
settings = Settings(root=home, store=home, home=home, tracking=TrackingSettings(interval_s=0.2))
run = Tracker(settings).begin(Training("digits", {FINGERPRINT!r}))
run.forward({{"step": 1, "loss": 0.5}})
print(run._sender.pid, flush=True)
time.sleep(60)
"""
    caller = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert caller.stdout is not None
    sender = int(caller.stdout.readline())
    wait_for(lambda: rows("select count(*) from metrics") == [(1,)])
    caller.send_signal(signal.SIGKILL)
    caller.communicate()
    wait_for(lambda: rows("select status from runs") == [("KILLED",)])
    wait_for(lambda: not Path(f"/proc/{sender}").exists() or " Z " in Path(f"/proc/{sender}/stat").read_text())


def test_switched_off(machine: Settings, tmp_path: Path) -> None:
    tracker = Tracker(dataclasses.replace(machine, tracking=TrackingSettings(enabled=False)))
    with tracker.begin(TRAINING) as run:
        run.forward(record(1))
        run.finish(digest="d" * 32, path=tmp_path)
    assert run.link() is None
    assert tracker.sync_pending() == Synced(0, 0, 0)
    assert not machine.journals.exists()


def test_a_second_judgement_is_sent_too(machine: Settings, rows: Query, tmp_path: Path) -> None:
    """The same test rows judged anew: metrics that differ get a time of their own, which MLflow wants."""
    tracker = Tracker(machine)
    with tracker.begin(TRAINING) as run:
        run.finish(digest="d" * 32, path=tmp_path, metrics={"low": 0.5}, checks={"finite": True}, judged_later=True)
        tracker.judge("digits", FINGERPRINT, {"low": 0.5, "high": 0.75}, {"majority": True})
    for high in (0.875, 1.0):
        tracker.judge("digits", FINGERPRINT, {"low": 0.5, "high": high}, {"majority": True})
        assert tracker.sync_pending() == Synced(0, 0, 0)
    values = "select metric_name, metric_value from logged_model_metrics order by metric_name, metric_timestamp_ms"
    assert rows(values) == [("high", 0.75), ("high", 0.875), ("high", 1.0), ("low", 0.5)]
    assert pairs(rows("select key, value from latest_metrics")) == {"low": 0.5, "high": 1.0}


def test_the_reason_why_something_waits_is_given(machine: Settings, tmp_path: Path) -> None:
    away = Tracker(down(machine))
    with away.begin(TRAINING) as run:
        run.finish(digest="d" * 32, path=tmp_path)
    assert "refused" in away.sync_pending().reason


def test_a_judgement_long_after_the_training_is_no_alarm(
    machine: Settings, rows: Query, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The training's sender is gone by then: what is missing is sent, and only then would there be a warning."""
    tracker = Tracker(machine)
    with tracker.begin(TRAINING) as run:
        run.finish(digest="d" * 32, path=tmp_path, checks={"finite": True})
    with caplog.at_level(logging.WARNING):
        Tracker(machine).judge("digits", FINGERPRINT, {"high": 0.75}, {"majority": True})
    assert [entry.getMessage() for entry in caplog.records if entry.name == "satiety.tracking"] == []
    assert pairs(rows("select metric_name, metric_value from logged_model_metrics")) == {"high": 0.75}


def test_the_model_that_came_into_use_last_is_the_champion(machine: Settings, rows: Query, tmp_path: Path) -> None:
    """Settings go back to those of an earlier training, whose model is there already."""
    tracker = Tracker(machine)
    champions = []
    for name in ("a", "b", "a", "a"):
        if not tracker.journal("digits", name).training:
            with tracker.begin(dataclasses.replace(TRAINING, fingerprint=name)) as run:
                run.finish(digest=name * 32, path=tmp_path, checks={"finite": True}, judged_later=True)
                tracker.judge("digits", name, {"high": 0.75}, {"majority": True})
        else:
            tracker.judge("digits", name, {"high": 0.75}, {"majority": True})
        champions += rows(
            "select t.value from registered_model_aliases a join model_version_tags t on t.version = a.version "
            "where t.key = 'satiety.training'"
        )
    assert champions == [("a",), ("b",), ("a",), ("a",)]


def test_two_machines_that_do_the_same_training_have_a_run_each(
    machine: Settings, rows: Query, sender: Any, tmp_path: Path
) -> None:
    first = ended(machine, FINGERPRINT, Ended("FAILED", 30), steps=5)
    second = Journal(tmp_path / "elsewhere" / FINGERPRINT)
    second.open(dataclasses.replace(TRAINING, fingerprint=FINGERPRINT), 1000, machine.tracking_uri)
    for step in range(3):
        second.add(record(step), 0)
    second.close(Ended("FAILED", 30))
    assert (sender.send(first), sender.send(second)) == (10, 6)
    assert rows("select count(*) from runs") == [(2,)]
    assert rows("select count(*) from metrics where key = 'loss' group by run_uuid order by 1") == [(3,), (5,)]


def test_a_damaged_journal_stops_nothing(
    machine: Settings, rows: Query, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tracker = Tracker(machine)
    end = Ended("FINISHED", 5000, 1, "d" * 32, str(tmp_path), {}, {"finite": True})
    for name, file, content in (("a", "training.json", ""), ("b", "ended.json", "[]"), ("c", "points.jsonl", "{}\n")):
        (ended(machine, name, end, steps=1).folder / file).write_text(content)
    ended(machine, "w", end, steps=1)
    with caplog.at_level(logging.WARNING):
        assert tracker.sync_pending().trainings == 1
        tracker.judge("digits", "b", {}, {})
        for name in ("a", "c"):
            with tracker.begin(dataclasses.replace(TRAINING, fingerprint=name)) as run:
                run.forward(record(7))
                run.finish(digest="e" * 32, path=tmp_path)
    assert sum("damaged" in entry.getMessage() for entry in caplog.records) >= 4
    aside = sorted(path.name for path in (machine.journals / "digits").iterdir() if ".damaged-" in path.name)
    assert aside == ["a.damaged-1", "c.damaged-1"]
    assert rows("select count(*) from metrics where key = 'loss' and step = 7") == [(2,)]


def test_parts_are_runs_below_the_whole(machine: Settings, rows: Query) -> None:
    """The trials of a sweep: sent while it runs, and once more when they come further; no model of their own."""
    tracker = Tracker(machine)
    part = Training("digits", f"{FINGERPRINT}-1", {"rate": 0.1}, parent=FINGERPRINT, name="digits-trial-1")
    with tracker.begin(TRAINING) as run:
        run.nested(part, {"step": 5, "valid_loss": 0.5, "cpu_s": 1.0})
        wait_for(lambda: rows("select count(*) from runs where name = 'digits-trial-1' and status = 'FINISHED'")[0][0])
        run.nested(part, {"step": 5, "valid_loss": 0.7})
        run.nested(part, {"step": 15, "valid_loss": 0.25})
        run.nested(dataclasses.replace(part, fingerprint=f"{FINGERPRINT}-2", name="other"), {"step": 0}, failed=True)
        run.conclude({"cpu_s": 3.0})
    wait_for(lambda: not any(journal.pending for journal in tracker.journal("digits", FINGERPRINT).parts()))
    (whole,) = rows("select run_uuid from runs where name like 'digits-ffff%'")[0]
    below = "select name, status from runs r join tags t on t.run_uuid = r.run_uuid where t.key = 'mlflow.parentRunId'"
    assert rows(f"{below} and t.value = '{whole}' order by name") == [
        ("digits-trial-1", "FINISHED"),
        ("other", "FAILED"),
    ]
    values = "select step, value from metrics m join runs r on m.run_uuid = r.run_uuid where r.name = 'digits-trial-1'"
    assert rows(f"{values} and key = 'valid_loss' order by step") == [(5, 0.5), (15, 0.25)]
    assert rows(f"select status from runs where run_uuid = '{whole}'") == [("FINISHED",)]
    assert rows(f"select value from metrics where run_uuid = '{whole}' and key = 'cpu_s'") == [(3.0,)]
    assert rows("select count(*) from model_versions") == [(0,)]


def test_parts_that_were_left_behind_find_the_whole(machine: Settings, rows: Query) -> None:
    away, tracker = Tracker(down(machine)), Tracker(machine)
    with away.begin(TRAINING) as run:
        run.nested(Training("digits", f"{FINGERPRINT}-1", parent=FINGERPRINT), {"step": 5, "valid_loss": 0.5})
        run.conclude({})
    assert tracker.sync_pending(all_addresses=True).pending == 0
    assert rows("select count(*) from tags where key = 'mlflow.parentRunId'") == [(1,)]
    assert rows("select count(*) from runs") == [(2,)]
