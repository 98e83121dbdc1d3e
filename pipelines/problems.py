"""What is wrong with a recipe: every problem with its place, collected into one error."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ops.errors import ConfigError


@dataclass(frozen=True, order=True)
class Problem:
    """One thing that is wrong, and where.

    Attributes:
        place: the file, or the option `--set key.path`.
        line: line in the file, from 1; 0 where the place has no lines.
        column: character in the line, from 1; 0 where the place has no lines.
        text: what is wrong, with the nearest valid name where there is one.
    """

    place: str
    line: int
    column: int
    text: str

    def __str__(self) -> str:
        position = f":{self.line}:{self.column}" if self.line else ""
        return f"{self.place}{position}: {self.text}"


class RecipeError(ConfigError):
    """Everything that is wrong with one recipe, a line each, in the order of the file."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        unique = dict.fromkeys(sorted(problems))
        self.problems: tuple[Problem, ...] = tuple(unique)
        super().__init__("\n".join(str(problem) for problem in self.problems))

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.problems,)


def nearest(name: object, known: Iterable[str]) -> str | None:
    """The known name that `name` most probably stands for, if any is near."""
    candidates = list(known)
    folded = {candidate.casefold().replace("-", "_"): candidate for candidate in reversed(candidates)}
    found = difflib.get_close_matches(str(name)[:100].casefold().replace("-", "_"), list(folded), n=1, cutoff=0.6)
    return folded[found[0]] if found else None


def advice(name: object, known: Sequence[str], what: str = "known") -> str:
    """`did you mean 'x'?`, or the list of what is known when nothing is near."""
    near = nearest(name, known)
    if near is not None:
        return f"did you mean {near!r}?"
    return f"{what}: {', '.join(known)}" if known else f"{what}: none"
