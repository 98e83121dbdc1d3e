"""Check sums of many numbers at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_CARD, _IBAN = 19, 34
"""Longest card number and longest IBAN, in characters."""


def luhn(numbers: pl.Series) -> pl.Series:
    """Which texts have digits that pass ISO/IEC 7812-1's formula; all but digits are ignored."""
    import numpy as np

    digits = _columns(numbers.str.replace_all(r"[^0-9]", ""), _CARD)
    doubled = digits[:, -2::-2] * 2
    sums = digits[:, -1::-2].sum(axis=1) + (doubled - 9 * (doubled > 9)).sum(axis=1)
    return pl.Series(np.asarray(sums % 10 == 0))


def mod97(numbers: pl.Series) -> pl.Series:
    """Which texts are IBANs by ISO 7064's MOD 97-10; spaces and case are ignored."""
    import numpy as np

    plain = numbers.str.replace_all(" ", "", literal=True).str.to_uppercase()
    values = _columns(plain.str.slice(4) + plain.str.head(4), _IBAN)
    rest = np.zeros(len(numbers), np.int64)
    for place in range(_IBAN):
        value = values[:, place]
        # A letter is a number of two digits, A = 10 to Z = 35.
        letter = value > 9
        rest = (rest * np.where(letter, 100, 10) + np.where(letter, value - 7, value)) % 97
    return pl.Series(rest == 1)


def _columns(texts: pl.Series, width: int) -> NDArray[np.int64]:
    """The characters' codes above that of 0, with zeros before them; a longer text is cut at its beginning."""
    import numpy as np

    filled = texts.str.zfill(width).str.tail(width)
    codes = np.frombuffer("".join(filled.to_list()).encode("ascii", "replace"), np.uint8)
    return codes.reshape(-1, width).astype(np.int64) - 48
