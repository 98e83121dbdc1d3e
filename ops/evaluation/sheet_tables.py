"""Rows of tables on a contact sheet: the numbers that are changed, and which of a copy's are not those of its row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ops.evaluation.sheet import SheetRow

if TYPE_CHECKING:
    from ops.recipe import Recipe

COLUMNS = 8
"""Columns that are shown, at most."""

DIGITS = 4


def shown_columns(recipe: Recipe) -> list[str]:
    """The first of the columns that augmentation changes, in the order in which the model reads them."""
    steps = recipe.augmentation.steps if recipe.augmentation is not None else []
    changed = {name for step in steps for name in getattr(step, "columns", [])}
    return [name for name in recipe.task.reads if name in changed][:COLUMNS]


def rows_of_numbers(ids: Sequence[str], cells: Sequence[Sequence[Sequence[float]]]) -> list[SheetRow]:
    """The rows of the sheet.

    Args:
        ids: of the rows.
        cells: for each the numbers of the row, and of each of its copies.
    """
    return [
        SheetRow(
            id=row,
            cells=[[f"{value:.{DIGITS}g}" for value in numbers] for numbers in (first, *copies)],
            changed=[[a != b for a, b in zip(first, copy, strict=True)] for copy in copies],
        )
        for row, (first, *copies) in zip(ids, cells, strict=True)
    ]
