"""Rotary, relative and T5 positions, each against a form that is written for one pair of places at a time."""

from __future__ import annotations

import math

import pytest
import torch

from ops.nn import flops
from ops.nn.anatomy import Anatomy
from ops.nn.attention import attend
from ops.nn.decoder import Decoder
from ops.nn.encoder import Encoder
from ops.nn.relations import (
    BUCKETS,
    CLIP,
    FARTHEST,
    DistanceBias,
    RelativePositions,
    Rotary,
    buckets,
    make_relation,
    rotations,
)


def test_rotary_multiplies_pairs_by_complex_numbers() -> None:
    """Su et al. (2021), equation 12: a pair (a, b) at place p becomes (a + bi)·exp(i p θ)."""
    rotary, x = Rotary(6, 9), torch.randn(2, 3, 5, 6)
    turned = rotary(x, offset=4)
    for place in range(5):
        for pair in range(3):
            angle = (place + 4) / 10_000 ** (2 * pair / 6)
            turn = torch.polar(torch.tensor(1.0), torch.tensor(angle))
            expected = torch.complex(x[:, :, place, pair], x[:, :, place, pair + 3]) * turn
            assert torch.allclose(turned[:, :, place, pair], expected.real, atol=1e-6)
            assert torch.allclose(turned[:, :, place, pair + 3], expected.imag, atol=1e-6)


def test_rotary_scores_depend_on_the_distance_alone() -> None:
    rotary = Rotary(8, 64)
    query, key = torch.randn(2, 1, 1, 1, 8)
    scores = [float((rotary(query, p) * rotary(key, p + 3)).sum()) for p in (0, 7, 40)]
    assert scores == pytest.approx([scores[0]] * 3, abs=1e-5)
    assert float((rotary(query, 0) * rotary(key, 4)).sum()) != pytest.approx(scores[0], abs=1e-3)


def test_far_angles_are_exact() -> None:
    """In single precision the angle of place 8,191 is off by 5e-4: it is worked out in double."""
    table = rotations(8192, 4)
    assert float(table[0, 8191, 0]) == pytest.approx(math.cos(8191), abs=1e-6)
    assert float(table[1, 8191, 1]) == pytest.approx(math.sin(8191 / 100), abs=1e-6)


@pytest.mark.parametrize(("rows", "offset"), [(24, 0), (3, 21)])
def test_relative_vectors_are_added_to_keys(rows: int, offset: int) -> None:
    """Shaw et al. (2018), equation 4, one pair at a time; distances beyond the longest count as it."""
    torch.manual_seed(0)
    relation, queries, keys = RelativePositions(4), torch.randn(2, 2, rows, 4), torch.randn(2, 2, 24, 4)
    scores = queries @ keys.transpose(2, 3) / 2.0 + relation.bias(queries, offset, 24)
    for t, s in [(0, 0), (0, 2), (rows - 1, 0), (rows - 1, 23), (0, 20), (1, 21)]:
        distance = max(-CLIP, min(CLIP, s - (t + offset)))
        expected = (queries[:, :, t] * (keys[:, :, s] + relation.table[distance + CLIP])).sum(dim=-1) / math.sqrt(4)
        assert torch.allclose(scores[:, :, t, s], expected, atol=1e-6)
    assert len(relation.table) == flops.RELATIVE_VECTORS


def bucket_by_hand(distance: int, causal: bool) -> int:
    """The group of one distance, after the description in Raffel et al. (2020), section 2.1."""
    groups, start, away = BUCKETS, 0, -distance
    if not causal:
        groups //= 2
        start, away = (groups, distance) if distance > 0 else (0, -distance)
    away = max(away, 0)
    exact = groups // 2
    if away < exact:
        return start + away
    share = math.log(away / exact) / math.log(FARTHEST / exact)
    return start + min(groups - 1, exact + int(share * (groups - exact) + 1e-6))


@pytest.mark.parametrize("causal", [True, False])
def test_distances_fall_into_groups_that_grow(causal: bool) -> None:
    distances = torch.arange(-300, 301)
    assert buckets(distances, causal).tolist() == [bucket_by_hand(d, causal) for d in distances.tolist()]
    assert set(buckets(distances, causal).tolist()) == set(range(BUCKETS)) - (set() if causal else {BUCKETS // 2})


@pytest.mark.parametrize("causal", [True, False])
def test_the_bias_of_a_pair_is_that_of_its_group(causal: bool) -> None:
    torch.manual_seed(0)
    relation, queries = DistanceBias(3, causal), torch.randn(2, 3, 4, 5)
    torch.nn.init.normal_(relation.table)
    bias = relation.bias(queries, 6, 10)
    assert bias.shape == (1, 3, 4, 10)
    for t in range(4):
        for s in range(10):
            expected = relation.table[bucket_by_hand(s - (t + 6), causal)]
            assert torch.equal(bias[0, :, t, s], expected)


@pytest.mark.parametrize("kind", ["rotary", "relative", "t5"])
def test_order_matters_and_a_shift_does_not(kind: str) -> None:
    """What distinguishes these positions from those that are added: the same row further on gives the same."""
    torch.manual_seed(0)
    relation = make_relation(Anatomy(dim=8, depth=1, heads=2, inner=8, positions=kind), causal=False)
    assert relation is not None
    for weight in relation.parameters():
        torch.nn.init.normal_(weight)
    x = torch.randn(1, 2, 6, 4)

    def mixed(row: torch.Tensor, pad: int) -> torch.Tensor:
        whole = torch.cat((torch.zeros(1, 2, pad, 4), row), dim=2)
        turned = relation(whole) if isinstance(relation, Rotary) else whole
        seen = torch.arange(6 + pad) >= pad
        return attend(turned, turned, whole, seen, relation.bias(whole, 0, 6 + pad))[:, :, pad:]

    assert torch.allclose(mixed(x, 0), mixed(x, 9), atol=1e-5)
    assert not torch.allclose(mixed(x, 0), mixed(x.flip(2), 0).flip(2), atol=1e-3)


@pytest.mark.parametrize("causal", [True, False])
def test_a_decoder_has_all_groups_for_what_is_behind(causal: bool) -> None:
    made = Anatomy(dim=8, depth=1, heads=2, inner=8, positions="t5")
    relation = (Decoder if causal else Encoder)(made).blocks[0].get_submodule("attention").get_submodule("relation")
    assert isinstance(relation, DistanceBias)
    torch.nn.init.normal_(relation.table)
    bias = relation.bias(torch.zeros(1, 2, 200, 4), 0, 200)
    seen = bias[0, 0].tril() if causal else bias[0, 0]
    assert len(set(seen[seen != 0].tolist())) == (BUCKETS if causal else BUCKETS - 1)  # none is ahead by nothing


def test_added_positions_leave_attention_alone() -> None:
    for kind in ("learned", "sinusoidal", "none"):
        assert make_relation(Anatomy(dim=8, depth=1, heads=2, inner=8, positions=kind), causal=True) is None
