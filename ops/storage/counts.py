"""The books of a stage: every row that came in went out, was rejected, or was dropped by a rule."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from pydantic import ConfigDict

from ops.errors import IntegrityError


@dataclass(frozen=True)
class Counts:
    """Rows of one stage and partition.

    Attributes:
        rows_in: rows read.
        rows_out: rows written.
        added: rows that the stage made (copies of augmentation).
        rejected: rows that could not be read, by reason.
        dropped: rows that a rule took out, by rule.
        changed: rows that were altered and kept, by rule; not part of the sum.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", strict=True)

    rows_in: int
    rows_out: int
    added: int = 0
    rejected: Mapping[str, int] = field(default_factory=dict)
    dropped: Mapping[str, int] = field(default_factory=dict)
    changed: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # NumPy's integers are welcome, floats are not: the books are exact.
        for name in ("rows_in", "rows_out", "added"):
            object.__setattr__(self, name, operator.index(getattr(self, name)))
        for name in ("rejected", "dropped", "changed"):
            reasons: Mapping[str, int] = getattr(self, name)
            object.__setattr__(self, name, {key: operator.index(reasons[key]) for key in sorted(reasons)})

    def check(self, where: str = "") -> None:
        """Raise IntegrityError unless rows_in + added == rows_out + rejected + dropped, with no negative number."""
        rejected, dropped = sum(self.rejected.values()), sum(self.dropped.values())
        parts = (self.rows_in, self.rows_out, self.added)
        reasons = (*self.rejected.values(), *self.dropped.values(), *self.changed.values())
        if min((*parts, *reasons)) < 0 or self.rows_in + self.added != self.rows_out + rejected + dropped:
            raise IntegrityError(
                f"rows do not add up: {self.rows_in} in + {self.added} added is not "
                f"{self.rows_out} out + {rejected} rejected + {dropped} dropped",
                where=where,
                hint="a step loses or invents rows; nothing was committed",
            )
