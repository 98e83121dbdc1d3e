"""`satiety ui`: the web pages of Dagster and MLflow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.commands.options import JsonOption

if TYPE_CHECKING:
    from pipelines.ui import Page

HINTS = {"mlflow": "  (the runs of an experiment: Model training, top left)"}
"""What a page does not say itself; MLflow's begins with traces of agents, of which there are none here."""


def ui(
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Dagster's port (params.yaml: 3000).", show_default=False)
    ] = None,
    mlflow_port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="MLflow's port (params.yaml: 5000).", show_default=False)
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Start the web pages of Dagster and MLflow.

    On loopback, until Ctrl-C; Dagster's daemon runs beside them."""
    from pipelines.console import give, say
    from pipelines.recipe import FOLDERS_VARIABLE, broken_recipes, recipes
    from pipelines.ui import serve
    from resources.settings import load_settings

    def ready(pages: list[Page]) -> None:
        shown = {page.name: page.url for page in pages if page.port}
        if as_json:
            give(shown)
        else:
            say("\n".join(f"{name:<8} {url}{HINTS.get(name, '')}" for name, url in shown.items()))
            sound = [name for name, path in recipes().items() if path not in broken]
            say(f"recipes  {', '.join(sound)}  (those in folders of {FOLDERS_VARIABLE} and those that ship)")
            say("Ctrl-C ends all of them")

    broken = dict(broken_recipes())
    for path, problem in broken.items():
        say(f"warning: {path} is wrong, none of its assets can be shown\n{problem}")
    settings = load_settings()
    dagster_port, tracking_port = port or settings.pages.dagster_port, mlflow_port or settings.pages.mlflow_port
    if not as_json:
        say("starting; the first time takes a while, for the databases are made")
    serve(settings, port=dagster_port, mlflow_port=tracking_port, on_ready=ready)
    say("all ended")
