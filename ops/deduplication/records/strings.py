"""Similarity of short strings, many pairs at once."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]
Letters = npt.NDArray[np.uint32]

LONGEST = 128
"""Characters that are looked at; what follows is passed over."""
PAIRS_AT_A_TIME = 8_192


def letters(values: pl.Series) -> tuple[Letters, I64]:
    """The code points of each value's first 128 characters, zero behind its end, and the number of them."""
    plain = values.fill_null("").str.head(LONGEST)
    lengths = plain.str.len_chars().to_numpy().astype(np.int64)
    width = max(int(lengths.max(initial=0)), 1)
    found = np.zeros((len(values), width), np.uint32)
    found[np.arange(width) < lengths[:, None]] = np.frombuffer("".join(plain.to_list()).encode("utf-32-le"), np.uint32)
    return found, lengths


def edit(values: pl.Series, one: I64, other: I64) -> F64:
    """1 less the Levenshtein distance over the length of the longer one.

    A row of the usual table at a time, for all pairs; what insertions bring is a running minimum.
    """
    found, lengths = letters(values)
    result = np.zeros(len(one))
    steps = np.arange(found.shape[1] + 1)
    for start in range(0, len(one), PAIRS_AT_A_TIME):
        chunk = slice(start, start + PAIRS_AT_A_TIME)
        a, b, n, m = found[one[chunk]], found[other[chunk]], lengths[one[chunk]], lengths[other[chunk]]
        row = np.broadcast_to(steps, (len(a), len(steps))).copy()
        distance = row[np.arange(len(a)), m]  # of an empty string
        for i in range(int(n.max(initial=0))):
            change = row[:, :-1] + (b != a[:, i : i + 1])
            new = np.concatenate([row[:, :1] + 1, np.minimum(row[:, 1:] + 1, change)], axis=1)
            row = np.minimum.accumulate(new - steps, axis=1) + steps
            distance = np.where(n == i + 1, row[np.arange(len(a)), m], distance)
        longest = np.maximum(np.maximum(n, m), 1)
        result[chunk] = 1 - distance / longest
    return result


def jaro_winkler(values: pl.Series, one: I64, other: I64, prefix: float = 0.1) -> F64:
    """Jaro's similarity, raised for each of up to four first characters that agree (Winkler, 1990)."""
    found, lengths = letters(values)
    result = np.zeros(len(one))
    for start in range(0, len(one), PAIRS_AT_A_TIME):
        chunk = slice(start, start + PAIRS_AT_A_TIME)
        a, b, n, m = found[one[chunk]], found[other[chunk]], lengths[one[chunk]], lengths[other[chunk]]
        jaro = _jaro(a, b, n, m)
        width = min(4, a.shape[1])
        same = (a[:, :width] == b[:, :width]) & (a[:, :width] > 0)
        alike = np.minimum.accumulate(same, axis=1).sum(axis=1)
        result[chunk] = jaro + alike * prefix * (1 - jaro)
    return result


def _jaro(a: Letters, b: Letters, n: I64, m: I64) -> F64:
    pairs, width = a.shape
    places = np.arange(width)
    reach = np.maximum(np.maximum(n, m) // 2 - 1, 0)[:, None]
    used, taken = np.zeros((pairs, width), bool), np.zeros((pairs, width), bool)
    for i in range(int(n.max(initial=0))):
        near = (np.abs(places - i) <= reach) & (places < m[:, None]) & (i < n)[:, None]
        fits = near & ~used & (b == a[:, i : i + 1])
        first = fits.argmax(axis=1)
        hit = fits.any(axis=1)
        taken[:, i] = hit
        used[np.flatnonzero(hit), first[hit]] = True
    matches = taken.sum(axis=1)
    # The matched characters of each side, moved to the front in their order.
    left = np.take_along_axis(np.where(taken, a, 0), np.argsort(~taken, axis=1, kind="stable"), axis=1)
    right = np.take_along_axis(np.where(used, b, 0), np.argsort(~used, axis=1, kind="stable"), axis=1)
    swapped = (left != right).sum(axis=1) // 2
    safe = np.maximum(matches, 1)
    score = (matches / np.maximum(n, 1) + matches / np.maximum(m, 1) + (matches - swapped) / safe) / 3
    return np.where(matches > 0, score, 0.0)
