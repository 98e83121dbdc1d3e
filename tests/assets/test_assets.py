"""What each asset tells the web page, held against the stored files, which are read here without our own code."""

from __future__ import annotations

import json

import polars as pl
import pytest

from ops.stages.chain import stages
from tests.assets.conftest import Materialized
from tests.tiny import (
    CLEAN,
    CONFLICTING,
    COPIES,
    IMAGE_CONFLICTING,
    IMAGE_COPIES,
    IMAGES,
    PARTITIONS,
    REJECTED,
    ROWS,
    SHORT,
    WORDS,
)

KEYS = [str(index) for index in range(PARTITIONS)]
CHECKS = {
    ("raw_corpus", "rows_accounted"),
    ("raw_corpus", "schema"),
    ("signatures", "rows_accounted"),
    ("duplicates", "no_source_lost"),
    ("clean_corpus", "rows_accounted"),
    ("clean_corpus", "schema"),
    ("statistics", "no_test_row_in_train"),
    ("shards", "rows_accounted"),
    ("shards", "schema"),
    ("token_cache", "rows_accounted"),
    ("model", "loss_finite"),
    ("model", "better_than_majority"),
    ("report", "better_than_majority"),
}


def table(made: Materialized, stage: str, partition: str, name: str = "data.parquet") -> pl.DataFrame:
    """A stored table, read by polars itself."""
    return pl.read_parquet(made.version(stage, partition).path / name)


def corpus(made: Materialized, stage: str) -> pl.DataFrame:
    """A stage's tables of all partitions."""
    return pl.concat([table(made, stage, key) for key in KEYS])


def test_every_asset_bears_the_digest_of_its_manifest(text: Materialized) -> None:
    for stage in stages(text.recipe):
        for partition in KEYS if stage.partitioned else [None]:
            event = text.event(stage.name, partition)
            version = text.version(stage.name, partition or "all")
            manifest = json.loads((version.path / "manifest.json").read_bytes())
            assert event.metadata["digest"].value == manifest["digest"], stage.name
            if not stage.partitioned:
                assert (event.tags or {})["dagster/data_version"] == manifest["digest"], stage.name


def test_a_run_over_several_partitions_has_one_data_version_for_all(text: Materialized) -> None:
    versions = {(text.event("raw_corpus", key).tags or {})["dagster/data_version"] for key in KEYS}
    assert len(versions) == 1
    assert not versions & {text.version("raw_corpus", key).digest for key in KEYS}


@pytest.mark.parametrize("modality", ["text", "image"])
def test_all_checks_are_there_and_pass(modality: str, request: pytest.FixtureRequest) -> None:
    made: Materialized = request.getfixturevalue(modality)
    found = made.checks()
    assert set(found) == CHECKS
    assert [name for name, (passed, _) in found.items() if not passed] == []


def test_rows_of_the_text(text: Materialized) -> None:
    for stage, rows in (("raw_corpus", ROWS - REJECTED), ("clean_corpus", CLEAN), ("shards", CLEAN)):
        shown = text.metadata(stage, "1")
        assert (shown["dagster/row_count"], shown["rows_out"]) == (rows, rows), stage
        assert shown["dagster/partition_row_count"] == table(text, stage, "1").height, stage
        assert corpus(text, stage).height == rows, stage
    assert text.metadata("raw_corpus", "0")["rows_in"] == ROWS


def test_reasons_of_the_text(text: Materialized) -> None:
    raw = text.metadata("raw_corpus", "0")["rows_by_reason"]
    assert sum(r["rows"] for r in raw if r["what"] == "rejected") == REJECTED
    clean = text.metadata("clean_corpus", "0")["rows_by_reason"]
    assert {r["reason"]: r["rows"] for r in clean if r["what"] == "dropped"} == {
        "exact_duplicates.duplicate": COPIES,
        "exact_duplicates.conflicting_label": CONFLICTING,
        "length.too_short": SHORT,
    }


