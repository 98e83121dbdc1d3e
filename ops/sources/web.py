"""Files of http and https servers."""

from __future__ import annotations

import http.client
import re
import string
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote, urlsplit

from ops.errors import BadData, ConfigError
from ops.sources.remote import Answer, Dropped, Remote

SECONDS = 30.0
"""So long may a server say nothing."""

_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
_REST = re.compile(r"bytes \*/(\d+)")


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows a few redirections, and only to http or https, never from https to http."""

    max_redirections = 5

    def redirect_request(self, req: Any, fp: Any, code: Any, msg: Any, headers: Any, newurl: str) -> Any:
        old, new = urlsplit(req.full_url).scheme, urlsplit(newurl).scheme
        if new not in ("http", "https") or (old, new) == ("https", "http"):
            raise BadData(f"redirects from {old} to {new}, which is not followed", where=req.full_url.split("?")[0])
        return super().redirect_request(req, fp, code, msg, headers, newurl)


@contextmanager
def requested(remote: Remote, start: int) -> Iterator[Answer]:
    """Ask an http or https server for a file from a byte on; a server that knows no ranges sends it from 0."""
    headers = {"User-Agent": "satiety", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    opener = urllib.request.build_opener(_Redirects)
    parts = urlsplit(remote.url)
    # Letters beyond ASCII are sent as escapes; what is escaped already stays as it is.
    path, query = (quote(part, safe=string.punctuation) for part in (parts.path, parts.query))
    address = parts._replace(path=path, query=query, fragment="").geturl()
    try:
        response = opener.open(urllib.request.Request(address, headers=headers), timeout=SECONDS)
    except urllib.error.HTTPError as error:
        with error:
            whole = _REST.fullmatch(error.headers.get("Content-Range", "")) if error.code == 416 else None
        if error.code == 416:
            # Nothing is left behind the byte: the file is whole, or is another one.
            yield Answer(_NOTHING, start if whole and int(whole[1]) == start else 0, start if whole else None)
            return
        raise _refusal(remote, error) from error
    except ValueError as error:
        raise BadData(f"leads to what is no address: {error}", where=remote.shown) from error
    except (OSError, http.client.HTTPException) as error:
        raise Dropped(str(getattr(error, "reason", error)) or type(error).__name__) from error
    with response:
        yield Answer(_Arrived(response), *_place(response, start))


def _refusal(remote: Remote, error: urllib.error.HTTPError) -> Exception:
    said = f"the server says {error.code} {next(iter(str(error.reason).splitlines()), '')}"
    if 300 <= error.code < 400:
        return BadData(f"redirects where it is not followed ({said})", where=remote.shown)
    if error.code in (408, 425, 429) or error.code >= 500:
        return Dropped(said)
    return ConfigError(said, where=remote.shown, hint="correct `url`, or put the file into the SATIETY_MIRROR folder")


def _place(response: http.client.HTTPResponse, start: int) -> tuple[int, int | None]:
    length = response.headers.get("Content-Length", "")
    size = int(length) if length.isascii() and length.isdigit() else None
    if response.status != 206:
        return 0, size
    found = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
    if found is None or int(found[1]) != start:
        raise Dropped("the server sends another part than was asked for")
    return start, None if found[3] == "*" else int(found[3])


class _Arrived:
    """Gives what has arrived: of a connection that ends early, all that came before."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self._response = response

    def read(self, size: int) -> bytes:
        return self._response.read1(size)


class _Nothing:
    def read(self, size: int = -1) -> bytes:
        return b""


_NOTHING: Any = _Nothing()
