"""JSON documents read as a whole and strictly: no key twice, no NaN, and an error that names the place."""

from __future__ import annotations

import json
from typing import Any, NoReturn

MAX_DIGITS = 300


def load(data: bytes) -> Any:
    """The value of a JSON document in UTF-8 (RFC 8259; a byte order mark is skipped).

    Raises:
        ValueError: it is none; the message has line and column where they are known.
    """
    try:
        return json.loads(
            data.decode("utf-8-sig"),
            object_pairs_hook=_no_key_twice,
            parse_constant=_no_constant,
            parse_int=lambda digits: int(digits) if len(digits) <= MAX_DIGITS else float(digits),
        )
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 at byte {error.start}") from None
    except RecursionError:
        raise ValueError("nested too deep") from None


def _no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"key {next(name for name in names if names.count(name) > 1)[:100]!r} is there twice")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