def test_rows_of_the_images(image: Materialized) -> None:
    assert image.metadata("clean_corpus", "0")["rows_out"] == IMAGES
    duplicates = image.metadata("duplicates")
    assert duplicates["by_reason"] == {
        "exact_duplicates.conflicting_label": IMAGE_CONFLICTING,
        "exact_duplicates.duplicate": IMAGE_COPIES,
    }
    train = (corpus(image, "clean_corpus")["split"] == "train").sum()
    shards = image.metadata("shards", "0")
    assert shards["rows_out"] == IMAGES + train, "one altered copy of each training row"
    added = [r for r in shards["rows_by_reason"] if r["what"] == "added"]
    assert added == [{"what": "added", "reason": "copies", "rows": train}]
    assert image.metadata("token_cache", "0")["pixels"] == (IMAGES + train) * 64


def test_column_schemas_are_those_of_the_files(text: Materialized) -> None:
    for stage in ("raw_corpus", "clean_corpus", "shards"):
        shown = {column.name: column.type for column in text.metadata(stage, "0")["dagster/column_schema"].columns}
        assert shown == {name: str(dtype) for name, dtype in table(text, stage, "0").schema.items()}, stage
    assert shown["label"] == "Int32"


def test_splits_and_classes(text: Materialized) -> None:
    rows = corpus(text, "clean_corpus")
    shown = text.metadata("clean_corpus", "0")
    assert {split: shown[f"rows_{split}"] for split in ("train", "valid", "test")} == dict(
        rows.group_by("split").len().iter_rows()
    )
    statistics = text.metadata("statistics")
    assert statistics["classes"] == len(WORDS)
    counted = rows.group_by("label", "split").len()
    for record in statistics["class_balance"]:
        mine = counted.filter(pl.col("label") == record["class"])
        assert dict(mine.select("split", "len").iter_rows()) == {s: record[s] for s in ("train", "valid", "test")}


def test_vocabulary_and_tokens(text: Materialized) -> None:
    tokenizer = json.loads((text.version("tokenizer").path / "tokenizer.json").read_bytes())
    assert text.metadata("tokenizer")["vocabulary"] == len(tokenizer["model"]["vocab"])
    places = [text.version("token_cache", key).path / "index.arrow" for key in KEYS]
    lengths = pl.concat([pl.read_ipc(path)["length"] for path in places])
    shown = text.metadata("token_cache", "0")
    assert (shown["tokens"], shown["longest_row_tokens"]) == (lengths.sum(), lengths.max())


def test_the_model_shows_its_validation_and_its_cost(text: Materialized) -> None:
    shown = text.metadata("model")
    valid = json.loads((text.version("model").path / "valid.json").read_bytes())
    assert shown["valid_loss"] == valid["loss"]
    assert shown["valid_accuracy"] == valid["metrics"]["accuracy"] > shown["valid_majority_accuracy"]
    assert shown["parameters"] > 0
    assert shown["cpu_seconds"] > 0


def test_the_report_shows_its_figures_and_where_it_is(text: Materialized) -> None:
    shown = text.metadata("report")
    report = json.loads((text.version("report").path / "report.json").read_bytes())
    assert shown["report"] == str(text.version("report").path / "report.html")
    assert text.recipe.description in shown["summary"]
    assert shown["headline"] in json.dumps(report, ensure_ascii=False)


def test_a_rerun_says_that_nothing_was_built(text: Materialized) -> None:
    shown = text.metadata("clean_corpus", "0")
    assert (shown["partitions_built"], shown["partitions_reused"]) == (PARTITIONS, 0)
    assert text.metadata("model")["partitions_built"] == 1


def test_images_show_a_contact_sheet_of_their_copies(text: Materialized, image: Materialized) -> None:
    shown = image.metadata("shards")["contact_sheet"]
    assert "](data:image/png;base64," in shown and "(scale)" in shown
    report = json.loads((image.version("report").path / "report.json").read_bytes())
    assert report["contact_sheet"]["image"] in shown
    assert all(f"{number}. " in shown for number in range(1, len(report["contact_sheet"]["rows"]) + 1))
    assert "contact_sheet" not in text.metadata("shards")
