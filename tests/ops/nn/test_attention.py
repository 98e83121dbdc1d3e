"""Attention against three oracles: the written-out form, a loop over queries and heads, and torch's own module."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ops.nn.anatomy import Anatomy
from ops.nn.attention import Attention, attend, fused
from ops.nn.cache import LayerCache
from ops.nn.relations import Rotary


def anatomy(**settings: Any) -> Anatomy:
    return Anatomy(**{"dim": 16, "depth": 1, "heads": 4, "inner": 16, **settings})


def ours_and_theirs(heads: int, projections: str) -> tuple[Attention, nn.MultiheadAttention]:
    torch.manual_seed(0)
    ours = Attention(anatomy(heads=heads, projections=projections))
    theirs = nn.MultiheadAttention(16, heads, batch_first=True)
    parts = [ours.project_in] if projections == "joint" else [ours.queries, ours.keys, ours.values]
    theirs.in_proj_weight.data.copy_(torch.cat([part.weight for part in parts]))
    theirs.in_proj_bias.data.copy_(torch.cat([part.bias for part in parts]))
    theirs.out_proj.load_state_dict(ours.project_out.state_dict())
    return ours, theirs


@pytest.mark.parametrize("heads", [1, 2, 8])
@pytest.mark.parametrize("projections", ["joint", "separate"])
def test_equals_torchs_multi_head_attention(heads: int, projections: str) -> None:
    ours, theirs = ours_and_theirs(heads, projections)
    x = torch.randn(3, 7, 16)
    assert torch.allclose(ours(x), theirs(x, x, x)[0], atol=1e-6)


def test_equals_torchs_with_a_mask_and_in_its_gradients() -> None:
    ours, theirs = ours_and_theirs(4, "joint")
    x = torch.randn(3, 7, 16)
    mask = torch.arange(7) < torch.tensor([7, 3, 1])[:, None]
    a, b = ours(x, mask), theirs(x, x, x, key_padding_mask=~mask)[0]
    assert torch.allclose(a, b, atol=1e-6)
    a.square().sum().backward()
    b.square().sum().backward()
    assert ours.project_in.weight.grad is not None
    assert theirs.in_proj_weight.grad is not None
    assert torch.allclose(ours.project_in.weight.grad, theirs.in_proj_weight.grad, atol=1e-5)


def test_looking_at_a_memory_equals_torchs() -> None:
    torch.manual_seed(0)
    ours = Attention(anatomy(projections="joint"), cross=True)
    theirs = nn.MultiheadAttention(16, 4, batch_first=True)
    theirs.in_proj_weight.data.copy_(torch.cat([part.weight for part in (ours.queries, ours.keys, ours.values)]))
    theirs.in_proj_bias.data.copy_(torch.cat([part.bias for part in (ours.queries, ours.keys, ours.values)]))
    theirs.out_proj.load_state_dict(ours.project_out.state_dict())
    x, memory = torch.randn(3, 5, 16), torch.randn(3, 7, 16)
    mask = torch.arange(7) < torch.tensor([7, 3, 1])[:, None]
    expected = theirs(x, memory, memory, key_padding_mask=~mask)[0]
    assert torch.allclose(ours(x, mask, memory=memory), expected, atol=1e-6)


def by_hand(queries: Tensor, keys: Tensor, values: Tensor, visible: Tensor, bias: Tensor, causal: bool) -> Tensor:
    """One query of one head after the other, in plain Python."""
    batch, heads, rows, width = queries.shape
    columns, group = keys.shape[2], queries.shape[1] // keys.shape[1]
    visible, bias = (x.expand(batch, heads, rows, columns) for x in (visible, bias))
    out = torch.zeros_like(queries)
    for b, h, t in itertools.product(range(batch), range(heads), range(rows)):
        seen = [s for s in range(columns) if visible[b, h, t, s] and (not causal or s <= t + columns - rows)]
        scores = [
            sum(float(queries[b, h, t, i] * keys[b, h // group, s, i]) for i in range(width)) / math.sqrt(width)
            + float(bias[b, h, t, s])
            for s in seen
        ]
        total = sum(math.exp(score) for score in scores)
        for s, score in zip(seen, scores, strict=True):
            out[b, h, t] += math.exp(score) / total * values[b, h // group, s]
    return out


COMBINATIONS = list(itertools.product((1, 2, 4), (5, 1, 3), (False, True), (False, True), (False, True)))


@pytest.mark.parametrize(("kv_heads", "rows", "causal", "masked", "biased"), COMBINATIONS)
def test_the_fused_form_the_written_out_one_and_the_loop_agree(
    kv_heads: int, rows: int, causal: bool, masked: bool, biased: bool
) -> None:
    """Grouped heads, fewer queries than keys (what a cache makes), look-ahead, padding and bias; each with each."""
    generator = torch.Generator().manual_seed(1)

    def drawn(*shape: int) -> Tensor:
        return torch.randn(shape, dtype=torch.float64, generator=generator).requires_grad_()

    parts = (drawn(2, 4, rows, 6), drawn(2, kv_heads, 5, 6), drawn(2, kv_heads, 5, 6))
    bias = drawn(1, 4, rows, 5) if biased else None
    # The first key is always there: no row may be without any.
    visible = (torch.arange(5) < torch.tensor([5, 2])[:, None])[:, None, None] if masked else None
    gradients = []
    outs = []
    for form in (fused, attend):
        out = form(parts[0], parts[1], parts[2], visible, bias, causal)
        wanted = parts if bias is None else (*parts, bias)
        gradients.append(torch.autograd.grad((out * torch.arange(6)).sum(), wanted))
        outs.append(out.detach())
    assert torch.allclose(outs[0], outs[1], atol=1e-12)
    for one, other in zip(*gradients, strict=True):
        assert torch.allclose(one, other, atol=1e-11)
    everything, nothing = torch.ones(1, 1, 1, 1, dtype=torch.bool), torch.zeros(1, 1, 1, 1)
    queries, keys, values = (part.detach() for part in parts)
    seen, added = everything if visible is None else visible, nothing if bias is None else bias.detach()
    assert torch.allclose(outs[0], by_hand(queries, keys, values, seen, added, causal), atol=1e-12)


def test_masked_positions_do_not_matter() -> None:
    ours, _ = ours_and_theirs(2, "joint")
    x = torch.randn(1, 6, 16)
    other = x.clone()
    other[:, 4:] = 1e3
    mask = torch.arange(6)[None] < 4
    assert torch.equal(ours(x, mask)[:, :4], ours(other, mask)[:, :4])


@pytest.mark.parametrize("positions", ["none", "rotary", "relative", "t5"])
@pytest.mark.parametrize("projections", ["joint", "separate"])
@pytest.mark.parametrize("kv_heads", [1, 4])
def test_the_module_is_its_parts(positions: str, projections: str, kv_heads: int) -> None:
    """Projections cut into heads, queries and keys brought to one length and turned, then the written-out form."""
    torch.manual_seed(0)
    made = anatomy(positions=positions, projections=projections, kv_heads=kv_heads, qk_norm=True)
    ours, x = Attention(made, causal=True), torch.randn(2, 5, 16)
    for weight in ours.parameters():
        nn.init.normal_(weight, std=0.3)
    width = kv_heads * 4
    parts = [ours.project_in] if projections == "joint" else [ours.queries, ours.keys, ours.values]
    whole = torch.cat([part(x) for part in parts], dim=2)
    queries, keys, values = (
        part.reshape(2, 5, -1, 4).transpose(1, 2)
        for part in (whole[..., :16], whole[..., 16 : 16 + width], whole[..., 16 + width :])
    )
    queries, keys = (part / part.square().mean(dim=-1, keepdim=True).sqrt() for part in (queries, keys))
    if isinstance(ours.relation, Rotary):
        queries, keys = ours.relation(queries), ours.relation(keys)
    bias = None if ours.relation is None else ours.relation.bias(queries, 0, 5)
    mixed = attend(queries, keys, values, bias=bias, causal=True)
    assert torch.allclose(ours(x), ours.project_out(mixed.transpose(1, 2).reshape(2, 5, 16)), atol=1e-5)


@pytest.mark.parametrize("kv_heads", [1, 4])
def test_what_looks_at_a_memory_brings_queries_and_keys_to_one_length(kv_heads: int) -> None:
    torch.manual_seed(0)
    made = anatomy(positions="rotary", kv_heads=kv_heads, qk_norm=True)
    ours, x, memory = Attention(made, cross=True), torch.randn(2, 3, 16), torch.randn(2, 5, 16)
    queries, keys, values = (
        part.reshape(2, part.shape[1], -1, 4).transpose(1, 2)
        for part in (ours.queries(x), ours.keys(memory), ours.values(memory))
    )
    queries, keys = (part / part.square().mean(dim=-1, keepdim=True).sqrt() for part in (queries, keys))
    mixed = attend(queries, keys, values)  # places of two texts are at no distance from each other
    expected = ours.project_out(mixed.transpose(1, 2).reshape(2, 3, 16))
    assert torch.allclose(ours(x, memory=memory), expected, atol=1e-5)


def test_extra_values_are_added() -> None:
    torch.manual_seed(0)
    ours, x = Attention(anatomy(projections="separate")), torch.randn(2, 5, 16)
    extra = torch.randn(16)
    expected = ours(x)
    ours.values.bias.data.add_(-extra)
    assert torch.allclose(ours(x, extra=extra.expand(2, 5, 16)), expected, atol=1e-6)


def test_a_layers_cache_gives_back_what_was_put_in() -> None:
    cache = LayerCache(torch.zeros(2, 3, 6, 4), torch.zeros(2, 3, 6, 4))
    keys, values = torch.randn(2, 2, 3, 6, 4)
    cache.append(keys[:, :, :2], values[:, :, :2])
    got = cache.append(keys[:, :, 2:5], values[:, :, 2:5])
    assert torch.equal(got[0], keys[:, :, :5]) and torch.equal(got[1], values[:, :, :5])
    cache.select(torch.tensor([1, 1, 0]))
    got = cache.append(keys[[1, 1, 0], :, 5:], values[[1, 1, 0], :, 5:])
    assert torch.equal(got[0], keys[[1, 1, 0]]) and torch.equal(got[1], values[[1, 1, 0]])
