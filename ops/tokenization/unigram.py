"""A unigram language model of pieces of words."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from ops.nn.spec import LARGEST_VOCABULARY
from ops.tokenization.base import SPECIAL, Encoder
from ops.tokenization.huggingface import HuggingFaceTokenizer, finished
from ops.tokenization.word_counts import counted_words

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    import tokenizers
    from numpy.typing import NDArray

    from ops.tokenization.base import Tokens

_LONGEST = 4192 // 4
"""Bytes of the longest word that is learned from; the trainer leaves out lines of 4192 bytes and more."""

_SCORE = -1e4
"""Of special tokens: so little that they only match where nothing else does."""


class Unigram(HuggingFaceTokenizer):
    """Pieces of words, chosen so that the text is most likely under a unigram language model (Kudo, 2018).

    Words end at white space, which is not kept. A text becomes the most likely sequence of pieces, found by Viterbi's
    algorithm; a character that is in no piece is [UNK]. SentencePiece learns the pieces from the distinct words with
    their numbers in sorted order: the trainer of `tokenizers` gives another vocabulary in each process.
    """

    kind: Literal["unigram"] = "unigram"
    """A unigram language model."""
    vocabulary: Annotated[int, Field(ge=len(SPECIAL) + 4, le=LARGEST_VOCABULARY)] = 8192
    """Largest number of tokens: special ones, characters, and pieces."""
    coverage: Annotated[float, Field(gt=0.9, le=1.0)] = 0.9995
    """Share of the text's characters that are tokens; the rarest beyond it are [UNK]."""

    def blank(self) -> tokenizers.Tokenizer:
        """Words with a mark in front, no pieces yet."""
        return self._with([])

    def train(self, texts: Iterable[str]) -> str:
        """Learn the vocabulary; return the content of `tokenizer.json`."""
        # White space as in Rust's `char::is_whitespace`, by which the tokenizer splits.
        counts = _usable(counted_words(texts, r"\S+"), self.min_frequency)
        return finished(self._with(self._learned(counts) if counts.height else []), self.max_length)

    def encoder(self, model: str) -> Encoder:
        """The encoder for a `tokenizer.json`."""
        return _Encoder(super().encoder(model))

    def _learned(self, counts: pl.DataFrame) -> list[tuple[str, float]]:
        import sentencepiece

        model = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=(f"{word}\t{count}" for word, count in counts.iter_rows()),
            input_format="tsv",
            model_writer=model,
            model_type="unigram",
            vocab_size=self.vocabulary - len(SPECIAL) + 3,  # SentencePiece has three of its own
            character_coverage=self.coverage,
            normalization_rule_name="identity",
            hard_vocab_limit=False,
            num_threads=1,
            minloglevel=2,
        )
        learned = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
        names = ((k, learned.id_to_piece(k)) for k in range(learned.get_piece_size()))
        own = (learned.is_control, learned.is_unknown, learned.is_unused)
        pieces = [(name, learned.get_score(k)) for k, name in names if not any(test(k) for test in own)]
        return pieces[: self.vocabulary - len(SPECIAL)]

    def _with(self, pieces: list[tuple[str, float]]) -> tokenizers.Tokenizer:
        from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

        vocabulary = [*((name, _SCORE) for name in SPECIAL), *pieces]
        tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=SPECIAL.index("[UNK]"), byte_fallback=False))
        split, mark = pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, mark])
        tokenizer.decoder = decoders.Metaspace()
        tokenizer.add_special_tokens([AddedToken(name, special=True) for name in SPECIAL])
        return tokenizer


def _usable(counts: pl.DataFrame, least: int) -> pl.DataFrame:
    import polars as pl

    word = pl.col("word")
    short = word.str.len_bytes() < _LONGEST
    return counts.filter((pl.col("count") >= least) & short & ~word.str.contains("\0", literal=True))


@dataclass(frozen=True)
class _Encoder:
    """The library's encoder, with [UNK] for what a text spells like a special token."""

    inner: Encoder

    def encode(self, texts: Sequence[str | None]) -> tuple[Tokens, NDArray[np.int32]]:
        """Return the token numbers of all texts one behind the other, and each text's number of tokens."""
        import numpy as np

        tokens, lengths = self.inner.encode(texts)
        firsts = np.cumsum(lengths) - lengths
        tokens[tokens < len(SPECIAL)] = SPECIAL.index("[UNK]")
        tokens[firsts] = SPECIAL.index("[CLS]")
        return tokens, lengths
