"""Work side by side: order, number, errors, and an end that reaches every piece."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from ops.abreast import Abreast, given_up


def always(begun: list[int | None]) -> bool:
    return True


def pieces(delays: list[float], begun: list[int]) -> Iterator[Callable[[], int]]:
    """Pieces that wait and return their number; each notes that it was made."""
    for number, delay in enumerate(delays):

        def work(number: int = number, delay: float = delay) -> int:
            time.sleep(delay)
            return number

        begun.append(number)
        yield work


@pytest.mark.parametrize("at_once", [1, 2, 4])
def test_results_come_in_order_whichever_ends_first(at_once: int) -> None:
    begun: list[int] = []
    with Abreast(pieces([0.1, 0.0, 0.06, 0.0, 0.03], begun), at_once, always) as abreast:
        assert [abreast.take() for _ in range(5)] == [0, 1, 2, 3, 4]
        with pytest.raises(StopIteration):
            abreast.take()
    assert begun == [0, 1, 2, 3, 4] and abreast.left() == []


def test_one_at_a_time_is_made_when_it_is_taken() -> None:
    begun: list[int] = []
    with Abreast(pieces([0.0, 0.0], begun), 1, always) as abreast:
        assert begun == []
        abreast.take()
        assert begun == [0]


def test_none_begins_where_there_is_no_room_but_the_next_always_does() -> None:
    begun: list[int] = []
    with Abreast(pieces([0.0] * 4, begun), 3, lambda known: len(known) < 2) as abreast:
        assert abreast.take() == 0 and begun == [0, 1]
    begun.clear()
    with Abreast(pieces([0.0] * 3, begun), 3, lambda known: False) as abreast:
        assert [abreast.take() for _ in range(3)] == [0, 1, 2]


def test_an_error_is_raised_in_its_turn_and_none_begins_after_it() -> None:
    failed = threading.Event()

    def bad() -> int:
        failed.set()
        raise ValueError("as planted")

    def slow() -> int:
        failed.wait(10)
        time.sleep(0.05)
        return 0

    begun: list[str] = []

    def work() -> Iterator[Callable[[], int]]:
        for name, piece in (("slow", slow), ("bad", bad), ("never", slow)):
            begun.append(name)
            yield piece

    with Abreast(work(), 2, always) as abreast:
        assert abreast.take() == 0
        with pytest.raises(ValueError, match="as planted"):
            abreast.take()
    assert begun == ["slow", "bad"]


def test_whoever_leaves_ends_what_runs_and_waits_for_it() -> None:
    ended: list[int] = []
    all_run = threading.Barrier(3)

    def short() -> int:
        all_run.wait(60)
        return 7

    def patient(number: int) -> Callable[[], int]:
        def work() -> int:
            all_run.wait(60)
            deadline = time.monotonic() + 120
            while not given_up() and time.monotonic() < deadline:
                time.sleep(0.01)
            ended.append(number)
            return number

        return work

    work = [short, patient(1), patient(2)]
    with pytest.raises(KeyboardInterrupt), Abreast(work, 3, always) as abreast:
        assert abreast.take() == 7
        raise KeyboardInterrupt
    assert sorted(ended) == [1, 2] and abreast.left() == [1, 2]
    assert not given_up(), "only those pieces are given up"
