"""How far training goes back, at the edges of what counts as having diverged again."""

from __future__ import annotations

import pytest

from ops.training.progress import Progress


def gone_back() -> Progress:
    """From a bad batch of step 7 to the checkpoint of step 6; two good updates make that overcome."""
    progress = Progress(step=6)
    progress.follow(Progress(step=7), 7, good=2)
    return progress


def test_the_first_time_one_batch_is_left_out() -> None:
    assert Progress(step=7).older_than(7) is None
    progress = gone_back()
    assert (progress.left_out, progress.setbacks, progress.back) == ([7], 1, 6)


@pytest.mark.parametrize(("step", "older"), [(6, 6), (8, 6), (9, 6), (10, None)])
def test_it_is_overcome_after_so_many_good_updates_behind_the_batch(step: int, older: int | None) -> None:
    """Updates 8 and 9 are those behind it; what fails when both are made is another trouble."""
    progress = gone_back()
    progress.step = step
    assert progress.older_than(step) == older and progress.doubtful == (older is not None)


def test_the_second_time_all_in_between_are_left_out_and_what_was_before_stays_so() -> None:
    before = gone_back()
    before.left_out, before.step = [2, 7], 8
    progress = Progress(step=4, left_out=[2])
    progress.follow(before, 8, good=2)
    assert progress.left_out == [2, 4, 5, 6, 7, 8]
    assert (progress.setbacks, progress.back, progress.until) == (2, 4, 11)


def test_what_comes_in_another_order_is_left_out_by_its_own_step() -> None:
    """Of a server without a bound: the seventh update was not made, for what had come of the ninth batch."""
    progress = Progress(step=4)
    progress.follow(Progress(step=6), 6, good=2, batch=8)
    assert (progress.left_out, progress.until) == ([8], 9)
    again = Progress(step=2)
    again.follow(progress, 5, good=2, batch=7)
    assert again.left_out == [2, 3, 4, 5, 6, 7, 8]
