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
        table(("figure", "value", "95% interval", "unit"), figures(metrics), right=("value",))
        tell(str(path))
    if open_page:
        _open(path.resolve().as_uri())


UNITS = {
    "cpu_seconds": "CPU-seconds of training",
    "flops": "operations of training",
    "joules": "J, training",
    "peak_bytes": "bytes of memory, training",
    "utilisation": "of what the processors can do",
    "waiting": "of the time, for data",
    "nats": "nats a token",
    "bits_per_byte": "bits a byte",
    "bits_per_character": "bits a character",
}


def figures(metrics: dict[str, float | int]) -> list[tuple[str, str, str, str]]:
    """Each figure in a row: name, value, interval and unit, where it has them; bounds have no rows of their own."""
    rows = []
    for name, value in metrics.items():
        if name.endswith(("_low", "_high")) and name.rpartition("_")[0] in metrics:
            continue
        bounds = [metrics[f"{name}_{end}"] for end in ("low", "high") if f"{name}_{end}" in metrics]
        unit = UNITS.get(name) or ("nats a token" if name.endswith("_nats") else "")
        rows.append((name, figure(value), " to ".join(map(figure, bounds)), unit))
    return rows


def figure(value: float | int) -> str:
    """A figure with as many digits as a person reads."""
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.4f}" if abs(value) < 10 else f"{value:,.1f}" if abs(value) < 1000 else f"{value:,.0f}"


def _open(address: str) -> None:
    import webbrowser

    from pipelines.console import say

    if not webbrowser.open(address):
        say(f"no web browser was found; open {address} yourself")
