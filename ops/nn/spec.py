"""What a model reads: the facts about its input that come from the data and not from the recipe."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from ops.config import Config

PerChannel = Annotated[tuple[float, ...], Field(strict=False)]


class TextSpec(Config):
    """Token numbers of one text."""

    kind: Literal["text"] = "text"
    """Token numbers, `uint16`."""
    vocabulary: Annotated[int, Field(ge=2, le=65_536)]
    """Number of tokens in the vocabulary."""
    max_length: Annotated[int, Field(ge=1, le=8192)]
    """Number of tokens of the longest text."""
    pad: Annotated[int, Field(ge=0)] = 0
    """Token behind the end of a text; the model does not look at it."""


class ImageSpec(Config):
    """The pixels of one image, row by row, channels last."""

    kind: Literal["image"] = "image"
    """Pixels, `uint8`."""
    height: Annotated[int, Field(ge=1, le=8192)]
    """Pixels from top to bottom."""
    width: Annotated[int, Field(ge=1, le=8192)]
    """Pixels from left to right."""
    channels: Annotated[int, Field(ge=1, le=4)]
    """1 for grey, 3 for colour."""
    mean: PerChannel = ()
    """Mean of each channel over the training images, pixels counted from 0 to 1; 0.5 where there is none."""
    std: PerChannel = ()
    """Standard deviation of each channel, likewise."""

    @model_validator(mode="after")
    def _moments_of_each_channel(self) -> ImageSpec:
        if any(moments and len(moments) != self.channels for moments in (self.mean, self.std)):
            raise ValueError(f"mean and std have one value for each of {self.channels} channels")
        return self

    @property
    def size(self) -> int:
        """Bytes of one image."""
        return self.height * self.width * self.channels


InputSpec = Annotated[TextSpec | ImageSpec, Field(discriminator="kind")]
"""What a model reads, text or image."""
