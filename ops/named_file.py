"""Files that a recipe names with their SHA-256, so that another content is another recipe."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Collection
from pathlib import Path

import polars as pl

from ops.columns import require
from ops.errors import BadData, ConfigError, IntegrityError


def named_bytes(path: Path, sha256: str, endings: Collection[str], what: str) -> bytes:
    """The content of a file.

    Args:
        path: the file.
        sha256: what its content must have.
        endings: how its name may end.
        what: what the file is, for errors.

    Raises:
        ConfigError: it is not there, or its name ends otherwise.
        IntegrityError: it has another content.
    """
    if path.suffix not in endings:
        raise ConfigError(f"{what} ends in {', '.join(endings)}", where=str(path))
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{what} cannot be read: {error.strerror}", where=str(path)) from error
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        hint = f"if it is meant to be this one: sha256: {found}"
        raise IntegrityError(f"{what} is not the one that the recipe means", where=str(path), hint=hint)
    return content


def column_of(content: bytes, path: Path, column: str, what: str) -> pl.Series:
    """A column of a .csv or .tsv with a header (as text), .parquet, .ndjson or .jsonl; or the lines of a .txt.

    Raises:
        ConfigError: there is no such column.
        BadData: the content is none of its kind.
    """
    stream = io.BytesIO(content)
    try:
        if path.suffix == ".txt":
            # Only at ends of lines: `splitlines` cuts at U+2028 and others too.
            lines = re.split("\r\n|\n|\r", content.decode("utf-8-sig"))
            return pl.Series(column, lines[:-1] if lines[-1] == "" else lines, dtype=pl.String)
        if path.suffix == ".parquet":
            table = pl.read_parquet(stream)
        elif path.suffix in (".ndjson", ".jsonl"):
            table = pl.read_ndjson(stream)
        else:
            table = pl.read_csv(stream, separator="\t" if path.suffix == ".tsv" else ",", infer_schema=False)
    except (UnicodeDecodeError, pl.exceptions.PolarsError) as error:
        raise BadData(f"{what} cannot be read as {path.suffix}: {error}", where=str(path)) from error
    require(table, [column], step=f"{what} {path.name}")
    return table[column]
