"""A run whose process was killed holds nothing: it is recorded as failed, and its place in the pool is free again."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from pipelines import abandoned

HOLD = """
import sys, time
from pathlib import Path
from pipelines.abandoned import alive
with alive(Path(sys.argv[1]), sys.argv[2]):
    print("held", flush=True)
    time.sleep(600)
"""


@dg.op(pool="gpu")
def train() -> None:
    pass


@dg.job
def training() -> None:
    train()


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test(temp_dir=str(tmp_path_factory.mktemp("instance"))) as instance:
        instance.event_log_storage.set_concurrency_slots("gpu", 1)
        yield instance


def test_the_place_of_a_killed_run_is_given_back(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    run = instance.create_run_for_job(training, status=dg.DagsterRunStatus.STARTED)
    storage = instance.event_log_storage
    assert storage.claim_concurrency_slot("gpu", run.run_id, "train").is_claimed
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path), run.run_id], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None and process.stdout.readline() == "held\n"
        assert abandoned.clear(instance, tmp_path) == [], "its process lives"
        assert not storage.claim_concurrency_slot("gpu", "another", "train").is_claimed
    finally:
        process.kill()
        process.communicate()
    assert abandoned.clear(instance, tmp_path) == [run.run_id]
    found = instance.get_run_by_id(run.run_id)
    assert found is not None and found.status == dg.DagsterRunStatus.FAILURE
    assert storage.claim_concurrency_slot("gpu", "another", "train").is_claimed, "who waited has it now"
    assert abandoned.clear(instance, tmp_path) == []


def test_a_run_that_ended_leaves_nothing_to_clear(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    with abandoned.alive(tmp_path, "one"):
        assert list((tmp_path / abandoned.FOLDER).iterdir())
    assert abandoned.clear(instance, tmp_path) == []

    run = instance.create_run_for_job(training, status=dg.DagsterRunStatus.SUCCESS)
    with pytest.raises(KeyboardInterrupt), abandoned.alive(tmp_path, run.run_id):
        raise KeyboardInterrupt
    assert abandoned.clear(instance, tmp_path) == [run.run_id]
    found = instance.get_run_by_id(run.run_id)
    assert found is not None and found.status == dg.DagsterRunStatus.SUCCESS, "it had ended before"
