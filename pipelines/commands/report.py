"""`satiety report`: where the report is, and its main figures."""

from __future__ import annotations

import shlex
from typing import Annotated

import typer

from pipelines.commands.options import JsonOption, RecipeArgument


def report(
    recipe: RecipeArgument,
    open_page: Annotated[bool, typer.Option("--open", help="Open the page in the web browser.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show the main figures and where the report is."""
    from ops.errors import ConfigError
    from ops.storage import Store
    from pipelines.commands.gc import recipe_name
    from pipelines.commands.run import report_file
    from pipelines.console import give, say, table, tell
    from resources.settings import load_settings

    store = Store(load_settings().store)
    name = str(recipe_name(recipe, store))
    version = store.slot(name, "report").current()
    path = report_file(store, name)
    if version is None or path is None:
        raise ConfigError(f"{recipe} has no report yet", hint=shlex.join(["satiety", "run", recipe]))
    version.check()
    if as_json:
        give({"path": str(path), "digest": version.digest, "report": version.json("report.json")})
    else:
        say(str(version.manifest.facts.get("headline", "")))
        metrics = version.json("metrics.json") if version.manifest.entry("metrics.json") else {}
        table(("figure", "value"), [(name, figure(value)) for name, value in metrics.items()], right=("value",))
        tell(str(path))
    if open_page:
        _open(path.resolve().as_uri())


def figure(value: float | int) -> str:
    """A figure with as many digits as a person reads."""
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4f}" if abs(value) < 1000 else f"{value:,.0f}"


def _open(address: str) -> None:
    import webbrowser

    from pipelines.console import say

    if not webbrowser.open(address):
        say(f"no web browser was found; open {address} yourself")
