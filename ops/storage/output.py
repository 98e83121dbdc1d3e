"""Where a stage writes its result: files are hashed on their way to staging and become manifest entries."""

from __future__ import annotations

import builtins
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ops.errors import IntegrityError, StorageError
from ops.storage.blocks import BLOCK, Sums, sums_of
from ops.storage.files import AtomicFile, copy, write_file
from ops.storage.manifest import RESERVED, FileEntry
from ops.storage.names import is_file_name

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    from ops.storage.rows import RowsWriter

ROW_GROUP_ROWS = 65_536
ZSTD_LEVEL = 3


class ArrayWriter:
    """A raw binary that grows by NumPy arrays of one type, C order, little-endian.

    Attributes:
        elements: elements written so far.
        dtype: their type as NumPy writes it (`<u2`); empty before the first write.
    """

    def __init__(self, file: AtomicFile, sums: Sums | None = None) -> None:
        self._file, self._sums = file, sums
        self.elements = 0
        self.dtype = ""

    def write(self, values: np.ndarray[Any, Any]) -> None:
        """Append all elements of an array.

        Raises:
            StorageError: its type is not that of the arrays before, or is not a plain number.
        """
        import numpy as np

        kind = values.dtype.newbyteorder("<")
        if kind.kind not in "biufc":
            raise StorageError(f"an array of {values.dtype} is not raw numbers", where=str(self._file.path))
        if self.dtype not in ("", kind.str):
            raise StorageError(f"an array of {kind.str} follows one of {self.dtype}", where=str(self._file.path))
        self.dtype = kind.str
        plain = np.ascontiguousarray(values, dtype=kind).reshape(-1)
        if plain.size:
            data = plain.view(np.uint8).data
            self._file.write(data)
            if self._sums is not None:
                self._sums.add(data)
        self.elements += int(plain.size)


