"""The families that are older than the Transformer, as kinds of models: what they all have to keep."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch.utils.flop_counter import FlopCounterMode

from ops.errors import ConfigError
from ops.nn.models.base import Model
from ops.nn.models.recurrent_encoder import RecurrentEncoder
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
MODELS: list[tuple[Model, Spec]] = [(model, TEXT) for model in TEXTS]


def batch_of(spec: Spec, batch: int) -> tuple[torch.Tensor, ...]:
    if isinstance(spec, ImageSpec):
        return (torch.randint(0, 256, (batch, spec.height, spec.width, spec.channels), dtype=torch.uint8),)
    return torch.randint(0, 50, (batch, 12)), torch.full((batch,), 12)


def woken(network: torch.nn.Module) -> torch.nn.Module:
    """The head starts at zero; with other weights the logits say something."""
    torch.nn.init.normal_(network.head.weight)  # type: ignore[union-attr, arg-type]
    return network.eval()


@pytest.mark.parametrize(("model", "spec"), MODELS)
def test_flops_are_those_that_torch_counts(model: Model, spec: Spec) -> None:
    network = model.build(spec, 7).eval()
    # One call of oneDNN for a whole LSTM is not counted: the single products are.
    with torch.backends.mkldnn.flags(enabled=False), FlopCounterMode(display=False) as counter, torch.no_grad():
        network(*batch_of(spec, 5))
    assert model.flops(spec, 7) == pytest.approx(counter.get_total_flops() / 5, rel=0.02)


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


def test_wrong_settings_are_named() -> None:
    with pytest.raises(ValidationError, match="widths"):
        TextCnn(widths=())
    with pytest.raises(ValidationError, match="cell"):
        RecurrentEncoder.model_validate({"cell": "rnn"})
