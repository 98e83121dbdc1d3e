"""One webserver and daemon for all tests of a module, with recipes that finish and one that does not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.servers import RANGE, REPOSITORY, Servers, servers
from tests.series import MONTHS, series_recipe
from tests.tiny import tiny_recipe, write_rows

FIRST_FILE, SECOND_FILE = "first.csv", "second.csv"
START_SENSOR = "mutation ($s: SensorSelector!) { startSensor(sensorSelector: $s) { __typename } }"


@dataclass(frozen=True)
class Live:
    """The servers, and what was started on them at once because the daemon takes its time.

    Attributes:
        web: the servers.
        recipes: folder of the recipes.
        job: run of the job `tiny` over all partitions.
        backfill: backfill of two partitioned assets of `other`.
        months: backfill of the source over two of the four months of `dust`.
    """

    web: Servers
    recipes: Path
    job: str
    backfill: str
    months: str


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """`tiny` and `other` are quick, `slow` trains for hours on two ranks, `mailbox` has files, `dust` months."""
    folder = tmp_path_factory.mktemp("e2e")
    recipes = folder / "recipes"
    tiny_recipe(recipes)
    tiny_recipe(recipes, name="other", modality="image")
    tiny_recipe(recipes, name="slow", training={"steps": 10_000_000, "checkpoint_every": 20}, launch={"processes": 2})
    (recipes / "inbox").mkdir()
    write_rows(recipes / "inbox" / FIRST_FILE)
    path = tiny_recipe(
        recipes,
        name="mailbox",
        source={"path": "inbox/*.csv"},
        partitions={"hash": None, "by": "file"},
        automation={"watch": "inbox"},
    )
    path.with_suffix(".csv").unlink()
    series_recipe(recipes)
    with servers(folder, recipes) as web:
        backfill = web.backfill(["other/raw_corpus", "other/signatures"], ["0", "1", "2"])
        months = web.backfill(["dust/raw_corpus"], MONTHS[1:3])
        job = web.launch("tiny", RANGE)
        started = web.ask(START_SENSOR, s={**REPOSITORY, "sensorName": "mailbox_folder"})
        assert started["__typename"] == "Sensor"
        yield Live(web, recipes, job, backfill, months)
