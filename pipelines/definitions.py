"""Everything that Dagster loads: the shipped recipes and those of the folders in SATIETY_RECIPES."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

import dagster as dg

from resources.settings import Settings

log = logging.getLogger("satiety.recipes")


@dg.definitions
def defs() -> dg.Definitions:
    """The definitions of this code location.

    A recipe of a user's folder that is wrong takes no other recipe off the page: in its place stands one asset that
    cannot be built, described by its problems.

    Raises:
        RecipeError: a shipped recipe is wrong; all its problems with their places.
    """
    import pipelines.defs
    from pipelines.build import shared_definitions
    from pipelines.recipe import SHIPPED, recipes
    from resources.settings import load_settings

    settings = load_settings()
    with warnings.catch_warnings():
        # Loading a folder of recipes is a preview, naming their files beta, in Dagster's words; the tests drive both.
        warnings.simplefilter("ignore", dg.PreviewWarning)
        warnings.simplefilter("ignore", dg.BetaWarning)
        # By module, not by `pyproject.toml`, which an installed package does not have.
        shipped = dg.ComponentTree.from_module(pipelines.defs, project_root=SHIPPED.parent.parent).build_defs()
    others = {name: path for name, path in recipes().items() if SHIPPED not in path.parents}
    extra = [_of_user(name, path, settings) for name, path in others.items()]
    return dg.Definitions.merge(shipped, *extra, shared_definitions(settings))


def _of_user(name: str, path: Path, settings: Settings) -> dg.Definitions:
    from ops.errors import SatietyError
    from pipelines.build import recipe_definitions
    from pipelines.recipe import load_file

    try:
        return recipe_definitions(load_file(path, named=name), settings)
    except SatietyError as error:
        log.error("recipe %s is left out: %s", name, error)
        text = f"This recipe is wrong, and none of its assets can be shown:\n\n```\n{error}\n```"
        broken = dg.AssetSpec([name, "broken_recipe"], group_name=name, description=text, kinds={"yaml"})
        return dg.Definitions(assets=[broken])
