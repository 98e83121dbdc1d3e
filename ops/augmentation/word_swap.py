"""Texts with words swapped."""

from __future__ import annotations

from typing import Literal

from ops.augmentation.words import Rate, Rows, TextChange, swapped


class WordSwap(TextChange):
    """Swap two random words of a text, some times over (Wei and Zou, 2019)."""

    kind: Literal["word_swap"] = "word_swap"
    """Words swapped."""
    rate: Rate = 0.1
    """Swaps as a share of the words; at least one."""

    def rearranged(self, rows: Rows) -> Rows:
        """The rows with words swapped."""
        return swapped(rows, self.rate, stream=1)
