"""Models of rows: FT-Transformer's first layer and a perceptron, against their formulas and torch's own layers."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from ops.errors import ConfigError
from ops.nn.models.base import Model
from ops.nn.models.feature_transformer import FeatureTransformer
from ops.nn.models.perceptron import Perceptron
from ops.nn.row_classifier import CategoryVectors, NumberVectors
from ops.nn.spec import RowSpec, TextSpec
from ops.training.optimizer import hidden_matrices

BOTH = RowSpec(numbers=3, categories=(4, 2))
NUMBERS, NAMES = RowSpec(numbers=3), RowSpec(numbers=0, categories=(4, 2))


def rows(spec: RowSpec, batch: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    codes = [torch.randint(0, size, (batch,)) for size in spec.categories]
    return torch.randn(batch, spec.numbers), torch.stack(codes, 1) if codes else torch.zeros(batch, 0).long()


def woken(network: nn.Module) -> Any:
    nn.init.normal_(network.head.weight)  # type: ignore[union-attr, arg-type]
    return network.eval()


def test_a_number_becomes_a_point_on_a_line_of_its_column() -> None:
    torch.manual_seed(0)
    layer = NumberVectors(3, 8)
    x = torch.randn(5, 3)
    found = layer(x)
    for row in range(5):
        for column in range(3):
            wanted = x[row, column] * layer.direction[column] + layer.start[column]
            assert torch.allclose(found[row, column], wanted)


def test_a_category_becomes_the_vector_of_its_column_and_number() -> None:
    torch.manual_seed(0)
    layer = CategoryVectors((4, 2, 3), 8)
    tables = [nn.Embedding(size, 8) for size in (4, 2, 3)]
    for table, weight in zip(tables, torch.split(layer.table.weight, [4, 2, 3]), strict=True):
        table.weight.data.copy_(weight.data)
    codes = torch.tensor([[3, 0, 1], [0, 1, 2]])
    wanted = torch.stack([table(codes[:, place]) for place, table in enumerate(tables)], dim=1)
    assert torch.equal(layer(codes), wanted)


MODELS: list[Model] = [
    FeatureTransformer(dim=16, depth=2),
    FeatureTransformer(dim=16, depth=1, pooling="mean", feed_forward=24),
    Perceptron(layers=[32, 16], category_dim=4),
]


@pytest.mark.parametrize("spec", [BOTH, NUMBERS, NAMES])
@pytest.mark.parametrize("model", MODELS)
def test_flops_and_parameters_are_those_that_torch_counts(model: Model, spec: RowSpec) -> None:
    network = model.build(spec, 7).eval()
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter, torch.no_grad():
        logits = network(*rows(spec))
    assert model.flops(spec, 7) == pytest.approx(counter.get_total_flops() / 5, rel=0.02)
    assert model.parameters(spec, 7) == sum(weight.numel() for weight in network.parameters())
    assert all(weight.numel() for weight in network.parameters())
    assert logits.shape == (5, 7) and not logits.any()  # all classes equally likely at first
    loss = woken(network.train())(*rows(spec)).square().sum()
    loss.backward()
    assert all(weight.grad is not None for weight in network.parameters())


@pytest.mark.parametrize("model", MODELS)
def test_numbers_are_read_in_their_own_units(model: Model) -> None:
    torch.manual_seed(0)
    plain = woken(model.build(BOTH, 4))
    spec = RowSpec(numbers=3, categories=(4, 2), mean=(5.0, -1.0, 0.0), std=(10.0, 0.1, 2.0))
    scaled: Any = model.build(spec, 4).eval()
    scaled.load_state_dict(plain.state_dict())
    numbers, codes = rows(BOTH)
    moved = numbers * torch.tensor(spec.std) + torch.tensor(spec.mean)
    assert torch.allclose(scaled(moved, codes), plain(numbers, codes), atol=1e-4)
    assert not torch.allclose(plain(numbers, codes), plain(numbers.flip(1), codes), atol=1e-3)
    other = (codes + 1) % torch.tensor(BOTH.categories)
    assert not torch.allclose(plain(numbers, codes), plain(numbers, other), atol=1e-3)


def test_columns_are_a_set_to_the_encoder() -> None:
    """Without positions: columns with swapped vectors and swapped values say the same."""
    torch.manual_seed(0)
    network = woken(FeatureTransformer(dim=16, pooling="mean").build(NUMBERS, 4))
    numbers, codes = rows(NUMBERS)
    said = network(numbers, codes)
    layer = network.numbers[1]
    for weight in (layer.direction, layer.start):
        weight.data.copy_(weight.data.flip(0).clone())
    assert torch.allclose(network(numbers.flip(1), codes), said, atol=1e-5)


def test_the_perceptron_is_that_of_torch() -> None:
    torch.manual_seed(0)
    network = woken(Perceptron(layers=[6, 5], dropout=0.0).build(NUMBERS, 2))
    first, second = (layer[0] for layer in network.layers)
    numbers, codes = rows(NUMBERS)
    wanted = nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), network.head)(numbers)
    assert torch.equal(network(numbers, codes), wanted)
    assert hidden_matrices(network) == {"layers.1.0.weight"} and network.layers[1][0].weight.shape == (5, 6)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ConfigError, match="reads row, not text"):
        Perceptron().flops(TextSpec(vocabulary=9, max_length=4), 2)
    with pytest.raises(ValidationError, match="at least one number or category"):
        RowSpec(numbers=0)
    with pytest.raises(ValidationError, match="one value for each of 3 numbers"):
        RowSpec(numbers=3, mean=(1.0,))
    with pytest.raises(ValidationError, match="heads: 3 does not divide dim: 16"):
        FeatureTransformer(dim=16, heads=3)
    with pytest.raises(ValidationError):
        Perceptron(layers=[])
    assert FeatureTransformer(dim=15, heads=3).inner == 30
