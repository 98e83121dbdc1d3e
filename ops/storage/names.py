"""Names in the store: which are allowed, and how a partition key of any text becomes the name of a folder."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

from ops.errors import ConfigError

UNPARTITIONED = "all"
MAX_SLUG_BYTES = 200
EMPTY_SLUG = "%"
"""Slug of the empty key: quoting never gives a lone percent sign."""

_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}")
_FINGERPRINT = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_RESERVED_FINGERPRINTS = frozenset({"current", "history"})


def check_name(name: str, what: str) -> str:
    """The name of a recipe or stage, if it is one.

    Raises:
        ConfigError: it is not 1 to 63 of a-z, 0-9, `_`, `.`, `-`, starting with a letter or digit.
    """
    if _NAME.fullmatch(name) is None:
        raise ConfigError(f"{name!r} cannot name a {what}", hint="use a-z, 0-9, _ . -; at most 63 characters")
    return name


def check_fingerprint(fingerprint: str) -> str:
    """The fingerprint, if it can be a folder's name.

    Raises:
        ConfigError: it is not 1 to 64 of a-z, 0-9, `_`, `-`.
    """
    if _FINGERPRINT.fullmatch(fingerprint) is None or fingerprint in _RESERVED_FINGERPRINTS:
        raise ConfigError(f"{fingerprint!r} is not a fingerprint", hint="use up to 64 hexadecimal digits")
    return fingerprint


def is_fingerprint(text: str) -> bool:
    """Whether a folder of this name can be a version."""
    return _FINGERPRINT.fullmatch(text) is not None and text not in _RESERVED_FINGERPRINTS


def is_file_name(name: str) -> bool:
    """Whether a result file may have this name: plain, relative, no separators, not hidden."""
    return _FILE.fullmatch(name) is not None


def partition_slug(key: str) -> str:
    """The folder name of a partition key: percent-encoded UTF-8, reversible by `partition_key`.

    Letters, digits, `_`, `-`, `.` and `~` stay, a leading dot does not, so `..` and hidden names cannot come about.

    Raises:
        ConfigError: the key is longer than 200 bytes when encoded, or is not Unicode text.
    """
    try:
        slug = quote(key, safe="") or EMPTY_SLUG
    except UnicodeEncodeError as error:
        raise ConfigError(f"partition key {key!r} is not valid Unicode", hint="remove the lone surrogate") from error
    if slug.startswith("."):
        slug = f"%2E{slug[1:]}"
    if len(slug) > MAX_SLUG_BYTES:
        raise ConfigError(
            f"partition key {key[:40]!r}… takes {len(slug)} bytes as a folder name, {MAX_SLUG_BYTES} are allowed",
            hint="partition by something shorter, or by hash",
        )
    return slug


def partition_key(slug: str) -> str:
    """The partition key of a folder name.

    Raises:
        ConfigError: no key has this slug.
    """
    try:
        key = "" if slug == EMPTY_SLUG else unquote(slug, errors="strict")
        if partition_slug(key) == slug:
            return key
    except (UnicodeDecodeError, ConfigError):
        pass  # falls through to the one error below
    raise ConfigError(f"{slug!r} is not the folder of a partition")
