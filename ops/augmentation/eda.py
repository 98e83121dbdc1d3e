"""Easy data augmentation without synonyms."""

from __future__ import annotations

from typing import Literal

import numpy as np

from ops.augmentation.draws import uniforms
from ops.augmentation.words import Rate, Rows, TextChange, dropped, inserted, swapped

_OPERATIONS = (dropped, swapped, inserted)


class Eda(TextChange):
    """One of three operations on each copy, drawn evenly (EDA: Wei and Zou, 2019).

    Words left out, words swapped, or copies of the text's own words inserted. The paper's synonyms come from a
    thesaurus, which few languages have; its random insertion is done with words of the text instead.
    """

    kind: Literal["eda"] = "eda"
    """Words left out, swapped or inserted."""
    rate: Rate = 0.1
    """Share of the words that an operation changes; swapping and inserting change at least one."""

    def rearranged(self, rows: Rows) -> Rows:
        """The rows after the operation that each drew."""
        draws = uniforms(rows.seeds, np.zeros(len(rows.seeds), np.int64), stream=1)
        drawn = np.minimum((draws * len(_OPERATIONS)).astype(np.int64), len(_OPERATIONS) - 1)
        results = [operation(rows, self.rate, 2 + k) for k, operation in enumerate(_OPERATIONS)]
        kept = [drawn[result.row] == k for k, result in enumerate(results)]
        row = np.concatenate([result.row[keep] for result, keep in zip(results, kept, strict=True)])
        word = np.concatenate([result.word[keep] for result, keep in zip(results, kept, strict=True)])
        order = np.argsort(row, kind="stable")
        return Rows(word[order], np.bincount(row, minlength=len(rows.lengths)), rows.seeds)
