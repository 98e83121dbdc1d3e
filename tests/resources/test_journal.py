from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resources.journal import Dataset, Ended, Journal, Training, flat, left_behind, redact

TRAINING = Training(
    "digits", "f" * 32, {"model": {"width": 8, "kinds": [1, 2]}}, (Dataset("cache[a]", "a" * 32, "/x"),)
)


def opened(folder: Path, training: Training = TRAINING, destination: str = "sqlite:///x", now: int = 1000) -> Journal:
    journal = Journal(folder)
    journal.open(training, now, destination)
    return journal


def values(journal: Journal) -> dict[tuple[str, int], float]:
    return {(name, p.step): value for p in journal.points() for name, value in p.metrics.items()}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("https://user:secret@host:5000/x", "https://***@host:5000/x"),
        ("postgresql+psycopg://user:pa:ss@host/db", "postgresql+psycopg://***@host/db"),
        ("https://token@host", "https://***@host"),
        ("postgresql://user:p@ss@host/db", "postgresql://***@host/db"),
        ("postgresql://user:pa/ss@host/db", "postgresql://***@host/db"),
        ("https://:secret@host", "https://***@host"),
        ("https://host/path@2", "https://host/path@2"),
        ("https://host:5000/path@2", "https://host:5000/path@2"),
        ("a user@host in a text", "a user@host in a text"),
        ("one http://a:b@c and http://d:e@f", "one http://***@c and http://***@f"),
    ],
)
def test_passwords_in_addresses_are_not_shown(text: str, said: str) -> None:
    assert redact(text) == said


def test_settings_are_flattened() -> None:
    said = dict(flat({"a": {"b": 1, "c": {"d": "x"}}, "e": [1, {"f": None}], "g": {}, "h": True, "i": 0.1}))
    assert said == {"a.b": "1", "a.c.d": "x", "e": '[1, {"f": null}]', "g": "{}", "h": "true", "i": "0.1"}


def test_numbers_only(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    assert journal.add({"step": 3, "time_ms": 7, "loss": 1, "lr": 0.5, "note": "x", "flag": True, "none": None}, 99)
    (point,) = journal.points()
    assert (point.step, point.time_ms, dict(point.metrics)) == (3, 7, {"loss": 1.0, "lr": 0.5})
    assert not journal.add({"step": 4, "note": "x"}, 99)
    assert journal.add({"loss": 0.5, "step": 4}, 99)
    assert [p.time_ms for p in journal.points()] == [7, 99]


def test_not_a_number_is_kept(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    journal.add({"step": 1, "loss": float("nan"), "grad_norm": float("inf")}, 1)
    (point,) = journal.points()
    assert point.metrics["loss"] != point.metrics["loss"]
    assert point.metrics["grad_norm"] == float("inf")


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 12), st.sampled_from(["loss", "valid"])), max_size=40), st.integers(0, 39))
def test_each_value_is_kept_once_over_resumes(steps: list[tuple[int, str]], reopened: int) -> None:
    """Whatever is said again after a crash: the first word on each (metric, step) stays, in rising steps."""
    with tempfile.TemporaryDirectory() as folder:
        journal = opened(Path(folder))
        first: dict[tuple[str, int], float] = {}
        highest: dict[str, int] = {}
        for index, (step, name) in enumerate(steps):
            if index == reopened:
                with (Path(folder) / "points.jsonl").open("ab") as file:
                    file.write(b'{"step": 99, "time_')
                journal = opened(Path(folder))
            journal.add({"step": step, name: index}, 1)
            if step > highest.get(name, -1):
                first[name, step] = float(index)
                highest[name] = step
        assert values(journal) == first
        assert len([name for p in journal.points() for name in p.metrics]) == len(first)


def test_points_go_on_from_a_byte(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    for step in range(5):
        journal.add({"step": step, "loss": step}, step)
    third = list(journal.points())[2]
    assert [p.step for p in journal.points(third.end)] == [3, 4]
    size = (tmp_path / "points.jsonl").stat().st_size
    assert list(journal.points())[-1].end == size
    assert list(journal.points(size)) == []


def test_resumed_training_keeps_its_start_and_parameters(tmp_path: Path) -> None:
    first = Training("digits", "f" * 32, {"launch": {"retries": 1}}, tags={"dagster/run_id": "one", "kept": "yes"})
    opened(tmp_path, first, now=1000).close(Ended("FAILED", 2000))
    journal = opened(
        tmp_path, Training("digits", "f" * 32, {"launch": {"retries": 5}}, tags={"dagster/run_id": "two"}), now=3000
    )
    said = journal.training
    assert said["started_ms"] == 1000
    assert said["params"] == {"launch.retries": "1"}
    assert said["tags"] == {"dagster/run_id": "two", "kept": "yes"}
    assert journal.ended is None


def test_other_destination_starts_the_sending_anew(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    journal.write("remote.json", {"run_id": "x"})
    assert opened(tmp_path).read("remote.json") == {"run_id": "x"}
    assert opened(tmp_path, destination="http://other").read("remote.json") == {}


def test_pending_until_everything_is_there(tmp_path: Path) -> None:
    folder = tmp_path / "digits" / "one"
    journal = opened(folder)
    journal.add({"step": 1, "loss": 1.0}, 1)
    assert journal.pending
    assert left_behind(tmp_path, "sqlite:///x") == []
    journal.close(Ended("FINISHED", 5))
    assert [j.folder for j in left_behind(tmp_path, "sqlite:///x")] == [folder]
    assert left_behind(tmp_path, "http://other") == []
    size = (folder / "points.jsonl").stat().st_size
    journal.write("remote.json", {"sent": size})
    assert journal.pending
    journal.write("remote.json", {"sent": size, "ended": json.loads((folder / "ended.json").read_text())})
    assert not journal.pending and left_behind(tmp_path, "sqlite:///x") == []


@pytest.mark.parametrize(
    ("checks", "awaiting", "verdict"),
    [
        ({"a": True}, False, "passed"),
        ({"a": True, "b": False}, False, "failed"),
        ({"a": True}, True, "pending"),
        ({"a": False}, True, "failed"),
        ({}, False, "pending"),
    ],
)
def test_verdict(checks: dict[str, bool], awaiting: bool, verdict: str) -> None:
    assert Ended("FINISHED", 1, digest="d", checks=checks, awaiting=awaiting).verdict == verdict


def test_one_sender_at_a_time(tmp_path: Path) -> None:
    opened(tmp_path)
    with Journal(tmp_path).locked() as first, Journal(tmp_path).locked() as second:
        assert first and not second
    with Journal(tmp_path).locked() as third:
        assert third
