"""Positions, pooling and patches."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional

from ops.nn.bigrams import Bigrams, hashed_pairs
from ops.nn.patches import Patches, cut
from ops.nn.pooling import ClassTokenPooling, MeanPooling
from ops.nn.positions import LearnedPositions, SinusoidalPositions, sinusoids


def test_sinusoids_are_those_of_the_paper() -> None:
    table = sinusoids(50, 6)
    for position in (0, 1, 17, 49):
        for i in range(3):
            angle = position / 10_000 ** (2 * i / 6)
            assert table[position, 2 * i].item() == pytest.approx(math.sin(angle), abs=1e-5)
            assert table[position, 2 * i + 1].item() == pytest.approx(math.cos(angle), abs=1e-5)


@pytest.mark.parametrize("kind", [LearnedPositions, SinusoidalPositions])
def test_positions_are_added_to_the_first_places(kind: type[LearnedPositions | SinusoidalPositions]) -> None:
    positions, x = kind(9, 4), torch.randn(2, 5, 4)
    assert torch.allclose(positions(x) - x, positions.table[:5].expand(2, 5, 4), atol=1e-6)


def test_only_learned_positions_are_trained_and_stored() -> None:
    assert [name for name, _ in LearnedPositions(3, 4).named_parameters()] == ["table"]
    assert not SinusoidalPositions(3, 4).state_dict()


def test_learned_positions_start_small() -> None:
    torch.manual_seed(0)
    table = LearnedPositions(50, 64).table.detach()
    assert float(table.std()) == pytest.approx(0.02, rel=0.05) and abs(float(table.mean())) < 0.002


def test_the_mean_is_over_what_is_there() -> None:
    x, mask = torch.randn(3, 5, 2), torch.arange(5) < torch.tensor([5, 2, 1])[:, None]
    pooled = MeanPooling()(x, mask)
    for row, length in enumerate((5, 2, 1)):
        assert torch.allclose(pooled[row], x[row, :length].mean(dim=0), atol=1e-6)
    assert torch.allclose(MeanPooling()(x), x.mean(dim=1))


def test_the_class_token_comes_first_and_is_taken() -> None:
    pooling, x = ClassTokenPooling(2), torch.randn(3, 5, 2)
    longer, mask = pooling.prepare(x, torch.zeros(3, 5, dtype=torch.bool))
    assert longer.shape == (3, 6, 2)
    assert mask is not None
    assert mask.sum(dim=1).tolist() == [1, 1, 1]
    assert torch.equal(pooling(longer), pooling.token.expand(3, 2))


def test_patches_are_those_of_unfold() -> None:
    images = torch.randn(2, 3, 6, 4)
    assert torch.equal(cut(images, 2), functional.unfold(images, 2, stride=2).transpose(1, 2))


def test_patches_project_like_a_strided_convolution() -> None:
    torch.manual_seed(0)
    patches, images = Patches(3, 2, 8), torch.randn(2, 3, 6, 4)
    kernel = patches.project.weight.view(8, 3, 2, 2)
    expected = functional.conv2d(images, kernel, patches.project.bias, stride=2).flatten(2).transpose(1, 2)
    assert torch.allclose(patches(images), expected, atol=1e-5)


def test_the_stem_sees_across_patches() -> None:
    torch.manual_seed(0)
    image = torch.zeros(1, 1, 4, 4)
    changed = image.clone()
    changed[0, 0, 0, 2] = 1.0  # in the second patch, beside the first
    for stem, equal in ((0, True), (4, False)):
        patches = Patches(1, 2, 8, stem)
        assert torch.equal(patches(image)[0, 0], patches(changed)[0, 0]) is equal


def test_pairs_are_told_apart_by_both_tokens_and_their_order() -> None:
    tokens = torch.tensor([[5, 9, 5, 9, 7], [9, 5, 8, 5, 9]])
    pairs = hashed_pairs(tokens, 1 << 20)
    assert pairs[0, 1] == pairs[0, 3] == pairs[1, 4]  # 5 9
    assert pairs[0, 2] == pairs[1, 1]  # 9 5
    assert len(set(pairs.flatten().tolist())) == 7  # and _5, _9, 97, 58, 85
    assert set(hashed_pairs(torch.randint(0, 65_536, (50, 50)), 11).flatten().tolist()) == set(range(11))


def test_bigrams_say_nothing_at_first() -> None:
    bigrams, tokens = Bigrams(16, 4), torch.randint(0, 9, (2, 3))
    assert bigrams(tokens).shape == (2, 3, 4)
    assert bigrams(tokens).abs().sum() == 0
