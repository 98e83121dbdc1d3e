"""Texts changed while they are loaded, and tokenised then."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ops.augmentation.bpe_dropout import BpeDropout
from ops.augmentation.draws import as_seeds
from ops.augmentation.forms import TextForm
from ops.augmentation.words import TextChange
from ops.errors import ConfigError, IntegrityError
from ops.storage.hashing import sha256_bytes
from ops.tokenization.base import Tokenizer
from ops.tokenization.marked import encoded
from ops.training.changing.base import Changing, Made, named
from ops.training.run import kind_value


class ChangingTexts(Changing):
    """Changes words and makes tokens of them, as the token cache does of stored copies."""

    def begin(self) -> None:
        """Read the vocabulary; each thread has its own encoder, which remembers words."""
        form, file = self.changes.form, self.changes.vocabulary
        if not isinstance(form, TextForm) or file is None:
            raise ConfigError("texts are changed, and there is no tokenizer", where="changes.form")
        self._tokenizer = kind_value(form.tokenizer, "ops.tokenization", Tokenizer, "changes.form.tokenizer")
        self._model = _read(Path(file.path), file.sha256)
        self._drops = any(isinstance(step, BpeDropout) for step in self.steps)
        self._own = threading.local()

    def __call__(self, given: Sequence[NDArray[Any]], ids: Sequence[str], epoch: int) -> Made:
        """Their tokens."""
        texts = [values.tobytes().decode() for values in given]
        marks, rates = np.zeros(len(ids), np.uint64), np.zeros(len(ids))
        for place, step in enumerate(self.steps):
            seeds = self.seeds(ids, epoch, place)
            with named(place, ids):
                if isinstance(step, BpeDropout):
                    marks, rates = as_seeds(seeds), step.rates(seeds)
                else:
                    texts = cast(TextChange, step).rewritten(texts, seeds)
        tokens, lengths = self._tokens(texts, marks, rates)
        values = np.zeros((len(ids), max(1, int(lengths.max(initial=0)))), tokens.dtype)
        values[np.arange(values.shape[1]) < lengths[:, None]] = tokens
        return values, lengths.astype(np.int64)

    def _tokens(
        self, texts: list[str], marks: NDArray[np.uint64], rates: NDArray[np.float64]
    ) -> tuple[NDArray[Any], NDArray[np.int32]]:
        own = self._own
        if not hasattr(own, "encoder"):
            own.encoder = self._tokenizer.encoder(self._model)
            own.dropping = self._tokenizer.dropout_encoder(self._model) if self._drops else None
        if own.dropping is None:
            found: tuple[NDArray[Any], NDArray[np.int32]] = own.encoder.encode(texts)
            return found
        return encoded(own.encoder, own.dropping, texts, marks, rates)


def _read(path: Path, sha256: str) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise IntegrityError(f"cannot be read: {error.strerror}", where=str(path)) from error
    if sha256_bytes(content) != sha256:
        raise IntegrityError("the bytes are not those of the manifest", where=str(path), hint="satiety verify")
    return content.decode()


CHANGING = ChangingTexts
