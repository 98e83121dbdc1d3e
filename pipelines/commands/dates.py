"""`satiety dates`: the dates of a split by time, for shares."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.commands.options import JsonOption, RecipeArgument, SetOption

if TYPE_CHECKING:
    from ops.storage import Store, Version
    from pipelines.recipe import Loaded

PARTS = ("train", "valid", "test")


def dates(
    recipe: RecipeArgument,
    column: Annotated[
        str | None, typer.Option("--column", help="Column of the moments; by default the one of split.time.")
    ] = None,
    valid: Annotated[
        float, typer.Option("--valid", min=0.001, max=0.9, help="Share of the valid rows, of all rows.")
    ] = 0.1,
    test: Annotated[
        float, typer.Option("--test", min=0.001, max=0.9, help="Share of the test rows, the latest.")
    ] = 0.1,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find the dates that give a split by time its shares.

    Reads the clean corpus, or where it is not built the raw corpus, and prints the lines for the recipe: dates in a
    recipe stay when rows are added, so that no test row ever becomes a training row."""
    from ops.cleaning import split_dates
    from ops.errors import ConfigError
    from ops.storage import Store
    from pipelines.console import give, tell
    from pipelines.recipe import load
    from resources.settings import load_settings

    read = load(recipe, overrides or ())
    loaded = read.recipe
    name = column or loaded.split.time
    if name is None:
        raise ConfigError(f"{loaded.name} has no split by time", hint="name a column with --column")
    if valid + test >= 1:
        raise ConfigError(f"valid {valid} and test {test} leave no training rows")
    stage, versions = _versions(read, Store(load_settings().store), name)
    counts = [split_dates.moments(version.parquet("data.parquet", [name])[name]) for version in versions]
    import polars as pl

    found = split_dates.dates(pl.concat(counts), valid, test)
    if as_json:
        give({"stage": stage, "column": name, **found._asdict()})
        return
    total = sum(found.rows)
    shares = ", ".join(f"{part} {rows:,} ({rows / total:.1%})" for part, rows in zip(PARTS, found.rows, strict=True))
    tell(f"split:\n  time: {name}\n  valid_from: '{found.valid_from}'\n  test_from: '{found.test_from}'")
    tell(f"# rows of {stage}: {shares}" + (f"; {found.nulls:,} without a moment, in train" if found.nulls else ""))


def _versions(read: Loaded, store: Store, column: str) -> tuple[str, list[Version]]:
    """All partitions of the clean corpus, else of the raw one, with the name of the stage."""
    from ops.errors import ConfigError

    recipe = read.recipe
    for stage in ("clean_corpus", "raw_corpus"):
        found = [store.slot(recipe.name, stage, key).current() for key in recipe.partition_keys()]
        versions = [version for version in found if version is not None]
        if versions and len(versions) == len(found):
            entry = versions[0].manifest.entry("data.parquet")
            names = list(versions[0].parquet("data.parquet").columns) if entry is not None else []
            if column not in names:
                raise ConfigError(f"{stage} of {recipe.name} has no column {column!r}, it has {', '.join(names)}")
            return stage, versions
    hint = read.command("run", "--stage", "raw_corpus")
    raise ConfigError(f"{recipe.name} has no corpus yet whose rows could be counted", hint=hint)
