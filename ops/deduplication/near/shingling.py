"""Texts as sets of word n-grams, each n-gram a number that stays the same for ever.

A word is a run of letters, marks and digits, in lower case; Chinese characters and kana, written without spaces, are
words of their own. A text of fewer words than the n-gram is one shingle; a text without words has none.

Hashing works on whole buffers: bytes go through one table, eight bytes of a word are read as one number, words are
mixed into n-grams. An n-gram's number has 54 bits, so that the sets of 1,024 texts can be sorted as one array: the
chance that two given texts of 1,000 n-grams share a number by accident is 6e-11.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

U64 = npt.NDArray[np.uint64]
I64 = npt.NDArray[np.int64]

SHINGLE_BITS = 54
CHUNK_TEXTS = 1 << (64 - SHINGLE_BITS)
CHUNK_BYTES = 1 << 19
"""Text that is hashed at a time: its buffers stay in the processor's cache."""

_LOW, _STEP, _MIX = (np.uint64(value) for value in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))
_PLACES = [
    np.uint64((0xD6E8FEB86659FD93 * (2 * place + 1) ^ (place * 0xA0761D6478BD642F)) & (2**64 - 1) | 1)
    for place in range(16)
]
"""An odd factor for each word of an n-gram."""

LONGEST_NGRAM = len(_PLACES)

_TABLE = bytes(c if chr(c).isalnum() or c >= 128 else 0 for c in bytes(range(256)).lower())
"""ASCII letters in lower case and digits; bytes of other letters as they are; 0 for what stands between words."""

_MASKS = np.array([(1 << (8 * kept)) - 1 for kept in range(9)], dtype=np.uint64)

ALONE = r"[\p{Han}\p{Hiragana}\p{Katakana}]"
"""Scripts in which a character counts as a word."""


class Shingles(NamedTuple):
    """The shingle sets of some texts: ascending numbers, text after text, and how many each text has."""

    values: U64
    counts: I64


def shingle_sets(texts: pl.Series, ngram: int) -> Iterator[Shingles]:
    """The shingle sets of texts in their order, some texts at a time; null is a text without words."""
    sizes = texts.str.len_bytes().fill_null(0).to_numpy()
    foreign = sizes != texts.str.len_chars().fill_null(0).to_numpy()
    for start, stop in _chunks(sizes):
        plain, size = texts.slice(start, stop - start), sizes[start:stop]
        if foreign[start:stop].any():
            plain = _plain(plain, pl.Series(foreign[start:stop]))
            size = plain.str.len_bytes().fill_null(0).to_numpy()
        plain = plain.fill_null("") if plain.null_count() else plain
        data = b"\n" + str(plain.str.join("\n")[0]).encode() + b"\n"
        firsts, words = _words(data, size.astype(np.int64))
        yield _sets(words, firsts, ngram)


def mixed(values: U64) -> U64:
    """A bijection of 64-bit numbers whose results look random (the end of MurmurHash3)."""
    values = values ^ (values >> np.uint64(32))
    values *= _MIX
    values ^= values >> np.uint64(29)
    return values


def _plain(texts: pl.Series, foreign: pl.Series) -> pl.Series:
    """Texts in which every byte above 127 belongs to a word, and where words that stand alone are set apart."""
    lower = texts.filter(foreign).str.to_lowercase().str.replace_all(r"[^\p{L}\p{M}\p{N}]+", " ")
    return texts.scatter(foreign.arg_true(), lower.str.replace_all(ALONE, " $0 "))


def _chunks(sizes: npt.NDArray[np.uint32]) -> Iterator[tuple[int, int]]:
    ends = np.cumsum(sizes.astype(np.int64) + 1)
    start = 0
    while start < len(sizes):
        before = int(ends[start - 1]) if start else 0
        stop = max(int(np.searchsorted(ends, before + CHUNK_BYTES, side="right")), start + 1)
        stop = min(stop, start + CHUNK_TEXTS)
        yield start, stop
        start = stop


def _words(data: bytes, sizes: I64) -> tuple[I64, U64]:
    """For each text the index of its first word (and one past the last), and the hash of every word."""
    # Zeros at the end: a word's numbers are read past its end.
    low = np.frombuffer(data.translate(_TABLE) + bytes(16 - len(data) % 8), dtype=np.uint8)
    inside = low != 0
    edges = np.flatnonzero(inside[1:] != inside[:-1])
    edges += 1
    starts, ends = edges[0::2], edges[1::2]
    numbers = low.view("<u8")
    left = ends - starts
    hashes = mixed((_eight(numbers, starts) & _MASKS[np.minimum(left, 8)]) * _LOW)
    longer = np.flatnonzero(left > 8)
    step = 8
    while longer.size:
        rest = left[longer] - step
        more = _eight(numbers, starts[longer] + step) & _MASKS[np.minimum(rest, 8)]
        hashes[longer] = mixed((hashes[longer] + more) * _STEP)
        longer = longer[rest > 8]
        step += 8
    begins = np.concatenate(([1], 1 + np.cumsum(sizes + 1)))
    return np.searchsorted(starts, begins).astype(np.int64), hashes


def _eight(numbers: U64, places: I64) -> U64:
    """The eight bytes from each place on as one number, put together from two that lie aligned."""
    word = places >> 3
    shift = ((places & 7) << 3).astype(np.uint64)
    found: U64 = numbers[word] >> shift
    # In two shifts, for one of 64 bits is no shift at all.
    found |= (numbers[word + 1] << np.uint64(1)) << (np.uint64(63) - shift)
    return found


def _sets(words: U64, firsts: I64, ngram: int) -> Shingles:
    first, past = firsts[:-1], firsts[1:]
    total = len(words)
    padded = np.concatenate((words, np.zeros(ngram, dtype=np.uint64)))
    grams = padded[:total] * _PLACES[0]
    for place in range(1, ngram):
        grams += padded[place : place + total] * _PLACES[place]
    short = np.flatnonzero((past - first < ngram) & (past > first))
    if short.size:
        # What follows a short text belongs to the next one.
        begin, count = first[short], (past - first)[short]
        alone = padded[begin] * _PLACES[0]
        for place in range(1, ngram):
            alone += np.where(count > place, padded[begin + place], np.uint64(0)) * _PLACES[place]
        grams[begin] = alone
    grams = mixed(grams) >> np.uint64(64 - SHINGLE_BITS)
    counted = past - first
    kept = np.ones(total, dtype=np.bool_)
    for back in range(1, ngram):
        last = past - back
        kept[last[last > first]] = False
    owner = np.repeat(np.arange(len(first), dtype=np.uint64) << np.uint64(SHINGLE_BITS), counted)
    keys = (grams | owner)[kept]
    keys.sort()
    if keys.size:
        keys = keys[np.concatenate(([True], keys[1:] != keys[:-1]))]
    counts = np.bincount((keys >> np.uint64(SHINGLE_BITS)).astype(np.int64), minlength=len(first))
    return Shingles(keys & np.uint64((1 << SHINGLE_BITS) - 1), counts)
