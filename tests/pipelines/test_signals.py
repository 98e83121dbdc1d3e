from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType

import pytest

from pipelines.signals import NUMBERS, Signals, held


class EndedError(Exception):
    """What the handlers of this test raise."""


@pytest.fixture
def came() -> Iterator[list[int]]:
    """Handlers for both signals that note the number and raise; those before are put back."""
    seen: list[int] = []

    def handler(number: int, frame: FrameType | None) -> None:
        seen.append(number)
        raise EndedError

    before = {number: signal.signal(number, handler) for number in NUMBERS}
    yield seen
    for number, previous in before.items():
        signal.signal(number, previous)


def take_over() -> None:
    """What Dagster does while it runs: both signals are one."""

    def handler(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    for number in NUMBERS:
        signal.signal(number, handler)


@pytest.mark.parametrize("number", NUMBERS)
def test_the_signal_reaches_the_handler_that_was_there_before(came: list[int], number: int) -> None:
    with pytest.raises(EndedError), Signals() as signals:
        take_over()
        try:
            os.kill(os.getpid(), number)
        except KeyboardInterrupt:
            assert came == []
            signals.raise_again()
    assert came == [number]


def test_the_handlers_are_put_back_without_a_signal_too(came: list[int]) -> None:
    before = [signal.getsignal(number) for number in NUMBERS]
    with Signals() as signals:
        take_over()
        signals.raise_again()
        assert came == []
    assert [signal.getsignal(number) for number in NUMBERS] == before
    assert signal.set_wakeup_fd(-1) == -1


def test_other_threads_are_left_alone() -> None:
    problems: list[BaseException] = []

    def work() -> None:
        try:
            with Signals() as signals:
                signals.raise_again()
        except BaseException as error:
            problems.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert problems == []


@pytest.mark.parametrize("number", NUMBERS)
def test_a_held_signal_arrives_when_the_block_has_ended(came: list[int], number: int) -> None:
    reached = False
    with pytest.raises(EndedError), held():
        os.kill(os.getpid(), number)
        assert came == []
        reached = True
    assert reached
    assert came == [number]


def test_a_held_signal_comes_after_the_error_of_its_block(came: list[int]) -> None:
    with pytest.raises(EndedError) as caught, held():
        os.kill(os.getpid(), NUMBERS[0])
        raise ValueError("of the block")
    assert isinstance(caught.value.__context__, ValueError)


def test_without_a_signal_the_handlers_are_as_they_were(came: list[int]) -> None:
    before = [signal.getsignal(number) for number in NUMBERS]
    with held():
        assert [signal.getsignal(number) for number in NUMBERS] != before
    assert [signal.getsignal(number) for number in NUMBERS] == before
