from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from ops.nn.models.resnet import Resnet
from ops.nn.resnet import ResidualBlock, ResidualStages
from ops.nn.spec import ImageSpec
from tests.ops.nn.learning import crosses, learned


def naive(block: ResidualBlock, x: torch.Tensor, stride: int) -> torch.Tensor:
    """The paper's equations (1) and (2), with BatchNorm's formula written out."""

    def norm(values: torch.Tensor, layer: nn.BatchNorm2d) -> torch.Tensor:
        mean = values.mean(dim=(0, 2, 3), keepdim=True)
        variance = values.var(dim=(0, 2, 3), keepdim=True, unbiased=False)
        scaled = (values - mean) / (variance + layer.eps).sqrt()
        return scaled * layer.weight.view(1, -1, 1, 1) + layer.bias.view(1, -1, 1, 1)

    width, inputs = len(block.first.weight), x.shape[1]
    inner = functional.conv2d(x, block.first.weight.view(width, inputs, 3, 3), stride=stride, padding=1)
    inner = norm(inner, block.first_norm).clamp(min=0)
    inner = norm(functional.conv2d(inner, block.second.weight.view(width, width, 3, 3), padding=1), block.second_norm)
    if isinstance(block.shortcut, nn.Sequential):
        projection, layer = block.shortcut
        assert isinstance(layer, nn.BatchNorm2d)
        x = norm(torch.einsum("oi,bihw->bohw", projection.weight, x[:, :, ::stride, ::stride]), layer)
    return (x + inner).clamp(min=0)


def test_a_block_is_the_papers() -> None:
    torch.manual_seed(0)
    for inputs, width, stride in ((4, 4, 1), (4, 6, 1), (4, 6, 2)):
        block = ResidualBlock(inputs, width, stride)
        for weight in block.parameters():
            if weight.ndim == 1:
                nn.init.normal_(weight)
        x = torch.randn(3, inputs, 5, 6)
        assert torch.allclose(block(x), naive(block, x, stride), atol=1e-4)


def test_each_stage_but_the_first_halves_the_image() -> None:
    stages = ResidualStages(3, (4, 6, 8), 2)
    assert stages(torch.randn(2, 3, 12, 9)).shape == (2, 8, 3, 3)
    assert len(stages.blocks) == 6
    assert [isinstance(block.shortcut, nn.Identity) for block in stages.blocks] == [False, True] * 3


def test_it_learns_shapes_wherever_they_are() -> None:
    torch.manual_seed(0)
    network = Resnet(widths=(8, 16)).build(ImageSpec(height=8, width=8, channels=1), 3)
    assert learned(network, crosses, 80) > 0.95
