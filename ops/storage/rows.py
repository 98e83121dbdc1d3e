"""A Parquet table that is written while its rows come: one row group at a time is in memory."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from ops.errors import StorageError
from ops.storage.files import AtomicFile

GROUP_ROWS = 65_536
ZSTD_LEVEL = 3


class _Sink:
    """What pyarrow asks of a file, on top of one that writes through the seam."""

    closed = False

    def __init__(self, file: AtomicFile) -> None:
        self._file, self.given_up = file, False

    def write(self, data: pa.Buffer | bytes) -> int:
        """All bytes; none that come once the file is given up."""
        return len(data) if self.given_up else self._file.write(memoryview(data))

    def tell(self) -> int:
        """Bytes so far."""
        return self._file.size

    def flush(self) -> None:
        """Writes are not buffered."""

    def close(self) -> None:
        """The file is closed by whoever opened it."""


class RowsWriter:
    """Takes rows in tables of any size and writes them in groups of one size.

    Attributes:
        height: rows taken so far.
    """

    def __init__(self, file: AtomicFile, schema: Mapping[str, pl.DataType]) -> None:
        """Begin the file.

        Args:
            file: takes the bytes.
            schema: names and types of the columns.
        """
        self.height = 0
        self._file, self._empty = file, pl.DataFrame(schema=dict(schema))
        self._held: list[pl.DataFrame] = []
        self._rows = 0
        self._types = self._arrow(self._empty).schema
        self._sink = _Sink(file)
        self._writer = pq.ParquetWriter(
            pa.PythonFile(self._sink, "w"), self._types, compression="zstd", compression_level=ZSTD_LEVEL
        )

    def write(self, table: pl.DataFrame) -> None:
        """Append the rows of a table, which has the columns in their order."""
        if table.height:
            self._held.append(table)
            self._rows += table.height
            self.height += table.height
        while self._rows >= GROUP_ROWS:
            whole = pl.concat(self._held)
            self._group(whole[:GROUP_ROWS])
            self._held, self._rows = [whole[GROUP_ROWS:]], whole.height - GROUP_ROWS

    def finish(self) -> None:
        """Write what is left, and the end of the file."""
        if self._rows:
            self._group(pl.concat(self._held))
        try:
            self._writer.close()
        except (pa.ArrowException, OSError) as error:
            raise self._failure(error) from error

    def abandon(self) -> None:
        """Write nothing any more: pyarrow ends the file when it is collected, and its number may be another's then."""
        self._sink.given_up = True
        with suppress(pa.ArrowException, OSError, StorageError):
            self._writer.close()

    def _group(self, rows: pl.DataFrame) -> None:
        try:
            self._writer.write_table(self._arrow(rows.rechunk()), row_group_size=GROUP_ROWS)
        except (pa.ArrowException, OSError) as error:
            raise self._failure(error) from error

    def _failure(self, error: Exception) -> StorageError:
        # A library reports a failed write in its own words; a full disk must stay a full disk.
        return self._file.error or StorageError(f"cannot be written as Parquet: {error}", where=str(self._file.path))

    @staticmethod
    def _arrow(rows: pl.DataFrame) -> pa.Table:
        return rows.to_arrow(compat_level=pl.CompatLevel.oldest())
