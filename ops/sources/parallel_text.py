"""Parallel text: sentences and their translations, in two files or in two columns of one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Literal, NamedTuple

import polars as pl
from pydantic import PositiveInt, field_validator, model_validator

from ops.errors import BadData, ConfigError
from ops.sources.base import Batch, Modality
from ops.sources.containers import InputFile, parts
from ops.sources.encodings import Encoding, check_encoding
from ops.sources.files import FileSource
from ops.sources.lines import LineBlock, line_blocks
from ops.sources.places import Place, check_places, check_remotes, digest_files, expand, unreadable
from ops.sources.rejects import Reject, reject_frame
from ops.sources.remote import Remote
from ops.sources.window import faults, opened

SCHEMA: dict[str, pl.DataType] = {"source": pl.String(), "target": pl.String(), "file": pl.String(), "line": pl.Int64()}


class Lines(NamedTuple):
    """Consecutive lines of a file: their texts, null where one is rejected, and the rejects by their index."""

    texts: list[str | None]
    first: int
    rejects: dict[int, Reject]


class ParallelText(FileSource):
    """One row for each pair of lines: line n of `path` with line n of `target`, or two fields of a TSV file's line.

    A pair of which one side is blank, undecodable or too long is rejected; where both are blank it is no row. Two files
    of different length are an error: which lines belong together is not known then. No sign quotes in TSV.
    """

    modality: ClassVar[Modality] = "text"

    kind: Literal["parallel_text"] = "parallel_text"
    """Parallel text."""
    target: Place | list[Place] | None = None
    """The files of the other side, in the order of those of `path`; null where both sides stand in one TSV file."""
    fields: tuple[PositiveInt, PositiveInt] = (1, 2)
    """Of TSV: which fields are source and target, from 1."""
    extra_fields: Literal["reject", "drop"] = "reject"
    """Of TSV: what happens to lines with more fields than named."""
    encoding: Encoding = "utf-8"
    """Encoding of the files, or a list of which the first that a file is wholly in is taken, after UTF-8."""
    max_record_bytes: PositiveInt = 1 << 20
    """Longest line; a pair with a longer one is rejected."""

    _check_target = field_validator("target")(lambda value: value if value is None else check_places(value))
    _check_encoding = field_validator("encoding")(check_encoding)

    @model_validator(mode="after")
    def _two_fields(self) -> ParallelText:
        if self.fields[0] == self.fields[1]:
            raise ValueError("source and target are one field")
        return self

    @property
    def columns(self) -> dict[str, pl.DataType]:
        """The two sides."""
        return {"source": pl.String(), "target": pl.String()}

    def targets(self) -> list[InputFile]:
        """The files of the other side, in the order of `path`'s.

        Raises:
            ConfigError: there are more or fewer than of `path`.
        """
        if self.target is None:
            return []
        patterns = self.target if isinstance(self.target, list) else [self.target]
        found = [file for pattern in patterns for file in expand(self._base, pattern)]
        if len(found) != len(self.files()):
            raise ConfigError(f"{len(self.files())} files in `path`, {len(found)} in `target`: each needs one")
        return found

    def check(self) -> None:
        """Look whether all files are there."""
        check_remotes(self.remotes())

    def remotes(self) -> list[Remote]:
        """The files elsewhere, of both sides."""
        return [file.remote for file in (*self.files(), *self.targets()) if file.remote is not None]

    def paths(self) -> list[Path]:
        """All files of both sides that are on this machine, as absolute paths."""
        return [file.path.absolute() for file in (*self.files(), *self.targets()) if file.remote is None]

    def external(self, partition: str | None = None) -> str:
        """SHA-256 over the names and content of both sides."""
        if self.target is None:
            return super().external(partition)
        pairs = zip(self.files(), self.targets(), strict=True)
        return digest_files([file for pair in pairs if partition in (None, pair[0].name) for file in pair])

    def natural_partitions(self) -> list[str] | None:
        """The names of the files of `path`."""
        return super().natural_partitions() if self.target is None else [file.name for file in self.files()]

    def read(self, partition: str | None = None) -> Iterator[Batch]:
        """Yield the pairs of one file, or of all files one after the other."""
        if self.target is None:
            yield from super().read(partition)
            return
        for source, target in zip(self.files(), self.targets(), strict=True):
            if partition in (None, source.name):
                try:
                    yield from self._pairs(source, target)
                except OSError as error:
                    raise unreadable(source, error) from error

    def read_file(self, file: InputFile) -> Iterator[Batch]:
        """Yield the pairs of one TSV file."""
        with opened(file, self.encoding) as window:
            empty = True
            for block in line_blocks(window, self.max_record_bytes):
                empty = False
                yield self._fields_of(_lines(block, file.name, self.max_record_bytes), file.name)
            if empty:
                yield Batch(pl.DataFrame(schema=SCHEMA))

    def _fields_of(self, lines: Lines, name: str) -> Batch:
        table = pl.DataFrame({"text": lines.texts}, schema={"text": pl.String()}).with_row_index("n")
        table = table.filter(pl.col("text").str.strip_chars() != "")
        wanted = max(self.fields)
        cells = table.with_columns(pl.col("text").str.split("\t").alias("cells"))
        count = pl.col("cells").list.len()
        fits = count >= wanted if self.extra_fields == "drop" else count == wanted
        sides = {
            side: pl.col("cells").list.get(n - 1, null_on_oob=True) for side, n in zip(SIDES, self.fields, strict=True)
        }
        cells = cells.with_columns(fits.alias("fits"), count.alias("count"), **sides)
        rejects = dict(lines.rejects)
        for n, found, text in cells.filter(~pl.col("fits")).select("n", "count", "text").iter_rows():
            detail = f"{found} fields, {wanted} expected"
            rejects[n] = Reject(name, lines.first + n, None, "wrong_column_count", detail, text[:256].encode())
        good = cells.filter("fits").select("n", *SIDES)
        return _batch(good, lines.first, name, rejects)

    def _pairs(self, source: InputFile, target: InputFile) -> Iterator[Batch]:
        """Yield the pairs of two files, as many lines at a time as are at hand of both."""
        left, right = self._blocks(source), self._blocks(target)
        here, there = next(left, None), next(right, None)
        empty = True
        while here is not None and there is not None:
            count = min(len(here.texts), len(there.texts))
            empty = False
            yield _paired(here, there, count, source.name)
            here = _rest(here, count) or next(left, None)
            there = _rest(there, count) or next(right, None)
        if here is not None or there is not None:
            longer, shorter = (source, target) if here is not None else (target, source)
            line = (here or there).first  # type: ignore[union-attr]  # one of them is there
            what = f"has a line {line}, which {shorter.name} has not: which lines belong together is not known"
            raise BadData(what, where=f"{longer.name}:{line}")
        if empty:
            yield Batch(pl.DataFrame(schema=SCHEMA))

    def _blocks(self, file: InputFile) -> Iterator[Lines]:
        for part in parts(file.here(), self.unpacking, self.keep, self._wants):
            if isinstance(part, Reject) or part.name != file.name:
                raise BadData("is an archive, which has no lines of its own", where=file.name)
            with opened(part, self.encoding) as window:
                for block in line_blocks(window, self.max_record_bytes):
                    yield _lines(block, file.name, self.max_record_bytes)


SIDES = ("source", "target")


def _lines(block: LineBlock, name: str, limit: int) -> Lines:
    if block.rejects:
        return Lines([None], block.first, {0: block.rejects[0]})
    bad = faults(block.data, block.starts, block.ends, limit)
    rejects = {index: block.reject(name, index, *fault) for index, fault in bad.items()}
    pairs = zip(block.starts.tolist(), block.ends.tolist(), strict=True)
    if bad:
        texts = [None if i in bad else block.data[a:b].decode() for i, (a, b) in enumerate(pairs)]
    else:
        texts = [block.data[a:b].decode() for a, b in pairs]
    return Lines(texts, block.first, rejects)


def _rest(lines: Lines, count: int) -> Lines | None:
    if count == len(lines.texts):
        return None
    rejects = {index - count: reject for index, reject in lines.rejects.items() if index >= count}
    return Lines(lines.texts[count:], lines.first + count, rejects)


def _paired(here: Lines, there: Lines, count: int, name: str) -> Batch:
    table = pl.DataFrame(
        {"source": here.texts[:count], "target": there.texts[:count]}, schema=dict(list(SCHEMA.items())[:2])
    )
    rejects = {index: reject for index, reject in there.rejects.items() if index < count}
    rejects |= {index: reject for index, reject in here.rejects.items() if index < count}
    return _batch(table.with_row_index("n").drop_nulls(), here.first, name, rejects)


def _batch(table: pl.DataFrame, first: int, name: str, rejects: dict[int, Reject]) -> Batch:
    """Part pairs of which one side is blank from the others."""
    blank = [pl.col(side).str.strip_chars() == "" for side in SIDES]
    table = table.filter(~(blank[0] & blank[1])).with_columns((blank[0] | blank[1]).alias("half"))
    for n, source, target in table.filter("half").select("n", *SIDES).iter_rows():
        side = "target" if source.strip() else "source"
        excerpt = f"{source}\t{target}".encode()[:256]
        rejects[n] = Reject(name, first + n, None, "empty_side", f"the {side} is blank", excerpt)
    lines = (pl.col("n").cast(pl.Int64) + first).alias("line")
    rows = table.filter(~pl.col("half")).select(*SIDES, pl.lit(name, pl.String).alias("file"), lines)
    return Batch(rows, reject_frame(rejects[n] for n in sorted(rejects)))
