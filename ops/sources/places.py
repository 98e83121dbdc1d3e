"""Where files are: paths, patterns and addresses, the files they mean, and the digest of their content."""

from __future__ import annotations

import difflib
import glob
import hashlib
import os
from pathlib import Path

from ops.errors import BadData, ConfigError, StorageError
from ops.sources.containers import InputFile
from ops.sources.downloads import is_here
from ops.sources.rejects import printable
from ops.sources.remote import Remote

Place = str | Remote
"""A path, a pattern, or a file elsewhere."""


def check_places(value: Place | list[Place]) -> Place | list[Place]:
    """The paths, patterns and addresses, if they can be any.

    Raises:
        ValueError: one is empty, or an address without its hash.
    """
    places = value if isinstance(value, list) else [value]
    if not places or any(isinstance(place, str) and (not place.strip() or "\0" in place) for place in places):
        raise ValueError("a path must not be empty")
    for place in places:
        if isinstance(place, str) and "://" in place:
            raise ValueError(f"an address needs its hash: {{url: {place.partition('?')[0]}, sha256: …}}")
    return value


def check_remotes(remotes: list[Remote]) -> None:
    """Look whether what fetches the files from elsewhere is installed.

    Raises:
        ConfigError: it is not.
    """
    for remote in remotes:
        if not is_here(remote):
            remote.check()


def digest_files(files: list[InputFile]) -> str:
    """SHA-256 (hex) over names and content of files; content is read whole, once, and of remote files not at all."""
    total = hashlib.sha256()
    for file in files:
        try:
            if file.remote is not None:
                total.update(f"{len(file.name)}:{file.name}={file.remote.sha256}\n".encode("utf-8", "surrogateescape"))
                continue
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


def expand(base: Path, pattern: Place) -> list[InputFile]:
    """The regular files that one path or pattern means. A path that exists is taken literally, whatever its signs."""
    if isinstance(pattern, Remote):
        return [InputFile(pattern.name, Path(pattern.shown), pattern)]
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
