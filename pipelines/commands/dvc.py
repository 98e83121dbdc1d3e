"""`satiety dvc`: dvc.yaml from recipes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipelines.commands.options import JsonOption


def dvc(
    recipes: Annotated[
        list[str] | None,
        typer.Argument(metavar="[RECIPE]...", help="Recipes by path; those that ship by default.", show_default=False),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit code 4 if dvc.yaml is out of date.")
    ] = False,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder of dvc.yaml and of all that it names.", file_okay=False)
    ] = Path(),
    as_json: JsonOption = False,
) -> None:
    """Write dvc.yaml from recipes.

    One DVC stage for each asset. Where Satiety is installed and not part of the project, dvc.code.yaml is written too:
    hashes of the code behind each stage."""
    from pipelines import dvc as generator
    from pipelines.console import give, say
    from pipelines.recipe import SHIPPED, load
    from pipelines.recipe import recipes as known
    from resources.settings import load_settings

    names = recipes or [name for name, path in known().items() if SHIPPED in path.parents]
    files = generator.render([load(name) for name in names], output, load_settings(output).store)
    if check:
        generator.check(files, output)
    changed = [] if check else generator.write(files, output)
    if as_json:
        give({"paths": [str(output / name) for name in files], "changed": changed})
    else:
        for name in files:
            say(f"{output / name} {'written' if name in changed else 'is up to date'}")
