from __future__ import annotations

import pytest
import torch
from torch import nn

from ops.nn.anatomy import Anatomy
from ops.nn.attention import Attention, attend


def ours_and_theirs(dim: int, heads: int) -> tuple[Attention, nn.MultiheadAttention]:
    torch.manual_seed(0)
    ours, theirs = (
        Attention(Anatomy(dim=dim, depth=1, heads=heads, inner=dim)),
        nn.MultiheadAttention(dim, heads, batch_first=True),
    )
    theirs.in_proj_weight.data.copy_(ours.project_in.weight)
    theirs.in_proj_bias.data.copy_(ours.project_in.bias)
    theirs.out_proj.load_state_dict(ours.project_out.state_dict())
    return ours, theirs


@pytest.mark.parametrize("heads", [1, 2, 8])
def test_equals_torchs_multi_head_attention(heads: int) -> None:
    ours, theirs = ours_and_theirs(16, heads)
    x = torch.randn(3, 7, 16)
    assert torch.allclose(ours(x), theirs(x, x, x)[0], atol=1e-6)


def test_equals_torchs_with_a_mask_and_in_its_gradients() -> None:
    ours, theirs = ours_and_theirs(16, 4)
    x = torch.randn(3, 7, 16)
    mask = torch.arange(7) < torch.tensor([7, 3, 1])[:, None]
    a, b = ours(x, mask), theirs(x, x, x, key_padding_mask=~mask)[0]
    assert torch.allclose(a, b, atol=1e-6)
    a.square().sum().backward()
    b.square().sum().backward()
    assert ours.project_in.weight.grad is not None
    assert theirs.in_proj_weight.grad is not None
    assert torch.allclose(ours.project_in.weight.grad, theirs.in_proj_weight.grad, atol=1e-5)


def test_the_fused_form_equals_the_written_out_one() -> None:
    torch.manual_seed(1)
    queries, keys, values = torch.randn(3, 2, 4, 5, 8)
    visible = torch.arange(5) < torch.tensor([5, 2])[:, None, None, None]
    for shown in (None, visible):
        fused = nn.functional.scaled_dot_product_attention(queries, keys, values, attn_mask=shown)
        assert torch.allclose(attend(queries, keys, values, shown), fused, atol=1e-6)


def test_masked_positions_do_not_matter() -> None:
    ours, _ = ours_and_theirs(8, 2)
    x = torch.randn(1, 6, 8)
    other = x.clone()
    other[:, 4:] = 1e3
    mask = torch.arange(6)[None] < 4
    assert torch.equal(ours(x, mask)[:, :4], ours(other, mask)[:, :4])
