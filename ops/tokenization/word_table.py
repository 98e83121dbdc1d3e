"""Byte pair encoding with a table of the words seen: each distinct word is encoded once, and looked up from then on.

Merges never reach over the border of a word, so the tokens of a text are those of its words one behind the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ops.nn.spec import token_dtype
from ops.tokenization.base import SPECIAL
from ops.tokenization.gpt2_words import cut_words
from ops.tokenization.huggingface import start_of, threads

if TYPE_CHECKING:
    import pyarrow as pa

    from ops.tokenization.base import Tokens

LARGEST = 1 << 20
"""Words, and ten times as many bytes of words, that the table holds before it begins anew."""

Numbers = NDArray[np.int64]


class WordTable:
    """The tokens of words, by word."""

    def __init__(self, tokenizer: Any, dtype: str, largest: int = LARGEST) -> None:
        """An empty table.

        Args:
            tokenizer: the library's, which neither adds nor cuts anything; it encodes words that are new.
            dtype: how a token is stored.
            largest: words after which the table begins anew, which bounds its memory.
        """
        self._tokenizer, self._dtype, self._largest = tokenizer, dtype, largest
        self._forget()

    def _forget(self) -> None:
        self._places: dict[bytes, int] = {}
        self._bytes = 0
        self._tokens: Tokens = np.zeros(0, self._dtype)
        self._starts = np.zeros(0, np.int64)
        self._lengths = np.zeros(0, np.int64)

    def tokens_of(self, joined: bytes, places: Numbers) -> tuple[Tokens, Numbers]:
        """The tokens of all words one behind the other, and each word's number of them.

        Args:
            joined: the words' bytes one behind the other.
            places: where each word begins, and the end behind the last.
        """
        codes, words = distinct(joined, places)
        if len(self._places) + len(words) > self._largest or self._bytes > 10 * self._largest:
            self._forget()
        new = [word for word in words if word not in self._places]
        if new:
            self._add(new)
        entries = np.fromiter(map(self._places.__getitem__, words), np.int64, count=len(words))[codes]
        lengths = self._lengths[entries]
        return gathered(self._tokens, self._starts[entries], lengths), lengths

    def _add(self, words: list[bytes]) -> None:
        with threads():
            found = self._tokenizer.encode_batch_fast([word.decode() for word in words], add_special_tokens=False)
        rows = [encoding.ids for encoding in found]
        lengths = np.fromiter(map(len, rows), np.int64, count=len(rows))
        flat = np.fromiter((token for row in rows for token in row), self._dtype, count=int(lengths.sum()))
        starts = len(self._tokens) + np.cumsum(lengths) - lengths
        first = len(self._places)
        self._places.update(zip(words, range(first, first + len(words)), strict=True))
        self._bytes += sum(map(len, words))
        self._tokens = np.concatenate([self._tokens, flat])
        self._starts = np.concatenate([self._starts, starts])
        self._lengths = np.concatenate([self._lengths, lengths])


class TableEncoder:
    """Encodes texts through a table of words; the tokens are those of the library."""

    def __init__(self, model: str, max_length: int, characters: int) -> None:
        """An encoder with an empty table.

        Args:
            model: the `tokenizer.json`.
            max_length: tokens of the longest text, [CLS] included.
            characters: characters for each token that are read at first; more where a text turns out to need them.
        """
        import tokenizers

        self._tokenizer = tokenizers.Tokenizer.from_str(model)
        self._tokenizer.encode_special_tokens = True
        self._tokenizer.no_truncation()
        self.dtype = token_dtype(self._tokenizer.get_vocab_size())
        self._max_length, self._characters = max_length, characters
        self._table = WordTable(self._tokenizer, self.dtype)

    def encode(self, texts: Sequence[str | None]) -> tuple[Tokens, NDArray[np.int32]]:
        """Return the token numbers of all texts one behind the other, and each text's number of tokens."""
        whole = [text or "" for text in texts]
        starts = [start_of(text, self._max_length * self._characters) for text in whole]
        tokens, lengths = self._encoded(starts)
        # A start that fills the length has the tokens of the whole text; one that does not said too little.
        cut = np.fromiter((len(a) < len(b) for a, b in zip(starts, whole, strict=True)), bool, count=len(whole))
        short = np.flatnonzero(cut & (lengths < self._max_length))
        if len(short):
            more, longer = self._encoded([whole[row] for row in short])
            places = np.cumsum(lengths) - lengths
            places[short] = len(tokens) + np.cumsum(longer) - longer
            lengths[short] = longer
            tokens = gathered(np.concatenate([tokens, more]), places, lengths)
        return tokens, lengths.astype(np.int32)

    def _encoded(self, texts: list[str]) -> tuple[Tokens, Numbers]:
        joined, places, before = cut_words(texts)
        tokens, of_word = self._table.tokens_of(joined, places)
        return framed(tokens, of_word, before, self._max_length)


def framed(tokens: Tokens, of_word: Numbers, before: Numbers, max_length: int) -> tuple[Tokens, Numbers]:
    """The rows of texts: [CLS] and the tokens of the text's words, cut to `max_length`; and each row's length.

    Args:
        tokens: those of all words one behind the other.
        of_word: number of tokens of each word.
        before: number of words before each text, and of all.
        max_length: tokens of the longest row.
    """
    ends = np.concatenate([[0], np.cumsum(of_word)])[before]
    lengths = np.minimum(np.diff(ends), max_length - 1) + 1
    firsts = np.cumsum(lengths) - lengths
    # Each row is read from one place before its text, where another text's last token stands in for [CLS].
    rows = gathered(np.concatenate([np.zeros(1, tokens.dtype), tokens]), ends[:-1], lengths)
    rows[firsts] = SPECIAL.index("[CLS]")
    return rows, lengths


def distinct(joined: bytes, places: Numbers) -> tuple[Numbers, list[bytes]]:
    """The number of each word's kind, and the distinct words by that number."""
    import pyarrow as pa

    offsets = pa.py_buffer(np.ascontiguousarray(places, dtype=np.int64))
    words: pa.Array = pa.LargeBinaryArray.from_buffers(
        pa.large_binary(), len(places) - 1, [None, offsets, pa.py_buffer(joined)]
    )
    kinds = words.dictionary_encode()
    codes = np.frombuffer(kinds.indices.buffers()[1] or b"", np.int32, count=len(kinds))
    return codes.astype(np.int64), kinds.dictionary.to_pylist()


def gathered(pool: NDArray[Any], starts: Numbers, lengths: Numbers) -> NDArray[Any]:
    """The slices of a flat array that begin at `starts` and have those lengths, one behind the other."""
    shifts = starts - (np.cumsum(lengths) - lengths)
    return pool[np.repeat(shifts, lengths) + np.arange(int(lengths.sum()))]
