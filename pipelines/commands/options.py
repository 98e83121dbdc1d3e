"""Arguments and options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer


def _recipe_names() -> list[str]:
    from pipelines.recipe import recipes

    return list(recipes())


RecipeArgument = Annotated[
    str,
    typer.Argument(
        metavar="RECIPE",
        help="Name of a recipe, or path of its YAML file.",
        autocompletion=_recipe_names,
        show_default=False,
    ),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Change a key of the recipe for this call, as in training.epochs=2 or cleaning[0].minimum=5. Repeatable.",
        show_default=False,
    ),
]
StageOption = Annotated[
    list[str] | None,
    typer.Option("--stage", metavar="NAME", help="Only this stage. Repeatable.", show_default=False),
]
PartitionOption = Annotated[
    list[str] | None,
    typer.Option("--partition", metavar="KEY", help="Only this partition. Repeatable.", show_default=False),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document to standard output.")]
