"""WordPiece with a vocabulary of one's own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, islice, repeat
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from ops.nn.spec import LARGEST_VOCABULARY
from ops.tokenization.base import SPECIAL
from ops.tokenization.huggingface import HuggingFaceTokenizer, finished, threads
from ops.tokenization.word_counts import counted_words

if TYPE_CHECKING:
    import polars as pl
    import tokenizers

_MARK = "##"
_LONGEST = 100
_BATCH = 10_000
# Chinese characters, and punctuation, as `tokenizers` has them for BERT; both are words of their own.
_CHINESE = (
    r"\u{4E00}-\u{9FFF}\u{3400}-\u{4DBF}\u{20000}-\u{2A6DF}\u{2A700}-\u{2CEAF}\u{F900}-\u{FAFF}\u{2F800}-\u{2FA1F}"
)
_MARKS = r"\p{P}$+<=>^`|~"
_WORDS = rf"[{_CHINESE}{_MARKS}]|[^\s{_CHINESE}{_MARKS}]+"


class WordPiece(HuggingFaceTokenizer):
    """Pieces of words, the longest first (Wu et al., 2016), as in BERT (Devlin et al., 2019).

    Words end at white space and punctuation; Chinese characters are words of their own. A piece inside a word is marked
    with `##`. A word of which a part is no piece is [UNK], as is one of more than 100 characters. Pieces are learned by
    merging the most frequent pair, ties by the lower numbers. Where characters alone would fill more than the
    vocabulary, the rarest are left out, and the words that have them.
    """

    kind: Literal["wordpiece"] = "wordpiece"
    """WordPiece."""
    vocabulary: Annotated[int, Field(ge=len(SPECIAL) + 2, le=LARGEST_VOCABULARY)] = 8192
    """Largest number of tokens: special ones, characters, and what is learned."""

    def blank(self) -> tokenizers.Tokenizer:
        """Words as in BERT, letters as they are, no pieces yet."""
        return _with({name: number for number, name in enumerate(SPECIAL)})

    def train(self, texts: Iterable[str]) -> str:
        """Learn the vocabulary; return the content of `tokenizer.json`."""
        import polars as pl
        from tokenizers.trainers import WordPieceTrainer

        counts = counted_words(texts, _WORDS).filter(pl.col("word").str.len_chars() <= _LONGEST)
        # Each character may be needed at the beginning of words and within them.
        alphabet = _alphabet(counts, (self.vocabulary - len(SPECIAL)) // 2)
        usable = counts.filter(pl.col("word").str.split("").list.eval(pl.element().is_in(alphabet)).list.all())
        # Named beforehand, for the trainer numbers these as it meets them, in the order of a hash table.
        first = [*SPECIAL, *alphabet, *(_MARK + letter for letter in alphabet)]
        trainer = WordPieceTrainer(
            vocab_size=self.vocabulary,
            min_frequency=self.min_frequency,
            special_tokens=first,
            continuing_subword_prefix=_MARK,
            show_progress=False,
        )
        tokenizer = self.blank()
        with threads():
            tokenizer.train_from_iterator(_repeated(usable), trainer)
        return finished(_with(tokenizer.get_vocab()), self.max_length)


def _alphabet(counts: pl.DataFrame, most: int) -> list[str]:
    """The most frequent characters of the words, sorted; of equally frequent ones the lower number wins."""
    import polars as pl

    letters = counts.select(pl.col("word").str.split("").alias("letter"), "count").explode("letter")
    total = letters.group_by("letter").agg(pl.col("count").sum()).drop_nulls().filter(pl.col("letter") != "")
    kept = total.sort("count", "letter", descending=[True, False]).head(most)
    return sorted(kept["letter"].to_list())


def _repeated(counts: pl.DataFrame) -> Iterator[list[str]]:
    """Each word as often as it occurs."""
    words = chain.from_iterable(repeat(word, count) for word, count in counts.iter_rows())
    while batch := list(islice(words, _BATCH)):
        yield batch


def _with(vocabulary: dict[str, int]) -> tokenizers.Tokenizer:
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers

    model = models.WordPiece(
        vocabulary, unk_token="[UNK]", max_input_chars_per_word=_LONGEST, continuing_subword_prefix=_MARK
    )
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.BertNormalizer(
        clean_text=False, handle_chinese_chars=True, strip_accents=False, lowercase=False
    )
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece(prefix=_MARK)
    tokenizer.add_special_tokens([AddedToken(name, special=True) for name in SPECIAL])
    return tokenizer
