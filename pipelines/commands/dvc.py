"""`satiety dvc`: dvc.yaml from the recipes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipelines.commands.options import JsonOption


def dvc(
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit code 4 if dvc.yaml is out of date.")
    ] = False,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The file; paths in it are relative to its folder.", dir_okay=False)
    ] = Path("dvc.yaml"),
    as_json: JsonOption = False,
) -> None:
    """Write dvc.yaml from the shipped recipes.

    One DVC stage for each asset."""
    from pipelines import dvc as generator
    from pipelines.console import give, say
    from pipelines.recipe import SHIPPED, load, recipes
    from resources.settings import load_settings

    shipped = {path: load(name).recipe for name, path in recipes().items() if SHIPPED in path.parents}
    text = generator.render(shipped, output.absolute().parent, load_settings().store)
    if check:
        generator.check(text, output)
        changed = False
    else:
        changed = generator.write(text, output)
    if as_json:
        give({"path": str(output), "changed": changed})
    else:
        say(f"{output} {'written' if changed else 'is up to date'}")
