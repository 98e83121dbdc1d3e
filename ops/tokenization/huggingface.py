"""What the kinds share that are built with Hugging Face's `tokenizers` library (written in Rust)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from ops.tokenization.base import SPECIAL, Encoder, Tokenizer

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import tokenizers

_BATCH = 1000


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
        from tokenizers.processors import TemplateProcessing

        _choose_threads()
        tokenizer = self.blank()
        tokenizer.train_from_iterator(_lists(texts), self.trainer())
        cls = "[CLS]"
        tokenizer.post_processor = TemplateProcessing(single=f"{cls} $A", special_tokens=[(cls, SPECIAL.index(cls))])
        tokenizer.enable_truncation(self.max_length)
        return str(tokenizer.to_str())

    def encoder(self, model: str) -> Encoder:
        """The encoder for a `tokenizer.json`."""
        import tokenizers

        _choose_threads()
        tokenizer = tokenizers.Tokenizer.from_str(model)
        # A text that spells out "[PAD]" or "[CLS]" is text: it must not be able to place special tokens.
        tokenizer.encode_special_tokens = True
        return HuggingFaceEncoder(tokenizer)

    def size(self, model: str) -> int:
        """Number of tokens in a `tokenizer.json`, special ones included."""
        import tokenizers

        return int(tokenizers.Tokenizer.from_str(model).get_vocab_size())


@dataclass(frozen=True)
class HuggingFaceEncoder:
    """A trained tokenizer at work."""

    tokenizer: tokenizers.Tokenizer

    def encode(self, texts: Sequence[str | None]) -> tuple[npt.NDArray[np.uint16], npt.NDArray[np.int32]]:
        """Return the token numbers of all texts one behind the other, and each text's number of tokens."""
        import numpy as np

        encodings = self.tokenizer.encode_batch_fast([text or "" for text in texts])
        rows = [encoding.ids for encoding in encodings]
        lengths = np.fromiter(map(len, rows), np.int32, count=len(rows))
        return np.fromiter(chain.from_iterable(rows), np.uint16, count=int(lengths.sum())), lengths


def _choose_threads() -> None:
    # Without a choice the library starts threads, and then warns in every forked process that it must not use them.
    # Partitions run beside each other already; who sets the variable wins.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


def _lists(texts: Iterable[str]) -> Iterator[list[str]]:
    """Crossing into Rust once for many texts is what keeps training quick."""
    rest = iter(texts)
    while batch := list(islice(rest, _BATCH)):
        yield batch
