"""A place for objects at an address: put whole, put once, read. What an object store can do, and nothing else.

Object stores have neither renames nor locks. What they do have is that an object appears whole or not at all, and, at
Amazon, Google and those that speak their languages, a put that fails where the name is taken. A local folder gets the
same through a rename and a hard link.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from ops.errors import ConfigError, SatietyError, ServiceDown, StorageError
from ops.storage import files

CHUNK = 1 << 20


class Bucket:
    """Objects by name below an address.

    Args:
        address: `s3://bucket/prefix`, `gs://…`, `file:///folder`, or another one that fsspec knows; or a folder.

    Raises:
        ConfigError: the address is none, or what reads it is not installed.
    """

    def __init__(self, address: str) -> None:
        import fsspec

        self.shown = _without_password(address)
        try:
            self._fs, root = fsspec.core.url_to_fs(address)
        except ImportError as error:
            scheme = address.partition(":")[0]
            raise ConfigError(
                f"cannot be used: {error}", where=self.shown, hint=f'pip install "satiety[{scheme}]"'
            ) from error
        except ValueError as error:
            raise ConfigError(f"cannot be used: {error}", where=self.shown, hint="as in s3://bucket/folder") from error
        except Exception as error:  # Some connect at once, as sftp and ftp do.
            text = " ".join(str(error).split())[:300] or type(error).__name__
            raise ServiceDown(f"cannot be reached: {text}", where=self.shown) from error
        self._root = root.rstrip("/")
        protocol = self._fs.protocol
        self._local = "file" in ([protocol] if isinstance(protocol, str) else protocol)

    def size(self, name: str) -> int | None:
        """Bytes of an object; None where there is none."""
        with self._asked("look", name):
            try:
                return int(self._fs.info(self._path(name))["size"])
            except FileNotFoundError:
                return None

    def put(self, name: str, source: Path) -> None:
        """Store a file's bytes; the name has them all or is as it was before."""
        with self._asked("put", name):
            if self._local:
                target = Path(self._path(name))
                files.make_folder(target.parent)
                files.copy(source, target)
                files.fsync_folder(target.parent)
            else:
                self._fs.put_file(str(source), self._path(name))

    def create(self, name: str, data: bytes) -> bool:
        """Store bytes under a name that nobody has; False where somebody has it."""
        with self._asked("create", name):
            if self._local:
                return self._create_here(Path(self._path(name)), data)
            try:
                self._fs.pipe_file(self._path(name), data, mode="create")
            except FileExistsError:
                return False
            except Exception as error:
                # Amazon's answer to the loser of a race, by its code or the word for it.
                if any(word in str(error) for word in ("PreconditionFailed", "412", "ConditionalRequestConflict")):
                    return False
                raise
            return True

    def replace(self, name: str, data: bytes) -> None:
        """Store bytes, whatever the name had before."""
        with self._asked("put", name):
            if self._local:
                target = Path(self._path(name))
                files.make_folder(target.parent)
                files.write_file(target, data)
            else:
                self._fs.pipe_file(self._path(name), data)

    def read(self, name: str) -> bytes | None:
        """An object's bytes; None where there is none."""
        with self._asked("read", name):
            try:
                return bytes(self._fs.cat_file(self._path(name)))
            except FileNotFoundError:
                return None

    def chunks(self, name: str) -> Iterator[bytes]:
        """An object's bytes, a piece at a time.

        Raises:
            FileNotFoundError: there is none.
        """
        with self._asked("read", name), self._fs.open(self._path(name), "rb") as stream:
            while piece := stream.read(CHUNK):
                yield piece

    def names(self, folder: str) -> list[str]:
        """Names of all objects below a folder, sorted."""
        with self._asked("list", folder):
            if hasattr(self._fs, "invalidate_cache"):
                self._fs.invalidate_cache()
            try:
                found = self._fs.find(self._path(folder))
            except FileNotFoundError:
                return []
        start = len(self._root) + 1
        return sorted(path[start:] for path in found if not path.endswith(".part"))

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    def _create_here(self, target: Path, data: bytes) -> bool:
        files.make_folder(target.parent)
        part = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
        files.write_file(part, data)
        try:
            files.change("link", target, lambda: os.link(part, target))
        except StorageError as error:
            if isinstance(error.__cause__, FileExistsError):
                return False
            raise
        finally:
            files.unlink(part)
        files.fsync_folder(target.parent)
        return True

    @contextmanager
    def _asked(self, operation: str, name: str) -> Iterator[None]:
        """Errors of any library as one of ours; those that say that nothing is there go through."""
        try:
            yield
        except (SatietyError, FileNotFoundError):
            raise
        except ImportError as error:
            raise ConfigError(f"cannot be used: {error}", where=self.shown) from error
        except Exception as error:
            text = " ".join(str(error).split())[:300] or type(error).__name__
            raise StorageError(
                f"{operation} failed: {text}", where=f"{self.shown}/{name}", hint="run the command again"
            ) from error


def _without_password(address: str) -> str:
    parts = urlsplit(address)
    if "@" in parts.netloc:
        parts = parts._replace(netloc=parts.netloc.rpartition("@")[2])
    return urlunsplit(parts._replace(query="", fragment="")).rstrip("/")
