from __future__ import annotations

from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from pipelines.jobs import jobs
from pipelines.recipe import load_file
from pipelines.sensors import listing, sensors
from tests.tiny import tiny_recipe, write_rows

RANGE = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")


class Watched:
    """A recipe that watches `inbox`, its sensor, and the cursor that Dagster keeps for it."""

    def __init__(self, folder: Path, **overrides: Any) -> None:
        self.inbox = folder / "inbox"
        self.inbox.mkdir(exist_ok=True)
        self.path = tiny_recipe(folder, automation={"watch": "inbox"}, **overrides)
        self.cursor: str | None = None
        self.load()

    def load(self) -> None:
        """What Dagster does when it starts, and its daemon each minute."""
        recipe = load_file(self.path)
        (self.sensor,) = sensors(recipe, jobs(recipe))

    def tick(self) -> list[dg.RunRequest]:
        """The runs that a tick asks for; what it says instead is kept in `said`."""
        done = self.sensor.evaluate_tick(dg.build_sensor_context(cursor=self.cursor))
        self.said = done.skip_message or ""
        if done.run_requests:
            self.cursor = done.cursor
        return list(done.run_requests or ())


def test_a_recipe_that_watches_nothing_has_no_sensor(tmp_path: Path) -> None:
    recipe = load_file(tiny_recipe(tmp_path))
    assert sensors(recipe, jobs(recipe)) == []


def test_new_and_changed_files_start_one_run_each(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    (watched.inbox / "a").write_text("1")
    (request,) = watched.tick()
    assert tuple(request.tags[key] for key in RANGE) == ("0", "2")
    assert watched.tick() == []
    assert watched.said == "no new files"
    (watched.inbox / "deeper").mkdir()
    assert watched.tick() == [], "a folder is no file"
    (watched.inbox / "deeper" / "b").write_text("1")
    assert len(watched.tick()) == 1
    (watched.inbox / "a").write_text("longer")
    assert len(watched.tick()) == 1


def test_files_that_go_and_come_again_are_worth_a_run_each_time(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    file = watched.inbox / "a"
    for _ in range(2):
        file.write_text("1")
        (request,) = watched.tick()
        assert request.run_key is None, "Dagster starts no second run with a key that it has seen"
        file.unlink()
        assert len(watched.tick()) == 1


def test_a_folder_that_is_not_there_is_said_and_nothing_more(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    watched.inbox.rmdir()
    assert watched.tick() == []
    assert watched.said == f"{watched.inbox} is not a folder"


def test_files_that_are_partitions_wait_until_dagster_knows_them(tmp_path: Path) -> None:
    (tmp_path / "inbox").mkdir()
    write_rows(tmp_path / "inbox" / "b.csv")
    watched = Watched(tmp_path, source={"path": "inbox/*.csv"}, partitions={"hash": None, "by": "file"})
    assert len(watched.tick()) == 1
    for name in ("a.csv", "c.csv"):
        write_rows(tmp_path / "inbox" / name)
    assert watched.tick() == []
    assert watched.said == "the partitions of tiny have changed; Dagster knows them within a minute"
    watched.load()
    (request,) = watched.tick()
    assert tuple(request.tags[key] for key in RANGE) == ("inbox/a.csv", "inbox/c.csv")


@pytest.mark.parametrize("change", ["name", "size", "place"])
def test_the_listing_sees_names_sizes_and_places(tmp_path: Path, change: str) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a").write_text("1")
    before = listing(tmp_path)
    if change == "name":
        (tmp_path / "in" / "a").rename(tmp_path / "in" / "b")
    elif change == "size":
        (tmp_path / "in" / "a").write_text("12")
    else:
        (tmp_path / "in" / "a").rename(tmp_path / "a")
    assert listing(tmp_path) != before
