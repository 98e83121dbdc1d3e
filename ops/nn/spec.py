"""What a model reads: the facts about its input that come from the data and not from the recipe."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from ops.config import Config

LARGEST_VOCABULARY = 1_000_000
"""Tokens of the largest vocabulary that a recipe may ask for."""

PerChannel = Annotated[tuple[float, ...], Field(strict=False)]


class TextSpec(Config):
    """Token numbers of one text."""

    kind: Literal["text"] = "text"
    """Token numbers, `uint16`, or `uint32` where the vocabulary needs it."""
    vocabulary: Annotated[int, Field(ge=2, le=LARGEST_VOCABULARY)]
    """Number of tokens in the vocabulary."""
    max_length: Annotated[int, Field(ge=1, le=8192)]
    """Number of tokens of the longest text."""
    pad: Annotated[int, Field(ge=0)] = 0
    """Token behind the end of a text; the model does not look at it."""

    @property
    def dtype(self) -> str:
        """How one token lies in the cache."""
        return token_dtype(self.vocabulary)


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
        check_moments(self.mean, self.std, self.channels, "channels")
        return self

    @property
    def size(self) -> int:
        """Bytes of one image."""
        return self.height * self.width * self.channels

    @property
    def dtype(self) -> str:
        """How one value lies in the cache."""
        return "u1"


class SoundSpec(Config):
    """The log-mel spectrogram of one sound, frame by frame, mel channels last."""

    kind: Literal["sound"] = "sound"
    """Decibels in 256 steps, `uint8`."""
    frames: Annotated[int, Field(ge=1, le=65_536)]
    """Frames from beginning to end."""
    mels: Annotated[int, Field(ge=1, le=512)]
    """Mel channels of each frame."""
    mean: PerChannel = ()
    """Mean of each mel channel over the training sounds, steps counted from 0 to 1; 0.5 where there is none."""
    std: PerChannel = ()
    """Standard deviation of each mel channel, likewise."""

    @model_validator(mode="after")
    def _moments_of_each_channel(self) -> SoundSpec:
        check_moments(self.mean, self.std, self.mels, "mel channels")
        return self

    @property
    def size(self) -> int:
        """Bytes of one spectrogram."""
        return self.frames * self.mels

    @property
    def dtype(self) -> str:
        """How one value lies in the cache."""
        return "u1"


class RowSpec(Config):
    """One row of a table: its numbers, then a number for each of its categories."""

    kind: Literal["row"] = "row"
    """Numbers, `float32`; the number of a category is whole."""
    numbers: Annotated[int, Field(ge=0, le=16_384)]
    """Columns of numbers."""
    categories: Annotated[tuple[Annotated[int, Field(ge=1, le=1 << 24)], ...], Field(strict=False)] = ()
    """Of each column of categories, how many it knows; the first is for values that training never saw, and none."""
    mean: PerChannel = ()
    """Mean of each number over the training rows; 0 where there is none."""
    std: PerChannel = ()
    """Standard deviation of each number, likewise; 1 where there is none."""

    @model_validator(mode="after")
    def _moments_of_each_number(self) -> RowSpec:
        check_moments(self.mean, self.std, self.numbers, "numbers")
        if not self.size:
            raise ValueError("a row has at least one number or category")
        return self

    @property
    def size(self) -> int:
        """Values of one row."""
        return self.numbers + len(self.categories)

    @property
    def dtype(self) -> str:
        """How one value lies in the cache."""
        return "<f4"


class SeriesSpec(Config):
    """The last steps of a series of rows of numbers, step by step, features last."""

    kind: Literal["series"] = "series"
    """Numbers, `float32`."""
    features: Annotated[int, Field(ge=1, le=4096)]
    """Numbers of each step."""
    history: Annotated[int, Field(ge=1, le=65_536)]
    """Steps of one example."""
    mean: PerChannel = ()
    """Mean of each feature over the training rows; 0 where there is none."""
    std: PerChannel = ()
    """Standard deviation of each feature, likewise; 1 where there is none."""
    target_mean: float = 0.0
    """Mean of what is to be forecast, over the training rows."""
    target_std: float = 1.0
    """Its standard deviation."""

    @model_validator(mode="after")
    def _moments_of_each_feature(self) -> SeriesSpec:
        check_moments(self.mean, self.std, self.features, "features")
        return self

    @property
    def size(self) -> int:
        """Numbers of one example."""
        return self.history * self.features

    @property
    def dtype(self) -> str:
        """How one number lies in the cache."""
        return "<f4"


Spec = TextSpec | ImageSpec | SoundSpec | RowSpec | SeriesSpec
"""What a model reads: text, an image, a sound, a row of a table, or a stretch of a series."""

InputSpec = Annotated[Spec, Field(discriminator="kind")]
"""The same, as a field of which `kind` says what it is."""


def check_moments(mean: tuple[float, ...], std: tuple[float, ...], count: int, of: str) -> None:
    """Whether means and deviations, where they are said, are of all there is.

    Raises:
        ValueError: they are of more or fewer.
    """
    if any(moments and len(moments) != count for moments in (mean, std)):
        raise ValueError(f"mean and std have one value for each of {count} {of}")


def token_dtype(vocabulary: int) -> str:
    """How token numbers below `vocabulary` are stored: in 16 bits where that is enough, else 32; lowest byte first."""
    return "<u2" if vocabulary <= 1 << 16 else "<u4"
