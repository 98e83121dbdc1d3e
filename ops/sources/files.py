"""Sources that read files, each as it lies, compressed, or in an archive."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Literal, Self

import polars as pl
from pydantic import Field, PrivateAttr, field_validator

from ops.errors import BadData, ConfigError
from ops.sources.base import Batch, Source
from ops.sources.compression import Unpacking
from ops.sources.containers import InputFile, is_archive, parts
from ops.sources.places import Place, check_places, check_remotes, digest_files, expand, nearest, unreadable
from ops.sources.rejects import Reject, reject_frame
from ops.sources.remote import Remote


class FileSource(Source):
    """Base of the kinds that read files, each as it lies, compressed (gz, zst, bz2, xz), or in an archive (tar, zip).

    A file's name is its path as the recipe says it (relative to the recipe's folder), never an absolute one: moving the
    project changes no fingerprint. A member of an archive is called `archive.tar/member`. The folder itself is kept
    beside the settings and is not part of them; it is the working folder until `resolve` was called.
    """

    natural: ClassVar[Literal["package", "file"] | None] = "file"
    keep: ClassVar[tuple[str, ...]] = ()
    """`zip` where the format itself is a zip archive, which is then read as it is."""

    path: Place | list[Place]
    """File or files to read: a path relative to the recipe's folder, a pattern (`data/*.csv`, `**`), `url` and
    `sha256` of a file elsewhere, or a list of these."""
    members: str | list[str] = "*"
    """Which files of an archive are read: a pattern of their names in it (`*` goes over folders too), or a list."""
    unpacking: Unpacking = Field(default=Unpacking(), description="Caps on what packed files may unpack to.")
    """Caps on what compressed files and archives may unpack to."""

    _base: Path = PrivateAttr(default_factory=Path)

    _check_path = field_validator("path", "members")(check_places)

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
        for place in self.path if isinstance(self.path, list) else [self.path]:
            for file in expand(self._base, place):
                if found.setdefault(file.name, file)[:3] != file[:3]:
                    both = " and ".join(f.remote.shown if f.remote else str(f.path) for f in (found[file.name], file))
                    hint = "give one of them a `name`" if file.remote or found[file.name].remote else ""
                    raise ConfigError(f"two files are called {file.name!r}: {both}", hint=hint)
        return [found[name] for name in sorted(found)]

    def check(self) -> None:
        """Look whether the files are there, or what fetches them is."""
        check_remotes(self.remotes())

    def paths(self) -> list[Path]:
        """All files of this machine, as absolute paths."""
        return [file.path.absolute() for file in self.files() if file.remote is None]

    def remotes(self) -> list[Remote]:
        """The files elsewhere."""
        return [file.remote for file in self.files() if file.remote is not None]

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
        for part in parts(file.here(), self.unpacking, self.keep, self._wants):
            empty = False
            if isinstance(part, Reject):
                if whole or partition == self._names(file)[0]:
                    yield Batch(self._nothing(), reject_frame([part]))
            elif whole or part.name == partition:
                yield from self.read_file(part)
                if not whole and partition != self._names(file)[0]:
                    # What follows was looked through when the archive's names were asked for.
                    return
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
            for part in parts(file.here(), self.unpacking, self.keep, self._wants):
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
