"""Hashes of files and of plain values: SHA-256 everywhere, over bytes that are the same on every machine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from io import BufferedReader
from pathlib import Path
from typing import Any

DIGEST_LENGTH = 32
"""Hex characters of a digest (128 bits); MLflow takes 36 at most."""


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no spaces; equal values give equal text.

    Raises:
        ValueError: a number is NaN or infinite, which JSON has no word for.
        TypeError: the value holds something that is not plain data.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def sha256_bytes(data: bytes) -> str:
    """SHA-256 of bytes, as 64 hex characters."""
    return hashlib.sha256(data).hexdigest()


def sha256_json(value: Any) -> str:
    """SHA-256 of a value's canonical JSON, as 64 hex characters."""
    return sha256_bytes(canonical_json(value).encode())


def sha256_file(source: Path | BufferedReader) -> str:
    """SHA-256 of a file, as 64 hex characters; an open file is read from where it stands to its end."""
    if isinstance(source, Path):
        with source.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    return hashlib.file_digest(source, "sha256").hexdigest()


def digest_of(files: Iterable[tuple[str, int, str]]) -> str:
    """The digest of a set of files, whatever their order.

    It is the same value in manifests, as Dagster's data version and as MLflow's dataset digest.

    Args:
        files: (name, bytes, SHA-256) of each file.
    """
    return sha256_json(sorted([name, size, sha256] for name, size, sha256 in files))[:DIGEST_LENGTH]
