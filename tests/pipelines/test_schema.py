"""The JSON Schema of recipes: every key described, and it agrees with the models on what a recipe is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ops.recipe import Recipe
from pipelines.schema import recipe_schema, undescribed
from pipelines.yaml_strict import read
from tests.pipelines.conftest import RECIPE

jsonschema = pytest.importorskip("jsonschema", reason="no JSON Schema validator to compare with")


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    return recipe_schema()


def accepts(schema: dict[str, Any], text: str) -> bool:
    return bool(jsonschema.Draft202012Validator(schema).is_valid(read(text.encode(), "f").data))


def test_every_key_is_described(schema: dict[str, Any]) -> None:
    assert undescribed(schema) == []
    names = set(schema["$defs"])
    assert {"Recipe", "Csv", "Length", "TrainingConfig", "TransformerEncoder"} <= names
    assert all(schema["$defs"][name].get("description") for name in names)
    assert set(Recipe.model_fields) == set(schema["$defs"]["Recipe"]["properties"])


def test_the_check_for_descriptions_sees_a_missing_one(schema: dict[str, Any]) -> None:
    damaged = json.loads(json.dumps(schema))
    del damaged["$defs"]["Recipe"]["properties"]["seed"]["description"]
    assert undescribed(damaged) == ["Recipe.seed"]


def test_it_is_a_schema_and_takes_both_forms(schema: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator.check_schema(schema)
    wrapped = "type: pipelines.component.Recipe\nattributes:\n" + "".join(f"  {line}\n" for line in RECIPE.splitlines())
    assert accepts(schema, RECIPE)
    assert accepts(schema, wrapped)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("seed: 3", "sed: 3"),
        ("hash: 2", "hash: 0"),
        ("kind: length", "kind: lenght"),
        ("  epochs: 1", "  epochs: one"),
        ("name: tiny", "name: Tiny"),
    ],
)
def test_it_refuses_what_the_models_refuse(schema: dict[str, Any], old: str, new: str) -> None:
    assert not accepts(schema, RECIPE.replace(old, new))
