"""What the command line says: data to standard output, messages to standard error, JSON where it was asked for."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console


@dataclass
class State:
    """What holds for the whole process.

    Attributes:
        json: the user wants JSON, so that standard output must be one JSON document.
        verbose: errors are shown with their traceback.
        resume: the command that goes on with the work at hand, printed when it fails.
        done: the JSON document has been printed.
        terminated: TERM was received.
    """

    json: bool = False
    verbose: bool = False
    resume: str | None = None
    done: bool = False
    terminated: bool = False


state = State()


def out() -> Console:
    """Standard output, for data; no colours in a pipe or under NO_COLOR."""
    return _console(stderr=False)


def err() -> Console:
    """Standard error, for messages and progress."""
    return _console(stderr=True)


def _console(*, stderr: bool) -> Console:
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    # In a pipe lines stay whole: a width of 80 would cut names that scripts and people grep for.
    width = None if stream.isatty() else max(int(os.environ.get("COLUMNS") or 0), 160)
    return Console(stderr=stderr, highlight=False, soft_wrap=not stream.isatty(), width=width, emoji=False)


def say(text: str) -> None:
    """A message for the person at the terminal; plain text, never markup."""
    print(text, file=sys.stderr, flush=True)


def tell(text: str) -> None:
    """A line of data."""
    print(text)


def give(document: Any) -> None:
    """The JSON document that the command was asked for."""
    state.done = True
    plain = (sys.stdout.encoding or "").lower().replace("-", "") != "utf8"
    print(json.dumps(document, indent=2, ensure_ascii=plain, default=str))


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, right: Sequence[str] = ()) -> None:
    """Print rows under headings, numbers of the columns `right` to the right."""
    if not sys.stdout.isatty():
        _plain_table([list(columns), *([str(cell) for cell in row] for row in rows)], [c in right for c in columns])
        return
    from rich.table import Table
    from rich.text import Text

    made = Table(box=None, pad_edge=False, header_style="bold", show_edge=False)
    for column in columns:
        made.add_column(column, justify="right" if column in right else "left", no_wrap=column in right)
    for row in rows:
        made.add_row(*(cell if isinstance(cell, Text) else Text(str(cell)) for cell in row))
    out().print(made)


def _plain_table(rows: list[list[str]], right: list[bool]) -> None:
    """Aligned columns and whole lines, for pipes and logs."""
    widths = [max(len(row[index]) for row in rows) for index in range(len(right))]
    for row in rows:
        cells = (cell.rjust(w) if r else cell.ljust(w) for cell, w, r in zip(row, widths, right, strict=True))
        print("  ".join(cells).rstrip())


def coloured(text: str, style: str) -> Any:
    """A cell in a style."""
    from rich.text import Text

    return Text(text, style=style)


def size(count: float) -> str:
    """Bytes for people."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            return f"{count:,.0f} {unit}" if unit == "B" else f"{count:,.1f} {unit}"
        count /= 1000
    raise AssertionError("unreachable")


def seconds(value: float) -> str:
    """A duration for people."""
    if value < 60:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
