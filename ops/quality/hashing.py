"""Hashes of many spans of bytes at once, and which of many keys are equal, without sorting.

The hashes only ever tell spans of one piece apart; no hash is stored, so that a better one changes no result.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ops.quality.characters import Bytes
from ops.quality.chunks import Places

Keys = NDArray[np.uint64]

_ODD = [np.uint64(value) for value in (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0xD6E8FEB86659FD93, 0xA0761D6478BD642F)]
_MASKS = np.array([(1 << 8 * size) - 1 for size in range(8)] + [2**64 - 1], dtype=np.uint64)
_LONG = 128
"""Spans of more bytes are hashed one by one, by BLAKE2b: a call for at least so many bytes costs little."""
_TURNS = np.arange(1, 13, dtype=np.uint64) * _ODD[3]


def mixed(keys: Keys) -> Keys:
    """Each key with every bit spread over all (the finaliser of MurmurHash3 with other constants)."""
    keys = (keys ^ keys >> np.uint64(32)) * _ODD[1]
    keys ^= keys >> np.uint64(29)
    return keys


def salts(count: int) -> Keys:
    """Different numbers, to keep the spans of different texts apart."""
    return mixed(np.arange(1, count + 1, dtype=np.uint64) * _ODD[3])


def taken(values: NDArray[Any], places: NDArray[Any]) -> NDArray[Any]:
    """`values[places]` for places that are there for sure: without a check of each, in about half the time."""
    return values.take(places, mode="clip")


def load(data: Bytes, places: Places) -> Keys:
    """The eight bytes from each place on as one number."""
    words = data[: len(data) // 8 * 8].view("<u8")
    index, shift = places >> 3, (places & 7).view(np.uint64)
    shift <<= np.uint64(3)
    loaded: Keys = taken(words, index)
    loaded >>= shift
    index += 1
    behind = taken(words, index)
    # A shift by 64 is undefined: it is done in two steps.
    behind <<= np.uint64(1)
    shift ^= np.uint64(63)
    behind <<= shift
    loaded |= behind
    return loaded


def ends_hash(data: Bytes, starts: Places, ends: Places) -> Keys:
    """Hashes of the spans' lengths, first eight and last eight bytes: equal for equal spans, and seldom for others.

    For spans of up to 16 bytes they tell all apart.
    """
    sizes = ends - starts
    keys = load(data, starts)
    keys &= taken(_MASKS, sizes)
    keys *= _ODD[0]
    keys += sizes.view(np.uint64) * _ODD[2]
    longer = np.flatnonzero(sizes > 8)
    keys[longer] += mixed(load(data, ends[longer] - 8) * _ODD[3])
    return keys


def tails_hash(data: Bytes, starts: Places, ends: Places) -> Keys:
    """Hashes of the spans' lengths and last eight bytes."""
    sizes = ends - starts
    keys = load(data, np.maximum(starts, ends - 8))
    keys &= taken(_MASKS, sizes)
    return mixed(keys * _ODD[0] + sizes.view(np.uint64) * _ODD[2])


def spans_hash(data: Bytes, starts: Places, ends: Places) -> Keys:
    """Hashes of whole spans."""
    keys = ends_hash(data, starts, ends)
    left = np.flatnonzero(ends - starts > 16)
    sizes = (ends - starts)[left]
    for place in left[sizes > _LONG].tolist():
        digest = hashlib.blake2b(data[starts[place] : ends[place]].tobytes(), digest_size=8).digest()
        keys[place] = int.from_bytes(digest, "little")
    left, sizes = left[sizes <= _LONG], sizes[sizes <= _LONG]
    for done in range(8, _LONG - 8, 8):
        if not len(left):
            break
        keys[left] = mixed(keys[left] ^ load(data, starts[left] + done)) * _ODD[2]
        more = sizes > done + 16
        left, sizes = left[more], sizes[more]
    return mixed(keys)


def first_equal(keys: Keys) -> NDArray[np.int32]:
    """For each key the place of the first that equals it (its own place for the first).

    Every key writes its place where its bits point in a table, from the last to the first: what stands there then is
    the place of the first key that points there. Keys that differ from that one go on to the next round, with other
    bits. Equal keys stay together, and each round settles at least one key of each slot.
    """
    count = len(keys)
    if count == 0:
        return np.empty(0, np.int32)
    bits = max(6, (2 * count).bit_length())
    shift, table = np.uint64(64 - bits), np.empty(1 << bits, np.int32)
    slots = (keys >> shift).view(np.int64)
    table[slots[::-1].copy()] = np.arange(count - 1, -1, -1, dtype=np.int32)
    first: NDArray[np.int32] = taken(table, slots)
    left = np.flatnonzero(taken(keys, first) != keys)
    for turn in _TURNS:
        if not len(left):
            return first
        own = taken(keys, left)
        slots = (mixed(own + turn) * _ODD[0] >> shift).view(np.int64)
        table[slots[::-1]] = left[::-1]
        found = taken(table, slots)
        first[left] = found
        left = left[taken(keys, found) != own]
    _, index, inverse = np.unique(keys[left], return_index=True, return_inverse=True)
    first[left] = left[index][inverse]
    return first


def repeated(first: NDArray[np.int32]) -> Places:
    """The places of keys that are there more than once, the first ones among them."""
    again = first != np.arange(len(first), dtype=np.int32)
    twice = again.copy()
    twice[first[again]] = True
    return np.flatnonzero(twice)
