"""Single characters as tokens."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from ops.nn.spec import LARGEST_VOCABULARY, token_dtype
from ops.tokenization.base import SPECIAL, Encoder
from ops.tokenization.huggingface import HuggingFaceTokenizer, finished

if TYPE_CHECKING:
    import numpy as np
    import tokenizers
    from numpy.typing import NDArray

    from ops.tokenization.base import Tokens

_BATCH = 10_000
_CODE_POINTS = 0x110000


class Character(HuggingFaceTokenizer):
    """The most frequent characters (Unicode code points) as tokens, white space included; every other one is [UNK]."""

    kind: Literal["character"] = "character"
    """Single characters."""
    vocabulary: Annotated[int, Field(ge=len(SPECIAL) + 1, le=LARGEST_VOCABULARY)] = 8192
    """Largest number of tokens: special ones and the most frequent characters."""

    def blank(self) -> tokenizers.Tokenizer:
        """Characters, none known yet."""
        return _with([])

    def train(self, texts: Iterable[str]) -> str:
        """Count characters; return the content of `tokenizer.json`. Of equally frequent ones the lower number wins."""
        import numpy as np

        counts, rest = np.zeros(_CODE_POINTS, np.int64), iter(texts)
        while batch := list(islice(rest, _BATCH)):
            counts += np.bincount(_code_points("".join(batch)), minlength=_CODE_POINTS)
        order = np.argsort(-counts, kind="stable")[: self.vocabulary - len(SPECIAL)]
        known = order[counts[order] >= max(1, self.min_frequency)]
        return finished(_with([chr(point) for point in known]), self.max_length)

    def encoder(self, model: str) -> Encoder:
        """The encoder for a `tokenizer.json`, one look into a table for each character."""
        import numpy as np
        import tokenizers

        vocabulary = tokenizers.Tokenizer.from_str(model).get_vocab()
        table = np.full(_CODE_POINTS, SPECIAL.index("[UNK]"), dtype=token_dtype(len(vocabulary)))
        for name, number in vocabulary.items():
            if name not in SPECIAL:
                table[ord(name)] = number
        return _CharacterEncoder(table, self.max_length)


@dataclass(frozen=True, eq=False)
class _CharacterEncoder:
    """The tokens of code points in a table, at work."""

    table: Tokens
    max_length: int

    def encode(self, texts: Sequence[str | None]) -> tuple[Tokens, NDArray[np.int32]]:
        """Return the token numbers of all texts one behind the other, and each text's number of tokens."""
        import numpy as np

        starts = [(text or "")[: self.max_length - 1] for text in texts]
        lengths = np.fromiter(map(len, starts), np.int32, count=len(starts)) + np.int32(1)
        # A zero character holds the place of each row's [CLS].
        tokens = self.table[_code_points("".join("\0" + start for start in starts))]
        tokens[np.cumsum(lengths) - lengths] = SPECIAL.index("[CLS]")
        return tokens, lengths


def _code_points(text: str) -> NDArray[np.uint32]:
    import numpy as np

    return np.frombuffer(text.encode("utf-32-le"), "<u4")


def _with(characters: list[str]) -> tokenizers.Tokenizer:
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers

    vocabulary = {name: number for number, name in enumerate([*SPECIAL, *characters])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    tokenizer.decoder = decoders.Fuse()
    tokenizer.add_special_tokens([AddedToken(name, special=True) for name in SPECIAL])
    return tokenizer
