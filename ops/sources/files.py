"""Sources that read files: which files a path or pattern means, their names, and the digest of their content."""

from __future__ import annotations

import difflib
import fnmatch
import glob
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Literal, Self

import polars as pl
from pydantic import Field, PrivateAttr, field_validator

from ops.errors import BadData, ConfigError, StorageError
from ops.sources.base import Batch, Source
from ops.sources.compression import Unpacking
from ops.sources.containers import InputFile, is_archive, parts
from ops.sources.rejects import Reject, printable, reject_frame


class FileSource(Source):
    """Base of the kinds that read files, each as it lies, compressed (gz, zst, bz2, xz), or in an archive (tar, zip).

    A file's name is its path as the recipe says it (relative to the recipe's folder), never an absolute one: moving the
    project changes no fingerprint. A member of an archive is called `archive.tar/member`. The folder itself is kept
    beside the settings and is not part of them; it is the working folder until `resolve` was called.
    """

    natural: ClassVar[Literal["package", "file"] | None] = "file"
    keep: ClassVar[tuple[str, ...]] = ()
    """`zip` where the format itself is a zip archive, which is then read as it is."""

    path: str | list[str]
    """File or files to read, relative to the recipe's folder: a path, a pattern (`data/*.csv`, `**`), or a list."""
    members: str | list[str] = "*"
    """Which files of an archive are read: a pattern of their names in it (`*` goes over folders too), or a list."""
    unpacking: Unpacking = Field(default=Unpacking(), description="Caps on what packed files may unpack to.")
    """Caps on what compressed files and archives may unpack to."""

    _base: Path = PrivateAttr(default_factory=Path)

    @field_validator("path", "members")
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
        """All files, in the order of their names; archives are one file.

        Raises:
            ConfigError: a path or pattern matches no file, or two files would have one name.
        """
        found: dict[str, InputFile] = {}
        for pattern in [self.path] if isinstance(self.path, str) else self.path:
            for file in expand(self._base, pattern):
                if found.setdefault(file.name, file).path != file.path:
                    raise ConfigError(f"two files are called {file.name!r}: {found[file.name].path} and {file.path}")
        return [found[name] for name in sorted(found)]

    def check(self) -> None:
        """Look whether the files are there."""
        self.files()

    def paths(self) -> list[Path]:
        """All files, as absolute paths."""
        return [file.path.absolute() for file in self.files()]

    def natural_partitions(self) -> list[str] | None:
        """The names of the files, and of the files in archives."""
        return [name for file in self.files() for name in self._names(file)]

    def external(self, partition: str | None = None) -> str:
        """SHA-256 over the partition's name and the SHA-256 of its file, or over those of all files.

        A file in an archive counts as changed when its archive has changed: to see that nothing has, only the archive
        is hashed and nothing unpacked.
        """
        if partition is None:
            return digest_files(self.files())
        return digest_files([self._home(partition)._replace(name=partition)])

    def read(self, partition: str | None = None) -> Iterator[Batch]:
        """Yield the rows of one file, or of all files one after the other.

        Rejects of an archive's members that are not read at all belong to its first partition.
        """
        chosen = self.files() if partition is None else [self._home(partition)]
        for file in chosen:
            try:
                yield from self._read(file, partition)
            except OSError as error:
                raise unreadable(file, error) from error

    def read_file(self, file: InputFile) -> Iterator[Batch]:
        """Yield the rows of one file, at least one batch."""
        raise TypeError(f"{type(self).__name__} has no read_file")

    def _read(self, file: InputFile, partition: str | None) -> Iterator[Batch]:
        whole = partition is None or partition == file.name
        empty = True
        for part in parts(file, self.unpacking, self.keep, self._wants):
            empty = False
            if isinstance(part, Reject):
                if whole or partition == self._names(file)[0]:
                    yield Batch(self._nothing(), reject_frame([part]))
            elif whole or part.name == partition:
                yield from self.read_file(part)
        if empty:
            raise BadData("has nothing in it that is read", where=file.name)

    def _nothing(self) -> pl.DataFrame:
        return pl.DataFrame(schema={**self.columns, "file": pl.String(), "line": pl.Int64()})

    def _wants(self, name: str) -> bool:
        patterns = [self.members] if isinstance(self.members, str) else self.members
        return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)

    def _names(self, file: InputFile) -> list[str]:
        """The partitions that a file falls into: itself, or the members of an archive.

        Raises:
            BadData: it is an archive with nothing in it that can be read.
        """
        if not self._is_archive(file):
            return [file.name]
        key = (digest_files([file]), self.keep, str(self.members), self.unpacking.model_dump_json())
        if key not in _NAMES:
            names: list[str] = []
            refused = ""
            for part in parts(file, self.unpacking, self.keep, self._wants):
                if isinstance(part, Reject):
                    refused = refused or f": {part.file}: {part.detail}"
                else:
                    names.append(part.name)
            if not names:
                raise BadData(f"has nothing in it that is read{refused}", where=file.name)
            _NAMES[key] = names
        return _NAMES[key]

    def _is_archive(self, file: InputFile) -> bool:
        try:
            return is_archive(file, self.unpacking, self.keep)
        except OSError as error:
            raise unreadable(file, error) from error

    def _home(self, partition: str) -> InputFile:
        """The file that a partition is, or lies in."""
        files = self.files()
        for file in files:
            if partition == file.name or (partition.startswith(f"{file.name}/") and partition in self._names(file)):
                return file
        raise ConfigError(f"no file {partition!r}{nearest(partition, [file.name for file in files])}")


_NAMES: dict[tuple[str, tuple[str, ...], str, str], list[str]] = {}
"""Names in archives by the archives' content, so that each is looked through once in a process."""


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


def expand(base: Path, pattern: str) -> list[InputFile]:
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
    """Relative to the recipe's folder; of an absolute pattern, relative to its part before the first wildcard.

    Bytes that are no UTF-8, which a name may have, are written as escapes.
    """
    if not Path(pattern).expanduser().is_absolute():
        return printable(Path(os.path.normpath(os.path.relpath(path, base))).as_posix())
    fixed = Path(pattern).expanduser()
    while glob.has_magic(str(fixed)) or fixed == path:
        fixed = fixed.parent
    return printable(path.relative_to(fixed).as_posix())


def _near_file(path: Path) -> str:
    folder = path.parent
    if not folder.is_dir():
        return f": there is no folder {folder}"
    if path.is_dir():
        return f": it is a folder, say {path.name}/* for the files in it"
    return nearest(path.name, sorted(entry.name for entry in folder.iterdir()))
