"""How JSON is read strictly: no key twice, no NaN, no number that takes long."""

from __future__ import annotations

import json
from typing import Any, NoReturn

MAX_DIGITS = 300


def _no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"key {next(name for name in names if names.count(name) > 1)[:100]!r} is there twice")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


DECODER = json.JSONDecoder(
    object_pairs_hook=_no_key_twice,
    parse_constant=_no_constant,
    parse_int=lambda digits: int(digits) if len(digits) <= MAX_DIGITS else float(digits),
)
"""Reads one value."""
