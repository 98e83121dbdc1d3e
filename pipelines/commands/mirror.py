"""`satiety push` and `satiety pull`: the store's results to an object store and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.commands.options import JsonOption

if TYPE_CHECKING:
    from ops.storage.mirror import Moved

AddressArgument = Annotated[
    str, typer.Argument(help="As in s3://bucket/folder, gs://bucket/folder, or a folder.", show_default=False)
]
RecipeArgument = Annotated[str | None, typer.Argument(help="Only this recipe.", show_default=False)]
AllOption = Annotated[bool, typer.Option("--all", help="All versions, not only those in use.")]


def push(
    address: AddressArgument, recipe: RecipeArgument = None, every: AllOption = False, as_json: JsonOption = False
) -> None:
    """Bring results to an object store.

    Each file once, by its hash; what is there already is passed over, and a push that was cut off goes on.
    """
    from ops.storage.mirror import push as bring

    _move("push", bring, address, recipe, every, as_json)


def pull(
    address: AddressArgument, recipe: RecipeArgument = None, every: AllOption = False, as_json: JsonOption = False
) -> None:
    """Bring results from an object store, every byte checked.

    The versions that are in use there are in use here afterwards.
    """
    from ops.storage.mirror import pull as bring

    _move("pull", bring, address, recipe, every, as_json)


def _move(what: str, bring: Callable[..., Moved], address: str, recipe: str | None, every: bool, as_json: bool) -> None:
    from ops.errors import ConfigError
    from ops.storage.bucket import Bucket
    from pipelines.commands.gc import recipe_name
    from pipelines.console import give, say, size
    from pipelines.progress import hashing
    from resources.settings import load_settings
    from resources.store import open_store

    store = open_store(load_settings())
    # What is pulled need not be known here yet.
    name = recipe_name(recipe, store) if what == "push" or (recipe or "").endswith((".yaml", ".yml")) else recipe
    bucket = Bucket(address)
    with hashing(what) as show:
        moved = bring(store, bucket, name, every, show)
    if what == "pull" and not moved.versions + moved.there:
        whose = f"no results of {name!r} lie" if name else "no results lie"
        raise ConfigError(f"{whose} there", where=bucket.shown, hint="satiety push brings them there")
    if as_json:
        give({"address": bucket.shown, **vars(moved)})
        return
    transferred = f"{moved.objects} files, {size(moved.bytes)}"
    say(f"{bucket.shown}: versions brought: {moved.versions} ({transferred}); there already: {moved.there}")
