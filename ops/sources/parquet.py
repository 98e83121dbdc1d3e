"""Parquet files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO, ClassVar, Literal

from ops.sources.base import BATCH_ROWS
from ops.sources.columnar import ColumnarSource
from ops.sources.tabular import check_names

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

BATCH_TARGET_BYTES = 64 << 20


class Parquet(ColumnarSource):
    """Parquet files with a declared type for every column.

    Columns of another type are converted where no value can change (smaller integers, dictionaries, text that reads as
    the type, times of other units); a row with a value that cannot be carried over exactly is rejected. `line` is the
    number of the row in the file, from 1.
    """

    title: ClassVar[str] = "Parquet"

    kind: Literal["parquet"] = "parquet"
    """Parquet."""

    def tables(self, stream: BinaryIO, name: str) -> Iterator[pa.RecordBatch | pa.Table]:
        """The batches of all row groups."""
        import pyarrow.parquet as pq

        with pq.ParquetFile(stream, page_checksum_verification=True) as reader:
            check_names(self, reader.schema_arrow.names, name)
            wanted = list(self.in_file.values())
            empty = True
            for batch in reader.iter_batches(batch_size=_batch_rows(reader), columns=wanted, use_threads=False):
                empty = False
                yield batch
            if empty:
                yield reader.schema_arrow.empty_table()


def _batch_rows(reader: pq.ParquetFile) -> int:
    """Rows a batch may have so that it stays within its bytes; the footer's figures are only a hint."""
    meta = reader.metadata
    size = sum(max(meta.row_group(i).total_byte_size, 0) for i in range(meta.num_row_groups))
    per_row = max(size // max(meta.num_rows, 1), 1)
    return int(min(max(BATCH_TARGET_BYTES // per_row, 1), BATCH_ROWS))
