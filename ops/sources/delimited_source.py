"""Reading delimited text: whole blocks by array operations, and by the grammar where a block is out of the ordinary."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import polars as pl
from pydantic import field_validator, model_validator

from ops.errors import BadData
from ops.sources.base import Batch
from ops.sources.containers import InputFile
from ops.sources.delimited import LOOK_AHEAD, Dialect, Frames, first_record, frame
from ops.sources.encodings import Encoding, check_encoding
from ops.sources.overlong import pass_record
from ops.sources.rejects import EXCERPT_BYTES, Reject, reject_frame
from ops.sources.tabular import TableSource, check_names, table_text
from ops.sources.values import first_faults, parse_text
from ops.sources.window import Positions, Window, count_line_ends, faults, opened

# After a place that is out of the ordinary so many bytes are read record by record before a block is tried again:
# framing a block costs about as much as the grammar takes for these.
CAREFUL_BYTES = 1 << 16


class Stretch(NamedTuple):
    """Records of the window: their cells where the structure is sound, and the others.

    Attributes:
        cells: one String column per field of the file, shape (sound records, fields).
        starts, ends, lines: place of each sound record in the window, and its physical line.
        broken: (start, end, line, reason, detail) of the others.
    """

    cells: pl.DataFrame
    starts: Positions
    ends: Positions
    lines: Positions
    broken: list[tuple[int, int, int, str, str]]


class DelimitedSource(TableSource):
    """Base of CSV and TSV."""

    separator: str = ","
    """Sign between two fields, one ASCII character."""
    quote: str | None = '"'
    """Sign around fields that hold separators or line ends, one ASCII character; null where no sign quotes."""
    encoding: Encoding = "utf-8"
    """Encoding of the files, or a list of which the first that a file is wholly in is taken, after UTF-8."""
    header: bool = True
    """Whether the first record names the columns; without it they are the declared ones in their order."""
    null_values: list[str] = [""]
    """Cells that mean no value, in every column, quoted or not."""

    _check_encoding = field_validator("encoding")(check_encoding)

    @model_validator(mode="after")
    def _signs(self) -> DelimitedSource:
        for key in ("separator", "quote"):
            sign = getattr(self, key)
            if sign is not None and (len(sign) != 1 or not sign.isascii() or sign in "\r\n\0"):
                raise ValueError(f"{key} must be one ASCII character, not {sign!r}")
        if self.separator == self.quote:
            raise ValueError("separator and quote are the same sign")
        if self.rename and not self.header:
            raise ValueError("`rename` needs a header")
        return self

    @property
    def dialect(self) -> Dialect:
        """The signs as bytes."""
        return Dialect(self.separator.encode(), (self.quote or "").encode(), self.max_record_bytes)

    def read_file(self, file: InputFile) -> Iterator[Batch]:
        """Yield one batch per block of the file; a file with a header alone gives one empty batch."""
        with opened(file, self.encoding) as window:
            yield from self.read_window(window, file.name)

    def read_window(self, window: Window, name: str) -> Iterator[Batch]:
        """Yield the batches of a window over a file."""
        fields = self._fields(window, name)
        empty, careful = True, False
        while window.data or not window.final:
            if not window.final and len(window.data) < window.block:
                window.fill()
            if not window.data:
                continue
            if careful:
                batch, careful = self._careful(window, fields, name), False
            else:
                batch, careful = self._fast(window, fields, name)
            if batch is not None and (batch.table.height or batch.rejects.height):
                empty = False
                yield batch
        if empty:
            yield self._batch(_nothing(fields), window, name)

    def _fields(self, window: Window, name: str) -> list[str | None]:
        """The column that each field of a record becomes; null for fields that are dropped.

        Raises:
            BadData: the header is not there or names other columns than the declared ones.
        """
        if not self.header:
            return list(self.declared)
        cells, line = first_record(window, self.dialect)
        if cells is None:
            what = "is empty: a header was expected" if not window.data else "its header is broken"
            raise BadData(what, where=f"{name}:{line}", hint="say `header: false` if there is none")
        try:
            names = [cell.decode("utf-8") for cell in cells]
        except UnicodeDecodeError as error:
            raise BadData("its header is not UTF-8", where=f"{name}:{line}", hint="say `encoding: …`") from error
        if len(names) == 1 and len(self.declared) > 1:
            self._check_separator(names[0], f"{name}:{line}")
        check_names(self, names, name)
        column = {there: here for here, there in self.in_file.items()}
        return [column.get(there) for there in names]

    def _check_separator(self, only: str, where: str) -> None:
        expected = f"{len(self.declared)} columns"
        for sign in (",", ";", "\t", "|"):
            if sign in only:
                rows = [("expected", "got", "hint"), (expected, "1 column", f"say `separator: {sign!r}`")]
                raise BadData(f"its columns are not the declared ones:{table_text(rows)}", where=where)

    def _fast(self, window: Window, fields: list[str | None], name: str) -> tuple[Batch | None, bool]:
        """The batch of the ordinary records at the front of the window, and whether the grammar must go on."""
        frames = frame(window.data, self.dialect, window.final)
        if frames.size == 0:
            if not frames.broken and not window.final and len(window.data) <= self.max_record_bytes:
                window.fill()
                return None, False
            return None, True
        stretch = self._frame_cells(window, frames, len(fields))
        if stretch is None:  # polars sees other records than we do: the grammar decides
            return None, True
        batch = self._batch(stretch, window, name, fields)
        window.drop(frames.size, frames.line_ends)
        return batch, frames.broken

    def _frame_cells(self, window: Window, frames: Frames, width: int) -> Stretch | None:
        data = window.data[: frames.size]
        sound = frames.separators == width - 1
        bad = faults(data, frames.starts, frames.ends, self.max_record_bytes)
        sound[list(bad)] = False
        blank = frames.ends == frames.starts
        broken = []
        lines = frames.lines + window.line
        for index in np.flatnonzero(~sound & ~blank).tolist():
            reason, detail = bad.get(index) or _wrong_count(int(frames.separators[index]) + 1, width)
            broken.append((int(frames.starts[index]), int(frames.ends[index]), int(lines[index]), reason, detail))
        sound &= ~blank
        cells = _split(_joined(data, frames, sound), self, width)
        if cells is None or cells.height != int(sound.sum()):
            return None
        return Stretch(cells, frames.starts[sound], frames.ends[sound], lines[sound], broken)

    def _careful(self, window: Window, fields: list[str | None], name: str) -> Batch | None:
        """The batch of the next records by the grammar; null when more bytes are needed first."""
        dialect, data = self.dialect, window.data
        position, line, width = 0, window.line, len(fields)
        rows: list[list[str]] = []
        places: list[tuple[int, int, int]] = []
        broken: list[tuple[int, int, int, str, str]] = []
        while position < min(len(data), CAREFUL_BYTES):
            record = dialect.record(data, position, window.final)
            if record is None or record.end < 0:
                break
            end = _without_line_end(data, position, record.end)
            if record.cells is None:
                broken.append((position, end, line, record.reason, record.detail))
            elif end > position:
                fault = _fault(data[position:end], dialect.limit)
                if fault is None and len(record.cells) != width:
                    fault = _wrong_count(len(record.cells), width)
                if fault is None:
                    rows.append([cell.decode("utf-8") for cell in record.cells])
                    places.append((position, end, line))
                else:
                    broken.append((position, end, line, *fault))
            line += count_line_ends(data[position : record.end])
            position = record.end
        if position == 0:
            return self._no_progress(window, name)
        names = [str(index) for index in range(width)]
        cells = pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String()), orient="row")
        starts, ends, lines = np.array(places, np.int64).reshape(-1, 3).T
        batch = self._batch(Stretch(cells, starts, ends, lines, broken), window, name, fields)
        window.drop(position, line - window.line)
        return batch

    def _no_progress(self, window: Window, name: str) -> Batch | None:
        record = self.dialect.record(window.data, 0, window.final)
        if record is None and len(window.data) <= self.max_record_bytes + LOOK_AHEAD:
            window.fill(max(window.block, len(window.data)))
            return None
        line, offset, excerpt = window.line, window.offset(0), window.data[:EXCERPT_BYTES]
        if record is None:
            size, reason, detail = pass_record(window, self.dialect)
        else:
            size, reason, detail = 0, record.reason, record.detail
        if reason:
            window.skip_line()
            excerpt = excerpt.splitlines()[0]
        else:
            reason, detail = "too_large", f"{size} bytes, {self.max_record_bytes} are allowed"
        rejects = reject_frame([Reject(name, line, offset, reason, detail, excerpt)])
        return Batch(self._batch(_nothing(list(self.declared)), window, name).table, rejects)

    def _batch(self, stretch: Stretch, window: Window, name: str, fields: list[str | None] | None = None) -> Batch:
        """Cast the cells, and part rows from rejects."""
        fields, data = fields if fields is not None else list(self.declared), window.data
        before: dict[str, pl.Series] = {}
        for index, column in enumerate(fields):
            if column is not None:
                before[column] = _nulled(stretch.cells.to_series(index), self.null_values)
        after = {
            column: parse_text(before[column], kind, self.formats.get(column)) for column, kind in self.declared.items()
        }
        lost = first_faults(before, after, self.declared, self.non_finite == "keep")
        broken = list(stretch.broken)
        for row, reason, detail in lost:
            broken.append((int(stretch.starts[row]), int(stretch.ends[row]), int(stretch.lines[row]), reason, detail))
        table = self.placed(after, name, pl.Series(stretch.lines))
        if lost:
            keep = np.ones(table.height, bool)
            keep[[row for row, _, _ in lost]] = False
            table = table.filter(pl.Series(keep))
        rejects = [
            Reject(name, line, window.offset(start), reason, detail, data[start : min(end, start + EXCERPT_BYTES)])
            for start, end, line, reason, detail in sorted(broken)
        ]
        return Batch(table, reject_frame(rejects))


def _nothing(fields: list[str | None] | list[str]) -> Stretch:
    cells = pl.DataFrame(schema={str(index): pl.String() for index in range(len(fields))})
    none = np.zeros(0, np.int64)
    return Stretch(cells, none, none, none, [])


def _nulled(cells: pl.Series, null_values: list[str]) -> pl.Series:
    if not null_values:
        return cells
    is_null = cells.is_in(null_values)
    return cells.to_frame("c").select(pl.when(~is_null).then("c"))["c"] if is_null.any() else cells


def _joined(data: bytes, frames: Frames, sound: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> bytes:
    """The sound records alone, each ended by LF."""
    if bool(sound.all()) and b"\r" not in data:
        return data
    spans = np.diff(np.append(frames.starts, len(data)))
    keep = np.repeat(sound, spans)
    behind = frames.ends[frames.ends < len(data)]
    signs = np.frombuffer(data, np.uint8)
    keep[behind[signs[behind] == 13]] = False
    return signs[keep].tobytes()


def _split(data: bytes, source: DelimitedSource, width: int) -> pl.DataFrame | None:
    """Cells of records that are known to be sound; null when polars does not agree that they are."""
    names = [str(index) for index in range(width)]
    if not data:
        return pl.DataFrame(schema=dict.fromkeys(names, pl.String()))
    try:
        return pl.read_csv(
            data,
            has_header=False,
            schema=dict.fromkeys(names, pl.String()),
            separator=source.separator,
            quote_char=source.quote,
            empty_string_is_null=False,
            infer_schema=False,
        )
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
        return None


def _without_line_end(data: bytes, start: int, end: int) -> int:
    """`end` moved before the record's line end."""
    if end > start and data[end - 1] == 10:
        end -= 1
        return end - 1 if end > start and data[end - 1] == 13 else end
    return end - 1 if end > start and data[end - 1] == 13 else end


def _fault(record: bytes, limit: int) -> tuple[str, str] | None:
    """What `faults` says of a single record."""
    if len(record) <= limit and record.isascii() and b"\0" not in record:
        return None
    return faults(record, np.zeros(1, np.int64), np.array([len(record)], np.int64), limit).get(0)


def _wrong_count(got: int, width: int) -> tuple[str, str]:
    return "wrong_column_count", f"{got} fields, {width} expected"
