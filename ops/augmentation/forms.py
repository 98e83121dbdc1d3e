"""What changes on the fly read where that is not what the model reads, and how it becomes so.

Shards and token caches hold it as `form.json`; the training processes are told it. Where there is none, changes are
made of what the model reads: pixels, or spectrograms.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from ops.config import Config

FORM = "form.json"
"""The file of shards and token caches that says it."""

ORIGINALS = "originals.bin"
"""The file of token caches that holds what changes read of each training example, one behind the other."""

OFFSET, LENGTH = "original_offset", "original_length"
"""Columns of the index: where that begins, and how many bytes it has; of rows that are not trained on nothing."""

ORIGINAL = "original"
"""The column of shards that holds it where no other column does."""


class TextForm(Config):
    """Texts in UTF-8, which a tokenizer makes tokens of."""

    kind: Literal["text"] = "text"
    """Texts."""
    tokenizer: dict[str, Any] = {}
    """The recipe's tokenizer."""


class SoundForm(Config):
    """Samples of 16 bits, lowest byte first, of which spectrograms are made; see `ops/normalization/log_mel.py`."""

    kind: Literal["sound"] = "sound"
    """Samples."""
    rate: int
    """Samples in a second."""
    window: int
    """Samples of one frame."""
    hop: int
    """Samples from one frame to the next."""
    mels: int
    """Filters."""
    low: float
    """Lowest frequency in Hz."""
    high: float
    """Highest frequency in Hz."""


class RowForm(Config):
    """Numbers of 64 bits, lowest byte first, which the model reads in 32."""

    kind: Literal["row"] = "row"
    """Numbers."""
    columns: list[str]
    """Their names, in the order in which the model reads them."""


Form = Annotated[TextForm | SoundForm | RowForm, Field(discriminator="kind")]
