"""Whether a text is a cron expression, told before Dagster, which takes a second to import, would refuse it."""

from __future__ import annotations

import re
from collections.abc import Iterator

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
FIELDS: tuple[tuple[str, int, int, tuple[str, ...]], ...] = (
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day of the month", 1, 31, ()),
    ("month", 1, 12, MONTHS),
    ("day of the week", 0, 7, DAYS),
)
"""Each field with its bounds, and names that stand for numbers from the lower bound on."""

_PART = re.compile(r"(?:\*|(?P<first>\w+)(?:-(?P<last>\w+))?)(?:/(?P<step>\d+))?")
LONGEST_MONTH = {2: 29, 4: 30, 6: 30, 9: 30, 11: 30}


def check_cron(text: str) -> str:
    """Return the expression: five fields of numbers, names, ranges `a-b`, steps `/n`, lists `a,b` and `*`.

    Raises:
        ValueError: it is none, or it names only days that no month has.
    """
    words = text.split()
    if len(words) != len(FIELDS):
        raise ValueError(
            f"a cron expression has five fields (minute, hour, day, month, weekday), {text!r} {len(words)}"
        )
    found = [set(_values(word, *field)) for word, field in zip(words, FIELDS, strict=True)]
    _, _, days, months, _ = found
    if words[4] == "*" and all(min(days) > LONGEST_MONTH.get(month, 31) for month in months):
        raise ValueError(f"{text!r} names a day that its months do not have")
    return text


def _values(word: str, name: str, low: int, high: int, names: tuple[str, ...]) -> Iterator[int]:
    for part in word.split(","):
        match = _PART.fullmatch(part)
        if match is None:
            raise ValueError(f"{part!r} is no {name} of a cron expression")
        first = low if match["first"] is None else _number(match["first"], name, low, high, names)
        last = high if match["first"] is None or match["step"] else first
        if match["last"] is not None:
            last = _number(match["last"], name, low, high, names)
        step = int(match["step"] or 1)
        if step < 1 or last < first:
            raise ValueError(f"{part!r} is no {name} of a cron expression: it names nothing")
        yield from range(first, last + 1, step)


def _number(text: str, name: str, low: int, high: int, names: tuple[str, ...]) -> int:
    value = names.index(text.lower()) + low if text.lower() in names else int(text) if text.isdecimal() else -1
    if not low <= value <= high:
        raise ValueError(f"{text!r} is no {name}, which goes from {low} to {high}")
    return value
