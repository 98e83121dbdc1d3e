"""The whole chain of rows of a table: holes filled, outliers gone, rare classes filled up, training, and the report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import yaml

from ops.errors import BadData
from ops.evaluation.reports import read_report
from ops.evaluation.schema import Report
from ops.recipe import Recipe
from ops.stages.cached import cached_rows
from ops.stages.chain import stages
from ops.stages.run import Built
from ops.stages.spec import ALL
from ops.storage import Store
from pipelines.recipe import load
from tests.chain import worlds
from tests.tables import BROKEN, COPIES, HOLES, KEPT, SPIKES, table_recipe

EVERYTHING = (
    "raw_corpus", "signatures", "duplicates", "fitted", "clean_corpus", "statistics", "shards", "token_cache",
    "model", "report",
)  # fmt: skip
DATA = EVERYTHING[:-2]
Places = dict[tuple[str, str], Built]


def make(folder: Path, **overrides: Any) -> Recipe:
    return load(str(table_recipe(folder, **overrides)), ()).recipe


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Recipe:
    return make(tmp_path_factory.mktemp("table"))


@pytest.fixture(scope="module")
def built(recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Places:
    return worlds.build(recipe, Store(tmp_path_factory.mktemp("store")), EVERYTHING)


def every(built: Places, recipe: Recipe, stage: str, file: str = "data.parquet") -> pl.DataFrame:
    versions = [built[stage, key].version for key in recipe.partition_keys()]
    return pl.concat([cached_rows(v) if stage == "token_cache" else v.parquet(file) for v in versions])


def test_the_chain_is_that_of_every_recipe_without_a_vocabulary(recipe: Recipe) -> None:
    assert tuple(stage.name for stage in stages(recipe)) == EVERYTHING


def test_every_row_is_accounted_for_from_the_file_to_the_cache(built: Places, recipe: Recipe) -> None:
    assert every(built, recipe, "raw_corpus", "rejects.parquet").height == BROKEN
    dropped = every(built, recipe, "clean_corpus", "dropped.parquet")
    assert dict(dropped["step"].value_counts().iter_rows()) == {"exact_duplicates": COPIES, "outliers": SPIKES}
    assert any("leaf 301 · length 901.0 · width 200.0 · soil clay" in text for text in dropped["excerpt"])
    counts = [built["clean_corpus", key].version.manifest.counts for key in recipe.partition_keys()]
    assert sum(c.changed["impute.width.knn"] for c in counts if c is not None) == HOLES
    index = every(built, recipe, "token_cache", "index.arrow")
    assert index.filter(pl.col("copy") == 0).height == KEPT and set(index["length"]) == {3}
    assert set(index.filter(pl.col("copy") > 0)["split"]) == {"train"}


def test_numbers_are_rescaled_by_the_training_rows_alone(built: Places, recipe: Recipe) -> None:
    clean, rows = every(built, recipe, "clean_corpus"), every(built, recipe, "shards").filter(pl.col("copy") == 0)
    train = clean.filter(pl.col("split") == "train")["length"].to_numpy()
    wanted = (clean.sort("id")["length"].to_numpy() - train.mean()) / train.std()
    np.testing.assert_allclose(rows.sort("id")["length"].to_numpy(), wanted, rtol=1e-9)
    soils = clean.sort("id")["soil"].to_list()
    names = sorted(set(clean.filter(pl.col("split") == "train")["soil"].drop_nulls()))
    assert rows.sort("id")["soil"].to_list() == [0 if s is None else 1 + names.index(s) for s in soils]
    assert None in soils and names == ["bog", "clay", "sand"]


def test_the_rare_class_is_filled_up_between_its_rows(built: Places, recipe: Recipe) -> None:
    rows = every(built, recipe, "shards").filter(pl.col("split") == "train")
    yew = built["statistics", ALL].version.json("statistics.json")["classes"].index("yew")
    own, made = (rows.filter(c) for c in (pl.col("copy") == 0, pl.col("copy") > 0))
    assert set(made["label"]) >= {yew}
    few = own.filter(pl.col("label") == yew)
    added = made.filter(pl.col("label") == yew)
    assert added.height > 3 * few.height
    for name, noise in (("length", 0.0), ("width", 0.06)):
        assert few[name].min() - noise <= added[name].min() and added[name].max() <= few[name].max() + noise  # type: ignore[operator]
    assert not set(added["length"]) <= set(few["length"])
    # Copies reach what the model is trained on.
    flat = [
        np.frombuffer(built["token_cache", key].version.file("data.bin").read_bytes(), "<f4").reshape(-1, 3)
        for key in recipe.partition_keys()
    ]
    shards = every(built, recipe, "shards")
    assert np.array_equal(np.concatenate(flat)[:, 0], shards["length"].cast(pl.Float32).to_numpy())
    assert np.array_equal(np.concatenate(flat)[:, 2], shards["soil"].cast(pl.Float32).to_numpy())


def test_the_model_is_told_of_columns_and_the_report_says_what_was_learned(built: Places) -> None:
    model = built["model", ALL].version
    read = model.json("model.json")["input"]
    assert (read["kind"], read["numbers"], read["categories"]) == ("row", 2, [4])
    np.testing.assert_allclose(read["std"], [1.0, 1.0], atol=1e-9)
    report = read_report(built["report", ALL].version.file("report.json").read_bytes())
    assert isinstance(report, Report)
    assert report.classes == ["fir", "oak", "yew"] and report.verdict.outcome != "useless"
    assert next(s for s in report.scores if s.role == "model").accuracy.value > 0.85
    assert [s.name for s in report.scores] == ["Model", "Boosted trees", "Majority class"]
    assert {"impute", "outliers", "rescale"} <= {learned.step for learned in report.learned} | {"impute"}
    texts = [row.text or "" for row in report.samples]
    assert all(text.startswith("length ") and " · soil " in text for text in texts)
    assert any(text.endswith(("bog", "clay", "sand")) for text in texts)


def test_partitions_and_their_number_change_nothing_that_is_learned(
    built: Places, recipe: Recipe, tmp_path: Path
) -> None:
    other = make(tmp_path, partitions={"hash": 5})
    again = worlds.build(other, Store(tmp_path / "store"), DATA[:-2])
    for stage in ("fitted", "statistics"):
        assert again[stage, ALL].version.digest == built[stage, ALL].version.digest


def test_a_hole_is_named_with_its_column(tmp_path: Path) -> None:
    cleaning = [{"kind": "exact_duplicates", "columns": ["leaf"], "conflict_label": "kind"}]
    recipe = make(tmp_path, cleaning=cleaning, augmentation=None)
    with pytest.raises(BadData, match=f"{HOLES} rows have no value of 'width'.*impute"):
        worlds.build(recipe, Store(tmp_path / "store"), DATA)


def test_without_a_name_rows_are_known_by_what_the_model_reads(tmp_path: Path) -> None:
    """Equal rows are in one partition and on one side; a model over categories and one over numbers alone read them."""
    steps = [{"kind": "consistency", "columns": {"width": {"required": True}}}]
    known = {"input": "", "features": ["length", "width"], "categories": []}
    perceptron = {"model": {"kind": "perceptron", "layers": [32], "dropout": 0.0}}
    recipe = make(tmp_path, cleaning=steps, task=known, augmentation=None, replace=perceptron)
    assert recipe.known_by == ["length", "width"]
    built = worlds.build(recipe, Store(tmp_path / "store"), ("raw_corpus", *DATA[4:], "model", "report"))
    clean = every(built, recipe, "clean_corpus")
    twice = clean.group_by("length", "width").agg(pl.len(), pl.col("split").n_unique().alias("sides"))
    assert twice["len"].max() == 2 and twice["sides"].max() == 1
    assert built["statistics", ALL].version.json("statistics.json")["shared_with_train"] == {"valid": 0, "test": 0}
    names = make(
        tmp_path, cleaning=[{"kind": "exact_duplicates", "columns": ["leaf"]}], normalization=[], augmentation=None,
        task={"features": [], "categories": ["soil"]},
        replace={"evaluation": {"bootstrap": 100, "baseline": {"kind": "logistic_regression"}}},
    )  # fmt: skip
    figures = worlds.build(names, Store(tmp_path / "other"), EVERYTHING)["report", ALL].version.json("metrics.json")
    assert figures["accuracy"] > figures["majority_accuracy"]


@pytest.mark.parametrize(
    ("overrides", "path", "text"),
    [
        ({"task": {"features": ["length", "soil"], "categories": []}}, ("task", "features", 1), "which is no number"),
        ({"task": {"categories": ["width2"]}}, ("task", "categories", 0), "the source has no column 'width2'"),
        ({"task": {"categories": ["length"], "features": ["width"]}}, ("task", "categories", 0), "has no categories"),
        ({"normalization": [{"kind": "rescale", "columns": ["soil"]}]}, ("normalization", 0, "columns"), "categories"),
        (
            {"augmentation": {"steps": [{"kind": "smote", "columns": ["leaf"]}]}},
            ("augmentation", "steps", 0, "columns"),
            "only those columns can be changed here, not 'leaf'",
        ),
        (
            {"task": {"input": ""}},
            ("cleaning", 2, "kind"),
            "change it; let it go by others (split.columns, or task.input)",
        ),
        (
            {"replace": {"model": {"kind": "series_transformer"}}},
            ("model", "kind"),
            "series_transformer reads series, not row",
        ),
        (
            {"replace": {"evaluation": {"baseline": {"kind": "gradient_boosting"}}}},
            ("evaluation", "baseline", "kind"),
            "gradient_boosting does not read row",
        ),
    ],
)
def test_what_does_not_fit_is_said_with_its_place(
    tmp_path: Path, overrides: dict[str, Any], path: tuple[str | int, ...], text: str
) -> None:
    content = yaml.safe_load(table_recipe(tmp_path, **overrides).read_text())
    found = Recipe.model_validate(content).problems()
    assert [message for place, message in found if place == path and text in message], found


@pytest.mark.mirror
@pytest.mark.slow
def test_cardiotocograms_of_adbench(mirror: Path, tmp_path: Path) -> None:
    """2,114 recordings of 21 numbers, a fifth of them pathologic; repeats are dropped, the rare class filled up."""
    features = [f"x{number}" for number in range(21)]
    path = table_recipe(
        tmp_path,
        replace={"source": {"kind": "npz", "path": str(mirror / "adbench" / "7_Cardiotocography.npz"), "features": 21}},
        partitions={"hash": None, "single": True},
        cleaning=[{"kind": "exact_duplicates", "columns": [*features], "conflict_label": "label"}],
        normalization=[{"kind": "rescale", "columns": [*features], "method": "robust"}],
        augmentation={"copies": 4, "steps": [{"kind": "smote", "columns": [*features]}]},
        task={"input": "", "label": "label", "features": features, "categories": []},
        model={"dim": 16, "depth": 1, "dropout": 0.1},
        training={"steps": 300, "batch_size": 32, "learning_rate": 0.005, "checkpoint_every": 100},
        evaluation={"baseline": {"trees": 50}},
    )
    recipe = load(str(path), ()).recipe
    stage_names = [stage.name for stage in stages(recipe)]
    figures = worlds.build(recipe, Store(tmp_path / "store"), stage_names)["report", ALL].version.json("metrics.json")
    assert figures["accuracy"] > figures["majority_accuracy"] + 0.08
    assert figures["macro_f1"] > 0.83 and figures["baseline_accuracy"] > 0.94
