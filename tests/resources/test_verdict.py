"""From exit codes to errors, without starting anything."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from ops.errors import (
    CheckFailed,
    ConfigError,
    DiskFull,
    IntegrityError,
    SatietyError,
    Temporary,
    TrainingFailed,
)
from ops.launch import LaunchConfig
from ops.training.config import TrainingConfig
from resources import verdict as verdicts
from resources.verdict import rank_log, verdict


def logs(folder: Path, codes: dict[int, int], stderr: dict[int, str] | None = None, torchrun: str = "") -> Path:
    ranks = {str(rank): {"local_rank": rank, "exit_code": code, "trace": []} for rank, code in codes.items()}
    if ranks:
        (folder / "report.json").write_text(json.dumps({"first": min(codes), "ranks": ranks}))
    for rank, text in (stderr or {}).items():
        place = folder / "none_abc" / "attempt_0" / str(rank)
        place.mkdir(parents=True)
        (place / "stderr.log").write_text(text)
    (folder / "torchrun.log").write_text(torchrun)
    return folder


@pytest.mark.parametrize(
    ("codes", "kind", "said"),
    [
        ({0: 2}, ConfigError, "the last word"),
        ({0: 4}, CheckFailed, "the last word"),
        ({0: 5}, IntegrityError, "the last word"),
        ({0: 74}, DiskFull, "the last word"),
        ({0: 75}, Temporary, "the last word"),
        ({0: 137}, Temporary, "out of memory is likely"),
        ({0: 139}, Temporary, "signal 11"),
        ({0: 143}, Temporary, "signal 15"),
        ({0: 1}, TrainingFailed, "exit code 1"),
        # The rank whose end explains the others': said why, was killed, is the first.
        ({0: 143, 1: 2}, ConfigError, "the last word"),
        ({0: 1, 1: 137, 2: 143}, Temporary, "rank 1 was killed"),
        ({0: 143, 1: 1}, TrainingFailed, "rank 1 ended with exit code 1"),
        ({0: 1, 1: 75}, Temporary, "rank 1"),
    ],
)
def test_exit_codes(tmp_path: Path, codes: dict[int, int], kind: type[SatietyError], said: str) -> None:
    words = dict.fromkeys(codes, "something before\nthe last word\n")
    error = verdict(1, logs(tmp_path, codes, words))
    assert type(error) is kind
    assert said in str(error)
    assert str(tmp_path) in error.where


def test_lost_peer_is_temporary(tmp_path: Path) -> None:
    words = {0: "RuntimeError: [gloo/transport/tcp/pair.cc:547] Connection closed by peer [127.0.0.1]:1234\n"}
    assert type(verdict(1, logs(tmp_path, {0: 1}, words))) is Temporary


def test_failure_quotes_the_rank_that_failed(tmp_path: Path) -> None:
    lines = "".join(f"line {n}\n" for n in range(50)) + "ValueError: boom\n"
    error = verdict(1, logs(tmp_path, {1: 1}, {0: "fine\n", 1: lines}))
    assert "ValueError: boom" in error.message
    assert "line 49" in error.message
    assert "line 10\n" not in error.message
    assert error.where.endswith("none_abc/attempt_0/1/stderr.log")


def test_trace_of_a_forked_rank_comes_from_the_report(tmp_path: Path) -> None:
    report = {"first": 0, "ranks": {"0": {"local_rank": 0, "exit_code": 1, "trace": ["Traceback", "KeyError: 'x'"]}}}
    (tmp_path / "report.json").write_text(json.dumps(report))
    assert "KeyError: 'x'" in verdict(1, tmp_path).message


def test_worker_that_says_what_is_wrong_is_quoted(tmp_path: Path) -> None:
    said = {"local_rank": 0, "exit_code": 2, "trace": [], "message": "run.json: seed is missing"}
    folder = logs(tmp_path, {}, {0: "a warning that came later\n"})
    (folder / "report.json").write_text(json.dumps({"first": 0, "ranks": {"0": said}}))
    assert verdict(1, folder).message == "run.json: seed is missing"


def test_torchrun_itself(tmp_path: Path) -> None:
    assert "torchrun was killed" in str(verdict(137, logs(tmp_path, {})))
    taken = "RuntimeError: The server socket has failed to listen: errno 98 - Address already in use"
    assert type(verdict(1, logs(tmp_path, {}, torchrun=taken))) is Temporary
    wrong = "agent.py: error: unrecognized arguments: --nonsense"
    error = verdict(2, logs(tmp_path, {}, torchrun=wrong))
    assert type(error) is TrainingFailed
    assert "unrecognized" in error.message


def test_broken_report_is_not_an_error_of_its_own(tmp_path: Path) -> None:
    folder = logs(tmp_path, {}, torchrun="words")
    (folder / "report.json").write_text('{"ranks": {"0": ')
    assert type(verdict(1, folder)) is TrainingFailed


def test_newest_restart_is_the_one_quoted(tmp_path: Path) -> None:
    for restart in (0, 1):
        place = tmp_path / "none_abc" / f"attempt_{restart}" / "0"
        place.mkdir(parents=True)
        (place / "stderr.log").write_text(f"restart {restart}")
    assert rank_log(tmp_path, 0).read_text() == "restart 1"
    assert rank_log(tmp_path, 5) == tmp_path / "torchrun.log"


def test_hints_name_settings_that_there_are() -> None:
    parts = {"training": TrainingConfig.model_fields, "launch": LaunchConfig.model_fields}
    named = re.findall(r"(training|launch)\.(\w+)", Path(verdicts.__file__).read_text())
    assert ("training", "batch_size") in named
    assert [f"{part}.{key}" for part, key in named if key not in parts[part]] == []
