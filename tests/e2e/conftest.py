"""One webserver and daemon for all tests of a session, with recipes that finish and one that does not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.servers import RANGE, Servers, servers
from tests.tiny import tiny_recipe, write_rows

INBOX_FIRST = "first.csv"


@dataclass(frozen=True)
class Live:
    """The servers, and what was started on them at once because the daemon takes its time.

    Attributes:
        web: the servers.
        recipes: folder of the recipes.
        job: run of the job `tiny` over all partitions.
        backfill: backfill of two partitioned assets of `other`.
    """

    web: Servers
    recipes: Path
    job: str
    backfill: str


@pytest.fixture(scope="session")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """`tiny` and `other` are quick, `slow` trains for hours on two ranks, `inbox` watches its folder."""
    folder = tmp_path_factory.mktemp("e2e")
    recipes = folder / "recipes"
    tiny_recipe(recipes)
    tiny_recipe(recipes, name="other", modality="image")
    tiny_recipe(recipes, name="slow", training={"steps": 10_000_000, "checkpoint_every": 20}, launch={"processes": 2})
    (recipes / "inbox").mkdir()
    write_rows(recipes / "inbox" / INBOX_FIRST)
    path = tiny_recipe(
        recipes,
        name="mailbox",
        source={"path": "inbox/*.csv"},
        partitions={"hash": None, "by": "file"},
        automation={"watch": "inbox"},
    )
    path.with_suffix(".csv").unlink()
    with servers(folder, recipes) as web:
        backfill = web.backfill(["other/raw_corpus", "other/signatures"], ["0", "1", "2"])
        yield Live(web, recipes, web.launch("tiny", RANGE), backfill)
