"""NDJSON files: one JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple, NoReturn

import numpy as np
import polars as pl

from ops.sources.base import Batch
from ops.sources.containers import InputFile
from ops.sources.lines import LineBlock, line_blocks
from ops.sources.places import nearest
from ops.sources.rejects import Reject, reject_frame
from ops.sources.tabular import TableSource
from ops.sources.values import DTYPES, first_faults, parse_text
from ops.sources.window import Positions, Window, faults, opened

# Below so many lines a stretch that the fast parser refuses is read line by line, above it is halved first.
CAREFUL_LINES = 256
MAX_DIGITS = 300

_JSON_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "int64": (int,),
    "float64": (int, float),
    "bool": (bool,),
    "date": (str,),
    "datetime": (str,),
}


class Parsed(NamedTuple):
    """Values of some lines by column, the index of each row's line (shape (rows,)), the rejects of the other lines."""

    values: dict[str, pl.Series]
    rows: Positions
    rejects: list[Reject]


class Ndjson(TableSource):
    """Newline-delimited JSON (RFC 8259 objects, UTF-8), with a declared type for every field.

    A field that is absent is not the same as one that is null: the first is rejected, the second is no value. Duplicate
    keys, NaN, fractions or exponents where int64 is declared, undeclared fields (unless dropped) and nested values are
    rejected.
    """

    kind: Literal["ndjson"] = "ndjson"
    """Newline-delimited JSON."""

    def read_file(self, file: InputFile) -> Iterator[Batch]:
        """Yield the rows of one file; an empty file gives one empty batch."""
        with opened(file) as window:
            yield from self.read_window(window)

    def read_window(self, window: Window) -> Iterator[Batch]:
        """Yield the batches of a window over a file."""
        empty = True
        for block in line_blocks(window, self.max_record_bytes):
            batch = self._block(block, window.name)
            if batch.table.height or batch.rejects.height:
                empty = False
                yield batch
        if empty:
            none: list[int] = []
            yield Batch(self.placed({name: _typed([], kind) for name, kind in self._raw.items()}, window.name, none))

    @property
    def _raw(self) -> dict[str, pl.DataType]:
        """Types in which JSON carries the columns: dates and times are text."""
        return {name: DTYPES["string" if kind.startswith("date") else kind] for name, kind in self.declared.items()}

    def _block(self, block: LineBlock, name: str) -> Batch:
        bad = faults(block.data, block.starts, block.ends, self.max_record_bytes)
        bad = {index: fault for index, fault in bad.items() if fault[0] != "nul_byte"}
        rejects = block.rejects + [block.reject(name, index, *bad[index]) for index in sorted(bad)]
        lines = np.setdiff1d(np.arange(len(block.starts)), list(bad))
        parts = list(self._parse(block, lines, name))
        unsorted = np.concatenate([np.zeros(0, np.int64), *(part.rows for part in parts)])
        order = np.argsort(unsorted)
        rows = unsorted[order]
        rejects += [reject for part in parts for reject in part.rejects]
        before = {
            column: pl.concat([_typed([], dtype), *(part.values[column] for part in parts)])[order]
            for column, dtype in self._raw.items()
        }
        after = dict(before)
        for column, kind in self.declared.items():
            if kind.startswith("date"):
                after[column] = parse_text(before[column], kind, self.formats.get(column))
        lost = first_faults(before, after, self.declared, self.non_finite == "keep")
        rejects += [block.reject(name, int(rows[row]), reason, detail) for row, reason, detail in lost]
        table = self.placed(after, name, pl.Series(rows + block.first))
        if lost:
            keep = np.ones(table.height, bool)
            keep[[row for row, _, _ in lost]] = False
            table = table.filter(pl.Series(keep))
        return Batch(table, reject_frame(sorted(rejects, key=lambda reject: reject.line or 0)))

    def _parse(self, block: LineBlock, lines: Positions, name: str) -> Iterator[Parsed]:
        """Parse some lines at once where the fast parser takes them, else in halves, in the end one by one."""
        fast = self._fast(block, lines) if len(lines) > 1 else None
        if fast is not None:
            yield from self._doubts(block, lines, fast, name)
        elif len(lines) > CAREFUL_LINES:
            half = len(lines) // 2
            yield from self._parse(block, lines[:half], name)
            yield from self._parse(block, lines[half:], name)
        else:
            yield self._careful(block, lines, name)

    def _fast(self, block: LineBlock, lines: Positions) -> pl.DataFrame | None:
        """The values as pyarrow reads them; null where it refuses, or might have read other records than the lines."""
        import io

        import pyarrow as pa
        import pyarrow.json

        starts, ends = block.starts[lines], block.ends[lines]
        signs = np.frombuffer(block.data, np.uint8)
        # Objects that go over lines, and lines of two objects, could make up for each other in the count of rows below.
        if not bool(((ends > starts) & (signs[starts % len(signs)] == ord("{")) & (signs[ends - 1] == ord("}"))).all()):
            return None
        whole = lines[-1] - lines[0] == len(lines) - 1
        pieces = zip(starts.tolist(), ends.tolist(), strict=True)
        data = block.data[starts[0] : ends[-1]] if whole else b"\n".join(block.data[a:b] for a, b in pieces)
        types = {pl.String: pa.string(), pl.Int64: pa.int64(), pl.Float64: pa.float64(), pl.Boolean: pa.bool_()}
        schema = pa.schema([(self.in_file[column], types[type(dtype)]) for column, dtype in self._raw.items()])
        try:
            table = pyarrow.json.read_json(
                io.BytesIO(data),
                read_options=pyarrow.json.ReadOptions(use_threads=False, block_size=len(data) + 1),
                parse_options=pyarrow.json.ParseOptions(
                    explicit_schema=schema,
                    newlines_in_values=False,
                    unexpected_field_behavior="ignore" if self.extra_columns == "drop" else "error",
                ),
            )
        except (pa.ArrowException, ValueError):
            return None
        if table.num_rows != len(lines):
            return None
        frame = pl.DataFrame(pl.from_arrow(table))
        return frame.select(pl.col(there).alias(here) for here, there in self.in_file.items())

    def _doubts(self, block: LineBlock, lines: Positions, frame: pl.DataFrame, name: str) -> Iterator[Parsed]:
        """Rows that the fast parser read; those with a null (absent or null?) or NaN (not JSON) are read again."""
        doubt = pl.any_horizontal(pl.all().is_null())
        floats = [column for column, dtype in self._raw.items() if dtype == pl.Float64]
        if floats:
            doubt = doubt | pl.any_horizontal(~pl.col(floats).is_finite().fill_null(False))
        marks = frame.select(doubt.alias("d"))["d"].to_numpy()
        if not marks.any():
            yield Parsed(frame.to_dict(as_series=True), lines, [])
            return
        yield Parsed(frame.filter(~pl.Series(marks)).to_dict(as_series=True), lines[~marks], [])
        yield self._careful(block, lines[marks], name)

    def _careful(self, block: LineBlock, lines: Positions, name: str) -> Parsed:
        """Parse line by line with Python's parser, which tells what is wrong."""
        values: dict[str, list[Any]] = {column: [] for column in self.declared}
        rows: list[int] = []
        rejects: list[Reject] = []
        for index in lines.tolist():
            line = block.data[int(block.starts[index]) : int(block.ends[index])]
            if not line.strip(b" \t\r\n"):
                continue
            try:
                row = self._row(line)
            except _Fault as fault:
                rejects.append(block.reject(name, index, fault.reason, fault.detail))
                continue
            rows.append(index)
            for column, value in row.items():
                values[column].append(value)
        typed = {column: _typed(values[column], dtype) for column, dtype in self._raw.items()}
        return Parsed(typed, np.array(rows, np.int64), rejects)

    def _row(self, line: bytes) -> dict[str, Any]:
        record = _load(line)
        if not isinstance(record, _Object):
            raise _Fault("not_object", f"the line is {_json_name(record)}")
        seen: dict[str, Any] = {}
        known = set(self.in_file.values())
        for key, value in record.pairs:
            if self.extra_columns == "drop" and key not in known:
                continue
            if key in seen:
                raise _Fault("duplicate_key", key)
            if key not in known:
                raise _Fault("unknown_field", f"{key}{nearest(key, sorted(known))}")
            seen[key] = value
        row: dict[str, Any] = {}
        for column, there in self.in_file.items():
            if there not in seen:
                raise _Fault("missing_field", there)
            row[column] = _checked(column, self.declared[column], seen[there])
        return row


