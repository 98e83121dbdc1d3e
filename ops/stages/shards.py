"""shards: normalised rows with their class as a number, and altered copies of the training rows."""

from __future__ import annotations

from typing import Any

import polars as pl

from ops.augmentation.forms import RowForm, TextForm
from ops.normalization.resize import BOXES
from ops.recipe import Recipe
from ops.stages.originals import beside, late, sound_form, write_form
from ops.stages.rows import coded, row_task
from ops.stages.series import ordered_rows, series_task
from ops.stages.settled import STRENGTH, settled
from ops.stages.spec import Build, Input, Stage
from ops.stages.streams import unlabelled_rows
from ops.steps import Facts, Outcome, Step, apply_steps
from ops.storage import Counts, Version

_NAME, _NUMBER = "__name", "__number"


def _config(recipe: Recipe) -> dict[str, Any]:
    parts = recipe.part("task", "normalization", "augmentation", "seed")
    if recipe.augmentation is not None and late(recipe):
        parts["augmentation"] = {"mode": "on_the_fly", **recipe.augmentation.kept_for}
    elif recipe.augmentation is not None:
        del parts["augmentation"]["search"]  # what it found is an input
    return parts


def _modules(recipe: Recipe) -> list[str]:
    steps = [type(step).__module__ for step in recipe.normalization]
    if recipe.augmentation is not None:
        steps += [type(recipe.augmentation).__module__, *(type(s).__module__ for s in recipe.augmentation.steps)]
    return [*steps, *([type(recipe.task).__module__] if recipe.task.modality == "table" else [])]


def _build(build: Build) -> Counts:
    form = build.recipe.task.form
    if form in ("series", "stream"):
        return _rows_without_class(build)
    return _rows_of_classes(build)


def _rows_without_class(build: Build) -> Counts:
    """Rows normalised: of a series in order, with the truth as their label; of streams without any label."""
    recipe = build.recipe
    if recipe.task.form == "series":
        task = series_task(recipe)
        names = list(dict.fromkeys(["id", task.input, task.label, *task.features, "split"]))
        table = build.one("clean_corpus").parquet("data.parquet", names)
        there = ordered_rows(table, task)
    else:
        table = build.one("clean_corpus").parquet("data.parquet", ["id", recipe.task.input, "split"])
        there = unlabelled_rows(table, recipe.task.input)
    fitted = build.one("statistics").json("statistics.json").get("fitted")
    applied = apply_steps(there.kept, recipe.normalization, Facts(build.partition, recipe.seed, fitted=fitted))
    shard = applied.kept.with_columns(pl.lit(0, pl.Int32).alias("copy"))
    build.output.parquet("data.parquet", shard)
    build.output.parquet("dropped.parquet", pl.concat([there.dropped, applied.dropped]))
    build.output.json("changed.json", applied.changed)
    lost = there.dropped.group_by("step", "reason").len().sort("step", "reason")
    dropped = {f"{step}.{reason}": rows for step, reason, rows in lost.iter_rows()} | applied.dropped_by_reason
    return Counts(rows_in=table.height, rows_out=shard.height, dropped=dropped, changed=applied.changed)


def _rows_of_classes(build: Build) -> Counts:
    build = settled(build)
    recipe, task = build.recipe, build.recipe.task
    clean = build.one("clean_corpus")
    table = clean.parquet("data.parquet", _columns(recipe, clean))
    statistics = build.one("statistics").json("statistics.json")
    facts = Facts(build.partition, recipe.seed, statistics=statistics, fitted=statistics.get("fitted"))
    whole = pl.lit(True) if task.form == "row" else pl.col(task.input).is_not_null()
    there = Outcome.split(table, keep=whole, step="input", reason="missing")
    named = Outcome.split(there.kept, keep=pl.col(task.label).is_not_null(), step="label", reason="missing")
    labelled = _number_classes(named.kept, task.label, statistics["classes"])
    applied = apply_steps(labelled.kept, recipe.normalization, facts)
    normal, unknown = applied.kept, 0
    if task.form == "row":
        normal, unknown = coded(normal, row_task(recipe), statistics["row"])
    shard = normal.with_columns(pl.lit(0, pl.Int32).alias("copy"))
    added, changed = 0, applied.changed | ({"unknown_category": unknown} if unknown else {})
    if late(recipe):
        shard = _with_originals(build, shard, labelled.kept, facts)
    elif recipe.augmentation is not None and recipe.augmentation.early:
        outcome = _augmented_sounds(recipe, labelled.kept, facts)
        shard, added = outcome.kept, outcome.added
    elif recipe.augmentation is not None:
        outcome = recipe.augmentation.apply(shard, facts, task.input)
        shard, added = outcome.kept, outcome.added
        changed |= {f"augmentation.{reason}": count for reason, count in outcome.changed.items()}
    build.output.parquet("data.parquet", shard)
    build.output.parquet(
        "dropped.parquet", pl.concat([there.dropped, named.dropped, labelled.dropped, applied.dropped])
    )
    build.output.json("changed.json", changed)
    missing = {"input.missing": there.dropped.height, "label.missing": named.dropped.height}
    found = missing | {"unknown_class": labelled.dropped.height}
    reasons = {reason: rows for reason, rows in found.items() if rows}
    return Counts(
        rows_in=table.height,
        rows_out=shard.height,
        added=added,
        dropped=reasons | applied.dropped_by_reason,
        changed=changed,
    )


