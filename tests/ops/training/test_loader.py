from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from ops.nn.spec import TextSpec
from ops.tasks.text_classification import TextClassification
from ops.training.config import Loader
from ops.training.data import Examples
from ops.training.loader import Ahead, Batch, batches
from ops.training.order import Order
from tests.ops.training.runs import hashes, text_run, work

SETTINGS = [Loader(workers=0), Loader(workers=1, prefetch=1), Loader(workers=3, prefetch=8)]


def examples(count: int = 50) -> Examples:
    rng = np.random.default_rng(0)
    lengths = rng.integers(0, 9, count)
    values = rng.integers(1, 100, int(lengths.sum())).astype("<u2")
    zeros = np.zeros(count, np.int64)
    return Examples((values,), zeros, np.cumsum(lengths) - lengths, lengths, rng.integers(0, 3, count))


def made(settings: Loader, total: int, rank: int = 0, world: int = 1, size: int = 8) -> list[Batch]:
    data = examples()
    order = Order(data.length, size, 5, True)
    task, spec = TextClassification(input="text", label="label"), TextSpec(vocabulary=100, max_length=9)
    source = batches(data, order, task, spec, total, settings, rank, world)
    try:
        return [source.get(step) for step in range(total)]
    finally:
        source.close()


def same(one: Batch, other: Batch) -> bool:
    pairs = [*zip(one.inputs, other.inputs, strict=True), (one.labels, other.labels), (one.weights, other.weights)]
    return (one.count, one.width) == (other.count, other.width) and all(a.equal(b) for a, b in pairs)


@pytest.mark.parametrize("settings", SETTINGS[1:])
def test_threads_make_the_batches_that_the_caller_would(settings: Loader) -> None:
    for one, other in zip(made(SETTINGS[0], 25), made(settings, 25), strict=True):
        assert same(one, other)


def test_ranks_have_their_part_and_one_without_examples_a_stand_in() -> None:
    whole = made(SETTINGS[0], 7, size=16)
    parts = [made(SETTINGS[2], 7, rank, 3, size=16) for rank in range(3)]
    for step, batch in enumerate(whole):
        labels = sorted(label for part in parts for label in part[step].labels[part[step].weights > 0].tolist())
        assert labels == sorted(batch.labels.tolist()) and all(part[step].count == batch.count for part in parts)
    single = [made(SETTINGS[1], 1, rank, 2, size=1)[0] for rank in range(2)]
    assert [batch.weights.tolist() for batch in single] == [[1.0], [0.0]]
    assert single[0].labels.equal(single[1].labels)


def test_no_more_is_made_than_asked_for() -> None:
    begun: list[int] = []

    def make(step: int) -> int:
        begun.append(step)
        return step

    ahead = Ahead(lambda step: step, make, 6, Loader(workers=1, prefetch=3))
    assert ahead.get(0) == 0
    deadline = time.monotonic() + 120
    while len(begun) < 4 and time.monotonic() < deadline:
        time.sleep(0.005)
    assert sorted(begun) == [0, 1, 2, 3]
    assert [ahead.get(step) for step in (1, 4, 5)] == [1, 4, 5]  # a step may be left out
    ahead.close()
    assert max(begun) == 5


def test_batches_are_made_while_the_caller_works() -> None:
    ready = threading.Event()
    ahead = Ahead(lambda step: step, lambda step: ready.set() if step == 1 else None, 2, Loader(workers=1, prefetch=1))
    ahead.get(0)
    assert ready.wait(120)
    ahead.close()


def test_an_error_in_a_thread_comes_up_where_the_batch_is_asked_for() -> None:
    def fail(step: int) -> int:
        if step == 2:
            raise ValueError("row 2")
        return step

    ahead = Ahead(lambda step: step, fail, 4, Loader(workers=2, prefetch=4))
    assert [ahead.get(0), ahead.get(1)] == [0, 1]
    with pytest.raises(ValueError, match="row 2"):
        ahead.get(2)
    assert ahead.get(3) == 3
    ahead.close()


def test_no_setting_changes_a_bit_of_the_result(tmp_path: Path) -> None:
    loaders: list[dict[str, Any]] = [{"workers": 0}, {"workers": 3, "prefetch": 8, "memory": 1}]
    results = []
    for number, loader in enumerate(loaders):
        run = text_run(tmp_path / str(number), {"loader": loader})
        assert work(run) == 0
        results.append(hashes(run))
    assert results[0] == results[1]


class _ByLength(TextClassification):
    """One unit of loss for each token."""

    kind: Literal["by_length"] = "by_length"  # type: ignore[assignment]

    def units(self, lengths: NDArray[np.int64]) -> NDArray[np.int64]:
        return lengths


def test_a_batch_knows_the_units_of_the_global_batch() -> None:
    data = examples()
    order = Order(data.length, 16, 5, True)
    task, spec = _ByLength(input="text", label="label"), TextSpec(vocabulary=100, max_length=9)
    for rank in range(3):
        source = batches(data, order, task, spec, 4, SETTINGS[0], rank, 3)
        for step in range(4):
            rows, batch = order.rows(step), source.get(step)
            assert (batch.count, batch.examples) == (int(data.length[rows].sum()), len(rows))
