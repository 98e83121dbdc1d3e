"""Pixels in, logits out, by convolutions all the way."""

from __future__ import annotations

from torch import Tensor, nn

from ops.nn.convolution import Convolution
from ops.nn.head import level_head
from ops.nn.pixels import Pixels
from ops.nn.spec import ImageSpec


class ConvolutionalClassifier(nn.Module):
    """A first convolution, an encoder, the mean over what is left of the image, and a linear head that starts at zero.

    The first convolution is 3 by 3 in steps of one: images here are small, and none of their pixels is to be lost.
    """

    def __init__(
        self,
        spec: ImageSpec,
        *,
        classes: int,
        stem: int,
        activation: nn.Module,
        encoder: nn.Module,
        width: int,
        dropout: float,
    ) -> None:
        """Build it around an encoder.

        Args:
            spec: the images.
            classes: number of logits.
            stem: channels of the first convolution, which `encoder` reads.
            activation: behind the first convolution.
            encoder: (B, stem, height, width) to (B, width, lower, narrower).
            width: channels that the encoder gives.
            dropout: share of values that are zeroed in training, before the head.
        """
        super().__init__()
        self.pixels = Pixels(spec)
        first = Convolution(spec.channels, stem, 3, padding=1)
        self.stem = nn.Sequential(first, nn.BatchNorm2d(stem), activation)
        self.encoder = encoder
        self.dropout = nn.Dropout(dropout)
        self.head = level_head(width, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, C) of images (B, height, width, channels) uint8."""
        found = self.encoder(self.stem(self.pixels(images))).mean(dim=(2, 3))
        logits: Tensor = self.head(self.dropout(found))
        return logits
