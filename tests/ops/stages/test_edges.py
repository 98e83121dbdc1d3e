"""Stages at their edges: rows that say nothing, splits without rows, results that are not whole, leaks."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from safetensors.numpy import load

from ops.errors import BadData, CheckFailed, Temporary, TrainingFailed
from ops.recipe import Recipe
from ops.stages.chain import DATA_STAGES, stage_named, stages
from ops.stages.model import RESULT_FILES
from ops.stages.report import architecture
from ops.stages.run import build_stage, wanted
from ops.stages.spec import ALL, Services
from ops.training.predict import predict_split
from pipelines.plan import make_plan
from tests.chain import worlds
from tests.chain.worlds import World

LINES = ["text,label"] + [
    f"{'wave tide foam' if k % 2 else 'star haze dusk'} {k},{('sea', 'sky')[k % 2]}" for k in range(80)
]


def written(folder: Path, lines: list[str], *overrides: str) -> tuple[World, Recipe]:
    """A recipe over a CSV file of its own, with columns text and label."""
    world = worlds.make(folder, source={"columns": {"text": "string", "label": "string"}})
    content = worlds.yaml_without(world.path, "source", "columns", "stars")
    world.path.write_text(content)
    world.path.with_suffix(".csv").write_text("\n".join(lines) + "\n")
    return world, world.recipe(*overrides)


def test_a_row_without_content_is_dropped_and_counted(tmp_path: Path) -> None:
    world, recipe = written(tmp_path, [*LINES, "NA,sea", "NA,sky"], "source.null_values=[NA]", "cleaning=[]")
    built = worlds.build(recipe, world.store, DATA_STAGES)
    shards = [found.version for (stage, _), found in built.items() if stage == "shards"]
    dropped = pl.concat([version.parquet("dropped.parquet") for version in shards])
    assert dropped.select("step", "reason").rows() == [("input", "missing")] * 2
    counts = [version.manifest.counts for version in shards]
    assert sum(c.dropped.get("input.missing", 0) for c in counts if c is not None) == 2


def test_a_class_that_training_has_not_is_dropped(tmp_path: Path) -> None:
    world, recipe = written(tmp_path, LINES, "cleaning=[]")
    splits = worlds.build(recipe, world.store, ("raw_corpus", "clean_corpus"))
    tables = [v.version.parquet("data.parquet") for (s, _), v in splits.items() if s == "clean_corpus"]
    of_test = pl.concat(tables).filter(pl.col("split") == "test")["text"][0]
    lines = [line.rpartition(",")[0] + ",rare" if line.startswith(f"{of_test},") else line for line in LINES]
    world, recipe = written(tmp_path / "rare", [*lines, "nobody knows what this is,"], "cleaning=[]")
    built = worlds.build(recipe, world.store, DATA_STAGES)
    assert built["statistics", ALL].version.json("statistics.json")["classes"] == ["sea", "sky"]
    dropped = pl.concat([v.version.parquet("dropped.parquet") for (s, _), v in built.items() if s == "shards"])
    assert ("unknown_class", "rare") in dropped.select("reason", "evidence").rows()
    assert dropped.filter(pl.col("step") == "label").select("reason").rows() == [("missing",)]
    counts = [v.version.manifest.counts for (s, _), v in built.items() if s == "shards"]
    assert sum(c.dropped.get("label.missing", 0) for c in counts if c is not None) == 1


@pytest.mark.parametrize(("share", "split"), [("test", "test"), ("valid", "valid")])
def test_a_split_without_rows_is_said_before_training(tmp_path: Path, share: str, split: str) -> None:
    world, recipe = written(tmp_path, LINES, f"split.{share}=1e-9")
    with pytest.raises(BadData, match=f"the {split} split has no row of a known class") as caught:
        worlds.build(recipe, world.store, DATA_STAGES)
    assert caught.value.where == "tiny/statistics[all]" and caught.value.exit_code == 65


def test_one_class_is_not_enough(tmp_path: Path) -> None:
    world, recipe = written(tmp_path, [line.replace(",sky", ",sea") for line in LINES])
    with pytest.raises(BadData, match=r"all training rows are of class '.*'; a classifier needs two classes"):
        worlds.build(recipe, world.store, DATA_STAGES)


@pytest.mark.parametrize(
    ("end", "overrides", "hint"),
    [
        (b"\xff", (), "the source has no rows, or all were rejected; `satiety peek tiny/raw_corpus` shows the rejects"),
        (b"", ("cleaning=[{kind: length, minimum: 100}]",), "dropped {rows} of {rows} rows: length.too_short"),
    ],
)
def test_where_all_rows_went_is_said(tmp_path: Path, end: bytes, overrides: tuple[str, ...], hint: str) -> None:
    world, recipe = written(tmp_path, LINES, *overrides)
    path = world.path.with_suffix(".csv")
    head, *lines = path.read_bytes().splitlines()
    path.write_bytes(b"\n".join([head, *(line + end for line in lines)]) + b"\n")
    with pytest.raises(BadData, match="no training rows are left") as caught:
        worlds.build(recipe, world.store, DATA_STAGES)
    assert hint.format(rows=len(lines)) in caught.value.hint


def test_content_that_training_and_test_share_is_counted(tmp_path: Path) -> None:
    copies = [f"{line.rpartition(',')[0].upper()}!,{line.rpartition(',')[2]}" for line in LINES[1:]]
    numbered = [f"{line},{k}" for k, line in enumerate([*LINES[1:], *copies])]
    world = worlds.make(tmp_path)
    world.path.with_suffix(".csv").write_text("\n".join(["text,label,stars", *numbered]) + "\n")
    overrides = ["cleaning=[]", "split.columns=[stars]"]
    built = worlds.build(world.recipe(*overrides), world.store, ("raw_corpus", "clean_corpus", "statistics"))
    tables = [v.version.parquet("data.parquet") for (s, _), v in built.items() if s == "clean_corpus"]
    rows = pl.concat(tables).select(pl.col("text").str.to_lowercase().str.strip_suffix("!"), "split").rows()
    train = {content for content, split in rows if split == "train"}
    shared = {s: sum(split == s and content in train for content, split in rows) for s in ("valid", "test")}
    assert min(shared.values()) > 0
    assert built["statistics", ALL].version.json("statistics.json")["shared_with_train"] == shared


def test_without_deduplication_there_are_no_signatures(text: World, image: World) -> None:
    names = [stage.name for stage in stages(text.recipe("cleaning=[]"))]
    assert names == [name for name in worlds.EVERYTHING if name not in ("signatures", "duplicates")]
    assert [stage.name for stage in stages(text.recipe())] == list(worlds.EVERYTHING)
    assert "tokenizer" not in [stage.name for stage in stages(image.recipe())]
    seen: set[str] = set()
    for world in (text, image):
        for stage in stages(world.recipe()):
            assert {read.stage for read in stage.inputs} <= seen, "inputs come before"
            seen.add(stage.name)


def test_a_stage_that_is_not_there_is_named(text: World) -> None:
    with pytest.raises(Exception, match=r"tiny has no stage 'shard' \(it has raw_corpus, "):
        stage_named(text.recipe(), "shard")


@pytest.mark.parametrize(
    ("model", "form", "said"),
    [
        (
            {"kind": "transformer_encoder", "depth": 1, "dim": 16, "heads": 2, "dropout": 0.1},
            "text",
            "Transformer encoder, 1 layer, width 16, 2 heads",
        ),
        (
            {"kind": "vision_transformer", "depth": 4, "dim": 64, "heads": 1, "patch": 2},
            "image",
            "Vision transformer, 4 layers, width 64, 1 head, patches of 2 by 2",
        ),
        ({"kind": "series_transformer", "patch": 6}, "series", "Series transformer, patches of 6 steps"),
        ({"kind": "perceptron"}, "row", "Perceptron"),
    ],
)
def test_a_model_in_a_few_words(model: dict[str, Any], form: str, said: str) -> None:
    assert architecture(model, form) == said


def finished(build: Callable[[Path], None]) -> Services:
    """A launcher that leaves what `build` writes into the work folder."""
    return Services(launch=lambda run_file, recipe, on_record: build(run_file.parent))


def test_training_that_leaves_no_whole_result_is_an_error(text: World, tmp_path: Path) -> None:
    world = worlds.copied(text, tmp_path / "copy")
    stage = stage_named(world.recipe(), "model")

    def torn(work: Path) -> None:
        (work / "result").mkdir()
        (work / "result" / "done.json").write_text('{"files": {"model.json": "00"}}')
        (work / "result" / "model.json").write_text("{}")

    for leave in (lambda work: None, torn):
        with pytest.raises(TrainingFailed, match="left no whole result"):
            build_stage(stage, world.recipe(), ALL, world.store, finished(leave))
    assert world.store.slot("tiny", "model").fingerprints() == []


def test_a_failed_training_leaves_nothing_but_its_work(text: World, tmp_path: Path) -> None:
    world = worlds.copied(text, tmp_path / "copy")

    def fail(work: Path) -> None:
        raise CheckFailed("the loss is not finite", where="training")

    with pytest.raises(CheckFailed, match="training: the loss is not finite"):
        build_stage(stage_named(world.recipe(), "model"), world.recipe(), ALL, world.store, finished(fail))
    assert world.store.slot("tiny", "model").current() is None


def test_a_result_that_was_damaged_before_its_commit_is_made_again(trained_text: World, tmp_path: Path) -> None:
    world = worlds.copied(trained_text, tmp_path / "copy")
    recipe, slot = world.recipe(), world.store.slot("tiny", "model")
    version = world.version("model")
    stage = stage_named(recipe, "model")
    work = slot.work(wanted(stage, recipe, ALL, world.store).fingerprint)
    weights = work / "result" / "model.safetensors"
    damaged = bytearray(weights.read_bytes())
    damaged[-1] ^= 1
    weights.chmod(0o644)
    weights.write_bytes(damaged)
    worlds.remove(version)
    again = build_stage(stage, recipe, ALL, world.store, Services(launch=worlds.forked))
    assert again.built and again.version.digest == version.digest


def test_the_model_is_what_training_left(trained_text: World) -> None:
    version = trained_text.version("model")
    assert sorted(entry.name for entry in version.manifest.files) == sorted(RESULT_FILES)
    description = version.json("model.json")
    weights = load(version.file("model.safetensors").read_bytes())
    assert sum(value.size for value in weights.values()) == description["parameters"]
    assert description["classes"] == trained_text.version("statistics").json("statistics.json")["classes"]
    assert description["input"]["vocabulary"] == 320 and description["input"]["pad"] == 0
    valid = version.json("valid.json")
    rows = [sum(row) for row in valid["tally"]]
    counts = trained_text.version("statistics").json("statistics.json")["counts"]["valid"]
    assert rows == [counts.get(name, 0) for name in description["classes"]]
    facts = version.manifest.facts["valid"]
    assert facts["majority_accuracy"] == max(rows) / sum(rows) and facts["loss"] == valid["loss"]
    history = [json.loads(line) for line in version.file("history.jsonl").read_text().splitlines()]
    assert history[-1]["step"] == 60 and not any("time_ms" in line for line in history)
    assert version.cost is not None and version.cost["parameters"] == description["parameters"]


@pytest.mark.parametrize("split", ["valid", "test"])
def test_predictions_are_in_the_order_of_the_rows(trained_text: World, split: str) -> None:
    probabilities = predict_split(trained_text.version("model"), trained_text.every("token_cache"), split)
    shards = pl.concat([v.parquet("data.parquet") for v in trained_text.every("shards").values()])
    labels = shards.filter(pl.col("split") == split)["label"].to_numpy()
    assert probabilities.shape == (len(labels), 3)
    assert abs(probabilities.sum(axis=1) - 1).max() < 1e-5
    accuracy = float((probabilities.argmax(axis=1) == labels).mean())
    assert accuracy > 0.9, "rows in another order would come out at a third"
    if split == "valid":
        assert accuracy == trained_text.version("model").json("valid.json")["metrics"]["accuracy"]


def test_the_report_counts_what_the_model_was_given(tmp_path: Path, trained_image: World) -> None:
    """Images that only normalisation finds out to be none are in no split of the report."""
    world = worlds.make(tmp_path, "image")
    recipe = world.recipe("cleaning=[]", "normalization[0].maximum_pixels=64", "training.steps=40")
    for index in range(12):
        large = b"P5\n9 9\n255\n" + bytes((7 * index + k) % 251 for k in range(81))
        (world.path.with_suffix("") / "bar" / f"large-{index}.pgm").write_bytes(large)
    built = worlds.build(recipe, world.store)
    shards = [found.version for (stage, _), found in built.items() if stage == "shards"]
    assert sum(pl.concat([v.parquet("dropped.parquet") for v in shards])["reason"] == "too_many_pixels") == 12
    report = built["report", ALL].version.json("report.json")
    rows = pl.concat([v.parquet("data.parquet") for v in shards]).filter(pl.col("copy") == 0)
    assert {part["split"]: part["rows"] for part in report["splits"]} == dict(rows.group_by("split").len().iter_rows())


def test_the_report_says_what_the_model_is(trained_text: World) -> None:
    report = trained_text.version("report").json("report.json")
    assert report["subject"]["model"] == "Transformer encoder, 1 layer, width 16, 2 heads"
    origins = {(one["stage"], one["partition"]): one["digest"] for one in report["inputs"]}
    assert origins["model", ALL] == trained_text.version("model").digest
    assert origins["raw_corpus", "1"] == trained_text.version("raw_corpus", "1").digest
    for name in ("train_loss", "valid_loss", "valid_accuracy"):
        head, *curve = trained_text.version("report").file(f"{name}.csv").read_text().splitlines()
        assert head == f"step,{name}"
        steps = [int(line.split(",")[0]) for line in curve]
        assert steps == sorted(steps) and steps[-1] == 60
    metrics = trained_text.version("report").json("metrics.json")
    assert metrics and all(isinstance(value, int | float) for value in metrics.values())


def test_no_report_of_other_settings_than_the_recipes(trained_text: World) -> None:
    for override, said in (
        ("training.steps=61", r"model\[all\] was made with other settings: training.steps was 60 and is 61"),
        ("cleaning=[]", r"clean_corpus\[0\] was made with other settings: cleaning"),
    ):
        recipe = trained_text.recipe(override)
        with pytest.raises(CheckFailed, match=said):
            build_stage(stage_named(recipe, "report"), recipe, ALL, trained_text.store)


def test_a_source_that_changes_while_it_is_read_is_not_committed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under the fingerprint of the old content, new content would be found for ever."""
    world, recipe = written(tmp_path, LINES, "cleaning=[]")
    path = world.path.with_suffix(".csv")
    read = type(recipe.source).read

    def while_somebody_writes(self: Any, partition: str | None = None) -> Any:
        with path.open("a") as file:
            file.write("one more,sea\n")
        return read(self, partition)

    with monkeypatch.context() as patch, pytest.raises(Temporary, match="changed while it was read"):
        patch.setattr(type(recipe.source), "read", while_somebody_writes)
        build_stage(stage_named(recipe, "raw_corpus"), recipe, "0", world.store)
    assert world.store.slot("tiny", "raw_corpus", "0").current() is None
    built = build_stage(stage_named(recipe, "raw_corpus"), recipe, "0", world.store)
    assert built.version.manifest.counts is not None


def test_a_plan_hashes_the_source_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world, recipe = written(tmp_path, LINES, "partitions.hash=16")
    external, asked = type(recipe.source).external, []

    def counting(self: Any, partition: str | None = None) -> str:
        asked.append(partition)
        return external(self, partition)

    monkeypatch.setattr(type(recipe.source), "external", counting)
    make_plan(recipe, world.store)
    assert asked == [None]
    make_plan(recipe, world.store)
    assert asked == [None, None], "another plan is of another moment"