class _Fault(Exception):
    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.detail = detail


class _Object(NamedTuple):
    """A JSON object with its keys as they stand, doubles included."""

    pairs: list[tuple[str, Any]]


def _load(line: bytes) -> Any:
    try:
        return json.loads(line, object_pairs_hook=_Object, parse_constant=_no_constant, parse_int=_integer)
    except RecursionError:
        raise _Fault("not_json", "nested too deep") from None
    except ValueError as error:
        raise _Fault("not_json", str(error)) from None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _integer(digits: str) -> int | float:
    # Python refuses to convert very long integers, and no type here holds them.
    return int(digits) if len(digits) <= MAX_DIGITS else float(digits)


def _checked(column: str, kind: str, value: Any) -> Any:
    if value is None:
        return None
    fits = isinstance(value, _JSON_TYPES[kind]) and (kind == "bool" or not isinstance(value, bool))
    if not fits:
        raise _Fault(f"not_{kind}", f"{column}: {_json_name(value)}")
    if kind == "int64" and not -(2**63) <= value < 2**63:
        raise _Fault("not_int64", f"{column}: {value}")
    if isinstance(value, str) and not value.isascii():
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            raise _Fault("lone_surrogate", column) from None
    return float(value) if kind == "float64" else value


def _json_name(value: Any) -> str:
    if isinstance(value, _Object):
        return "an object"
    if isinstance(value, list):
        return "a list"
    return f"{str(value)[:100]!r}" if isinstance(value, str) else str(value)[:100].replace("True", "true")


def _typed(values: list[Any], dtype: pl.DataType) -> pl.Series:
    return pl.Series(values, dtype=dtype)
