"""`satiety gc`: remove what nobody needs any more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.commands.options import JsonOption

if TYPE_CHECKING:
    from ops.storage import Store


def gc(
    recipe: Annotated[str | None, typer.Argument(help="Only this recipe.", show_default=False)] = None,
    delete: Annotated[bool, typer.Option("--delete", help="Really remove it; without this it is only listed.")] = False,
    keep: Annotated[int, typer.Option(min=1, help="Versions to keep of each result, counted by their last use.")] = 1,
    as_json: JsonOption = False,
) -> None:
    """List, or remove, what nobody needs any more.

    That is versions out of use and what dead processes have left. What is in use, and what another process is building,
    always stays.
    """
    from ops.storage import Store
    from ops.storage import gc as collect
    from pipelines.console import give, say, size, tell
    from pipelines.progress import hashing
    from resources.settings import load_settings

    store = Store(load_settings().store)
    with hashing("gc") as show:
        removals = collect(store, dry_run=not delete, keep=keep, recipe=recipe_name(recipe, store), on_progress=show)
    freed = sum(removal.bytes for removal in removals)
    if as_json:
        found = [{"path": str(removal.path), "bytes": removal.bytes, "why": removal.why} for removal in removals]
        give({"deleted": delete, "bytes": freed, "removals": found})
        return
    for removal in removals:
        tell(f"{removal.path}  {size(removal.bytes)}  {removal.why}")
    what = f"{len(removals)} things, {size(freed)}"
    say(f"removed {what}" if delete else f"could be removed: {what}" + ("; do it with --delete" if removals else ""))


def recipe_name(reference: str | None, store: Store) -> str | None:
    """The name under which a recipe's results lie in the store: of a name, or of a recipe's file.

    Raises:
        ConfigError: neither the store nor any folder of recipes knows the name, so that looking would find nothing.
    """
    from ops.errors import ConfigError
    from pipelines.problems import advice
    from pipelines.recipe import NAME, load, recipes

    if reference is None:
        return None
    if NAME.fullmatch(reference):
        # Its file may be gone while its results are still there.
        known = dict.fromkeys([*(slot.recipe for slot in store.slots()), *recipes()])
        if reference not in known:
            raise ConfigError(f"there is no recipe {reference!r}", hint=advice(reference, list(known), "there are"))
        return reference
    if not reference.endswith((".yaml", ".yml")):
        raise ConfigError(f"{reference!r} is neither the name of a recipe nor a YAML file")
    return load(reference).recipe.name
