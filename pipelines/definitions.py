"""Everything that Dagster loads: the shipped recipes and those of the folders in SATIETY_RECIPES."""

from __future__ import annotations

import warnings
from pathlib import Path

import dagster as dg


@dg.definitions
def defs() -> dg.Definitions:
    """The definitions of this code location."""
    from pipelines.build import recipe_definitions, shared_definitions
    from pipelines.recipe import SHIPPED, load_file, recipes
    from resources.settings import load_settings

    # Single-run backfills are beta in Dagster's words; the tests drive them.
    warnings.filterwarnings("ignore", category=dg.BetaWarning)
    settings = load_settings()
    shipped = dg.load_from_defs_folder(path_within_project=Path(__file__).parent)
    others = [path for path in recipes().values() if SHIPPED not in path.parents]
    extra = [recipe_definitions(load_file(path), settings) for path in others]
    return dg.Definitions.merge(shipped, *extra, shared_definitions(settings))
