"""`--set key.path=value`: changes to a recipe's data before it is checked, reported by the option's own words."""

from __future__ import annotations

import re
from typing import Any

from pipelines.problems import Problem, RecipeError
from pipelines.yaml_strict import Document, Path, read

_PART = re.compile(r"(?:^|\.)([A-Za-z_][A-Za-z0-9_-]*|[0-9]{1,6})|\[([0-9]{1,6})\]")


def apply_overrides(document: Document, base: Path, overrides: tuple[str, ...]) -> dict[Path, str]:
    """Change `document.data` in place.

    Args:
        document: the recipe file.
        base: path of the recipe's own keys in the document.
        overrides: `key.path=value`; the value is YAML, list indices are `cleaning[2].max` or `cleaning.2.max`.

    Returns:
        The option that each changed path comes from, as messages name it. What is wrong is added to
        `document.problems`.
    """
    labels: dict[Path, str] = {}
    for override in overrides:
        key, equals, text = override.partition("=")
        label = f"--set {key.strip()}"
        parts = _parts(key.strip())
        if not equals or not parts:
            message = "write it as key.path=value" if not equals else f"{key!r} is not a path of keys"
            document.problems.append(Problem(f"--set {override}"[:100], 0, 0, message))
            continue
        try:
            changed = _assign(document.data, base, parts, _value(text, label))
        except _NoSuchPlaceError as error:
            document.problems.append(Problem(label, 0, 0, str(error)))
        except RecipeError as error:
            document.problems.extend(Problem(label, 0, 0, problem.text) for problem in error.problems)
        else:
            labels.update(dict.fromkeys(changed, label))
    return labels


class _NoSuchPlaceError(Exception):
    """The path leads nowhere."""


def _parts(key: str) -> list[str | int]:
    """The keys and indices of a path; empty when it is not one."""
    found: list[str | int] = []
    end = 0
    for match in _PART.finditer(key):
        if match.start() != end:
            return []
        name, index = match.groups()
        found.append(int(index) if index is not None else name)
        end = match.end()
    return found if end == len(key) else []


def _value(text: str, label: str) -> Any:
    if not text.strip():
        return ""
    document = read(text.encode("utf-8", errors="surrogateescape"), label)
    if document.problems:
        raise RecipeError(document.problems)
    return document.data


def _assign(data: Any, base: Path, parts: list[str | int], value: Any) -> list[Path]:
    """Put the value at the path below `base`; mappings that are not there yet are made. Returns what was changed."""
    for element in base:
        data = data[element]
    path: Path = base
    made: list[Path] = []
    for number, part in enumerate(parts):
        element = _element(data, part, _spelt(parts[:number]))
        path = (*path, element)
        if number == len(parts) - 1:
            data[element] = value
            return [*made, path]
        if isinstance(data, dict) and data.get(str(element)) is None:
            data[element] = {}
            made.append(path)
        data = data[element]
    return made


def _element(data: Any, part: str | int, above: str) -> str | int:
    """The key or index that a part of the path means in this mapping or list."""
    if isinstance(data, dict):
        if isinstance(part, int):
            raise _NoSuchPlaceError(f"{above or 'the recipe'} is a mapping and has no entry [{part}]")
        return part
    if not isinstance(data, list):
        raise _NoSuchPlaceError(f"{above} is a single value and has no {part!r}")
    if isinstance(part, str) and not part.isdigit():
        raise _NoSuchPlaceError(f"{above} is a list; name an entry by its number, as in {above}[0]")
    if int(part) >= len(data):
        entries = f"0 to {len(data) - 1}" if data else "none"
        raise _NoSuchPlaceError(f"{above} has no entry [{int(part)}]; it has {entries}")
    return int(part)


def _spelt(parts: list[str | int]) -> str:
    text = ""
    for part in parts:
        if isinstance(part, int) or part.isdigit():
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text