def _with_originals(build: Build, shard: pl.DataFrame, rows: pl.DataFrame, facts: Facts) -> pl.DataFrame:
    """The shard with what changes on the fly read of its training rows, where that is not there anyway."""
    recipe = build.recipe
    if recipe.augmentation is None:
        raise TypeError("a recipe without augmentation has no changes")
    if recipe.task.form == "text":
        write_form(build, TextForm())
    elif recipe.task.form == "row":
        columns = row_task(recipe).reads
        write_form(build, RowForm(columns=columns))
        return beside(shard, recipe.augmentation.row_originals(shard, columns))
    elif recipe.augmentation.early:
        write_form(build, sound_form(recipe))
        waves = apply_steps(rows, _halves(recipe)[0], facts).kept
        return beside(shard, waves.filter(pl.col("split") == "train")[recipe.task.input].to_list())
    return shard


def _augmented_sounds(recipe: Recipe, rows: pl.DataFrame, facts: Facts) -> Outcome:
    """Copies altered before the steps from `log_mel` on, which drop nothing."""
    if recipe.augmentation is None:
        raise TypeError("a recipe without augmentation has no copies")
    first, rest = _halves(recipe)
    waves = apply_steps(rows, first, facts).kept
    return recipe.augmentation.apply(waves, facts, recipe.task.input, lambda t: apply_steps(t, rest, facts).kept)


def _halves(recipe: Recipe) -> tuple[list[Step], list[Step]]:
    """The steps of normalisation before `log_mel`, and the rest."""
    kinds = [step.kind for step in recipe.normalization]
    place = kinds.index("log_mel") if "log_mel" in kinds else len(kinds)
    return recipe.normalization[:place], recipe.normalization[place:]


def _columns(recipe: Recipe, clean: Version) -> list[str]:
    """What the model reads and predicts, and boxes, which follow every change of their image."""
    entry = clean.manifest.entry("data.parquet")
    there = dict(entry.schema or {}) if entry is not None else {}
    boxes = [BOXES] if recipe.task.modality == "image" and BOXES in there else []
    return list(dict.fromkeys(["id", *recipe.task.reads, recipe.task.label, "split", *boxes]))


def _number_classes(table: pl.DataFrame, label: str, classes: list[str]) -> Outcome:
    """Replace the label by its place among the sorted classes; rows of a class that training has not are dropped."""
    numbers = pl.DataFrame({_NAME: classes, _NUMBER: range(len(classes))}, schema_overrides={_NUMBER: pl.Int32})
    name = pl.col(label).cast(pl.String).alias(_NAME)
    numbered = table.with_columns(name).join(numbers, on=_NAME, how="left", maintain_order="left")
    known = pl.col(_NUMBER).is_not_null()
    outcome = Outcome.split(numbered, keep=known, step="classes", reason="unknown_class", evidence=pl.col(_NAME))
    # The column of names may itself be called `label`.
    kept = outcome.kept.drop({_NAME, label}).rename({_NUMBER: "label"})
    return Outcome(kept, outcome.dropped)


def shards_stage(strength: bool = False) -> Stage:
    """The stage, with the searched strength of augmentation as an input where copies wait for it."""
    return Stage(
        name="shards",
        description="Normalised rows with their label as a number, and altered copies of the training rows.",
        partitioned=True,
        inputs=(Input("clean_corpus"), Input("statistics"), *((Input(STRENGTH),) if strength else ())),
        config=_config,
        keys=("task", "normalization", "augmentation", "seed"),
        build=_build,
        modules=_modules,
    )
