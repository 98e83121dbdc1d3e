"""What was built: a manifest lists every file of a version with its bytes and SHA-256, and seals itself.

Both `manifest.json` and `cost.json` are sealed JSON: the first line holds the SHA-256 of all that follows, so a flipped
bit is found before a parser sees the text. The manifest is a pure function of the result: no time, host or memory.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from ops.errors import IntegrityError, StorageError
from ops.storage.counts import Counts
from ops.storage.files import translate
from ops.storage.hashing import digest_of, sha256_bytes

MANIFEST = "manifest.json"
COST = "cost.json"
FORMAT = 1
RESERVED = frozenset({MANIFEST, COST})

_STRICT = ConfigDict(extra="forbid", strict=True)
_SEAL = re.compile(rb'\{\n "check": "([0-9a-f]{64})",\n')


@dataclass(frozen=True, config=_STRICT)
class FileEntry:
    """One file of a version.

    Attributes:
        name: plain file name within the version's folder.
        bytes: its size.
        sha256: SHA-256 of its content, 64 hex characters.
        rows: rows of a table; None for other files.
        schema: column or element types by name; None where there are none.
    """

    name: str
    bytes: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    rows: int | None = None
    schema: dict[str, str] | None = None


@dataclass(frozen=True, config=_STRICT)
class Manifest:
    """All there is to know about a version that does not depend on when or where it was built.

    Attributes:
        format: version of this layout.
        recipe: the recipe's name.
        stage: the stage's name.
        partition: partition key, `all` for an unpartitioned stage.
        fingerprint: what would be built: SHA-256 of code, settings, inputs and seed.
        digest: what was built: 32 hex characters over the files' names, sizes and hashes.
        inputs: digests of the input versions by name.
        counts: the rows' books; None for stages without rows.
        facts: small deterministic JSON that the stage wants to be known.
        files: every file, sorted by name.
    """

    format: int
    recipe: str
    stage: str
    partition: str
    fingerprint: str
    digest: str
    inputs: dict[str, str]
    counts: Counts | None
    facts: dict[str, Any]
    files: tuple[FileEntry, ...]

    @classmethod
    def load(cls, path: Path) -> Manifest:
        """Read and check a manifest.

        Raises:
            IntegrityError: the seal is broken, the format is unknown, or the digest is not that of the files.
        """
        body = _sealed(path)
        try:
            return _manifest(body)
        except _Wrong as error:
            raise IntegrityError(str(error), where=str(path)) from error.__cause__

    def entry(self, name: str) -> FileEntry | None:
        """The entry of a file, or None where the manifest does not list it."""
        return next((file for file in self.files if file.name == name), None)

    def text(self) -> bytes:
        """The sealed bytes of `manifest.json`."""
        return seal(asdict(self))


_ADAPTER = TypeAdapter(Manifest)


class _Wrong(Exception):
    """What is wrong with a manifest."""


@lru_cache(maxsize=256)
def _manifest(text: bytes) -> Manifest:
    """The manifest in a JSON text. `current/` has the same one as its version, read right after it."""
    try:
        manifest = _ADAPTER.validate_json(text)
    except ValidationError as error:
        content = _parsed(text)
        if content.get("format") != FORMAT:
            raise _unknown(content.get("format")) from error
        raise _Wrong(f"not a manifest: {_first_line(error)}") from error
    if manifest.format != FORMAT:
        raise _unknown(manifest.format)
    if manifest.digest != digest_of((file.name, file.bytes, file.sha256) for file in manifest.files):
        raise _Wrong("the digest is not that of the files listed")
    return manifest


def _unknown(found: object) -> _Wrong:
    return _Wrong(f"manifest format {found!r} is unknown, this version reads {FORMAT}")


def _parsed(text: bytes) -> dict[str, Any]:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _Wrong("not JSON") from error
    if not isinstance(content, dict):
        raise _Wrong("not a JSON object")
    return content


def _first_line(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return str(error)


def seal(content: Mapping[str, Any]) -> bytes:
    """JSON text (sorted keys, one a line) whose first line holds the SHA-256 of the rest.

    Raises:
        StorageError: the content is not plain finite JSON.
    """
    try:
        text = json.dumps(dict(content), sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False)
        body = text.removeprefix("{\n").encode() + b"\n"
    except (TypeError, ValueError) as error:
        raise StorageError(f"cannot be written as JSON: {error}") from error
    return b'{\n "check": "' + sha256_bytes(body).encode() + b'",\n' + body


def load_sealed(path: Path) -> dict[str, Any]:
    """Read sealed JSON, without its seal.

    Raises:
        IntegrityError: the file is missing, or its bytes are not those that were sealed.
        StorageError: it cannot be read.
    """
    body = _sealed(path)
    try:
        return _parsed(body)
    except _Wrong as error:
        raise IntegrityError(str(error), where=str(path)) from error.__cause__


def _sealed(path: Path) -> bytes:
    """The JSON text of a sealed file, without its seal; raises as `load_sealed`."""
    try:
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise IntegrityError("file is missing", where=str(path)) from error
    except OSError as error:
        raise translate(error, "read", path) from error
    match = _SEAL.match(data)
    body = data[match.end() :] if match else b""
    if match is None or sha256_bytes(body).encode() != match[1]:
        raise IntegrityError("bytes are not those that were written (seal broken)", where=str(path))
    return b"{\n" + body
