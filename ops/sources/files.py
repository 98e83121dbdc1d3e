"""Sources that read files: which files a path or pattern means, their names, and the digest of their content."""

from __future__ import annotations

import difflib
import glob
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Literal, NamedTuple, Self

from pydantic import PrivateAttr, field_validator

from ops.errors import BadData, ConfigError, NotThereYet, StorageError
from ops.sources.base import Batch, Source

COMPRESSED = (".gz", ".zst", ".zip", ".bz2", ".xz", ".tar", ".tgz", ".7z")


class InputFile(NamedTuple):
    """One file: its name in rows, rejects and fingerprints, and where it lies on this machine."""

    name: str
    path: Path


class FileSource(Source):
    """Base of the kinds that read files.

    A file's name is its path as the recipe says it (relative to the recipe's folder), never an absolute one: moving the
    project changes no fingerprint. The folder itself is kept beside the settings and is not part of them; it is the
    working folder until `resolve` was called.
    """

    natural: ClassVar[Literal["package", "file"] | None] = "file"

    path: str | list[str]
    """File or files to read, relative to the recipe's folder: a path, a pattern (`data/*.csv`, `**`), or a list."""

    _base: Path = PrivateAttr(default_factory=Path)

    @field_validator("path")
    @classmethod
    def _some_path(cls, value: str | list[str]) -> str | list[str]:
        patterns = [value] if isinstance(value, str) else value
        if not patterns or any(not pattern.strip() or "\0" in pattern for pattern in patterns):
            raise ValueError("a path must not be empty")
        return value

    def resolve(self, base: Path) -> Self:
        """A copy that takes relative paths from `base`."""
        copy = self.model_copy()
        copy._base = base.absolute()
        return copy

    def files(self) -> list[InputFile]:
        """All files, in the order of their names.

        Raises:
            ConfigError: a path or pattern matches no file, or two files would have one name.
            NotThereYet: a file is compressed.
        """
        found: dict[str, InputFile] = {}
        for pattern in [self.path] if isinstance(self.path, str) else self.path:
            for file in _expand(self._base, pattern):
                if found.setdefault(file.name, file).path != file.path:
                    raise ConfigError(f"two files are called {file.name!r}: {found[file.name].path} and {file.path}")
                if file.name.lower().endswith(COMPRESSED):
                    raise NotThereYet("compressed files cannot be read yet", where=file.name, hint="unpack it first")
        return [found[name] for name in sorted(found)]

    def paths(self) -> list[Path]:
        """All files, as absolute paths."""
        return [file.path.absolute() for file in self.files()]

    def natural_partitions(self) -> list[str] | None:
        """The names of the files."""
        return [file.name for file in self.files()]

    def external(self, partition: str | None = None) -> str:
        """SHA-256 over the names and the SHA-256 of the bytes of the partition's files."""
        return digest_files(self._selected(partition))

    def read(self, partition: str | None = None) -> Iterator[Batch]:
        """Yield the rows of one file, or of all files one after the other."""
        for file in self._selected(partition):
            try:
                yield from self.read_file(file)
            except OSError as error:
                raise unreadable(file, error) from error

    def read_file(self, file: InputFile) -> Iterator[Batch]:
        """Yield the rows of one file, at least one batch."""
        raise TypeError(f"{type(self).__name__} has no read_file")

    def _selected(self, partition: str | None) -> list[InputFile]:
        files = self.files()
        if partition is None:
            return files
        chosen = [file for file in files if file.name == partition]
        if not chosen:
            raise ConfigError(f"no file {partition!r}{nearest(partition, [file.name for file in files])}")
        return chosen


def digest_files(files: list[InputFile]) -> str:
    """SHA-256 (hex) over names and content of files; content is read whole, once."""
    total = hashlib.sha256()
    for file in files:
        try:
            with file.path.open("rb") as stream:
                content = hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError as error:
            raise unreadable(file, error) from error
        total.update(f"{len(file.name)}:{file.name}={content}\n".encode("utf-8", "surrogateescape"))
    return total.hexdigest()


def unreadable(file: InputFile, error: OSError) -> BadData | StorageError:
    """The error for a file that the operating system refuses to read."""
    what = f"cannot be read: {error.strerror or error}"
    if isinstance(error, PermissionError | FileNotFoundError | IsADirectoryError):
        return BadData(what, where=file.name)
    return StorageError(what, where=file.name)


def nearest(name: str, names: list[str]) -> str:
    """`, did you mean …?` with the nearest of the names, or nothing."""
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    return f", did you mean {close[0]!r}?" if close else ""


def _expand(base: Path, pattern: str) -> list[InputFile]:
    """The regular files that one path or pattern means. A path that exists is taken literally, whatever its signs."""
    full = base / Path(pattern).expanduser()
    if full.is_file():
        return [InputFile(_name(base, pattern, full), full)]
    if not glob.has_magic(pattern):
        raise ConfigError(f"no file {pattern!r}{_near_file(full)}", where=str(base))
    root = Path(glob.escape(str(base))) / Path(pattern).expanduser()
    matches = [Path(match) for match in glob.glob(str(root), recursive=True)]  # noqa: PTH207 - leaves hidden files out
    files = [InputFile(_name(base, pattern, match), match) for match in matches if match.is_file()]
    if not files:
        raise ConfigError(f"no file matches {pattern!r}", where=str(base), hint="patterns start at the recipe's folder")
    return files


def _name(base: Path, pattern: str, path: Path) -> str:
    """Relative to the recipe's folder; of an absolute pattern, relative to its part before the first wildcard."""
    if not Path(pattern).expanduser().is_absolute():
        return Path(os.path.normpath(os.path.relpath(path, base))).as_posix()
    fixed = Path(pattern).expanduser()
    while glob.has_magic(str(fixed)) or fixed == path:
        fixed = fixed.parent
    return path.relative_to(fixed).as_posix()


def _near_file(path: Path) -> str:
    folder = path.parent
    if not folder.is_dir():
        return f": there is no folder {folder}"
    if path.is_dir():
        return f": it is a folder, say {path.name}/* for the files in it"
    return nearest(path.name, sorted(entry.name for entry in folder.iterdir()))
