"""Partitions by month: each row in its month, and what is in none kept as rejects with the first."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
import yaml

from ops.recipe import Recipe
from ops.sources.base import Batch
from ops.sources.csv import Csv
from ops.stages import raw_corpus
from ops.stages.run import Built
from ops.stages.spec import ALL
from tests.chain import worlds
from tests.chain.worlds import World

START = dt.date(2020, 11, 20)


def rows(count: int = 120) -> list[tuple[str, dt.date | None]]:
    """Texts, one a day; the first two before the recipe's months, some without a day."""
    return [(f"wave {k} tide", None if k % 40 == 5 else START + dt.timedelta(days=k)) for k in range(count)]


def make(folder: Path, lines: list[str], end: str = "2021-03") -> tuple[World, Recipe]:
    world = worlds.make(folder)
    content = yaml.safe_load(world.path.read_text())
    content["source"]["columns"] = {"text": "string", "label": "string", "day": "date"}
    content["partitions"] = {"monthly": {"column": "day", "start": "2020-12", "end": end}}
    world.path.write_text(yaml.safe_dump(content))
    world.path.with_suffix(".csv").write_text("\n".join(["text,label,day", *lines]) + "\n")
    return world, world.recipe()


def lines_of(given: list[tuple[str, dt.date | None]]) -> list[str]:
    return [f"{text},{('sea', 'sky')[k % 2]},{day or ''}" for k, (text, day) in enumerate(given)]


def raw(world: World, recipe: Recipe) -> dict[str, Built]:
    return {key: built for (_, key), built in worlds.build(recipe, world.store, ("raw_corpus",)).items()}


def test_each_row_is_in_its_month_or_among_the_rejects_of_the_first(tmp_path: Path) -> None:
    given = rows()
    world, recipe = make(tmp_path, [*lines_of(given), "broken", "a,b,2021-02-30"])
    built = raw(world, recipe)
    assert list(built) == ["2020-12", "2021-01", "2021-02", "2021-03"]
    for key, found in built.items():
        expected = [text for text, day in given if day is not None and f"{day:%Y-%m}" == key]
        table = found.version.parquet("data.parquet")
        assert table["text"].to_list() == expected
        assert table["id"].to_list() == [f"{key}/{k}" for k in range(len(expected))]
    rejects = built["2020-12"].version.parquet("rejects.parquet")
    reasons = rejects.group_by("reason").len().sort("reason").rows()
    none = sum(day is None for _, day in given)
    before = sum(day is not None and day < dt.date(2020, 12, 1) for _, day in given)
    assert reasons == [("no_month", none), ("not_date", 1), ("other_month", before), ("wrong_column_count", 1)]
    shown = rejects.filter(pl.col("reason") == "other_month").row(0, named=True)
    assert (shown["line"], shown["detail"], shown["excerpt"]) == (2, "day: 2020-11-20", b"2020-11-20")
    counts = [found.version.manifest.counts for found in built.values()]
    assert sum(c.rows_in for c in counts if c is not None) == len(given) + 2
    assert all(not c.rejected for c in counts[1:] if c is not None)


def test_a_month_that_comes_leaves_the_others_as_they_are(tmp_path: Path) -> None:
    given = lines_of([row for row in rows() if row[1] is not None])
    early = [line for line in given if not line.split(",")[2].startswith("2021-03")]
    world, recipe = make(tmp_path, early)
    before = raw(world, recipe)
    assert before["2021-03"].version.manifest.counts is not None
    assert before["2021-03"].version.parquet("data.parquet").is_empty()
    world.path.with_suffix(".csv").write_text("\n".join(["text,label,day", *given]) + "\n")
    after = raw(world, recipe)
    same = [key for key in before if before[key].version.digest == after[key].version.digest]
    assert same == ["2020-12", "2021-01", "2021-02"]


def test_the_order_of_the_file_does_not_move_a_row_to_another_month(tmp_path: Path) -> None:
    given = lines_of([row for row in rows() if row[1] is not None])
    world, recipe = make(tmp_path / "a", given)
    one = raw(world, recipe)
    random.Random(0).shuffle(given)
    world, recipe = make(tmp_path / "b", given)
    other = raw(world, recipe)
    for key, found in one.items():
        tables = [version.parquet("data.parquet")["text"].sort() for version in (found.version, other[key].version)]
        assert tables[0].equals(tables[1])


def test_the_whole_data_half_goes_over_months_with_an_empty_one(tmp_path: Path) -> None:
    given = lines_of([row for row in rows() if row[1] is not None])
    world, recipe = make(tmp_path, given, end="2021-05")
    built = worlds.build(recipe, world.store)
    assert built["token_cache", "2021-05"].version.manifest.facts["elements"] == 0
    assert sum(built["statistics", ALL].version.json("statistics.json")["counts"]["train"].values()) > 50


def test_a_small_source_is_read_once_and_a_large_one_for_each_month(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str | None] = []
    whole = Csv.read

    def counted(source: Csv, partition: str | None = None) -> Iterator[Batch]:
        read.append(partition)
        return whole(source, partition)

    monkeypatch.setattr(Csv, "read", counted)
    monkeypatch.setattr(raw_corpus, "_kept", {})
    given = lines_of([row for row in rows() if row[1] is not None])
    world, recipe = make(tmp_path / "small", given)
    small = raw(world, recipe)
    assert read == [None]
    world.path.with_suffix(".csv").write_text("\n".join(["text,label,day", *given[:-1]]) + "\n")
    changed = raw(world, recipe)
    assert read == [None] * 2, "other content is read anew"
    assert changed["2021-03"].version.digest != small["2021-03"].version.digest
    monkeypatch.setattr(raw_corpus, "KEPT_BYTES", 10)
    world, recipe = make(tmp_path / "large", given)
    monkeypatch.setattr(raw_corpus, "_kept", {})
    large = raw(world, recipe)
    assert read == [None] * 6
    assert {key: built.version.digest for key, built in large.items()} == {
        key: built.version.digest for key, built in small.items()
    }
