"""A residual network that classifies images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from ops.nn.models.convolutional import Channels, Convolutional
from ops.nn.spec import Spec

if TYPE_CHECKING:
    from torch import nn


class Resnet(Convolutional):
    """A residual network (He et al., 2016) for small images: 3 by 3 convolutions with BatchNorm, and a linear head.

    As the paper's for CIFAR-10: one convolution, stages of blocks of two, 2 · blocks · stages + 2 layers with weights.
    """

    kind: Literal["resnet"] = "resnet"
    """A residual network for images."""
    widths: Annotated[tuple[Channels, ...], Field(min_length=1, max_length=8, strict=False)] = (16, 32, 64)
    """Channels of each stage; each but the first halves the image."""
    blocks: Annotated[int, Field(ge=1, le=64)] = 1
    """Blocks of each stage, of two convolutions each."""

    def build(self, spec: Spec, classes: int) -> nn.Module:
        """The network: images (B, height, width, channels) uint8 to logits (B, C)."""
        from torch import nn

        from ops.nn.convolutional_classifier import ConvolutionalClassifier
        from ops.nn.resnet import ResidualStages

        return ConvolutionalClassifier(
            self.image(spec),
            classes=classes,
            stem=self.widths[0],
            activation=nn.ReLU(),
            encoder=ResidualStages(self.widths[0], self.widths, self.blocks),
            width=self.widths[-1],
            dropout=self.dropout,
        )

    def flops(self, spec: Spec, classes: int, length: int | None = None) -> int:
        """Operations of one image's forward pass; see `Model.flops`."""
        spec = self.image(spec)
        total = 2 * spec.height * spec.width * 9 * spec.channels * self.widths[0]
        for inputs, width, before, pixels in self.blocks_of(spec):
            short_cut = inputs if inputs != width or before != pixels else 0
            total += 2 * pixels * width * (9 * inputs + 9 * width + short_cut)
        return total + 2 * self.widths[-1] * classes
