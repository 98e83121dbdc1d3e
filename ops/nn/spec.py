"""What a model reads: the facts about its input that come from the data and not from the recipe."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ops.config import Config


class TextSpec(Config):
    """Token numbers of one text."""

    modality: Literal["text"] = "text"
    """Token numbers, `uint16`."""
    vocabulary: Annotated[int, Field(ge=2, le=65_536)]
    """Number of tokens in the vocabulary."""
    max_length: Annotated[int, Field(ge=1, le=8192)]
    """Number of tokens of the longest text."""


class ImageSpec(Config):
    """The pixels of one image, row by row, channels last."""

    modality: Literal["image"] = "image"
    """Pixels, `uint8`."""
    height: Annotated[int, Field(ge=1, le=8192)]
    """Pixels from top to bottom."""
    width: Annotated[int, Field(ge=1, le=8192)]
    """Pixels from left to right."""
    channels: Annotated[int, Field(ge=1, le=4)]
    """1 for grey, 3 for colour."""

    @property
    def size(self) -> int:
        """Bytes of one image."""
        return self.height * self.width * self.channels


InputSpec = Annotated[TextSpec | ImageSpec, Field(discriminator="modality")]
"""What a model reads, text or image."""
