"""`satiety lineage`: from a model to the raw bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipelines.commands.options import JsonOption, SetOption

if TYPE_CHECKING:
    from pipelines.lineage import Lineage

STYLES = {"ok": "green", "unchecked": "yellow", "changed": "yellow", "missing": "red", "broken": "red"}


def lineage(
    target: Annotated[
        str,
        typer.Argument(
            help="A recipe (its model in use), the digest of a model, or an MLflow address such as "
            "models:/quickstart@champion or runs:/<id>.",
            show_default=False,
        ),
    ],
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Walk from a model back to the raw bytes.

    Everything on the way is hashed again. Exit code 5 where stored bytes are broken or missing, 4 where the source
    outside has changed since.
    """
    from ops.storage import Store
    from pipelines.console import give, say
    from pipelines.lineage import start, trace
    from pipelines.progress import hashing
    from resources.settings import load_settings

    settings = load_settings()
    store = Store(settings.store)
    version, recipe = start(target, store, settings.tracking_uri, tuple(overrides or ()))
    with hashing("lineage") as show:
        found = trace(version, store, recipe, show)
    if as_json:
        give(found.data())
    else:
        _show(found)
        for node in found.nodes.values():
            if node.status != "ok":
                say(f"{node.stage}[{node.partition}] {node.status}: {node.problem}")
        say(f"{len(found.nodes)} parts looked at: {found.status}")
    if found.status in ("missing", "broken"):
        raise typer.Exit(5)
    if found.status == "changed":
        raise typer.Exit(4)


def _show(found: Lineage) -> None:
    """Print the graph as a tree of stages; what was shown above is only named again."""
    from rich.tree import Tree

    from pipelines.console import out

    seen: set[str] = set()
    tree = Tree(_label(found, found.top[0]))
    _grow(tree, found, found.top[0], seen)
    out().print(tree)


def _grow(tree: Any, found: Lineage, stage: str, seen: set[str]) -> None:
    from pipelines.lineage import stage_inputs

    seen.add(stage)
    for name in stage_inputs(found, stage):
        if name in seen:
            tree.add(f"{name} (above)")
        else:
            _grow(tree.add(_label(found, name)), found, name, seen)


def _label(found: Lineage, stage: str) -> Any:
    from rich.text import Text

    from pipelines.lineage import by_stage

    nodes = by_stage(found)[stage]
    counts: dict[str, int] = {}
    for node in nodes:
        counts[node.status] = counts.get(node.status, 0) + 1
    label = Text(f"{stage}  ")
    for status, count in counts.items():
        label.append(f"{status} " if len(nodes) == 1 else f"{count} {status} ", style=STYLES[status])
    if len(nodes) == 1:
        label.append(f" {nodes[0].digest}", style="dim")
    return label
