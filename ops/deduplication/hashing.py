"""Hashes of a row's content that stay the same for ever: SHA-256, never a library's own hash."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import polars as pl

from ops.columns import WHITE, require
from ops.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

Normalise = Literal["none", "whitespace_case", "alphanumeric"]

HASH_BYTES = 16
_MISSING = bytes(32)
_ROWS = 8192
"""Rows that are hashed at a time: of more there is no second and third copy in memory."""


def content_digests(table: pl.DataFrame, columns: Sequence[str], normalise: Normalise = "none") -> list[bytes]:
    """One SHA-256 digest (32 bytes) for each row over its values in the columns.

    A value is its UTF-8 or its bytes; integers, booleans and dates are written as text; floats are the eight bytes of
    their float64, lowest first, with one zero and one NaN. One column: the digest of the value, as `sha256sum` prints
    it. Several: the digest of their digests one after the other, which no shift of content from one column to the next
    leaves equal. Null has the digest of 32 zero bytes, so it is not the empty text.
    `whitespace_case` compares text in lower case with runs of white space as one space and none at the ends;
    `alphanumeric` compares only its letters, marks and digits in lower case, and text without any as `whitespace_case`.

    Raises:
        ConfigError: a column is missing, or its type has no canonical form (moments, lists).
    """
    require(table, columns, step="content hash")
    if table.height > _ROWS:
        slices = (table.slice(start, _ROWS) for start in range(0, table.height, _ROWS))
        return [digest for some in slices for digest in content_digests(some, columns, normalise)]
    parts = [_digests(_canonical(table[column], normalise)) for column in columns]
    if len(parts) == 1:
        return parts[0]
    return [hashlib.sha256(b"".join(row)).digest() for row in zip(*parts, strict=True)]


def row_hashes(table: pl.DataFrame, columns: Sequence[str], normalise: Normalise = "none") -> npt.NDArray[np.uint8]:
    """The first 16 bytes of each row's content digest, as an array of shape (rows, 16)."""
    import numpy as np

    joined = b"".join(digest[:HASH_BYTES] for digest in content_digests(table, columns, normalise))
    return np.frombuffer(joined, dtype=np.uint8).reshape(-1, HASH_BYTES)


def is_blank(column: str, dtype: pl.DataType, normalise: Normalise) -> pl.Expr:
    """Whether a value is null or empty (after normalisation) and so says nothing."""
    value = pl.col(column)
    if dtype == pl.Binary:
        return value.is_null() | (value.bin.size() == 0)
    if dtype == pl.String:
        text = value if normalise == "none" else value.str.strip_chars()
        return value.is_null() | (text.str.len_bytes() == 0)
    return value.is_null()


def _canonical(values: pl.Series, normalise: Normalise) -> pl.Series:
    """The column as Binary."""
    dtype = values.dtype
    if dtype == pl.Binary:
        return values
    if dtype.is_float():
        return _floats(values)
    if dtype == pl.Date or dtype.is_integer() or dtype == pl.Boolean:
        return values.cast(pl.String).cast(pl.Binary)
    if not isinstance(dtype, pl.String | pl.Categorical | pl.Enum):
        raise ConfigError(f"column {values.name!r} is {dtype}, which has no canonical form to compare by content")
    values = values.cast(pl.String)
    if normalise == "none":
        return values.cast(pl.Binary)
    plain = values.str.to_lowercase().str.replace_all(WHITE, " ").str.strip_chars()
    if normalise == "alphanumeric":
        said = plain.str.replace_all(r"[^\p{L}\p{M}\p{N}]+", "")
        plain = said.zip_with(said.str.len_bytes() > 0, plain)
    return plain.cast(pl.Binary)


def _floats(values: pl.Series) -> pl.Series:
    import numpy as np

    numbers = values.cast(pl.Float64).fill_null(0.0).to_numpy() + 0.0  # -0.0 + 0.0 is 0.0
    data = np.where(np.isnan(numbers), np.nan, numbers).astype("<f8").tobytes()
    parts = [data[start : start + 8] for start in range(0, len(data), 8)]
    return pl.Series(values.name, parts, pl.Binary).set(values.is_null(), None)


def _digests(values: pl.Series) -> list[bytes]:
    # A loop over rows, but each turn is one call into OpenSSL: 0.4 µs and 1 to 2 GB/s. No vectorised hash of polars or
    # Arrow is specified, and a stored hash must not change with a library.
    sha256 = hashlib.sha256
    return [_MISSING if value is None else sha256(value).digest() for value in values.to_list()]
