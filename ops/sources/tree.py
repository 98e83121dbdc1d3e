"""Sources that read many small files: a folder, or an archive that holds one."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import ClassVar, NamedTuple, Self

import polars as pl
from pydantic import Field, PositiveInt, PrivateAttr, field_validator

from ops.errors import BadData, ConfigError
from ops.sources.base import Batch, Source
from ops.sources.compression import Unpacking
from ops.sources.containers import InputFile, parts
from ops.sources.places import Place, check_places, check_remotes, digest_files, expand, nearest, unreadable
from ops.sources.rejects import Reject, printable, reject_frame
from ops.sources.remote import Remote

BATCH_BYTES = 32 << 20
BATCH_FILES = 4096


class Leaf(NamedTuple):
    """One file with its bytes.

    Attributes:
        name: its name in rows and rejects.
        inner: its name within the folder that is read.
        data: its content, at most one byte longer than the limit.
        reject: why it has none.
    """

    name: str
    inner: str
    data: bytes
    reject: Reject | None = None


class TreeSource(Source):
    """Base of the kinds that read a folder of files, or an archive (tar, zip, also compressed) of them.

    Files of a folder are named within it, those of an archive `archive.tar/member`. Hidden files are left out.
    """

    path: Place
    """The folder, or an archive of it, relative to the recipe's folder; or `url` and `sha256` of one elsewhere."""
    inside: str = ""
    """The folder within it that is read, where not all of it is."""
    max_file_bytes: PositiveInt = 64 << 20
    """Largest file."""
    unpacking: Unpacking = Field(default=Unpacking(), description="Caps on what archives may unpack to.")
    """Caps on what archives may unpack to."""

    _base: Path = PrivateAttr(default_factory=Path)

    _check_path = field_validator("path")(check_places)

    @field_validator("inside")
    @classmethod
    def _within(cls, value: str) -> str:
        if value.startswith("/") or ".." in value.split("/"):
            raise ValueError("it must name a folder within the other")
        return value.strip("/")

    def resolve(self, base: Path) -> Self:
        """A copy that takes a relative path from `base`."""
        copy = self.model_copy()
        copy._base = base.absolute()
        return copy

    def check(self) -> None:
        """Look whether the folder or archive is there and holds files."""
        self.files()
        check_remotes(self.remotes())

    def remotes(self) -> list[Remote]:
        """The archive, if it is elsewhere."""
        return [self.path] if isinstance(self.path, Remote) else []

    def paths(self) -> list[Path]:
        """The folder or archive, as an absolute path."""
        return [] if isinstance(self.path, Remote) else [(self._base / Path(self.path).expanduser()).absolute()]

    def files(self) -> list[InputFile]:
        """All files under the folder that are not hidden, by name, or the archive; links to folders are not followed.

        Raises:
            ConfigError: there is no such folder or archive, or nothing in it.
        """
        if isinstance(self.path, Remote):
            return expand(self._base, self.path)
        place = self._base / Path(self.path).expanduser()
        if place.is_file():
            return [InputFile(place.name, place)]
        if not place.is_dir():
            near = nearest(place.name, sorted(p.name for p in place.parent.iterdir())) if place.parent.is_dir() else ""
            raise ConfigError(f"no folder {self.path!r}{near}", where=str(self._base))
        root = place / self.inside
        if not root.is_dir():
            raise ConfigError(f"the folder {self.path!r} has no folder {self.inside!r}", where=str(self._base))
        found: list[Path] = []
        for folder, subfolders, names in os.walk(root):
            subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
            found.extend(Path(folder) / name for name in names if not name.startswith("."))
        files = [InputFile(printable(path.relative_to(root).as_posix()), path) for path in found if path.is_file()]
        if not files:
            raise ConfigError(f"the folder {self.path!r} holds no files", where=str(self._base))
        return sorted(files)

    def external(self, partition: str | None = None) -> str:
        """SHA-256 over the names within the folder and the SHA-256 of the files, or of the archive."""
        return digest_files(self.files())

    def leaves(self, wanted: Callable[[str], bool] = lambda inner: True) -> Iterator[Leaf]:
        """Yield the files one after the other: of a folder in the order of names, of an archive in its own.

        Args:
            wanted: which are read, by their name within the folder.

        Raises:
            BadData: it is a file and no archive, or one that is damaged.
        """
        files = self.files()
        if not self._is_archive():
            for file in files:
                if wanted(file.name):
                    with file.open() as stream:
                        yield self._leaf(file.name, file.name, stream.read(self.max_file_bytes + 1))
            return
        (archive,) = files
        prefix = f"{self.inside}/" if self.inside else ""
        start = len(archive.name) + 1 + len(prefix)
        keep: Callable[[str], bool] = lambda name: name.startswith(prefix) and wanted(name[len(prefix) :])  # noqa: E731
        for part in parts(archive.here(), self.unpacking, (), keep):
            if isinstance(part, Reject):
                yield Leaf(part.file, part.file[start:], part.excerpt, part)
            elif part.name == archive.name:
                raise BadData("is no folder and no archive", where=archive.name)
            else:
                assert part.stream is not None
                yield self._leaf(part.name, part.name[start:], part.stream.read(self.max_file_bytes + 1))

    def _is_archive(self) -> bool:
        return isinstance(self.path, Remote) or (self._base / Path(self.path).expanduser()).is_file()

    def _leaf(self, name: str, inner: str, data: bytes) -> Leaf:
        """The file, rejected where it is empty or too large."""
        if not data:
            return Leaf(name, inner, data, Reject(name, None, None, "empty_file", "zero bytes", b""))
        if len(data) > self.max_file_bytes:
            detail = f"more than {self.max_file_bytes} bytes"
            return Leaf(name, inner, data, Reject(name, None, None, "too_large", detail, data[:256]))
        return Leaf(name, inner, data)

    def read(self, partition: str | None = None) -> Iterator[Batch]:
        """Yield all rows, in the order of the files."""
        try:
            yield from self.batches(self.rows())
        except OSError as error:
            raise unreadable(InputFile(str(error.filename or self.path), Path()), error) from error

    def rows(self) -> Iterator[dict[str, object] | Reject]:
        """Yield one row or reject after the other."""
        raise TypeError(f"{type(self).__name__} has no rows")

    def batches(self, rows: Iterable[dict[str, object] | Reject]) -> Iterator[Batch]:
        """Gather rows and rejects into batches of bounded size, at least one."""
        schema = {**self.columns, "file": pl.String()}
        good: list[dict[str, object]] = []
        bad: list[Reject] = []
        size, none = 0, True
        for row in rows:
            if isinstance(row, Reject):
                bad.append(row)
            else:
                good.append(row)
                size += sum(len(value) for value in row.values() if isinstance(value, bytes))
            if size >= BATCH_BYTES or len(good) + len(bad) >= BATCH_FILES:
                yield Batch(pl.DataFrame(good, schema=schema, orient="row"), reject_frame(bad))
                good, bad, size, none = [], [], 0, False
        if good or bad or none:
            yield Batch(pl.DataFrame(good, schema=schema, orient="row"), reject_frame(bad))


