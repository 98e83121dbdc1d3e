"""Files elsewhere, by their address and SHA-256: what the recipe says, and opening them at any byte."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, NamedTuple
from urllib.parse import unquote, urlsplit

from pydantic import (
    Field,
    PositiveInt,
    SerializationInfo,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
)

from ops.config import Config
from ops.errors import ConfigError

EXTRAS = {"s3": ("s3fs", "s3"), "gs": ("gcsfs", "gs"), "hf": ("huggingface_hub", "hf")}
"""By scheme the module that serves it, and the extra that installs it."""
SCHEMES = ("http", "https", *EXTRAS)

IDENTITY = {"identity": True}
"""Context of a dump that keeps what decides about a file's content alone: where it comes from does not."""


class Remote(Config):
    """A file elsewhere. It is downloaded once, compared with its hash, and kept; its digest needs no network."""

    url: str
    """Address: http, https, s3, gs or hf (`hf://datasets/owner/name/file`). No passwords: they come from outside. What
    stands behind `?` is sent and shown nowhere."""
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    """SHA-256 of the file, 64 hexadecimal digits."""
    bytes: PositiveInt | None = None
    """Size, where it is known: a longer answer is left there, a shorter one asked for the rest."""
    name: str = Field(default_factory=lambda data: _last(data.get("url", "")))
    """What the file is called in rows, rejects and partitions; by default the last part of the address. Give one where
    two files have the same, or where the address does not say that it is an archive (`name: set.zip`)."""

    @field_validator("url")
    @classmethod
    def _address(cls, value: str) -> str:
        try:
            parts = urlsplit(value)
            if parts.scheme in ("http", "https"):
                (parts.hostname or "").encode("idna")
                _ = parts.port
        except ValueError as error:
            raise ValueError(f"it is no address of a file: {error}") from error
        if parts.scheme not in SCHEMES or not parts.netloc:
            raise ValueError(f"an address begins with one of {', '.join(f'{scheme}://' for scheme in SCHEMES)}")
        if "@" in parts.netloc:
            raise ValueError("an address must not hold a name or password: it would stand in reports")
        if not value.isprintable() or " " in value or not _last(value):
            raise ValueError("it is no address of a file")
        return value

    @field_validator("name")
    @classmethod
    def _name(cls, value: str) -> str:
        if value in ("", ".", "..") or not value.isprintable() or "/" in value or "\\" in value:
            raise ValueError("it is no name of a file")
        return value

    @model_serializer(mode="wrap")
    def _dump(self, handler: SerializerFunctionWrapHandler, info: SerializationInfo) -> dict[str, Any]:
        if info.context and info.context.get("identity"):
            return {"name": self.name, "sha256": self.sha256}
        return {**handler(self), "url": self.shown}

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """What a representation shows: never the query."""
        yield from self.model_dump().items()

    @property
    def file(self) -> str:
        """The last part of the address."""
        return _last(self.url)

    @property
    def shown(self) -> str:
        """The address without its query, which may hold a key."""
        return urlsplit(self.url)._replace(query="", fragment="").geturl()

    def check(self) -> None:
        """Look whether what its scheme needs is installed.

        Raises:
            ConfigError: it is not.
        """
        scheme = urlsplit(self.url).scheme
        module, extra = EXTRAS.get(scheme, ("", ""))
        if module and importlib.util.find_spec(module) is None:
            hint = f"pip install 'satiety[{extra}]'"
            raise ConfigError(f"{scheme}:// needs the package {module}", where=self.shown, hint=hint)


def _last(url: str) -> str:
    name = unquote(urlsplit(url).path).rstrip("/").rsplit("/", 1)[-1]
    return name if name not in (".", "..") and name.isprintable() else ""


class Answer(NamedTuple):
    """What a server gives: the stream, the byte of the file at which it begins, and the file's size if it says it."""

    stream: Any
    start: int
    size: int | None


class Dropped(Exception):
    """The connection ended, or could not be made: another try may do better."""


@contextmanager
def answered(remote: Remote, start: int) -> Iterator[Answer]:
    """Open a remote file at a byte; what cannot do that begins at 0.

    Raises:
        Dropped: another try may do better.
        ConfigError: there is no such file.
        BadData: the address leads where it must not.
    """
    remote.check()
    if urlsplit(remote.url).scheme in ("http", "https"):
        from ops.sources.web import requested

        with requested(remote, start) as answer:
            yield answer
    else:
        with _fsspec(remote, start) as answer:
            yield answer


def _said(remote: Remote, error: Exception) -> str:
    """What an error says, in one line and without the query of the address."""
    kind = "" if isinstance(error, OSError | ValueError | ImportError) and str(error) else type(error).__name__
    text = ": ".join(filter(None, [kind, " ".join(str(error).split())]))
    query = urlsplit(remote.url).query
    return text.replace(f"?{query}", "").replace(query, "…") if query else text


@contextmanager
def _fsspec(remote: Remote, start: int) -> Iterator[Answer]:
    import fsspec

    try:
        files, path = fsspec.core.url_to_fs(remote.url)
        size = files.size(path)
        stream = files.open(path, "rb")
        stream.seek(start)
    except (FileNotFoundError, PermissionError) as error:
        what = f"cannot be opened: {_said(remote, error)}"
        raise ConfigError(what, where=remote.shown, hint="correct `url`, or sign in") from error
    except (ImportError, ValueError) as error:
        raise ConfigError(_said(remote, error), where=remote.shown, hint="correct `url`") from error
    except Exception as error:  # what serves a bucket raises what its library likes
        raise Dropped(_said(remote, error)) from error
    with stream:
        yield Answer(stream, start, size)
