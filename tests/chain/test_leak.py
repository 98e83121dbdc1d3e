"""Test rows that are training rows as well: the blocking check stops everything below, in this run and the next."""

from __future__ import annotations

from pathlib import Path

import pytest

from ops.errors import CheckFailed
from tests.chain import worlds
from tests.chain.command import overrides, satiety

# Copies that differ in case have other stars: with the stars deciding, they get to both sides.
LEAK = overrides("cleaning=[{kind: whitespace}]", "split.columns=[stars]")


@pytest.mark.slow
def test_nothing_is_built_from_a_leaking_split(tmp_path: Path) -> None:
    world = worlds.make(tmp_path / "world")
    for _ in range(2):
        done = satiety(world, "run", "tiny.yaml", *LEAK)
        assert done.returncode == 4, done.stderr[-3000:]
        (error,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
        assert "no_test_row_in_train" in error and "tiny/statistics" in error and "test_rows_in_train" in error
        shared = world.version("statistics").json("statistics.json")["shared_with_train"]
        assert max(shared.values()) > 0
        assert {slot.stage for slot in world.store.slots()} == {"raw_corpus", "clean_corpus", "statistics"}
    # Nor by a run of single stages, which does not come past the check.
    recipe = world.recipe("cleaning=[{kind: whitespace}]", "split.columns=[stars]")
    with pytest.raises(CheckFailed, match=r"tiny/shards\[0\]: nothing is built on statistics\[all\]: [0-9]+ rows of"):
        worlds.build(recipe, world.store, ["shards"])
