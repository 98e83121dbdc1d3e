"""The Dagster component behind `pipelines/defs/<recipe>/defs.yaml`: one recipe, all its assets, jobs and automation."""

from __future__ import annotations

from typing import Any

import dagster as dg
from pydantic import BaseModel, ConfigDict

import ops.recipe


class Attributes(BaseModel):
    """What Dagster knows of a recipe's keys: their schema, by which `dg check yaml` and editors check them.

    When a recipe is loaded it is not pydantic's first errors that are to be shown but all problems at once, by file,
    line and column, so any mapping gets this far and our own reader judges it.
    """

    model_config = ConfigDict(extra="allow")

    @classmethod
    def model_json_schema(cls, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """The schema of `ops.recipe.Recipe`, with its descriptions."""
        from ops.config import describe

        describe(ops.recipe.Recipe)
        return ops.recipe.Recipe.model_json_schema(*args, **kwargs)


class Recipe(dg.Component):
    """One pipeline from source to report; its attributes are the keys of `ops.recipe.Recipe`."""

    def __init__(self, recipe: ops.recipe.Recipe) -> None:
        self.recipe = recipe

    @classmethod
    def get_model_cls(cls) -> type[BaseModel]:
        """The schema of the attributes."""
        return Attributes

    @classmethod
    def load(cls, attributes: BaseModel | None, context: dg.ComponentLoadContext) -> Recipe:
        """Read the recipe from its file.

        Raises:
            RecipeError: it is wrong; all problems with their places.
        """
        from pipelines.recipe import load_file

        return cls(load_file(context.path / "defs.yaml", named=context.path.name))

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """The recipe's definitions, without the resources, which all recipes share."""
        from pipelines.build import recipe_definitions

        return recipe_definitions(self.recipe)
