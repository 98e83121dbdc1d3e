"""A Transformer over spectrograms: what it reads, against torch's own layers."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import nn
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from ops.errors import ConfigError
from ops.nn.models.spectrogram_transformer import SpectrogramTransformer
from ops.nn.spec import ImageSpec, SoundSpec

SPEC = SoundSpec(frames=10, mels=6)
MODELS = [
    SpectrogramTransformer(dim=16, patch=4, stem="patches"),
    SpectrogramTransformer(dim=16, patch=5, stem_channels=8, pooling="cls", positions="sinusoidal"),
    SpectrogramTransformer(dim=16, patch=1, stem_channels=4, depth=1),
]


def sounds(batch: int = 5) -> torch.Tensor:
    return torch.randint(0, 256, (batch, 10, 6), dtype=torch.uint8)


def woken(network: nn.Module) -> Any:
    nn.init.normal_(network.head.weight)  # type: ignore[union-attr, arg-type]
    return network.eval()


@pytest.mark.parametrize("model", MODELS)
def test_flops_and_parameters_are_those_that_torch_counts(model: SpectrogramTransformer) -> None:
    network = model.build(SPEC, 7).eval()
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter, torch.no_grad():
        logits = network(sounds())
    assert model.flops(SPEC, 7) == pytest.approx(counter.get_total_flops() / 5, rel=0.02)
    assert model.parameters(SPEC, 7) == sum(weight.numel() for weight in network.parameters())
    assert logits.shape == (5, 7) and not logits.any()


@pytest.mark.parametrize("stem", ["patches", "convolution"])
def test_patches_are_frames_one_after_the_other_filled_up_with_the_mean(stem: Any) -> None:
    torch.manual_seed(0)
    spec = SoundSpec(frames=10, mels=6, mean=tuple(0.1 * n for n in range(1, 7)), std=tuple(0.2 for _ in range(6)))
    network: Any = SpectrogramTransformer(dim=16, patch=4, stem=stem, stem_channels=8).build(spec, 3).eval()
    seen: list[torch.Tensor] = []
    network.project.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    values = sounds(2)
    network(values)
    scaled = (values / 255 - torch.tensor(spec.mean)) / torch.tensor(spec.std)
    filled = functional.pad(scaled, (0, 0, 0, 2))  # zero is the mean
    if stem == "convolution":
        conv = network.stem[0]
        filled = functional.gelu(functional.conv1d(filled.mT, conv.weight, conv.bias, padding=1)).mT
    wanted = torch.stack([filled[:, start : start + 4].flatten(1) for start in (0, 4, 8)], dim=1)
    assert torch.allclose(seen[0], wanted, atol=1e-5)


def test_order_in_time_matters() -> None:
    torch.manual_seed(0)
    network = woken(SpectrogramTransformer(dim=16, patch=1, stem="patches").build(SPEC, 4))
    values = sounds(1)
    assert not torch.allclose(network(values), network(values.flip(1)), atol=1e-5)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ConfigError, match="patch: 11 is longer than a sound of 10 frames"):
        SpectrogramTransformer(patch=11).check(SPEC)
    with pytest.raises(ConfigError, match="reads sound, not image"):
        SpectrogramTransformer().build(ImageSpec(height=2, width=2, channels=1), 2)
    with pytest.raises(ValidationError, match="even dim"):
        SpectrogramTransformer(dim=15, heads=3, positions="sinusoidal")
    with pytest.raises(ValidationError, match="one value for each of 6 mel channels"):
        SoundSpec(frames=10, mels=6, std=(0.5,))
