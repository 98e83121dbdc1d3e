"""Texts with some words left out."""

from __future__ import annotations

from typing import Any, Literal

from ops.augmentation.words import Rate, Rows, TextChange, dropped


class WordDropout(TextChange):
    """Leave out each word with some probability (Iyyer et al., 2015); a text keeps at least one."""

    kind: Literal["word_dropout"] = "word_dropout"
    """Words left out."""
    rate: Rate = 0.1
    """Probability with which each word is left out."""

    def weakened(self, strength: float) -> dict[str, Any]:
        """Fewer words left out."""
        return {"rate": self.rate * strength}

    def rearranged(self, rows: Rows) -> Rows:
        """The rows without some words."""
        return dropped(rows, self.rate, stream=1)
