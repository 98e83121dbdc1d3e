from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional

from ops.nn.mobilenet import InvertedResidual, InvertedStages
from ops.nn.models.mobilenet import Mobilenet
from ops.nn.spec import ImageSpec
from tests.ops.nn.learning import crosses, learned


def naive(block: InvertedResidual, x: torch.Tensor, stride: int) -> torch.Tensor:
    """Table 1 of Sandler et al. (2018) in evaluation, channel by channel."""
    layers: Any = list(block.layers)

    def norm(values: torch.Tensor, layer: Any) -> torch.Tensor:
        scale = (layer.weight / (layer.running_var + layer.eps).sqrt()).view(1, -1, 1, 1)
        normed: torch.Tensor = (values - layer.running_mean.view(1, -1, 1, 1)) * scale + layer.bias.view(1, -1, 1, 1)
        return normed

    inside = x
    if len(layers) == 8:
        wide, wide_norm, _, *layers = layers
        inside = norm(torch.einsum("oi,bihw->bohw", wide.weight, x), wide_norm).clamp(0, 6)
    deep, deep_norm, _, narrow, narrow_norm = layers
    parts = [
        functional.conv2d(inside[:, c : c + 1], deep.weight[c : c + 1], stride=stride, padding=1)
        for c in range(inside.shape[1])
    ]
    inside = norm(torch.cat(parts, dim=1), deep_norm).clamp(0, 6)
    found = norm(torch.einsum("oi,bihw->bohw", narrow.weight, inside), narrow_norm)
    return x + found if found.shape == x.shape else found


def test_a_block_is_the_papers() -> None:
    torch.manual_seed(0)
    for inputs, width, stride, expansion in ((4, 4, 1, 6), (4, 6, 1, 3), (4, 6, 2, 2), (4, 4, 1, 1), (5, 5, 2, 1)):
        block = InvertedResidual(inputs, width, stride, expansion).eval()
        for layer in block.modules():
            if isinstance(layer, nn.BatchNorm2d):
                for values in (layer.weight, layer.bias, layer.running_mean):
                    nn.init.normal_(values)  # type: ignore[arg-type]
                nn.init.uniform_(layer.running_var, 0.5, 2.0)  # type: ignore[arg-type]
        x = torch.randn(3, inputs, 5, 6)
        assert torch.allclose(block(x), naive(block, x, stride), atol=1e-4)


def test_each_stage_but_the_first_halves_the_image() -> None:
    assert InvertedStages(3, (4, 6, 8), 2, 2, 10)(torch.randn(2, 3, 12, 9)).shape == (2, 10, 3, 3)


def test_only_filters_of_one_channel_are_no_matrices() -> None:
    network = Mobilenet().build(ImageSpec(height=8, width=8, channels=1), 3)
    assert {weight.ndim for name, weight in network.named_parameters() if name.startswith("encoder.")} == {1, 2, 4}
    deep = [weight for weight in network.parameters() if weight.ndim == 4]
    assert len(deep) == 6
    assert all(weight.shape[1:] == (1, 3, 3) for weight in deep)


def test_it_learns_shapes_wherever_they_are() -> None:
    torch.manual_seed(0)
    network = Mobilenet(widths=(8, 16), blocks=1, expansion=4, last=32).build(
        ImageSpec(height=8, width=8, channels=1), 3
    )
    assert learned(network, crosses, 60) > 0.95
