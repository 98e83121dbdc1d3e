"""Tables as Arrow IPC files: what polars holds as Arrow writes it, and back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ops.errors import IntegrityError, StorageError

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa


def arrow_bytes(table: pl.DataFrame, name: str, packed: bool) -> bytes:
    """The bytes of a file that holds the table in one batch, the same for equal tables.

    Args:
        table: the table.
        name: the file, for messages.
        packed: compress its columns.

    Raises:
        StorageError: a column that does not hold numbers has a null, or Arrow cannot write one.
    """
    import pyarrow as pa

    try:
        found, sink = _batch(table, name), pa.BufferOutputStream()
        options = pa.ipc.IpcWriteOptions(compression="zstd" if packed else None, use_threads=False)
        with pa.ipc.new_file(sink, found.schema, options=options) as writer:
            writer.write_table(found)
    except pa.ArrowException as error:
        raise StorageError(f"cannot be written as Arrow: {error}", where=name) from error
    return bytes(sink.getvalue())


def _batch(table: pl.DataFrame, name: str) -> pa.Table:
    """The table in one chunk, with zeros under nulls.

    Raises:
        StorageError: a column that does not hold numbers has a null.
    """
    import polars as pl
    import pyarrow as pa

    whole = table.rechunk()
    found = whole.to_arrow(compat_level=pl.CompatLevel.oldest())
    for place, column in enumerate(whole.iter_columns()):
        if not column.null_count():
            continue
        if not column.dtype.is_numeric():
            raise StorageError(f"column {column.name!r} of {column.dtype} has nulls", where=name)
        values = pa.array(column.fill_null(0).to_numpy(), mask=column.is_null().to_numpy())
        found = found.set_column(place, found.schema.field(place), values)
    return found


def mapped(path: Path, columns: list[str] | None = None) -> pl.DataFrame:
    """A file's table, or some of its columns; columns that are not packed are views of the mapped file.

    Raises:
        IntegrityError: the file is no such table, or lacks a column.
    """
    import polars as pl
    import pyarrow as pa

    try:
        with pa.memory_map(str(path)) as source, pa.ipc.open_file(source) as reader:
            table = reader.read_all()
        found = pl.from_arrow(table if columns is None else table.select(columns))
    except (pa.ArrowException, KeyError, OSError, pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise IntegrityError(f"not a readable table: {error}", where=str(path)) from error
    assert isinstance(found, pl.DataFrame)
    return found
