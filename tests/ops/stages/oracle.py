"""What the data stages should find in the tiny recipes' data, worked out in plain Python row by row.

Shares no code with the stages: no polars, no ftfy, no Pillow, none of `ops`.
"""

from __future__ import annotations

import csv
import hashlib
import unicodedata
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

VALID = TEST = 0.2
SHORTEST, LONGEST = 4, 200


@dataclass
class Row:
    """A row on its way: content is the text after cleaning, or the bytes of an image's file."""

    id: str
    content: str | bytes
    label: str
    split: str = ""


@dataclass
class Books:
    """What the stages should count."""

    raw: dict[str, list[tuple[str | bytes, str]]] = field(default_factory=dict)
    rejected: int = 0
    dropped: dict[str, str] = field(default_factory=dict)
    kept: list[Row] = field(default_factory=list)

    @property
    def dropped_by_reason(self) -> Counter[str]:
        return Counter(self.dropped.values())

    @property
    def splits(self) -> dict[str, str]:
        return {row.id: row.split for row in self.kept}

    def of(self, split: str) -> list[Row]:
        return [row for row in self.kept if row.split == split]


def text_books(path: Path, partitions: int) -> Books:
    """A CSV file of text, label and a whole number, cleaned and divided."""
    books = Books(raw=_empty(partitions))
    with path.open(encoding="utf-8", newline="") as file:
        for cells in list(csv.reader(file))[1:]:
            if len(cells) != 3 or not cells[2].isdecimal():
                books.rejected += 1
                continue
            books.raw[_partition(cells[0].encode(), partitions)].append((cells[0], cells[1]))
    long_enough: list[Row] = []
    for row in _numbered(books):
        row.content = _cleaned(str(row.content))
        if SHORTEST <= len(row.content) <= LONGEST:
            long_enough.append(row)
        else:
            books.dropped[row.id] = "too_short"
    _keep_distinct(books, long_enough, lambda row: " ".join(str(row.content).lower().split()))
    for row in books.kept:
        row.split = _split("".join(c for c in str(row.content).lower() if unicodedata.category(c)[0] in "LMN").encode())
    return books


def image_books(folder: Path, partitions: int) -> Books:
    """A folder of PGM images by class, cleaned and divided."""
    books = Books(raw=_empty(partitions))
    for path in sorted(folder.glob("*/*.pgm"), key=lambda path: f"{path.parent.name}/{path.name}"):
        data = path.read_bytes()
        if len(data) != len(b"P5\n8 8\n255\n") + 64:
            books.rejected += 1
            continue
        books.raw[_partition(data, partitions)].append((data, path.parent.name))
    _keep_distinct(books, _numbered(books), lambda row: row.content)
    for row in books.kept:
        row.split = _split(bytes(row.content))  # type: ignore[arg-type]  # bytes, as they were put in
    return books


def pixels(row: Row) -> bytes:
    """The 64 pixels of a PGM image."""
    return bytes(row.content)[-64:]  # type: ignore[arg-type]  # bytes, as they were put in


def _empty(partitions: int) -> dict[str, list[tuple[str | bytes, str]]]:
    return {str(number): [] for number in range(partitions)}


def _partition(content: bytes, partitions: int) -> str:
    return str(int.from_bytes(hashlib.sha256(content).digest()[14:16], "little") % partitions)


def _numbered(books: Books) -> list[Row]:
    return [
        Row(f"{key}/{number}", content, label)
        for key, rows in books.raw.items()
        for number, (content, label) in enumerate(rows)
    ]


def _cleaned(text: str) -> str:
    # The only mojibake and the only control character that the tiny recipe's data have.
    return " ".join(text.replace("cafÃ©", "café").replace("\u200b", "").split())


def _keep_distinct(books: Books, rows: list[Row], key) -> None:  # type: ignore[no-untyped-def]
    copies: dict[object, list[Row]] = {}
    for row in rows:
        copies.setdefault(key(row), []).append(row)
    for row in rows:
        same = copies[key(row)]
        if len({other.label for other in same}) > 1:
            books.dropped[row.id] = "conflicting_label"
        elif same[0] is not row:
            books.dropped[row.id] = "duplicate"
        else:
            books.kept.append(row)


def _split(content: bytes) -> str:
    place = int.from_bytes(hashlib.sha256(hashlib.sha256(content).digest()).digest()[:8], "big") / 2**64
    return "test" if place < TEST else "valid" if place < TEST + VALID else "train"
