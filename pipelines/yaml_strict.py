"""A strict reader of YAML: plain data with the position of every key and value, and nothing that surprises.

Refused: anchors and aliases, merge keys, tags, duplicate keys, keys that are not text, several documents, numbers that
are not finite, more than 1 MB, 20,000 keys and values or 32 levels. Plain scalars are read by the core schema of YAML
1.2 (section 10.3.2): `no` is text and `1e-3` is a number. Works on the event stream, so nothing is ever constructed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from pipelines.problems import Problem, RecipeError

MAX_BYTES = 1_000_000
MAX_VALUES = 20_000
MAX_DEPTH = 32
MAX_DIGITS = 100
MAX_PROBLEMS = 100

Path = tuple[str | int, ...]
Mark = tuple[int, int]
"""Line and column, both from 1."""

_NULL = re.compile(r"|~|null|Null|NULL")
_TRUE = re.compile(r"true|True|TRUE")
_FALSE = re.compile(r"false|False|FALSE")
_INT = re.compile(r"[-+]?[0-9]+")
_OCTAL = re.compile(r"0o[0-7]+")
_HEX = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


@dataclass
class Document:
    """The data of one YAML text and where each part of it stands."""

    place: str
    data: Any = None
    keys: dict[Path, Mark] = field(default_factory=dict)
    values: dict[Path, Mark] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def complain(self, mark: Mark, text: str) -> None:
        """Add a problem at a mark; nobody reads more than a hundred."""
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(Problem(self.place, *mark, text))


class _StopError(Exception):
    """Reading on makes no sense; the problem has been noted."""


def read(content: bytes, place: str) -> Document:
    """Read YAML bytes; problems that leave the rest readable are in `Document.problems`.

    Args:
        content: the file's bytes, UTF-8.
        place: how the file is called in messages.

    Raises:
        RecipeError: the text cannot be read at all.
    """
    document = Document(place)
    if len(content) > MAX_BYTES:
        document.complain((1, 1), f"the file has {len(content):,} bytes, more than {MAX_BYTES:,}")
        raise RecipeError(document.problems)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        document.complain(_mark_of(content[: error.start]), f"not UTF-8: {error.reason} (byte {error.start})")
        raise RecipeError(document.problems) from None
    try:
        _Reader(document, text).read()
    except _StopError:
        raise RecipeError(document.problems) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        document.complain(_position(mark) if mark else (1, 1), _syntax(error, text, mark))
        raise RecipeError(document.problems) from None
    except yaml.reader.ReaderError as error:
        before = text[: error.position].encode() if isinstance(error.position, int) else b""
        code = error.character if isinstance(error.character, int) else ord(error.character[:1] or "\0")
        document.complain(_mark_of(before), f"character U+{code:04X} is not allowed in YAML")
        raise RecipeError(document.problems) from None
    return document


def scalar(text: str) -> Any:
    """A plain scalar as the core schema of YAML 1.2 reads it.

    Raises:
        ValueError: a number that is not finite or has absurdly many digits.
    """
    if _NULL.fullmatch(text):
        return None
    if _TRUE.fullmatch(text) or _FALSE.fullmatch(text):
        return text[0] in "tT"
    if _NOT_FINITE.fullmatch(text):
        raise ValueError("not a finite number")
    if text[0] in "+-.0123456789":
        return _number(text)
    return text


def _number(text: str) -> int | float | str:
    for pattern, base in ((_INT, 10), (_OCTAL, 8), (_HEX, 16)):
        if pattern.fullmatch(text):
            if len(text) > MAX_DIGITS:
                raise ValueError(f"a number of {len(text)} digits")
            return int(text, base)
    if _FLOAT.fullmatch(text):
        value = float(text)
        if not math.isfinite(value):
            raise ValueError("not a finite number")
        return value
    return text


class _Reader:
    """Builds the data from the events of one text."""

    def __init__(self, document: Document, text: str) -> None:
        self.document = document
        loader: Any = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
        self.events: Iterator[Any] = iter(yaml.parse(text, Loader=loader))
        self.count = 0

    def read(self) -> None:
        documents = 0
        for event in self.events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    self._refuse(event, "a second document; a recipe is one document")
            elif not isinstance(event, yaml.StreamStartEvent | yaml.DocumentEndEvent | yaml.StreamEndEvent):
                self.document.data = self._value(event, ())
        if not documents:
            self.document.complain((1, 1), "the file is empty")
            raise _StopError

    def _refuse(self, event: Any, text: str) -> None:
        self.document.complain(_position(event.start_mark), text)
        raise _StopError

    def _value(self, event: Any, path: Path) -> Any:
        self._count(event)
        if len(path) > MAX_DEPTH:
            self._refuse(event, f"more than {MAX_DEPTH} levels")
        self.document.values[path] = _position(event.start_mark)
        if isinstance(event, yaml.AliasEvent):
            self.document.complain(_position(event.start_mark), f"alias *{event.anchor}: write the value out")
            return None
        if event.anchor is not None:
            self.document.complain(_position(event.start_mark), f"anchor &{event.anchor}: aliases are not allowed")
        if event.tag is not None:
            self.document.complain(_position(event.start_mark), f"tag {event.tag}: tags are not allowed")
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(path)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(path)
        return self._scalar(event)

    def _count(self, event: Any) -> None:
        self.count += 1
        if self.count > MAX_VALUES:
            self._refuse(event, f"more than {MAX_VALUES:,} keys and values")

    def _scalar(self, event: Any) -> Any:
        if not event.implicit[0]:
            return event.value
        try:
            return scalar(event.value)
        except ValueError as error:
            self.document.complain(_position(event.start_mark), f"{_short(event.value)}: {error}")
            return 0

    def _sequence(self, path: Path) -> list[Any]:
        found: list[Any] = []
        for event in self.events:
            if isinstance(event, yaml.SequenceEndEvent):
                break
            found.append(self._value(event, (*path, len(found))))
        return found

    def _mapping(self, path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for event in self.events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            key, mark = self._key(event), _position(event.start_mark)
            if key in found:
                line = self.document.keys[(*path, key)][0]
                self.document.complain(mark, f"key {_short(key)} is there twice, first in line {line}")
                self._skip()
                continue
            self.document.keys[(*path, key)] = mark
            found[key] = self._value(next(self.events), (*path, key))
        return found

    def _key(self, event: Any) -> str:
        self._count(event)
        mark = _position(event.start_mark)
        if not isinstance(event, yaml.ScalarEvent):
            what = "an alias" if isinstance(event, yaml.AliasEvent) else "a list or a mapping"
            self._refuse(event, f"{what} as a key; keys are text")
        if event.anchor is not None or event.tag is not None:
            self.document.complain(mark, f"key {_short(event.value)} has an anchor or a tag; they are not allowed")
        if event.implicit[0] and event.value == "<<":
            self.document.complain(mark, "merge key <<: write the values out")
        return str(event.value)

    def _skip(self) -> None:
        """Read the value of a duplicate key without keeping it or its positions."""
        depth = 0
        for event in self.events:
            self._count(event)
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth > MAX_DEPTH:
                self._refuse(event, f"more than {MAX_DEPTH} levels")
            if depth == 0:
                return


def _position(mark: Any) -> Mark:
    return mark.line + 1, mark.column + 1


def _mark_of(before: bytes) -> Mark:
    """The position behind these bytes."""
    text = before.decode("utf-8", errors="replace")
    return text.count("\n") + 1, len(text) - (text.rfind("\n") + 1) + 1


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:50]}…{text[-1]}"


def _syntax(error: yaml.MarkedYAMLError, text: str, mark: Any) -> str:
    lines = text.split("\n")
    if mark is not None and mark.line < len(lines) and "\t" in lines[mark.line][: mark.column + 1]:
        return "a tab in the indentation; YAML wants spaces"
    context = f" {error.context}" if error.context else ""
    opened = error.context_mark
    since = f" (begun in line {opened.line + 1})" if opened is not None and mark and opened.line != mark.line else ""
    return f"not YAML: {error.problem or 'syntax error'}{context}{since}"
