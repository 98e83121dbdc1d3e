"""Looking into one file: tables, tensors, token caches, JSON, text, images."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ops.errors import BadData, IntegrityError, StorageError
from pipelines.console import size
from pipelines.peek import Grid, Sheet, cut, lines_of

if TYPE_CHECKING:
    import polars as pl

    from ops.storage import Version

STATISTICS_ROWS = 100_000
"""Column figures are over the first so many rows: enough to see by, and bounded."""
HEADER_BYTES = 100 << 20
TENSORS_SHOWN = 200
TENSOR_BYTES = 64 << 20
TEXT_BYTES = 100
TEXT_SHARE = 0.8
"""Bytes are shown as text if so much of their beginning is printable ASCII."""
_READABLE = frozenset((*range(0x20, 0x7F), *b"\t\n\r"))
WIDE = 200
"""Columns shown at most."""


def look_at(path: Path, rows: int) -> Sheet:
    """Look into a file by what its name says it is.

    Raises:
        BadData: it is not what its name says.
        StorageError: it cannot be read.
    """
    look = _LOOKS.get(path.suffix.lower(), _bytes)
    try:
        sheet = look(path, rows)
    except OSError as error:
        raise StorageError(f"cannot be read: {error.strerror}", where=str(path)) from error
    sheet.figures = {"path": str(path), "size": size(path.stat().st_size), **sheet.figures}
    return sheet


def _parquet(path: Path, rows: int) -> Sheet:
    import polars as pl

    try:
        total = pl.scan_parquet(path, glob=False).select(pl.len()).collect().item()
        table = pl.read_parquet(path, n_rows=max(STATISTICS_ROWS, rows), glob=False)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise BadData(f"not a readable Parquet file: {str(error).splitlines()[0]}", where=str(path)) from error
    return _table(path.name, table, total, rows)


def _arrow(path: Path, rows: int) -> Sheet:
    import polars as pl

    try:
        table = pl.read_ipc(path, n_rows=max(STATISTICS_ROWS, rows))
        total = pl.scan_ipc(path).select(pl.len()).collect().item()
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise BadData(f"not a readable Arrow file: {str(error).splitlines()[0]}", where=str(path)) from error
    return _table(path.name, table, total, rows)


def _table(title: str, table: pl.DataFrame, total: int, rows: int) -> Sheet:
    table = table.select(table.columns[:WIDE])
    columns = [(name, str(kind), table[name]) for name, kind in table.schema.items()]
    statistics = [[name, kind, column.null_count(), *_figures(column)] for name, kind, column in columns]
    samples = [[cell(value) for value in row] for row in table.head(rows).iter_rows()]
    over = f" (of the first {table.height:,} rows)" if table.height < total else ""
    return Sheet(
        title,
        {"rows": total, "columns": table.width},
        [
            Grid(f"columns{over}", ["column", "type", "nulls", "least", "mean", "most"], statistics),
            Grid(f"first {len(samples)} of {total:,} rows", table.columns, samples),
        ],
    )


def _figures(column: pl.Series) -> list[Any]:
    """Least, mean and most: of numbers, or of the lengths of texts, byte strings and lists."""
    import polars as pl

    dtype = column.dtype
    if dtype == pl.String:
        lengths, unit = column.str.len_chars(), " characters"
    elif dtype == pl.Binary:
        lengths, unit = column.bin.size(), " bytes"
    elif isinstance(dtype, pl.List):
        lengths, unit = column.list.len(), " entries"
    elif dtype.is_numeric() or dtype == pl.Boolean:
        lengths, unit = column.cast(pl.Float64 if dtype == pl.Boolean else dtype), ""
    else:
        return [cell(column.min()), "", cell(column.max())] if dtype.is_temporal() else ["", "", ""]
    if lengths.drop_nulls().is_empty():
        return ["", "", ""]
    return [f"{_number(value)}{unit}" for value in (lengths.min(), lengths.mean(), lengths.max())]


def _number(value: Any) -> str:
    if not isinstance(value, float):
        return f"{value:,}"
    return f"{value:,.0f}" if 1e4 <= abs(value) < 1e15 else f"{value:,.4g}"


def cell(value: Any) -> Any:
    """A value as a sample shows it."""
    if isinstance(value, bytes):
        return image_form(value) or _text_form(value) or f"{len(value):,} bytes"
    if isinstance(value, str):
        return cut(value)
    if isinstance(value, float):
        return float(f"{value:.6g}") if value == value and abs(value) != float("inf") else str(value)
    return value if isinstance(value, int | bool) or value is None else cut(str(value))


def _text_form(value: bytes) -> str | None:
    """Bytes that are text but for a few, as those of a record that was rejected; None for what is no text."""
    head = value[:TEXT_BYTES]
    readable = sum(byte in _READABLE for byte in head)
    if readable < TEXT_SHARE * len(head) or not head:
        return None
    return cut(value[: 4 * TEXT_BYTES].decode("utf-8", "backslashreplace"))


def image_form(head: bytes, total: int | None = None) -> str | None:
    """Kind and extent of an encoded image, from its first bytes alone; None where it is none that is known here."""
    length = f"{len(head) if total is None else total:,} bytes"
    if head.startswith(b"\x89PNG\r\n\x1a\n") and len(head) >= 24:
        width, height = struct.unpack(">II", head[16:24])
        return f"PNG {width}×{height}, {length}"
    if head[:6] in (b"GIF87a", b"GIF89a") and len(head) >= 10:
        width, height = struct.unpack("<HH", head[6:10])
        return f"GIF {width}×{height}, {length}"
    if head.startswith(b"\xff\xd8\xff"):
        return f"JPEG, {length}"
    if head[:2] in (b"P4", b"P5", b"P6"):
        numbers = [word.decode() for word in head[2:60].split()[:2] if word.isdigit()]
        extent = " " + "×".join(numbers) if b"#" not in head[:60] else ""
        return f"Netpbm{extent}, {length}"
    return None


def _safetensors(path: Path, rows: int) -> Sheet:
    header, start = _safetensors_header(path)
    metadata = header.pop("__metadata__", {})
    entries: list[list[Any]] = []
    parameters = 0
    for name, tensor in header.items():
        shape, kind = tensor.get("shape", []), tensor.get("dtype", "?")
        count = 1
        for extent in shape:
            count *= int(extent)
        parameters += count
        if len(entries) < TENSORS_SHOWN:
            values = _tensor_figures(path, start, tensor)
            entries.append([cut(name), kind, "×".join(map(str, shape)) or "scalar", count, *values])
    figures = {"tensors": len(header), "values": parameters, **{cut(k): cut(str(v)) for k, v in metadata.items()}}
    columns = ["tensor", "type", "shape", "values", "mean", "deviation", "least", "most"]
    return Sheet(path.name, figures, [Grid("tensors", columns, entries)])


def _safetensors_header(path: Path) -> tuple[dict[str, Any], int]:
    with path.open("rb") as file:
        head = file.read(8)
        length = struct.unpack("<Q", head)[0] if len(head) == 8 else 0
        if not 2 <= length <= min(HEADER_BYTES, path.stat().st_size):
            raise BadData("not a safetensors file: its header's length cannot be", where=str(path))
        try:
            header = json.loads(file.read(length))
            if not all(isinstance(tensor, dict) for tensor in header.values()):
                raise ValueError("entries are not objects")
        except (ValueError, AttributeError, RecursionError) as error:
            raise BadData(f"not a safetensors file: {error}", where=str(path)) from error
    return header, 8 + length


def _tensor_figures(path: Path, start: int, tensor: dict[str, Any]) -> list[Any]:
    """Mean, deviation, least and most of a float tensor that is not too large to read for a look."""
    import numpy as np

    kinds = {"F64": np.float64, "F32": np.float32, "F16": np.float16}
    begin, end = tensor.get("data_offsets", (0, 0))
    kind = kinds.get(str(tensor.get("dtype")))
    if kind is None or not 0 <= begin < end or end - begin > TENSOR_BYTES or end + start > path.stat().st_size:
        return ["", "", "", ""]
    values = np.fromfile(path, kind, (end - begin) // np.dtype(kind).itemsize, offset=start + begin).astype(np.float64)
    return [f"{figure:.4g}" for figure in (values.mean(), values.std(), values.min(), values.max())]


def token_cache(version: Version, rows: int) -> Sheet:
    """The index of a token cache and its first examples, tokens or pixels."""
    import numpy as np

    from ops.stages.cached import cached_rows

    index = cached_rows(version)
    schema = version.manifest.entry("data.bin")
    kind = np.dtype((schema.schema or {}).get("dtype", "|u1") if schema else "|u1")
    data = version.array("data.bin", kind)
    sheet = _table("index", index, index.height, rows)
    shown = []
    for row in index.head(rows).iter_rows(named=True):
        values = data[row["offset"] : row["offset"] + min(row["length"], 16)].tolist()
        shown.append([cut(row["id"]), row["length"], " ".join(map(str, values)) + (" …" if row["length"] > 16 else "")])
    what = "tokens" if kind.itemsize > 1 else "pixels"
    sheet.grids.append(Grid(f"data.bin: {data.size:,} {what}", ["id", "length", f"first {what}"], shown))
    return sheet


def _json(path: Path, rows: int) -> Sheet:
    value = _parsed(path)
    if isinstance(value, dict):
        items = list(value.items())[: max(rows, 20)]
        found: list[list[Any]] = [[cut(key), cut(json.dumps(item, ensure_ascii=False))] for key, item in items]
        return Sheet(path.name, {"keys": len(value)}, [Grid("keys", ["key", "value"], found)])
    entries = value if isinstance(value, list) else [value]
    found = [[index, cut(json.dumps(item, ensure_ascii=False))] for index, item in enumerate(entries[:rows])]
    return Sheet(path.name, {"entries": len(entries)}, [Grid("entries", ["entry", "value"], found)])


def _parsed(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise BadData(f"not JSON: {error}", where=str(path)) from error


def _lines(path: Path, rows: int) -> Sheet:
    count = 0
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            count += block.count(b"\n")
    shown = [[number + 1, line] for number, line in enumerate(lines_of(path, rows, lambda text: cut(text, 120)))]
    return Sheet(path.name, {"lines": count}, [Grid(f"first {len(shown)} lines", ["line", "text"], shown)])


def _bytes(path: Path, rows: int) -> Sheet:
    with path.open("rb") as file:
        head = file.read(64)
    total = path.stat().st_size
    form = image_form(head, total)
    if form:
        return Sheet(path.name, {"image": form})
    parts = [(at, head[at : at + 16]) for at in range(0, len(head), 16)]
    lines = [[f"{at:08x}", part.hex(" "), cut(part.decode("latin-1"))] for at, part in parts]
    return Sheet(path.name, {}, [Grid("first bytes", ["offset", "bytes", "text"], lines[:rows])])


def _refused(path: Path, rows: int) -> Sheet:
    raise IntegrityError("a pickle runs code when it is read, so it is not", where=str(path), hint="use safetensors")


_TEXT = (".jsonl", ".ndjson", ".csv", ".tsv", ".txt", ".md", ".log", ".html", ".yaml", ".yml", ".py", ".lock")
_LOOKS: dict[str, Callable[[Path, int], Sheet]] = {
    ".parquet": _parquet,
    ".arrow": _arrow,
    ".safetensors": _safetensors,
    ".json": _json,
    **dict.fromkeys(_TEXT, _lines),
    **dict.fromkeys((".pt", ".pth", ".pkl", ".pickle"), _refused),
}
