"""The Dagster component behind `pipelines/defs/<recipe>/defs.yaml`: one recipe, all its assets, jobs and automation."""

from __future__ import annotations

import dagster as dg
from pydantic import BaseModel

import ops.recipe
from ops.config import describe


class Recipe(dg.Component):
    """One pipeline from source to report; its attributes are the keys of `ops.recipe.Recipe`."""

    def __init__(self, recipe: ops.recipe.Recipe) -> None:
        self.recipe = recipe

    @classmethod
    def get_model_cls(cls) -> type[BaseModel]:
        """The schema of the attributes, which Dagster checks and documents."""
        describe(ops.recipe.Recipe)
        return ops.recipe.Recipe

    @classmethod
    def load(cls, attributes: BaseModel | None, context: dg.ComponentLoadContext) -> Recipe:
        """Read the recipe again with our own strict reader, whose errors name file, line and column."""
        from pipelines.recipe import load_file

        return cls(load_file(context.path / "defs.yaml"))

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """The recipe's definitions, without the resources, which all recipes share."""
        from pipelines.build import recipe_definitions

        return recipe_definitions(self.recipe)
