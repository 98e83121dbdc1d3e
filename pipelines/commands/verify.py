"""`satiety verify`: hash everything again."""

from __future__ import annotations

from typing import Annotated

import typer

from pipelines.commands.options import JsonOption


def verify(
    recipe: Annotated[str | None, typer.Argument(help="Only this recipe.", show_default=False)] = None,
    as_json: JsonOption = False,
) -> None:
    """Hash every stored file again, name the broken ones.

    Also names files that are missing or not listed. Exit code 5 where something is wrong.
    """
    from ops.errors import StorageError
    from ops.storage import Store
    from ops.storage import verify as check
    from pipelines.commands.gc import recipe_name
    from pipelines.console import give, say, size, tell
    from pipelines.progress import hashing
    from resources.settings import load_settings

    settings = load_settings()
    if settings.store.exists() and not settings.store.is_dir():
        raise StorageError("is not a folder", where=str(settings.store), hint="SATIETY_STORE names the store")
    store = Store(settings.store)
    name = recipe_name(recipe, store)
    files = total = 0
    with hashing("verify") as show:

        def count(path: object, bytes_: int) -> None:
            nonlocal files, total
            files, total = files + 1, total + bytes_
            show(path, bytes_)  # type: ignore[arg-type]

        problems = check(store, name, count)
    if as_json:
        found = [{"path": str(problem.path), "problem": problem.what} for problem in problems]
        give({"store": str(settings.store), "files": files, "bytes": total, "problems": found})
    else:
        for problem in problems:
            tell(f"{problem.path}: {problem.what}")
        verdict = f"{len(problems)} of them wrong" if problems else "all as they were committed"
        say(f"{files:,} files, {size(total)} in {settings.store}: {verdict}")
    if problems:
        if not as_json:
            hint = (
                "move the folders named above away (a version and `current` share their files) and run the recipe again"
            )
            say(f"hint: {hint}, or restore `current` with dvc pull")
        raise typer.Exit(5)
