"""The blocking checks: each passes what is right and stops what is wrong, and a failed one stops what comes after."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import dagster as dg
import pytest

from assets import clean_corpus, model, report, statistics
from assets.look import Check, Versions, rows_accounted
from ops.recipe import Recipe
from pipelines.recipe import load
from tests.ops.evaluation.example import text_report
from tests.tiny import tiny_recipe


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Recipe:
    return load(str(tiny_recipe(tmp_path_factory.mktemp("recipe")))).recipe


def version(**manifest: Any) -> Any:
    """What a check sees of a stored version."""
    return SimpleNamespace(manifest=SimpleNamespace(**manifest))


def check(checks: tuple[Check, ...], name: str) -> Check:
    (found,) = [one for one in checks if one.name == name]
    return found


@pytest.mark.parametrize(("out", "lost"), [(6, {}), (5, {"b": 1}), (7, {"b": -1})])
def test_rows_that_are_unaccounted_for_are_named(recipe: Recipe, out: int, lost: dict[str, int]) -> None:
    # Not `Counts`, which refuses such books: the check is there for manifests from elsewhere.
    books = {"rows_in": 10, "added": 2, "rejected": {"bad": 1}, "dropped": {"short": 2, "long": 3}}
    good = version(counts=SimpleNamespace(**books, rows_out=6))
    found = rows_accounted(recipe, {"a": good, "b": version(counts=SimpleNamespace(**books, rows_out=out))})
    assert (found.passed, found.metadata) == (not lost, {"unaccounted": lost})


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({}, {}),
        ({"more": "String"}, {}),
        ({"label": "Int64"}, {"label": ["String", "Int64"]}),
        ({"split": None}, {"split": ["String", "missing"]}),
    ],
)
def test_columns_that_are_not_as_declared_are_named(
    recipe: Recipe, change: dict[str, Any], wrong: dict[str, Any]
) -> None:
    columns = {"id": "String", "text": "String", "label": "String", "split": "String", **change}
    schema = [(name, kind) for name, kind in columns.items() if kind]
    one = version(files=[SimpleNamespace(name="data.parquet", schema=schema)])
    found = check(clean_corpus.LOOK.checks, "schema").judge(recipe, {"0": one})
    assert (found.passed, found.metadata) == (not wrong, {"expected_and_found": {"0": wrong} if wrong else {}})


@pytest.mark.parametrize("shared", [{"valid": 0, "test": 0}, {"valid": 0, "test": 1}, {"valid": 2, "test": 0}])
def test_a_test_row_in_train_is_found(recipe: Recipe, shared: dict[str, int]) -> None:
    one = cast("Any", SimpleNamespace(json=lambda name: {"shared_with_train": shared}))
    found = check(statistics.LOOK.checks, "no_test_row_in_train").judge(recipe, {"all": one})
    assert found.passed == (sum(shared.values()) == 0)
    assert found.metadata == {f"{split}_rows_in_train": rows for split, rows in shared.items()}


@pytest.mark.parametrize(
    ("valid", "finite", "better"),
    [
        ({"loss": 0.5, "accuracy": 0.6, "majority_accuracy": 0.5}, True, True),
        ({"loss": 0.5, "accuracy": 0.5, "majority_accuracy": 0.5}, True, False),
        ({"loss": math.nan, "accuracy": 0.6, "majority_accuracy": 0.5}, False, True),
        ({"loss": math.inf, "accuracy": 0.6, "majority_accuracy": 0.5}, False, True),
    ],
)
def test_a_model_that_has_learned_nothing_is_stopped(
    recipe: Recipe, valid: dict[str, float], finite: bool, better: bool
) -> None:
    versions: Versions = {"all": version(facts={"valid": valid})}
    assert check(model.look(recipe).checks, "loss_finite").judge(recipe, versions).passed == finite
    assert check(model.look(recipe).checks, "better_than_majority").judge(recipe, versions).passed == better


@pytest.mark.parametrize(("skill", "passed"), [(0.8, True), (0.05, False)])
def test_a_report_of_a_guessing_model_is_stopped(recipe: Recipe, tmp_path: Path, skill: float, passed: bool) -> None:
    (tmp_path / "report.json").write_text(text_report(model=skill, rows=400).model_dump_json())
    one = cast("Any", SimpleNamespace(file=lambda name: tmp_path / name))
    (found,) = [one_check.judge(recipe, {"all": one}) for one_check in report.look(recipe).checks]
    assert found.passed == passed
    assert (found.metadata["low"] > 0) == passed


def test_every_check_blocks(recipe: Recipe) -> None:
    key = dg.AssetKey(["tiny", "x"])
    looks = (clean_corpus.LOOK, model.look(recipe), report.look(recipe), statistics.LOOK)
    assert all(one.spec(key).blocking for look in looks for one in look.checks)
