"""`satiety peek`: look into anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.commands.options import JsonOption

if TYPE_CHECKING:
    from pipelines.peek import Sheet


def peek(
    target: Annotated[
        str,
        typer.Argument(
            help="recipe, recipe/stage, recipe/stage/partition, or the path of a file or folder.", show_default=False
        ),
    ],
    rows: Annotated[int, typer.Option("--rows", "-n", min=0, max=1000, help="Samples to show.")] = 5,
    as_json: JsonOption = False,
) -> None:
    """Look into any result or file: figures and samples.

    Reads tables, tensors, token caches, JSON, text and images."""
    from ops.storage import Store
    from pipelines.console import give
    from pipelines.peek import peek as look
    from resources.settings import load_settings

    sheet = look(target, Store(load_settings().store), rows)
    if as_json:
        give(sheet.data())
    else:
        _show(sheet)


def _show(sheet: Sheet) -> None:
    from pipelines.console import table, tell

    tell(sheet.title)
    width = max((len(name) for name in sheet.figures), default=0)
    for name, value in sheet.figures.items():
        tell(f"  {name:<{width}}  {value:,}" if isinstance(value, int) else f"  {name:<{width}}  {value}")
    for grid in sheet.grids:
        tell(f"\n{grid.title}")
        rows = [["" if cell is None else f"{cell:,}" if _is_count(cell) else cell for cell in row] for row in grid.rows]
        numbers = [c for i, c in enumerate(grid.columns) if rows and all(_is_count(row[i]) for row in grid.rows)]
        table(grid.columns, rows, right=numbers)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
