"""Byte pair encoding that leaves out merges at random (BPE-dropout: Provilkov et al., 2020), seeded text by text.

The library's own dropout draws from a generator that cannot be seeded. Here all words take one step together: of the
merges that a word could make each is left out with some probability, the best of the rest is made (the leftmost of
equals), and a word for which nothing is left is done. What is drawn depends on the text's seed, the number of the step,
and the place of the merge in the text.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ops.augmentation.draws import as_seeds, uniforms
from ops.nn.spec import token_dtype
from ops.tokenization.gpt2_words import cut_words
from ops.tokenization.huggingface import start_of
from ops.tokenization.word_table import framed, gathered

if TYPE_CHECKING:
    from ops.tokenization.base import Tokens

Numbers = NDArray[np.int64]

_BATCH = 512
"""Texts that take their steps together, which bounds memory."""


class DropoutEncoder:
    """Encodes texts with merges left out."""

    def __init__(self, model: str, max_length: int, characters: int) -> None:
        """Read the merges.

        Args:
            model: the `tokenizer.json` of a byte-level BPE.
            max_length: tokens of the longest text, [CLS] included.
            characters: characters for each token that are read at first; more where a text turns out to need them.
        """
        content = json.loads(model)["model"]
        vocabulary: dict[str, int] = content["vocab"]
        pairs = [pair if isinstance(pair, list) else pair.split(" ") for pair in content["merges"]]
        self._size = len(vocabulary)
        keys = np.array([vocabulary[a] * self._size + vocabulary[b] for a, b in pairs], dtype=np.int64)
        merged = np.array([vocabulary[a + b] for a, b in pairs], dtype=np.int64)
        order = np.argsort(keys, kind="stable")
        self._keys, self._ranks, self._merged = keys[order], order, merged
        self._of_byte = np.array([vocabulary[letter] for letter in byte_letters()], dtype=np.int64)
        self._dtype, self._max_length, self._characters = token_dtype(self._size), max_length, characters

    def encode(
        self, texts: Sequence[str | None], seeds: Sequence[int], rates: Sequence[float]
    ) -> tuple[Tokens, NDArray[np.int32]]:
        """Return the token numbers of all texts one behind the other, and each text's number of tokens.

        Args:
            texts: the texts.
            seeds: one number below 2**64 for each text.
            rates: for each text the probability with which a merge is left out.
        """
        parts = [
            self._some(list(texts[k : k + _BATCH]), as_seeds(seeds[k : k + _BATCH]), np.array(rates[k : k + _BATCH]))
            for k in range(0, len(texts), _BATCH)
        ]
        tokens = np.concatenate([np.zeros(0, self._dtype), *(tokens for tokens, _ in parts)])
        return tokens, np.concatenate([np.zeros(0, np.int32), *(lengths for _, lengths in parts)])

    def _some(
        self, texts: list[str | None], seeds: NDArray[np.uint64], rates: NDArray[np.float64]
    ) -> tuple[Tokens, NDArray[np.int32]]:
        whole = [text or "" for text in texts]
        starts = [start_of(text, self._max_length * self._characters) for text in whole]
        tokens, lengths = self._encoded(starts, seeds, rates)
        cut = np.fromiter((len(a) < len(b) for a, b in zip(starts, whole, strict=True)), bool, count=len(whole))
        short = np.flatnonzero(cut & (lengths < self._max_length))
        if len(short):
            more, longer = self._encoded([whole[row] for row in short], seeds[short], rates[short])
            places = np.cumsum(lengths) - lengths
            places[short] = len(tokens) + np.cumsum(longer) - longer
            lengths[short] = longer
            tokens = gathered(np.concatenate([tokens, more]), places, lengths)
        return tokens, lengths.astype(np.int32)

    def _encoded(
        self, texts: list[str], seeds: NDArray[np.uint64], rates: NDArray[np.float64]
    ) -> tuple[Tokens, Numbers]:
        joined, places, before = cut_words(texts)
        text_of_word = np.repeat(np.arange(len(texts)), np.diff(before))
        word = np.repeat(np.arange(len(places) - 1), np.diff(places))
        symbols = self._of_byte[np.frombuffer(joined, np.uint8)]
        begins = np.concatenate([places[before[:-1]], [0]])[:-1] if len(texts) else np.zeros(0, np.int64)
        found, words = self._merge(symbols, word, text_of_word, begins, seeds, rates)
        of_word = np.bincount(words, minlength=len(places) - 1)
        return framed(found.astype(self._dtype), of_word, before, self._max_length)

    def _merge(
        self,
        symbols: Numbers,
        word: Numbers,
        text: Numbers,
        begins: Numbers,
        seeds: NDArray[np.uint64],
        rates: NDArray[np.float64],
    ) -> tuple[Numbers, Numbers]:
        """Let all words take steps until none can; returns the symbols left, and the word of each.

        Args:
            symbols: (T,) token of each byte.
            word: (T,) its word.
            text: (W,) the text of each word.
            begins: (N,) the first byte of each text.
            seeds: (N,) of each text.
            rates: (N,) of each text.
        """
        done: list[tuple[Numbers, Numbers, Numbers]] = []
        at, step = np.arange(len(symbols)), 0
        while len(symbols):
            pairs = np.flatnonzero(word[:-1] == word[1:])
            keys = symbols[pairs] * self._size + symbols[pairs + 1]
            found = np.minimum(np.searchsorted(self._keys, keys), max(0, len(self._keys) - 1))
            known = self._keys[found] == keys if len(self._keys) else np.zeros(len(keys), dtype=bool)
            pairs, ranks = pairs[known], self._ranks[found[known]] if len(self._keys) else found[known]
            of = text[word[pairs]]
            kept = uniforms(seeds[of], at[pairs] - begins[of], step) >= rates[of]
            pairs, ranks = pairs[kept], ranks[kept]
            # The best of each word: the lowest rank, of equals the leftmost.
            order = np.lexsort((pairs, ranks, word[pairs]))
            pairs, ranks = pairs[order], ranks[order]
            first = np.concatenate([[True], word[pairs][1:] != word[pairs][:-1]])[: len(pairs)]
            best = pairs[first]
            symbols = symbols.copy()
            symbols[best] = self._merged[ranks[first]]
            stays = np.ones(len(symbols), dtype=bool)
            stays[best + 1] = False
            of_best = np.concatenate([word[best], [-1]])  # in order, as `word` is
            busy = of_best[np.searchsorted(word[best], word)] == word
            over = ~busy
            done.append((at[over], symbols[over], word[over]))
            going = busy & stays
            symbols, word, at, step = symbols[going], word[going], at[going], step + 1
        if not done:
            return symbols, word
        at, symbols, word = (np.concatenate(parts) for parts in zip(*done, strict=True))
        order = np.argsort(at, kind="stable")
        return symbols[order], word[order]


def byte_letters() -> list[str]:
    """The printable letters that stand for the 256 bytes in a byte-level vocabulary (Radford et al., 2019)."""
    printable = {*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)}
    rest = iter(range(256, 512))
    return [chr(byte) if byte in printable else chr(next(rest)) for byte in range(256)]
