"""Whole words as tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from ops.nn.spec import LARGEST_VOCABULARY
from ops.tokenization.base import SPECIAL
from ops.tokenization.huggingface import HuggingFaceTokenizer

if TYPE_CHECKING:
    import tokenizers


class Word(HuggingFaceTokenizer):
    """The most frequent words and punctuation marks as tokens; every other word is [UNK].

    A word is a run of letters, digits and underscores; a run of other characters without white space is a token too.
    """

    kind: Literal["word"] = "word"
    """Whole words."""
    vocabulary: Annotated[int, Field(ge=len(SPECIAL) + 1, le=LARGEST_VOCABULARY)] = 8192
    """Largest number of tokens: special ones and the most frequent words."""

    def blank(self) -> tokenizers.Tokenizer:
        """Words, none known yet."""
        from tokenizers import Tokenizer, models, pre_tokenizers

        tokenizer = Tokenizer(models.WordLevel(unk_token="[UNK]"))
        tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
        return tokenizer

    def trainer(self) -> Any:
        """The trainer, which counts words."""
        from tokenizers.trainers import WordLevelTrainer

        return WordLevelTrainer(
            vocab_size=self.vocabulary,
            min_frequency=self.min_frequency,
            special_tokens=list(SPECIAL),
            show_progress=False,
        )
