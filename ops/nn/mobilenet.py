"""Convolutions for little computation (MobileNet: Howard et al., 2017; MobileNetV2: Sandler et al., 2018)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from ops.nn.convolution import Convolution


class InvertedResidual(nn.Module):
    """Widen, look at each channel alone, narrow: 1 by 1, depthwise 3 by 3, 1 by 1; a short cut joins the narrow ends.

    BatchNorm behind each of the three, ReLU6 behind the first two: the narrow end is linear. Without widening
    (expansion 1) the first is left out, which makes a depthwise separable convolution.
    """

    def __init__(self, inputs: int, width: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = inputs * expansion
        widen = (Convolution(inputs, inner, 1), nn.BatchNorm2d(inner), nn.ReLU6()) if expansion > 1 else ()
        self.layers = nn.Sequential(
            *widen, *_depthwise(inner, stride), Convolution(inner, width, 1), nn.BatchNorm2d(width)
        )
        self.short_cut = stride == 1 and inputs == width

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, height, width) to (B, channels, height / stride, width / stride), rounded up."""
        changed: Tensor = self.layers(x)
        return x + changed if self.short_cut else changed


def _depthwise(channels: int, stride: int) -> tuple[nn.Module, ...]:
    """A filter of 3 by 3 for each channel: no matrix between channels, so the kernel stays one of four dimensions."""
    filters = nn.Conv2d(channels, channels, 3, stride=stride, padding=1, groups=channels, bias=False)
    nn.init.kaiming_normal_(filters.weight, nonlinearity="relu")
    return filters, nn.BatchNorm2d(channels), nn.ReLU6()


class InvertedStages(nn.Module):
    """Stages of blocks, each but the first halving the image, and a last convolution of 1 by 1 to many channels."""

    def __init__(self, inputs: int, widths: Sequence[int], blocks: int, expansion: int, last: int) -> None:
        super().__init__()
        parts: list[nn.Module] = []
        for stage, width in enumerate(widths):
            for number in range(blocks):
                parts.append(InvertedResidual(inputs, width, 2 if stage and not number else 1, expansion))
                inputs = width
        self.blocks = nn.ModuleList(parts)
        self.last = nn.Sequential(Convolution(inputs, last, 1), nn.BatchNorm2d(last), nn.ReLU6())

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, height, width) to (B, last, ...)."""
        for block in self.blocks:
            x = block(x)
        found: Tensor = self.last(x)
        return found
