"""Everything that Dagster loads: the shipped recipes and those of the folders in SATIETY_RECIPES."""

from __future__ import annotations

import warnings

import dagster as dg


@dg.definitions
def defs() -> dg.Definitions:
    """The definitions of this code location.

    Raises:
        RecipeError: a recipe is wrong; all its problems with their places.
    """
    import pipelines.defs
    from pipelines.build import recipe_definitions, shared_definitions
    from pipelines.recipe import SHIPPED, load_file, recipes
    from resources.settings import load_settings

    settings = load_settings()
    with warnings.catch_warnings():
        # Loading a folder of recipes is a preview, naming their files beta, in Dagster's words; the tests drive both.
        warnings.simplefilter("ignore", dg.PreviewWarning)
        warnings.simplefilter("ignore", dg.BetaWarning)
        # By module, not by `pyproject.toml`, which an installed package does not have.
        shipped = dg.ComponentTree.from_module(pipelines.defs, project_root=SHIPPED.parent.parent).build_defs()
    others = {name: path for name, path in recipes().items() if SHIPPED not in path.parents}
    extra = [recipe_definitions(load_file(path, named=name), settings) for name, path in others.items()]
    return dg.Definitions.merge(shipped, *extra, shared_definitions(settings))
