"""Which partitions' bands lie where: all before one in a few places, each once."""

from __future__ import annotations

import pytest

from ops.stages.bands import before, covered


@pytest.mark.parametrize("count", [1, 2, 3, 8, 13, 64])
def test_what_lies_before_a_partition_covers_all_of_it_once_and_in_order(count: int) -> None:
    partitions = [f"p{number}" for number in range(count + 1)]
    for number, own in enumerate(partitions):
        places = before(partitions, own)
        assert [name for place in places for name in covered(partitions, place)] == partitions[:number]
        assert len(places) <= number.bit_length()


def test_a_partition_is_written_again_as_often_as_its_number_has_digits() -> None:
    partitions = [str(number) for number in range(128)]
    again = sum(len(covered(partitions, own)) for own in partitions)
    assert again == 128 * (1 + 7 / 2)
