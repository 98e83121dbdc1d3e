"""What Parquet and Arrow files share: columns that have types of their own, carried over exactly or rejected."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO, ClassVar

import numpy as np
import polars as pl

from ops.errors import BadData
from ops.sources.base import Batch
from ops.sources.containers import InputFile
from ops.sources.rejects import Reject, reject_frame
from ops.sources.tabular import TableSource, table_text
from ops.sources.values import convert, first_faults

if TYPE_CHECKING:
    import pyarrow as pa


class ColumnarSource(TableSource):
    """Base of Parquet and Arrow.

    Columns of another type are converted where no value can change (smaller integers, dictionaries, text that reads as
    the type, times of other units); a row with a value that cannot be carried over exactly is rejected. `line` is the
    number of the row in the file, from 1.
    """

    title: ClassVar[str] = ""
    """Name of the format, for errors."""

    def read_file(self, file: InputFile) -> Iterator[Batch]:
        """Yield the rows of one file.

        Raises:
            BadData: the file is of another format, damaged, or its columns have nothing to do with the declared ones.
        """
        import pyarrow as pa

        # What a damaged file raises is whatever the place of the damage leads to.
        damage = (pa.ArrowException, OSError, ValueError, TypeError, KeyError, OverflowError, MemoryError)
        polars_damage = (pl.exceptions.PolarsError, pl.exceptions.PanicException)
        try:
            yield from self._batches(file)
        except BadData:
            raise
        except (*damage, *polars_damage) as error:
            text = str(error).splitlines() or [type(error).__name__]
            raise BadData(f"cannot be read as {self.title}: {text[0][:200]}", where=file.name) from error

    def _batches(self, file: InputFile) -> Iterator[Batch]:
        with file.seekable() as stream:
            first = 1
            for part in self.tables(stream, file.name):
                part.validate(full=True)
                if part.num_rows or first == 1:
                    yield self._batch(part, file.name, first)
                first += part.num_rows

    def tables(self, stream: BinaryIO, name: str) -> Iterator[pa.RecordBatch | pa.Table]:
        """Yield the wanted columns of a file in batches of bounded size, at least one."""
        raise TypeError(f"{type(self).__name__} has no tables")

    def _batch(self, data: pa.RecordBatch | pa.Table, name: str, first: int) -> Batch:
        frame = pl.DataFrame(pl.from_arrow(data))
        before = {column: frame[there] for column, there in self.in_file.items()}
        after = {}
        for column, kind in self.declared.items():
            values = convert(before[column], kind, self.formats.get(column))
            if values is None:
                raise BadData(f"its columns are not the declared ones:{self._types(before)}", where=name)
            after[column] = values
        lost = {row: (reason, detail) for row, reason, detail in self._faults(before, after)}
        table = self.placed(after, name, np.arange(first, first + frame.height).tolist())
        rejects = [Reject(name, first + row, None, *lost[row], _excerpt(before, row)) for row in sorted(lost)]
        if lost:
            keep = np.ones(table.height, bool)
            keep[list(lost)] = False
            table = table.filter(pl.Series(keep))
        return Batch(table, reject_frame(rejects))

    def _faults(self, before: dict[str, pl.Series], after: dict[str, pl.Series]) -> Iterator[tuple[int, str, str]]:
        yield from first_faults(before, after, self.declared, self.non_finite == "keep")
        for column, values in after.items():
            if values.dtype != pl.String:
                continue
            long = values.str.len_bytes() > self.max_record_bytes
            for row in long.arg_true().to_list() if long.any() else []:
                yield row, "too_large", f"{column}: {self.max_record_bytes} bytes are allowed"

    def _types(self, before: dict[str, pl.Series]) -> str:
        rows = [("expected", "got", "hint")]
        for column, kind in self.declared.items():
            if convert(before[column].clear(), kind) is None:
                have = f"{self.in_file[column]}: {before[column].dtype}"
                rows.append((f"{column}: {kind}", have, "declare another type"))
        return table_text(rows)


def _excerpt(before: dict[str, pl.Series], row: int) -> bytes:
    return ", ".join(f"{name}={str(values[row])[:100]}" for name, values in before.items()).encode("utf-8", "replace")
