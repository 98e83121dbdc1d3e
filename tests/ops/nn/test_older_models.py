"""The families that are older than the Transformer, as kinds of models: what they all have to keep."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from ops.errors import ConfigError
from ops.nn.models.base import Model
from ops.nn.models.compact_transformer import CompactTransformer
from ops.nn.models.mobilenet import Mobilenet
from ops.nn.models.recurrent_encoder import RecurrentEncoder
from ops.nn.models.resnet import Resnet
from ops.nn.models.text_cnn import TextCnn
from ops.nn.spec import ImageSpec, Spec, TextSpec
from ops.training.config import TrainingConfig
from ops.training.optimizer import Optimizers

TEXT = TextSpec(vocabulary=50, max_length=12)
IMAGE = ImageSpec(height=12, width=10, channels=3)

TEXTS: list[Model] = [
    TextCnn(dim=8, filters=6),
    TextCnn(dim=6, filters=4, widths=(1, 20)),
    RecurrentEncoder(dim=8, hidden=6),
    RecurrentEncoder(dim=8, hidden=6, layers=2, pooling="mean", cell="gru"),
    RecurrentEncoder(dim=5, hidden=7, layers=3, pooling="max", bidirectional=False),
]
IMAGES: list[Model] = [
    Resnet(widths=(4, 6), blocks=2),
    Resnet(widths=(6, 6, 8), dropout=0.2),
    Mobilenet(widths=(4, 6), last=10),
    Mobilenet(widths=(4, 4), blocks=1, expansion=1, last=6),
    CompactTransformer(dim=8, heads=2),
    CompactTransformer(dim=12, heads=3, convolutions=2, positions="none", feed_forward=20),
    CompactTransformer(dim=8, heads=1, depth=1, positions="sinusoidal"),
]
MODELS: list[tuple[Model, Spec]] = [*((model, TEXT) for model in TEXTS), *((model, IMAGE) for model in IMAGES)]


def batch_of(spec: Spec, batch: int) -> tuple[torch.Tensor, ...]:
    if isinstance(spec, ImageSpec):
        return (torch.randint(0, 256, (batch, spec.height, spec.width, spec.channels), dtype=torch.uint8),)
    return torch.randint(0, 50, (batch, 12)), torch.full((batch,), 12)


def woken(network: torch.nn.Module) -> torch.nn.Module:
    """The head starts at zero; with other weights the logits say something."""
    torch.nn.init.normal_(network.head.weight)  # type: ignore[union-attr, arg-type]
    return network.eval()


@pytest.mark.filterwarnings("ignore:TF32")  # a switch of oneDNN warns of what other machines have
@pytest.mark.parametrize(("model", "spec"), MODELS)
def test_flops_are_those_that_torch_counts(model: Model, spec: Spec) -> None:
    network = model.build(spec, 7).eval()
    # One call of oneDNN for a whole LSTM is not counted, nor is fused attention: the single products are.
    single = torch.backends.mkldnn.flags(enabled=False), sdpa_kernel(SDPBackend.MATH)
    with single[0], single[1], FlopCounterMode(display=False) as counter, torch.no_grad():
        network(*batch_of(spec, 5))
    assert model.flops(spec, 7) == pytest.approx(counter.get_total_flops() / 5, rel=1e-9)


@pytest.mark.parametrize(("model", "spec"), MODELS)
def test_parameters_are_those_of_the_network(model: Model, spec: Spec) -> None:
    assert model.parameters(spec, 7) == sum(weight.numel() for weight in model.build(spec, 7).parameters())


@pytest.mark.parametrize(("model", "spec"), MODELS)
def test_logits_start_equal_and_then_tell_inputs_apart(model: Model, spec: Spec) -> None:
    torch.manual_seed(0)
    network, inputs = model.build(spec, 4), batch_of(spec, 3)
    assert network(*inputs).abs().sum() == 0
    logits = woken(network)(*inputs)
    assert logits.shape == (3, 4)
    assert not torch.allclose(logits[0], logits[1], atol=1e-4)


@pytest.mark.parametrize(("model", "spec"), MODELS)
def test_every_weight_learns_with_every_optimiser(model: Model, spec: Spec) -> None:
    inputs = batch_of(spec, 8)
    for name in ("adamw", "sgd", "muon"):
        torch.manual_seed(0)
        network = woken(model.build(spec, 4)).train()
        before = {key: value.clone() for key, value in network.named_parameters()}
        optimizers = Optimizers(network, TrainingConfig(steps=1, optimizer=name, learning_rate=0.01))
        network(*inputs).square().sum().backward()
        optimizers.step()
        moved = [key for key, value in network.named_parameters() if not torch.equal(value, before[key])]
        assert moved == list(before)
        assert (optimizers.flops > 0) == (name == "muon"), "Muon has matrices in each of the families"


@pytest.mark.parametrize("model", TEXTS)
def test_padding_does_not_matter(model: Model) -> None:
    torch.manual_seed(0)
    network: Any = woken(model.build(TEXT, 4))
    short = torch.randint(0, 50, (3, 5))
    padded = torch.cat((short, torch.randint(0, 50, (3, 7))), dim=1)
    lengths = torch.tensor([5, 3, 1])
    assert torch.allclose(network(short, lengths), network(padded, lengths), atol=1e-5)
    alone = torch.cat([network(short[row : row + 1, :n], torch.tensor([n])) for row, n in enumerate(lengths.tolist())])
    assert torch.allclose(network(padded, lengths), alone, atol=1e-5)


@pytest.mark.parametrize("model", TEXTS)
def test_an_empty_text_counts_as_its_padding(model: Model) -> None:
    network: Any = woken(model.build(TEXT, 4))
    logits = network(torch.zeros(2, 3, dtype=torch.int64), torch.tensor([0, 1]))
    assert logits.isfinite().all() and torch.allclose(logits[0], logits[1], atol=1e-6)


@pytest.mark.parametrize("model", TEXTS)
def test_flops_of_a_shorter_text(model: Model) -> None:
    assert model.flops(TEXT, 3, length=4) == model.flops(TextSpec(vocabulary=9, max_length=4), 3)


def test_a_model_of_another_modality_is_refused() -> None:
    for model in (TextCnn(), RecurrentEncoder()):
        with pytest.raises(ConfigError, match=f"{model.kind} reads text, not image"):
            model.build(IMAGE, 2)
    for other in (Resnet(), Mobilenet(), CompactTransformer()):
        with pytest.raises(ConfigError, match=f"{other.kind} reads image, not text"):
            other.check(TEXT)


def test_images_too_small_are_refused_before_training() -> None:
    small = ImageSpec(height=3, width=4, channels=1)
    for model in (Resnet(), Mobilenet()):
        with pytest.raises(ConfigError, match="3 stages leave one pixel of images of 3 by 4") as found:
            model.check(small)
        assert found.value.where == "model.widths"
    Resnet(widths=(4, 4)).check(small)
    with pytest.raises(ConfigError, match="convolutions: 2 leave one token of images of 3 by 4"):
        CompactTransformer(convolutions=2).check(small)
    CompactTransformer().check(small)


def test_images_are_centred_by_the_moments_of_the_training_images() -> None:
    spec = ImageSpec(height=4, width=4, channels=1, mean=(0.2,), std=(0.1,))
    for model in (Resnet(widths=(4,)), CompactTransformer(dim=8, heads=2)):
        network: Any = model.build(spec, 2)
        assert torch.allclose(network.pixels(torch.full((1, 4, 4, 1), 51, dtype=torch.uint8)), torch.tensor(0.0))
        found = network.pixels(torch.full((1, 4, 4, 1), 255, dtype=torch.uint8))
        assert torch.allclose(found, torch.full((1, 1, 4, 4), 8.0), atol=1e-4)
        assert not any("pixels" in name for name in network.state_dict())


@pytest.mark.parametrize("model", IMAGES)
def test_one_example_at_a_time_can_be_learned_from(model: Model) -> None:
    """The last batch of an epoch may have a single example."""
    network = woken(model.build(ImageSpec(height=8, width=5, channels=1), 3)).train()
    network(torch.randint(0, 256, (1, 8, 5, 1), dtype=torch.uint8)).sum().backward()
    assert all(weight.grad is not None and weight.grad.isfinite().all() for weight in network.parameters())


def test_wrong_settings_are_named() -> None:
    with pytest.raises(ValidationError, match="widths"):
        TextCnn(widths=())
    with pytest.raises(ValidationError, match="cell"):
        RecurrentEncoder.model_validate({"cell": "rnn"})
    with pytest.raises(ValidationError, match="heads: 3 does not divide dim: 16"):
        CompactTransformer(dim=16, heads=3)
    with pytest.raises(ValidationError, match="widths"):
        Resnet(widths=())
