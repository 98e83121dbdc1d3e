"""A contact sheet: some training rows beside the copies that augmentation made of them, to be judged by eye."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ops.evaluation.pictures import spectrogram
from ops.evaluation.schema import ContactSheet, SheetRow
from ops.evaluation.text import clip, line, visible

if TYPE_CHECKING:
    import polars as pl

    from ops.recipe import Recipe
    from ops.storage import Version

Pixels = NDArray[np.uint8]

ROWS, COPIES = 6, 4
"""Rows that are shown, and copies of each."""

SIDES = (96, 72, 48, 32)
"""Pixels of a cell's side, the first whose sheet is small enough; the last always is."""

LIMIT = 200_000
"""Most characters of a sheet's data URI."""

GAP = 4
LONGEST_TEXT = 240
DATA = "data.parquet"
SHAPE = ["height", "width", "channels"]


Copying = Callable[["pl.DataFrame"], "pl.DataFrame"]
"""Makes some training rows into rows and copies, where none are stored."""


def contact_sheet(
    shards: Collection[Version], column: str, modality: str, steps: Sequence[str], copying: Copying | None = None
) -> ContactSheet | None:
    """The sheet of a recipe's images, sounds or texts; nothing where there are no copies, or for other data.

    The rows are the first by id of every class in turn, whatever partitions they are in.

    Args:
        shards: versions of `shards`.
        column: what the model reads.
        modality: `image`, `sound` (shown by its spectrogram) or `text`.
        steps: kinds of the changes, for the reader.
        copying: makes the copies where none are stored.
    """
    if modality not in ("image", "sound", "text"):
        return None
    chosen, copies = _chosen(shards, made=copying is not None)
    if not chosen:
        return None
    names = {row: [row, *(f"{row}+{number}" for number in range(1, copies + 1))] for row in chosen}
    found = _values(shards, column, modality, {name for each in names.values() for name in each}, copying)
    cells = [[found[name] for name in names[row] if name in found] for row in chosen]
    ids, kinds = [line(row) for row in chosen], [line(step) for step in steps]
    if modality != "text":
        uri, width, height = picture(cells)
        rows = [SheetRow(id=row) for row in ids]
        return ContactSheet(steps=kinds, copies=copies, rows=rows, image=uri, width=width, height=height)
    texts = [[clip(visible(clip(text, 2 * LONGEST_TEXT)), LONGEST_TEXT) for text in row] for row in cells]
    rows = [SheetRow(id=row, text=first, copies=rest) for row, (first, *rest) in zip(ids, texts, strict=True)]
    return ContactSheet(steps=kinds, copies=copies, rows=rows)


def _chosen(shards: Collection[Version], made: bool) -> tuple[list[str], int]:
    """Ids of the rows to show, and how many copies each has at most; copies may have to be made."""
    import polars as pl

    found, copies = [], [0]
    for version in shards:
        table = version.parquet(DATA, ["id", "label", "copy", "split"])
        copies += [COPIES] if made and table.height else table["copy"].unique().to_list()
        whose = pl.col("split") == "train" if made else pl.col("copy") == 1
        first = table.filter(whose).select("label", pl.col("id") if made else pl.col("id").str.strip_suffix("+1"))
        found.append(first.group_by("label").agg(pl.col("id").sort().head(ROWS)).explode("id"))
    if not any(copies):
        return [], 0
    rows = pl.concat(found).sort("label", "id").with_columns(turn=pl.int_range(pl.len()).over("label"))
    return rows.sort("turn", "label")["id"].head(ROWS).to_list(), min(max(copies), COPIES)


def _values(
    shards: Collection[Version], column: str, modality: str, ids: set[str], copying: Copying | None
) -> dict[str, Any]:
    """Texts, or pixels (height, width, channels), by id."""
    import polars as pl

    wanted = sorted(ids)
    columns = ["id", column, *(SHAPE if modality != "text" else ())]
    found: dict[str, Any] = {}
    for version in shards:
        if version.parquet(DATA, ["id"])["id"].is_in(wanted).any():
            rows = version.parquet(DATA, [*columns, "split"]).filter(pl.col("id").is_in(wanted))
            rows = copying(rows) if copying is not None else rows
            values = rows[column] if modality == "text" else _images(rows, column)
            values = [spectrogram(one.transpose(1, 0, 2))[0] for one in values] if modality == "sound" else values
            found |= dict(zip(rows["id"], values, strict=True))
    return found


def _images(rows: pl.DataFrame, column: str) -> list[Pixels]:
    shapes = rows.select(SHAPE).rows()
    return [np.frombuffer(data, np.uint8).reshape(shape) for data, shape in zip(rows[column], shapes, strict=True)]


def picture(rows: Sequence[Sequence[Pixels]]) -> tuple[str, int, int]:
    """A grid as a data URI of a PNG with its width and height: each row's original and, beside it, its copies.

    Images are enlarged by whole factors or made smaller by area, so that pixels stay what they are where there is room.

    Args:
        rows: images (height, width, 1 or 3).
    """
    for side in SIDES:
        sheet = _grid(rows, side)
        stream = io.BytesIO()
        sheet.save(stream, format="PNG", optimize=True)
        uri = "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode("ascii")
        if len(uri) <= LIMIT:
            break
    return uri, sheet.width, sheet.height


def _grid(rows: Sequence[Sequence[Pixels]], side: int) -> Any:
    from PIL import Image

    cells = [[_cell(image, side) for image in row] for row in rows]
    every = [cell for row in cells for cell in row]
    wide, high = max(cell.width for cell in every), max(cell.height for cell in every)
    # A wider gap behind the first column sets the originals apart.
    width = 3 * GAP + max(map(len, rows)) * (wide + GAP)
    mode = "L" if all(cell.mode == "L" for cell in every) else "RGB"
    sheet = Image.new(mode, (width, GAP + len(rows) * (high + GAP)), "white")
    for down, row in enumerate(cells):
        for across, cell in enumerate(row):
            sheet.paste(cell, (GAP + across * (wide + GAP) + (2 * GAP if across else 0), GAP + down * (high + GAP)))
    return sheet


def _cell(image: Pixels, side: int) -> Any:
    from PIL import Image

    cell = Image.fromarray(np.ascontiguousarray(image[:, :, 0] if image.shape[2] == 1 else image))
    longest = max(cell.size)
    if longest > side:
        cell.thumbnail((side, side), Image.Resampling.BOX)
        return cell
    factor = side // longest
    return cell.resize((cell.width * factor, cell.height * factor), Image.Resampling.NEAREST)


def sheet_of(recipe: Recipe, shards: Mapping[str, Version]) -> ContactSheet | None:
    """The sheet of a recipe's shards; nothing where the recipe makes no copies."""
    augmentation = recipe.augmentation
    if augmentation is None:
        return None
    kinds, column = [step.kind for step in augmentation.steps], augmentation.column or recipe.task.input

    def copying(rows: pl.DataFrame) -> pl.DataFrame:
        from ops.steps import Facts

        # Before a search has ended the strength is not known: the changes are shown at their full one.
        known = augmentation.at(1.0) if augmentation.strength == "auto" else augmentation
        offline = known.model_copy(update={"mode": "offline", "copies": COPIES})
        return offline.apply(rows, Facts("all", recipe.seed), column).kept

    made = copying if augmentation.mode == "on_the_fly" else None
    return contact_sheet(shards.values(), column, recipe.task.modality, kinds, made)
