from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional

from ops.nn.compact import ConvolutionalTokens, SequencePooling
from ops.nn.models.compact_transformer import CompactTransformer
from ops.nn.spec import ImageSpec
from tests.ops.nn.learning import crosses, learned

IMAGE = ImageSpec(height=8, width=8, channels=1)


def test_tokens_are_what_convolution_and_pooling_leave() -> None:
    torch.manual_seed(0)
    tokens, images = ConvolutionalTokens((2, 5)), torch.randn(3, 2, 7, 4)
    (layer,) = tokens.convolutions
    values: Any = functional.conv2d(images, layer.weight.view(5, 2, 3, 3), padding=1).clamp(min=0)  # type: ignore[operator]
    found = tokens(images)
    assert found.shape == (3, 4 * 2, 5)
    framed = functional.pad(values, (1, 1, 1, 1))
    for y in range(4):
        for x in range(2):
            window = framed[:, :, 2 * y : 2 * y + 3, 2 * x : 2 * x + 3]
            assert torch.allclose(found[:, y * 2 + x], window.amax(dim=(2, 3)), atol=1e-5)


def test_pooling_is_the_papers() -> None:
    torch.manual_seed(0)
    pooling, x = SequencePooling(4), torch.randn(2, 5, 4)
    assert torch.allclose(pooling(x), x.mean(dim=1), atol=1e-6)
    nn.init.normal_(pooling.score.weight)
    for row in range(2):
        shares = (x[row] @ pooling.score.weight[0]).exp()
        assert torch.allclose(pooling(x)[row], (shares[:, None] * x[row]).sum(dim=0) / shares.sum(), atol=1e-5)


def test_without_positions_only_what_convolutions_see_tells_places_apart() -> None:
    """Tokens are a set to the encoder: the same shape elsewhere, away from the rim, says the same."""
    torch.manual_seed(0)
    large = ImageSpec(height=12, width=12, channels=1)
    image = torch.zeros(1, 12, 12, 1, dtype=torch.uint8)
    image[0, 3:5, 3:5] = 200
    moved = image.roll((2, 2), dims=(1, 2))
    for positions, equal in (("none", True), ("learned", False), ("sinusoidal", False)):
        network: Any = CompactTransformer(dim=16, heads=2, positions=positions).build(large, 3).eval()  # type: ignore[arg-type]
        nn.init.normal_(network.head.weight)
        assert torch.allclose(network(image), network(moved), atol=1e-4) is equal


def test_it_learns_shapes_wherever_they_are() -> None:
    torch.manual_seed(0)
    network = CompactTransformer(dim=24, depth=1, heads=2, dropout=0.0).build(IMAGE, 3)
    assert learned(network, crosses, 80, rate=0.005) > 0.95