@dataclass
class Output:
    """The staging folder of one commit; the only way to write a result.

    File names are plain: letters, digits, `_`, `.`, `-`. A name is written once.
    """

    _folder: Path
    _entries: dict[str, FileEntry] = field(default_factory=dict)
    _facts: dict[str, Any] = field(default_factory=dict)
    _cost: dict[str, Any] = field(default_factory=dict)
    _open: set[str] = field(default_factory=set)

    def parquet(self, name: str, table: pl.DataFrame) -> None:
        """Write a table; equal tables give equal bytes, whatever their chunks and however many threads write."""
        import polars as pl

        with self._new(name) as path, AtomicFile(path) as file:
            try:
                # polars gives no word that the chunks of a table leave no trace in the file: there is only one chunk.
                table.rechunk().write_parquet(
                    file,  # type: ignore[arg-type]  # polars asks for no more than write and flush
                    compression="zstd",
                    compression_level=ZSTD_LEVEL,
                    statistics=True,
                    row_group_size=ROW_GROUP_ROWS,
                )
            except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
                # polars reports a failed write in its own words; a full disk must stay a full disk.
                raise (file.error or StorageError(f"cannot be written as Parquet: {error}", where=name)) from error
        schema = {column: str(kind) for column, kind in table.schema.items()}
        self._add(FileEntry(name, file.size, file.sha256, rows=table.height, schema=schema))

    @contextmanager
    def rows(self, name: str, schema: Mapping[str, pl.DataType]) -> Iterator[RowsWriter]:
        """A Parquet table that grows by `writer.write(table)` within the `with` block: it need not fit into memory.

        Equal rows give equal bytes, however they come.
        """
        from ops.storage.rows import RowsWriter

        with self._new(name) as path, AtomicFile(path) as file:
            writer = RowsWriter(file, schema)
            try:
                yield writer
                writer.finish()
            except BaseException:
                writer.abandon()
                raise
        types = {column: str(kind) for column, kind in schema.items()}
        self._add(FileEntry(name, file.size, file.sha256, rows=writer.height, schema=types))

    def arrow(self, name: str, table: pl.DataFrame, *, packed: bool = False) -> None:
        """Write a table as one batch of an Arrow IPC file, of which readers map the columns into memory as they are.

        Args:
            name: the file.
            table: numbers, which may be null, and enumerations, texts and arrays of numbers, which may not.
            packed: compress the columns; they are then read, not mapped.
        """
        from ops.storage.arrow import arrow_bytes

        data = arrow_bytes(table, name, packed)
        with self._new(name) as path:
            file = write_file(path, data)
        schema = {column: str(kind) for column, kind in table.schema.items()}
        self._add(FileEntry(name, file.size, file.sha256, rows=table.height, schema=schema))

    def json(self, name: str, obj: Any) -> None:
        """Write a value as JSON: sorted keys, two spaces, UTF-8; NaN and infinity are refused."""
        try:
            text = json.dumps(obj, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise StorageError(f"cannot be written as JSON: {error}", where=name) from error
        self.text(name, text + "\n")

    def text(self, name: str, s: str) -> None:
        """Write text as UTF-8, line ends as they are."""
        try:
            data = s.encode()
        except UnicodeEncodeError as error:
            raise StorageError(f"cannot be written as UTF-8: {error}", where=name) from error
        self.bytes(name, data)

    def bytes(self, name: str, data: builtins.bytes) -> None:
        """Write bytes."""
        with self._new(name) as path:
            file = write_file(path, data)
        self._add(FileEntry(name, file.size, file.sha256))

    @contextmanager
    def array(self, name: str, *, blocks: bool | int = False) -> Iterator[ArrayWriter]:
        """A raw binary file that grows by `writer.write(array)` within the `with` block.

        With `blocks` the hashes of its blocks are written beside it, for `Version.blocks`; a number is their bytes.
        """
        size = BLOCK if blocks is True else int(blocks)
        sums = Sums(size) if size else None
        with self._new(name) as path, AtomicFile(path) as file:
            writer = ArrayWriter(file, sums)
            yield writer
        schema = {"dtype": writer.dtype} if writer.dtype else None
        if size not in (0, BLOCK):
            schema = {**(schema or {}), "block": str(size)}
        self._add(FileEntry(name, file.size, file.sha256, schema=schema))
        if sums is not None:
            self.bytes(sums_of(name), sums.finished())

    def adopt(self, name: str, path: Path) -> None:
        """Copy a finished file from outside."""
        with self._new(name) as target:
            file = copy(Path(path), target)
        self._add(FileEntry(name, file.size, file.sha256))

    def facts(self, facts: Mapping[str, Any]) -> None:
        """Keep small deterministic JSON in the manifest; later calls add keys."""
        self._facts.update(facts)

    def cost(self, cost: Mapping[str, Any]) -> None:
        """Keep measured figures in cost.json; later calls add keys."""
        self._cost.update(cost)

    @contextmanager
    def _new(self, name: str) -> Iterator[Path]:
        if not is_file_name(name) or name in RESERVED:
            raise StorageError(f"{name!r} cannot name a result file", hint="use letters, digits, _ . -; no folders")
        if name in self._entries or name in self._open:
            raise StorageError(f"{name!r} is written twice", where=str(self._folder))
        self._open.add(name)
        try:
            yield self._folder / name
        finally:
            self._open.discard(name)

    def _add(self, entry: FileEntry) -> None:
        self._entries[entry.name] = entry

    def finished(self) -> tuple[tuple[FileEntry, ...], dict[str, Any], dict[str, Any]]:
        """Entries sorted by name, facts and cost, once nothing is being written any more.

        Raises:
            IntegrityError: a file is still open, or something lies in the folder that was not written here.
        """
        if self._open:
            raise IntegrityError(f"still being written: {', '.join(sorted(self._open))}", where=str(self._folder))
        strange = sorted({path.name for path in self._folder.iterdir()} - self._entries.keys())
        if strange:
            raise IntegrityError(f"not written through the output: {', '.join(strange)}", where=str(self._folder))
        return tuple(self._entries[name] for name in sorted(self._entries)), self._facts, self._cost
