"""Processes of the loader: the same bits as by threads, errors with their place, and no process left behind."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from ops.errors import DiskFull, IntegrityError, SatietyError, Temporary
from ops.nn.spec import ImageSpec
from ops.training import crew as module
from ops.training.altering import Altering, alteration
from ops.training.changing.base import changing_of
from ops.training.config import Loader, Mixing
from ops.training.crew import Crew
from ops.training.data import load_examples
from ops.training.loader import Batch, batches
from ops.training.order import Order
from ops.training.run import Changes, RunSpec, read_run
from tests.ops.training.runs import hashes, image_run, records, start, text_run, work

STEPS = [{"kind": "flip"}, {"kind": "rotate"}, {"kind": "noise"}]
MARK = "SATIETY_TEST_CREW"


def changes(*steps: dict[str, Any]) -> dict[str, Any]:
    return {"changes": {"steps": list(steps or STEPS)}}


def opened(run: RunSpec) -> Any:
    return load_examples(run.inputs, run.input.dtype, len(run.classes), 0)["train"]


def made(run: RunSpec, settings: Loader, mixing: Mixing | None = None, steps: int = 9) -> list[Batch]:
    run = run.model_copy(update={"training": run.training.model_copy(update={"loader": settings})})
    examples = opened(run)
    alter = alteration(run, examples)
    order = Order(examples.length, 8, 5, True)
    source = batches(
        examples, order, run.task_value(), run.input, steps, settings, 0, 1, mixing, 5, alter,
        module.hired(run, examples, alter),
    )  # fmt: skip
    try:
        return [source.get(step) for step in range(steps)]
    finally:
        source.close()


def same(one: Batch, other: Batch) -> bool:
    pairs = [*zip(one.inputs, other.inputs, strict=True), (one.labels, other.labels), (one.weights, other.weights)]
    return (one.count, one.width) == (other.count, other.width) and all(a.equal(b) for a, b in pairs)


@pytest.mark.parametrize("mixing", [None, Mixing(kind="mixup")])
def test_processes_make_the_batches_that_threads_make(mixing: Mixing | None, tmp_path: Path) -> None:
    run = read_run(image_run(tmp_path, **changes()))
    pairs = zip(
        made(run, Loader(workers=0), mixing), made(run, Loader(kind="processes", workers=2), mixing), strict=True
    )
    assert all(same(one, other) for one, other in pairs)


def test_texts_of_unlike_lengths_from_several_files(tmp_path: Path) -> None:
    run = read_run(text_run(tmp_path))
    pairs = zip(made(run, Loader(workers=0)), made(run, Loader(kind="processes", workers=2, prefetch=8)), strict=True)
    assert all(same(one, other) for one, other in pairs)


@pytest.mark.slow
def test_a_run_ends_with_the_same_bytes_and_counts_what_its_processes_took(tmp_path: Path) -> None:
    results = []
    for number, loader in enumerate([{"workers": 1}, {"kind": "processes", "workers": 2}]):
        run = image_run(tmp_path / str(number), {"loader": loader}, **changes())
        assert work(run) == 0 and list(records(run))
        results.append(hashes(run))
    assert results[0] == results[1]


@pytest.fixture
def crew(tmp_path: Path) -> Iterator[Crew]:
    run = read_run(image_run(tmp_path))
    found = Crew(1, opened(run), run.inputs)
    yield found
    found.close()


def test_a_killed_process_is_temporary_and_said(crew: Crew) -> None:
    crew.values(np.array([0]), 0)
    os.kill(crew.pids[0], signal.SIGKILL)
    with pytest.raises(Temporary, match="a process of the loader was ended by SIGKILL"):
        crew.values(np.array([0]), 0)


def test_signals_that_are_for_the_trainer_do_not_end_its_processes(crew: Crew) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(crew.pids[0], number)
    found, _ = crew.values(np.array([3, 1]), 0)
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(crew.pids[0], number)
    assert (
        np.array_equal(found, crew.values(np.array([3, 1]), 0)[0]) and crew.spent()[0] > 0 and crew.spent()[1] > 1 << 20
    )


def test_memory_grows_with_the_batches(crew: Crew) -> None:
    for count in (1, 30, 2, 36):
        rows = np.arange(count) % len(crew._examples)
        assert np.array_equal(crew.values(rows, 0)[0], crew._examples.values(rows))


def test_no_room_for_a_batch_is_a_full_disk(crew: Crew, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(DiskFull, match="no room for a batch of 24 bytes"):
        crew.values(np.array([0]), 0)


def test_an_image_that_cannot_be_changed_is_named(tmp_path: Path) -> None:
    run = read_run(image_run(tmp_path))
    examples, names = opened(run), [f"a/{row}" for row in range(60)]
    # No change of colours is for four channels.
    told = Changes(steps=[{"kind": "flip"}, {"kind": "colour"}])
    changing = changing_of(told, ImageSpec(height=3, width=2, channels=4), 1)
    found = Crew(1, examples, run.inputs, Altering(changing, examples, names))
    try:
        with pytest.raises(SatietyError, match=r"^augmentation\.steps\[1\], example a/7: cannot be changed: TypeError"):
            found.values(np.array([7, 2]), 0)
        with pytest.raises(SatietyError, match="example a/2"):  # and it is there for the next one
            found.values(np.array([2, 7]), 0)
    finally:
        found.close()


def test_a_file_that_has_gone_or_shrunk_is_an_error_of_its_kind(tmp_path: Path) -> None:
    run = read_run(image_run(tmp_path))
    examples = opened(run)
    data = Path(run.inputs[0].path, "data.bin")
    data.write_bytes(data.read_bytes()[:-1])
    found = Crew(1, examples, run.inputs)
    try:
        with pytest.raises(IntegrityError, match="the file has become shorter"):
            found.values(np.array([0]), 0)
    finally:
        found.close()


def alive(mark: str) -> list[int]:
    """Processes of the loader whose environment has that mark."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            is_one = module.WORKER.encode() in (folder / "cmdline").read_bytes()
            if is_one and f"{MARK}={mark}".encode() in (folder / "environ").read_bytes():
                found.append(int(folder.name))
        except OSError:
            continue
    return found


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_no_process_outlives_its_trainer(number: signal.Signals, tmp_path: Path) -> None:
    mark = str(tmp_path)
    run = image_run(
        tmp_path, {"steps": 100_000, "checkpoint_every": 50_000, "loader": {"kind": "processes", "workers": 2}},
        **changes(),
    )  # fmt: skip
    environment: dict[str, Any] = {MARK: mark}
    child = start(run, **environment)
    until = time.monotonic() + 180
    while not list(records_or_none(run)) and time.monotonic() < until:
        time.sleep(0.1)
    assert len(alive(mark)) == 2
    os.kill(child, number)
    os.waitpid(child, 0)
    until = time.monotonic() + 120
    while alive(mark) and time.monotonic() < until:
        time.sleep(0.1)
    assert not alive(mark)


def records_or_none(run: Path) -> Iterator[dict[str, Any]]:
    if (run.parent / "metrics.jsonl").exists():
        yield from records(run)


def test_processes_need_a_number() -> None:
    with pytest.raises(ValidationError, match="workers must be at least 1"):
        Loader(kind="processes", workers=0)
