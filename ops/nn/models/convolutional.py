"""What the convolutional kinds have in common: stages of images that get smaller and wider."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar

from pydantic import Field

from ops.errors import ConfigError
from ops.nn.models.base import Model
from ops.nn.spec import ImageSpec, Spec

Channels = Annotated[int, Field(ge=1, le=4096)]


class Convolutional(Model):
    """A network of convolutions in stages, each but the first at half the height and width of the one before."""

    modality: ClassVar[str] = "image"
    batch_norms: ClassVar[bool] = True

    widths: Annotated[tuple[Channels, ...], Field(min_length=1, max_length=8, strict=False)]
    """Channels of each stage; each but the first halves the image."""
    blocks: Annotated[int, Field(ge=1, le=64)]
    """Blocks of each stage."""
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    """Share of values that are zeroed in training, before the head."""

    def check(self, spec: Spec) -> None:
        """Whether enough of such images is left for BatchNorm at the end.

        Raises:
            ConfigError: there is not, or the input is no image.
        """
        self.image(spec)

    def image(self, spec: Spec) -> ImageSpec:
        """The input as the images that the network can read; raises as `check` does."""
        super().check(spec)
        if not isinstance(spec, ImageSpec):
            raise ConfigError(f"{self.kind} reads images", where="model")
        if self.pixels(spec)[-1] < 2:
            raise ConfigError(
                f"{len(self.widths)} stages leave one pixel of images of {spec.height} by {spec.width}, and BatchNorm "
                "knows nothing of a batch that has one example and one pixel",
                where="model.widths",
                hint="give fewer widths, or resize the images in `normalization`",
            )
        return spec

    def pixels(self, spec: ImageSpec) -> list[int]:
        """Pixels of an image in each stage."""
        return [-(-spec.height // 2**stage) * -(-spec.width // 2**stage) for stage in range(len(self.widths))]

    def blocks_of(self, spec: ImageSpec) -> Iterator[tuple[int, int, int, int]]:
        """Of each block: channels in and out, pixels in and out."""
        inputs, before = self.widths[0], spec.height * spec.width
        for width, pixels in zip(self.widths, self.pixels(spec), strict=True):
            for _ in range(self.blocks):
                yield inputs, width, before, pixels
                inputs, before = width, pixels
