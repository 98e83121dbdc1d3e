"""The structure of a contact sheet; see `ops/evaluation/contact_sheet.py` for what is on it."""

from __future__ import annotations

from pydantic import Field

from ops.config import Config


class SheetRow(Config):
    """One training row of the contact sheet."""

    id: str
    """The row's id."""
    text: str | None = None
    """Beginning of the text, where the input is text."""
    copies: list[str] = Field(default_factory=list)
    """Beginnings of its altered copies, where the input is text."""
    cells: list[list[str]] = Field(default_factory=list)
    """Where the input is a row of a table, its numbers and those of each of its copies, in the order of the columns."""
    changed: list[list[bool]] = Field(default_factory=list)
    """For each copy, which of its numbers are not those of the row."""


class ContactSheet(Config):
    """Some training rows beside the copies that augmentation made of them."""

    steps: list[str]
    """Kinds of the changes, in order."""
    copies: int
    """Copies of each row that are shown."""
    strength: float = 1.0
    """Share of their ranges at which the changes were made; at 0 the copies are as the rows are."""
    rows: list[SheetRow]
    """The rows, from top to bottom."""
    columns: list[str] = Field(default_factory=list)
    """The columns of numbers that are shown, where the input is a row of a table."""
    image: str | None = None
    """A PNG as a data URI, where the input is an image: each row's original, then its copies."""
    width: int = 0
    """Its pixels from left to right."""
    height: int = 0
    """Its pixels from top to bottom."""
