"""Byte-level byte pair encoding with a vocabulary of one's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from ops.nn.spec import LARGEST_VOCABULARY
from ops.tokenization import huggingface
from ops.tokenization.base import SPECIAL, DropoutEncoder, Encoder
from ops.tokenization.huggingface import HuggingFaceTokenizer

if TYPE_CHECKING:
    import tokenizers

_BYTES = 256


class Bpe(HuggingFaceTokenizer):
    """Byte pair encoding (Sennrich et al., 2016) over bytes, cut into words as in GPT-2 (Radford et al., 2019).

    All 256 bytes are tokens, so that no text is ever unknown.
    """

    kind: Literal["bpe"] = "bpe"
    """Byte-level byte pair encoding."""
    vocabulary: Annotated[int, Field(ge=len(SPECIAL) + _BYTES, le=LARGEST_VOCABULARY)] = 4096
    """Largest number of tokens: special ones, the 256 bytes, and what is learned."""

    def blank(self) -> tokenizers.Tokenizer:
        """Byte-level words, no merges yet."""
        from tokenizers import Tokenizer, decoders, models, pre_tokenizers

        tokenizer = Tokenizer(models.BPE(unk_token="[UNK]"))
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        return tokenizer

    def encoder(self, model: str) -> Encoder:
        """The encoder for a `tokenizer.json`; it encodes each distinct word once."""
        from ops.tokenization.word_table import TableEncoder

        return TableEncoder(model, self.max_length, huggingface.CHARACTERS)

    def dropout_encoder(self, model: str) -> DropoutEncoder:
        """The encoder that leaves out merges."""
        from ops.tokenization import merge_dropout

        return merge_dropout.DropoutEncoder(model, self.max_length, huggingface.CHARACTERS)

    def trainer(self) -> Any:
        """The byte pair trainer."""
        from tokenizers.pre_tokenizers import ByteLevel
        from tokenizers.trainers import BpeTrainer

        return BpeTrainer(
            vocab_size=self.vocabulary,
            min_frequency=self.min_frequency,
            special_tokens=list(SPECIAL),
            initial_alphabet=ByteLevel.alphabet(),
            show_progress=False,
        )
