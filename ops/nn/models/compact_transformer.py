"""A Transformer that classifies small images by tokens that convolutions make."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from ops.errors import ConfigError
from ops.nn.models.transformer import Transformer
from ops.nn.spec import ImageSpec, Spec

if TYPE_CHECKING:
    from torch import nn

BETWEEN = 64
"""Channels between two convolutions, as in the paper."""


class CompactTransformer(Transformer):
    """A compact convolutional Transformer (Hassani et al., 2021): convolutions make the tokens, weights pool them.

    It needs less data than a vision Transformer of patches: that near pixels belong together it need not learn.
    """

    modality: ClassVar[str] = "image"
    inner_ratio: ClassVar[int] = 1

    kind: Literal["compact_transformer"] = "compact_transformer"
    """A Transformer for small images, with convolutions in front."""
    convolutions: Annotated[int, Field(ge=1, le=8)] = 1
    """Convolutions in front, each halving height and width; what is left are the tokens."""
    dim: Annotated[int, Field(ge=4, le=4096)] = 64

    def check(self, spec: Spec) -> None:
        """Whether the convolutions leave more than one token of such images.

        Raises:
            ConfigError: they do not, or the input is no image.
        """
        self._image(spec)

    def build(self, spec: Spec, classes: int) -> nn.Module:
        """The network: images (B, height, width, channels) uint8 to logits (B, C)."""
        from ops.nn.compact import CompactTransformer as Network

        spec = self._image(spec)
        return Network(spec, self.anatomy(self._pixels(spec)[-1]), classes=classes, channels=self._channels(spec))

    def flops(self, spec: Spec, classes: int, length: int | None = None) -> int:
        """Operations of one image's forward pass; see `Model.flops`. Pooling scores and adds up the tokens."""
        from ops.nn.flops import stack_flops

        spec = self._image(spec)
        pixels, channels = self._pixels(spec), self._channels(spec)
        front = sum(2 * p * 9 * a * b for p, (a, b) in zip(pixels, pairwise(channels), strict=False))
        pooling = 2 * 2 * pixels[-1] * self.dim
        encoder = stack_flops(pixels[-1], self.anatomy(pixels[-1]))
        return front + encoder + pooling + 2 * self.dim * classes

    def _pixels(self, spec: ImageSpec) -> list[int]:
        """Pixels before each convolution, and tokens behind the last."""
        halved = range(self.convolutions + 1)
        return [-(-spec.height // 2**times) * -(-spec.width // 2**times) for times in halved]

    def _channels(self, spec: ImageSpec) -> tuple[int, ...]:
        """Channels of the image, between the convolutions, and of the tokens."""
        return (spec.channels, *[BETWEEN] * (self.convolutions - 1), self.dim)

    def _image(self, spec: Spec) -> ImageSpec:
        super().check(spec)
        if not isinstance(spec, ImageSpec):
            raise ConfigError(f"{self.kind} reads images", where="model")
        if self._pixels(spec)[-1] < 2:
            raise ConfigError(
                f"convolutions: {self.convolutions} leave one token of images of {spec.height} by {spec.width} pixels",
                where="model.convolutions",
                hint="give fewer, or resize the images in `normalization`",
            )
        return spec
