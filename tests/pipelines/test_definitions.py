from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from pipelines.build import recipe_definitions, shared_definitions
from pipelines.definitions import defs
from pipelines.recipe import load_file
from resources.settings import load_settings
from tests.tiny import tiny_recipe

pytestmark = pytest.mark.filterwarnings("error::dagster.BetaWarning", "error::dagster.PreviewWarning")

TEXT = {
    "raw_corpus": set(),
    "signatures": {"raw_corpus"},
    "duplicates": {"signatures"},
    "clean_corpus": {"raw_corpus", "duplicates"},
    "statistics": {"clean_corpus"},
    "shards": {"clean_corpus", "statistics"},
    "tokenizer": {"shards"},
    "token_cache": {"shards", "tokenizer"},
    "model": {"token_cache", "statistics", "tokenizer"},
    "report": {"raw_corpus", "clean_corpus", "statistics", "shards", "token_cache", "model"},
}
"""The graph of a text recipe: the stages that each stage reads."""
FOLDS = {"duplicates", "statistics", "tokenizer", "model", "report"}


@pytest.fixture
def recipes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that SATIETY_RECIPES names; stores and homes are elsewhere too."""
    monkeypatch.setenv("SATIETY_RECIPES", str(tmp_path))
    monkeypatch.setenv("SATIETY_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("SATIETY_HOME", str(tmp_path / "home"))
    yield tmp_path


def loaded(*paths: Path) -> dg.Definitions:
    """The definitions of recipes, as a code location has them."""
    settings = load_settings(paths[0].parent, {})
    return dg.Definitions.merge(
        *(recipe_definitions(load_file(path), settings) for path in paths), shared_definitions(settings)
    )


def graph(made: dg.Definitions, recipe: str) -> dict[str, set[str]]:
    """The stages that each stage of a recipe depends on."""
    nodes = made.resolve_asset_graph()
    keys = [key for key in nodes.get_all_asset_keys() if key.path[0] == recipe]
    return {key.path[1]: {parent.path[1] for parent in nodes.get(key).parent_keys} for key in keys}


def test_shipped_recipes_and_those_of_the_users_folders_are_loaded(recipes: Path) -> None:
    tiny_recipe(recipes)
    made = defs()
    assert set(graph(made, "tiny")) == set(TEXT)
    assert set(graph(made, "quickstart")) == set(TEXT)
    assert set(graph(made, "digits")) == set(TEXT) - {"tokenizer"}
    jobs = {f"{name}{half}" for name in ("tiny", "quickstart", "digits") for half in ("", "_data", "_training")}
    assert jobs <= {job.name for job in made.resolve_all_job_defs()}
    dg.Definitions.validate_loadable(made)


def test_a_text_recipe_maps_folds_and_maps(tmp_path: Path) -> None:
    made = loaded(tiny_recipe(tmp_path))
    assert graph(made, "tiny") == TEXT
    nodes = made.resolve_asset_graph()
    for stage in TEXT:
        node = nodes.get(dg.AssetKey(["tiny", stage]))
        assert (node.partitions_def is None) == (stage in FOLDS), stage
        assert node.group_name == "tiny"
        assert node.owners == ["team:tests"]
        assert node.code_version


def test_images_have_the_same_graph_without_a_vocabulary(tmp_path: Path) -> None:
    made = loaded(tiny_recipe(tmp_path, modality="image"))
    expected = {stage: inputs - {"tokenizer"} for stage, inputs in TEXT.items() if stage != "tokenizer"}
    assert graph(made, "tiny") == expected


def test_a_fold_that_is_not_needed_is_not_there(tmp_path: Path) -> None:
    made = loaded(tiny_recipe(tmp_path, cleaning=[]))
    found = graph(made, "tiny")
    assert not {"signatures", "duplicates"} & set(found)
    assert found["clean_corpus"] == {"raw_corpus"}


def test_a_changed_key_gives_a_new_code_version_to_what_reads_it_and_nothing_else(tmp_path: Path) -> None:
    def versions(**overrides: Any) -> dict[str, str | None]:
        made = loaded(tiny_recipe(tmp_path, **overrides))
        nodes = made.resolve_asset_graph()
        return {stage: nodes.get(dg.AssetKey(["tiny", stage])).code_version for stage in TEXT}

    before = versions()
    assert versions() == before

    def changed(**overrides: Any) -> set[str]:
        after = versions(**overrides)
        return {stage for stage in TEXT if after[stage] != before[stage]}

    # Only the recipe's own part counts here: what follows from an input is for the input's data version to say.
    assert changed(training={"steps": 61}) == {"model", "report"}, "the report prints the whole recipe"
    assert "clean_corpus" in changed(split={"test": 0.3})
    assert "raw_corpus" not in changed(split={"test": 0.3})
    assert changed(automation={"data": "0 1 * * *"}) == set()
    assert changed(owners=["team:others"]) == set()


def test_a_broken_recipe_stands_beside_the_others_with_its_problems(
    recipes: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tiny_recipe(recipes)
    path.write_text(path.read_text().replace("seed: 3", "sed: 3"))
    tiny_recipe(recipes, name="one").rename(recipes / "other.yaml")
    tiny_recipe(recipes, name="whole")
    made = defs()
    assert set(graph(made, "whole")) == set(TEXT) and set(graph(made, "quickstart")) == set(TEXT)
    for name, text in (
        ("tiny", "tiny.yaml:3:1: unknown key 'sed'; did you mean 'seed'?"),
        ("other", "name is 'one', the recipe's file or folder is called 'other'"),
    ):
        assert set(graph(made, name)) == {"broken_recipe"}
        node = made.resolve_asset_graph().get(dg.AssetKey([name, "broken_recipe"]))
        assert text in str(node.description) and not node.is_executable
        assert any(text in entry.getMessage() for entry in caplog.records)


def test_recipes_share_a_code_location(tmp_path: Path) -> None:
    made = loaded(*(tiny_recipe(tmp_path, name=name) for name in ("one", "two")))
    assert graph(made, "one") == graph(made, "two") == TEXT


def test_an_installation_without_the_repository_around_it_loads_too(tmp_path: Path) -> None:
    """As from a wheel: packages alone, no pyproject.toml in any folder above them."""
    root = Path(__file__).parents[2]
    for package in ("assets", "ops", "pipelines", "resources"):
        shutil.copytree(root / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    code = "from pipelines.definitions import defs; print(len(defs().resolve_asset_graph().get_all_asset_keys()))"
    done = subprocess.run(
        [sys.executable, "-W", "error::dagster.PreviewWarning", "-c", code],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.strip() == "35", done.stderr
    assert "Warning" not in done.stderr