class ClassTreeSource(TreeSource):
    """Base of the folders whose files have a class: by the folder that they lie in, or by their name.

    A subclass adds its kind, the column that a file's bytes are in (`content`) and `fault`.
    """

    content: ClassVar[str]

    pattern: str | None = None
    r"""Regular expression on the file's name within the folder, whose named groups become columns; one is `label`
    (`(?P<label>\d)_(?P<speaker>[a-z]+)_`). Without one the first folder is the class."""

    reserved: ClassVar[frozenset[str]] = frozenset({"id", "file", "line", "split", "copy", "image", "sound"})

    @field_validator("pattern")
    @classmethod
    def _has_label(cls, value: str | None) -> str | None:
        if value is None:
            return None
        try:
            names = re.compile(value).groupindex
        except re.error as error:
            raise ValueError(f"{value!r} is no regular expression: {error}") from None
        if "label" not in names:
            raise ValueError("the pattern has no group (?P<label>…)")
        taken = sorted(cls.reserved & set(names))
        if taken:
            raise ValueError(f"{taken[0]!r} is a reserved name")
        return value

    @property
    def named(self) -> dict[str, pl.DataType]:
        """The columns that come from names."""
        names = re.compile(self.pattern).groupindex if self.pattern is not None else {"label": 1}
        return {name: pl.String() for name in sorted(names, key=lambda name: names[name])}

    @property
    def columns(self) -> dict[str, pl.DataType]:
        """The encoded file, and the columns that its name gives."""
        return {self.content: pl.Binary(), **self.named}

    def rows(self) -> Iterator[dict[str, object] | Reject]:
        """Yield all files, in the order of their names."""
        for leaf in self.leaves():
            labels = leaf.reject or self.labels(leaf)
            if isinstance(labels, Reject):
                yield labels
                continue
            fault = self.fault(leaf.data, extension(leaf.inner))
            if fault is not None:
                yield Reject(leaf.name, None, None, *fault, leaf.data[:256])
            else:
                yield {self.content: leaf.data, **labels, "file": leaf.name}

    def fault(self, data: bytes, ending: str) -> tuple[str, str] | None:
        """Why a file with such an extension is a reject, and what is wrong with it; nothing where it is none."""
        raise TypeError(f"{type(self).__name__} has no fault")

    def labels(self, leaf: Leaf) -> dict[str, object] | Reject:
        """The columns that a file's name gives, or the reject."""
        if self.pattern is None:
            if "/" in leaf.inner:
                return {"label": leaf.inner.split("/", 1)[0]}
            fault = ("no_class_folder", "the file lies beside the class folders")
        else:
            found = re.search(self.pattern, leaf.inner)
            if found is not None and all(found.groups()):
                return {name: found[name] for name in self.named}
            fault = ("no_label", "its name does not match the pattern")
        return Reject(leaf.name, None, None, *fault, leaf.data[:256])


def extension(name: str) -> str:
    """The extension of a file's name, in lower case, with its dot."""
    return PurePosixPath(name).suffix.lower()
