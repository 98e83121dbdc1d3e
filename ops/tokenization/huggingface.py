"""What the kinds share that are built with Hugging Face's `tokenizers` library (written in Rust)."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from ops.nn.spec import token_dtype
from ops.tokenization.base import SPECIAL, Encoder, Tokenizer

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import tokenizers

    from ops.tokenization.base import Tokens

_BATCH = 1000
CHARACTERS = 6  # generous for one token of English; more text is read only where a start turns out too short
_VARIABLE = "TOKENIZERS_PARALLELISM"


class HuggingFaceTokenizer(Tokenizer):
    """A tokenizer whose model is a `tokenizer.json` file; a subclass says what to begin with and how to train it."""

    def blank(self) -> tokenizers.Tokenizer:
        """The tokenizer before training."""
        raise TypeError(f"{type(self).__name__} has no blank")

    def trainer(self) -> Any:
        """The library's trainer."""
        raise TypeError(f"{type(self).__name__} has no trainer")

    def train(self, texts: Iterable[str]) -> str:
        """Learn the vocabulary; return the content of `tokenizer.json`."""
        tokenizer = self.blank()
        with threads():
            tokenizer.train_from_iterator(_lists(texts), self.trainer())
        return finished(tokenizer, self.max_length)

    def encoder(self, model: str) -> Encoder:
        """The encoder for a `tokenizer.json`."""
        import tokenizers

        tokenizer = tokenizers.Tokenizer.from_str(model)
        # A text that spells out "[PAD]" or "[CLS]" is text: it must not be able to place special tokens.
        tokenizer.encode_special_tokens = True
        return HuggingFaceEncoder(tokenizer, self.max_length, token_dtype(tokenizer.get_vocab_size()))

    def size(self, model: str) -> int:
        """Number of tokens in a `tokenizer.json`, special ones included."""
        import tokenizers

        return int(tokenizers.Tokenizer.from_str(model).get_vocab_size())


@dataclass(frozen=True)
class HuggingFaceEncoder:
    """A trained tokenizer at work.

    Attributes:
        tokenizer: the library's, which cuts off at `max_length` tokens.
        max_length: tokens of the longest text.
        dtype: how a token is stored.
    """

    tokenizer: tokenizers.Tokenizer
    max_length: int
    dtype: str

    def encode(self, texts: Sequence[str | None]) -> tuple[Tokens, npt.NDArray[np.int32]]:
        """Return the token numbers of all texts one behind the other, and each text's number of tokens."""
        import numpy as np

        whole = [text or "" for text in texts]
        starts = [start_of(text, self.max_length * CHARACTERS) for text in whole]
        with threads():
            rows = self._rows(starts)
            # A start that fills the length has the tokens of the whole text; one that does not said too little.
            short = [k for k, row in enumerate(rows) if len(row) < self.max_length and len(starts[k]) < len(whole[k])]
            for place, row in zip(short, self._rows([whole[k] for k in short]), strict=True):
                rows[place] = row
        lengths = np.fromiter(map(len, rows), np.int32, count=len(rows))
        return np.fromiter(chain.from_iterable(rows), self.dtype, count=int(lengths.sum())), lengths

    def _rows(self, texts: list[str]) -> list[list[int]]:
        return [encoding.ids for encoding in self.tokenizer.encode_batch_fast(texts)]


def finished(tokenizer: tokenizers.Tokenizer, max_length: int) -> str:
    """The content of `tokenizer.json`, with [CLS] in front of every text and longer texts cut."""
    from tokenizers.processors import TemplateProcessing

    cls = "[CLS]"
    tokenizer.post_processor = TemplateProcessing(single=f"{cls} $A", special_tokens=[(cls, SPECIAL.index(cls))])
    tokenizer.enable_truncation(max_length)
    return str(tokenizer.to_str())


def start_of(text: str, characters: int) -> str:
    """The text up to the first space behind a word after so many characters, or all of it.

    No token of a word reaches over the space behind it, so the tokens of the start are the first tokens of the text.
    """
    end = text.find(" ", characters)
    while end > 0 and text[end - 1].isspace():
        end = text.find(" ", end + 1)
    return text if end < 0 else text[:end]


@contextmanager
def threads() -> Iterator[None]:
    """Let the library use all cores, but not in a worker process, which shares them with others; results are the same.

    The variable that the library reads is set for the call only: a process forked while it is set would wait for ever
    for threads that it has not; forked while it is not, the library takes care. What the user set stays.
    """
    if _VARIABLE in os.environ:
        yield
        return
    os.environ[_VARIABLE] = "true" if multiprocessing.parent_process() is None else "false"
    try:
        yield
    finally:
        os.environ.pop(_VARIABLE, None)


def _lists(texts: Iterable[str]) -> Iterator[list[str]]:
    """Crossing into Rust once for many texts is what keeps training quick."""
    rest = iter(texts)
    while batch := list(islice(rest, _BATCH)):
        yield batch
