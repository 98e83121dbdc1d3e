"""What a tokenizer is: settings that learn a vocabulary from texts, and an encoder made from the result."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar, Protocol

from pydantic import Field

from ops.config import Config
from ops.errors import ConfigError
from ops.nn.spec import LARGEST_VOCABULARY

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Tokens = npt.NDArray[np.unsignedinteger]

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[MASK]", "[SEP]")
"""The first tokens of every vocabulary, in this order from number 0 on."""


class Encoder(Protocol):
    """Turns texts into token numbers."""

    def encode(self, texts: Sequence[str | None]) -> tuple[Tokens, npt.NDArray[np.int32]]:
        """The token numbers of all texts one behind the other (`token_dtype`), and each text's number of them."""


class DropoutEncoder(Protocol):
    """Turns texts into token numbers that differ from seed to seed."""

    def encode(
        self, texts: Sequence[str | None], seeds: Sequence[int], rates: Sequence[float]
    ) -> tuple[Tokens, npt.NDArray[np.int32]]:
        """As `Encoder.encode`, with a seed for each text and the probability with which a merge is left out."""


class Tokenizer(Config):
    """How text becomes tokens. A subclass adds `kind: Literal[...]`, its settings, `train` and `encoder`.

    Every text begins with [CLS] and is cut to `max_length` tokens with it; a null is the empty text.
    """

    pad: ClassVar[int] = SPECIAL.index("[PAD]")

    vocabulary: Annotated[int, Field(ge=len(SPECIAL) + 1, le=LARGEST_VOCABULARY)]
    """Largest number of tokens in the vocabulary, special ones included; stored in 16 bits up to 65,536, else in 32."""
    max_length: Annotated[int, Field(ge=2, le=8192)] = 128
    """Tokens of the longest text, [CLS] included; the rest of longer texts is cut off."""
    min_frequency: Annotated[int, Field(ge=1)] = 2
    """How often something must occur in the training texts to become a token."""

    def train(self, texts: Iterable[str]) -> str:
        """Learn the vocabulary; return the tokenizer as text (JSON), the same for the same texts in every run."""
        raise TypeError(f"{type(self).__name__} has no train")

    def encoder(self, model: str) -> Encoder:
        """The encoder for what `train` returned."""
        raise TypeError(f"{type(self).__name__} has no encoder")

    def dropout_encoder(self, model: str) -> DropoutEncoder:
        """An encoder that leaves out merges at random; byte pair encoding has one.

        Raises:
            ConfigError: the vocabulary knows no merges.
        """
        raise ConfigError("bpe_dropout is for the tokenizer bpe", where="augmentation")

    def size(self, model: str) -> int:
        """Number of tokens in what `train` returned, special ones included."""
        raise TypeError(f"{type(self).__name__} has no size")
