"""A signal ends a run that waits for its turn, whoever has the place, and waits itself for the end of a write."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WAIT = """
import sys
import dagster as dg
from pipelines.interrupts import make_interruptible

@dg.op(pool="gpu")
def train():
    print("trained")

@dg.job(executor_def=dg.in_process_executor)
def training():
    train()

make_interruptible()
make_interruptible()
with dg.DagsterInstance.get() as instance:
    instance.event_log_storage.set_concurrency_slots("gpu", 1)
    assert instance.event_log_storage.claim_concurrency_slot("gpu", "another run", "train").is_claimed
    wait = instance.event_log_storage.claim_concurrency_slot

    def told(*arguments, **options):
        found = wait(*arguments, **options)
        print("waits", flush=True)
        return found

    instance.event_log_storage.claim_concurrency_slot = told
    training.execute_in_process(instance=instance)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_wait(tmp_path: Path, number: int) -> None:
    environment = {**os.environ, "DAGSTER_HOME": str(tmp_path), "PYTHONPATH": str(ROOT), "DO_NOT_TRACK": "1"}
    process = subprocess.Popen(
        [sys.executable, "-c", WAIT],
        env=environment,
        cwd=tmp_path,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None and process.stdout.readline() == "waits\n"
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert "DagsterExecutionInterruptedError" in err
    assert "trained" not in out


STEP = """
import time
import dagster as dg
from pipelines.interrupts import make_interruptible

@dg.op
def work():
    print("works", flush=True)
    time.sleep(60)

@dg.job(executor_def=dg.in_process_executor)
def working():
    work()

make_interruptible()
with dg.DagsterInstance.get() as instance:
    working.execute_in_process(instance=instance)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_ctrl_c_in_a_terminal_prints_no_traceback_of_dagsters_helpers(tmp_path: Path) -> None:
    """A terminal sends it to every process of the group, so also to those that copy a step's output."""
    environment = {**os.environ, "DAGSTER_HOME": str(tmp_path), "PYTHONPATH": str(ROOT), "DO_NOT_TRACK": "1"}
    command = [sys.executable, "-c", STEP]
    process = subprocess.Popen(
        command,
        env=environment,
        cwd=tmp_path,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None and process.stdout.readline() == "works\n"
        time.sleep(0.5)  # The helpers are Python programs too and take a moment to begin.
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert "DagsterExecutionInterruptedError" in err
    assert "watch_orphans" not in err


WRITE = """
import os
import signal
import dagster as dg
from pipelines.interrupts import make_interruptible

@dg.op
def train(context):
    context.log.info("loss 1")
    print("went on")

@dg.job(executor_def=dg.in_process_executor)
def training():
    train()

make_interruptible()
with dg.DagsterInstance.get() as instance:
    store = instance.event_log_storage.store_event

    def slow(event):
        if event.user_message == "loss 1":
            os.kill(os.getpid(), signal.{name})
            print("still writing")
        store(event)
        if event.user_message == "loss 1":
            print("written")

    instance.event_log_storage.store_event = slow
    training.execute_in_process(instance=instance)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_an_event_is_written_before_a_signal_ends_the_run(tmp_path: Path, name: str) -> None:
    environment = {**os.environ, "DAGSTER_HOME": str(tmp_path), "PYTHONPATH": str(ROOT), "DO_NOT_TRACK": "1"}
    script = WRITE.replace("{name}", name)
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, cwd=tmp_path, text=True, capture_output=True, timeout=120
    )
    assert done.stdout == "still writing\nwritten\n"
    assert done.returncode != 0
    assert "DagsterExecutionInterruptedError" in done.stderr
