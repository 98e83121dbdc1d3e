"""The JSON Schema of recipe files: what editors complete and check by, generated from the recipe's models."""

from __future__ import annotations

from typing import Any

from pipelines.recipe import COMPONENT

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def recipe_schema() -> dict[str, Any]:
    """The schema of a recipe file: a recipe's keys, or a component with `type` and `attributes`."""
    from ops.config import describe
    from ops.recipe import Recipe

    describe(Recipe)
    made = Recipe.model_json_schema(ref_template="#/$defs/{model}")
    definitions: dict[str, Any] = made.pop("$defs", {})
    definitions["Recipe"] = made
    for definition in definitions.values():
        _describe_kind(definition)
    component = {
        "type": "object",
        "description": "A recipe as a Dagster component.",
        "properties": {
            "type": {"const": COMPONENT, "description": "The component that turns a recipe into assets."},
            "attributes": {"$ref": "#/$defs/Recipe", "description": "The recipe."},
        },
        "required": ["type", "attributes"],
        "additionalProperties": False,
    }
    return {
        "$schema": DIALECT,
        "title": "Satiety recipe",
        "if": {"anyOf": [{"required": ["type"]}, {"required": ["attributes"]}]},
        "then": component,
        "else": {"$ref": "#/$defs/Recipe"},
        "$defs": dict(sorted(definitions.items())),
    }


def undescribed(schema: dict[str, Any]) -> list[str]:
    """Paths of the keys that have no description, which no key should be without."""
    found = []
    for name, definition in schema["$defs"].items():
        for key, value in definition.get("properties", {}).items():
            if not str(value.get("description", "")).strip():
                found.append(f"{name}.{key}")
    return found


def _describe_kind(definition: dict[str, Any]) -> None:
    """`kind` says which sort this is: where it has no words of its own, the first line about the sort stands for it."""
    kind = definition.get("properties", {}).get("kind")
    if kind is not None and "description" not in kind:
        kind["description"] = str(definition.get("description", "")).split("\n")[0] or "The sort."
