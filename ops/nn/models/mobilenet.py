"""A small convolutional network that classifies images with little computation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from ops.nn.models.convolutional import Channels, Convolutional
from ops.nn.spec import Spec

if TYPE_CHECKING:
    from torch import nn


class Mobilenet(Convolutional):
    """Inverted residuals of depthwise convolutions (MobileNetV2, Sandler et al., 2018), the mean, a linear head.

    For small images: all of the first stage at full size. With `expansion: 1` its blocks are depthwise separable
    convolutions, as in the first MobileNet (Howard et al., 2017), with a linear end.
    """

    kind: Literal["mobilenet"] = "mobilenet"
    """A small convolutional network for images."""
    widths: Annotated[tuple[Channels, ...], Field(min_length=1, max_length=8, strict=False)] = (16, 24, 32)
    """Channels between the blocks of each stage; each but the first halves the image."""
    blocks: Annotated[int, Field(ge=1, le=64)] = 2
    """Blocks of each stage."""
    expansion: Annotated[int, Field(ge=1, le=32)] = 6
    """How many times wider the inside of a block is."""
    last: Channels = 128
    """Channels of the last convolution, which the head reads."""

    def build(self, spec: Spec, classes: int) -> nn.Module:
        """The network: images (B, height, width, channels) uint8 to logits (B, C)."""
        from torch import nn

        from ops.nn.convolutional_classifier import ConvolutionalClassifier
        from ops.nn.mobilenet import InvertedStages

        return ConvolutionalClassifier(
            self.image(spec),
            classes=classes,
            stem=self.widths[0],
            activation=nn.ReLU6(),
            encoder=InvertedStages(self.widths[0], self.widths, self.blocks, self.expansion, self.last),
            width=self.last,
            dropout=self.dropout,
        )

    def flops(self, spec: Spec, classes: int, length: int | None = None) -> int:
        """Operations of one image's forward pass; see `Model.flops`."""
        spec = self.image(spec)
        total = 2 * spec.height * spec.width * 9 * spec.channels * self.widths[0]
        for inputs, width, before, pixels in self.blocks_of(spec):
            inner = inputs * self.expansion
            widen = before * inputs * inner if self.expansion > 1 else 0
            total += 2 * (widen + pixels * inner * (9 + width))
        last = 2 * self.pixels(spec)[-1] * self.widths[-1] * self.last
        return total + last + 2 * self.last * classes
