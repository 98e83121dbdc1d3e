"""Arrow IPC files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO, ClassVar, Literal

from ops.sources.base import BATCH_ROWS
from ops.sources.columnar import ColumnarSource
from ops.sources.tabular import check_names

if TYPE_CHECKING:
    import pyarrow as pa

MAGIC = b"ARROW1"


class Arrow(ColumnarSource):
    """Arrow IPC files and streams (`.arrow`, `.arrows`, Feather 2) with a declared type for every column.

    Columns of another type are converted as those of Parquet are; a row with a value that cannot be carried over
    exactly is rejected. `line` is the number of the row in the file, from 1. The format has no check sums: flipped
    bits of values are not seen.
    """

    title: ClassVar[str] = "Arrow IPC"

    kind: Literal["arrow"] = "arrow"
    """Arrow IPC."""

    def tables(self, stream: BinaryIO, name: str) -> Iterator[pa.RecordBatch | pa.Table]:
        """The record batches, cut into smaller ones where they are long."""
        import pyarrow as pa

        source = pa.PythonFile(stream, mode="r")
        is_file = stream.read(len(MAGIC)) == MAGIC
        stream.seek(0)
        with pa.ipc.open_file(source) if is_file else pa.ipc.open_stream(source) as reader:
            check_names(self, reader.schema.names, name)
            wanted = list(self.in_file.values())
            yield reader.schema.empty_table().select(wanted)
            batches = map(reader.get_batch, range(reader.num_record_batches)) if is_file else reader
            for batch in batches:
                chosen = batch.select(wanted)
                chosen.validate(full=True)
                for start in range(0, batch.num_rows, BATCH_ROWS):
                    yield chosen.slice(start, BATCH_ROWS)
