"""A contact sheet: some training rows beside the copies that augmentation made of them, to be judged by eye."""

from __future__ import annotations

import base64
import io
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ops.augmentation.forms import FORM, ORIGINAL
from ops.evaluation.pictures import spectrogram
from ops.evaluation.sheet import ContactSheet, SheetRow
from ops.evaluation.sheet_copies import COPIES, Copying, copying_of
from ops.evaluation.sheet_tables import rows_of_numbers, shown_columns
from ops.evaluation.text import clip, line, visible

if TYPE_CHECKING:
    import polars as pl

    from ops.recipe import Recipe
    from ops.storage import Version

Pixels = NDArray[np.uint8]

ROWS = 6
"""Rows that are shown."""

SIDES = (96, 72, 48, 32)
"""Pixels of a cell's side, the first whose sheet is small enough; the last always is."""

LIMIT = 200_000
"""Most characters of a sheet's data URI."""

GAP = 4
LONGEST_TEXT = 240
DATA = "data.parquet"
SHAPE = ["height", "width", "channels"]


def contact_sheet(
    shards: Collection[Version],
    column: str,
    modality: str,
    steps: Sequence[str],
    copying: Copying | None = None,
    columns: Sequence[str] = (),
) -> ContactSheet | None:
    """The sheet of a recipe's images, sounds, texts or rows of tables; nothing where there are no copies.

    The rows are the first by id of every class in turn, whatever partitions they are in.

    Args:
        shards: versions of `shards`.
        column: what the model reads.
        modality: `image`, `sound` (shown by its spectrogram), `text` or `table`.
        steps: kinds of the changes, for the reader.
        copying: makes the copies where none are stored.
        columns: of a table, those that are shown.
    """
    if modality not in ("image", "sound", "text") and not columns:
        return None
    chosen, copies = _chosen(shards, made=copying is not None)
    if not chosen:
        return None
    names = {row: [row, *(f"{row}+{number}" for number in range(1, copies + 1))] for row in chosen}
    wanted = {name for each in names.values() for name in each}
    found = _values(shards, column, modality, wanted, copying, columns)
    cells = [[found[name] for name in names[row] if name in found] for row in chosen]
    ids, kinds = [line(row) for row in chosen], [line(step) for step in steps]
    if columns:
        rows = rows_of_numbers(ids, cells)
        return ContactSheet(steps=kinds, copies=copies, columns=[line(name) for name in columns], rows=rows)
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
    shards: Collection[Version],
    column: str,
    modality: str,
    ids: set[str],
    copying: Copying | None,
    columns: Sequence[str],
) -> dict[str, Any]:
    """Texts, numbers, or pixels (height, width, channels), by id."""
    import polars as pl

    wanted = sorted(ids)
    read = ["id", *(columns or [column]), *(SHAPE if modality in ("image", "sound") else ())]
    found: dict[str, Any] = {}
    for version in shards:
        if version.parquet(DATA, ["id"])["id"].is_in(wanted).any():
            kept = [ORIGINAL] if copying is not None and version.manifest.entry(FORM) and modality != "text" else []
            rows = version.parquet(DATA, [*read, "split", *kept]).filter(pl.col("id").is_in(wanted))
            rows = copying(rows) if copying is not None else rows
            found |= dict(zip(rows["id"], _shown(rows, column, modality, columns), strict=True))
    return found


def _shown(rows: pl.DataFrame, column: str, modality: str, columns: Sequence[str]) -> Iterable[Any]:
    """Of each row what is shown."""
    if columns:
        return rows.select(columns).rows()
    if modality == "text":
        return rows[column]
    images = _images(rows, column)
    return [spectrogram(one.transpose(1, 0, 2))[0] for one in images] if modality == "sound" else images


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
    columns = shown_columns(recipe) if recipe.task.form == "row" else []
    made = copying_of(recipe, shards, column) if augmentation.mode == "on_the_fly" else None
    return contact_sheet(shards.values(), column, recipe.task.modality, kinds, made, columns)
