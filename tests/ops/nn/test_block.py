from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from ops.nn.anatomy import Anatomy
from ops.nn.block import Block
from ops.nn.decoder import Decoder
from ops.nn.encoder import Encoder


def copy_into(theirs: nn.TransformerEncoderLayer, ours: Block) -> None:
    theirs.self_attn.in_proj_weight.data.copy_(ours.attention.project_in.weight)
    theirs.self_attn.in_proj_bias.data.copy_(ours.attention.project_in.bias)
    theirs.self_attn.out_proj.load_state_dict(ours.attention.project_out.state_dict())
    theirs.linear1.load_state_dict(ours.feed_forward.project_in.state_dict())
    theirs.linear2.load_state_dict(ours.feed_forward.project_out.state_dict())
    theirs.norm1.load_state_dict(ours.attention_norm.state_dict())
    theirs.norm2.load_state_dict(ours.feed_forward_norm.state_dict())


def their_layer(dim: int, heads: int, inner: int) -> nn.TransformerEncoderLayer:
    return nn.TransformerEncoderLayer(
        dim, heads, inner, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
    )


@pytest.mark.parametrize("masked", [False, True])
def test_equals_torchs_encoder_layer(masked: bool) -> None:
    torch.manual_seed(0)
    ours, theirs = Block(Anatomy(dim=16, depth=1, heads=4, inner=48)), their_layer(16, 4, 48)
    for norm in (ours.attention_norm, ours.feed_forward_norm):
        assert isinstance(norm, nn.LayerNorm)
        nn.init.normal_(norm.weight)
    copy_into(theirs, ours)
    x = torch.randn(3, 7, 16)
    mask = torch.arange(7) < torch.tensor([7, 3, 1])[:, None] if masked else None
    expected = theirs(x, src_key_padding_mask=None if mask is None else ~mask)
    assert torch.allclose(ours(x, mask), expected, atol=1e-5)


def test_the_encoder_equals_torchs_and_starts_balanced() -> None:
    torch.manual_seed(0)
    ours = Encoder(Anatomy(dim=16, depth=3, heads=2, inner=32))
    theirs = nn.TransformerEncoder(their_layer(16, 2, 32), 3, norm=nn.LayerNorm(16), enable_nested_tensor=False)
    blocks = [block for block in ours.modules() if isinstance(block, Block)]
    layers = [layer for layer in theirs.modules() if isinstance(layer, nn.TransformerEncoderLayer)]
    for layer, block in zip(layers, blocks, strict=True):
        copy_into(layer, block)
    x = torch.randn(2, 5, 16)
    assert torch.allclose(ours(x), theirs(x), atol=1e-5)
    assert blocks[0].feed_forward.project_in.bias.abs().sum() == 0


def test_dropout_is_only_on_in_training() -> None:
    torch.manual_seed(0)
    block, x = Block(Anatomy(dim=8, depth=1, heads=2, inner=16, dropout=0.5)), torch.randn(2, 3, 8)
    assert not torch.equal(block(x), block(x))
    block.eval()
    assert torch.equal(block(x), block(x))


@pytest.mark.parametrize(("cross", "parts"), [(False, 2), (True, 3)])
def test_what_blocks_add_up_to_does_not_grow_with_their_number(cross: bool, parts: int) -> None:
    """Each of the parts of all blocks adds a share, so that the variances of all of them come to one."""
    torch.manual_seed(0)
    made = Anatomy(dim=128, depth=4, heads=4, inner=256, projections="separate")
    stack = Decoder(made, cross=cross)
    for block in stack.blocks:
        assert isinstance(block, Block)
        named = {name for name, layer in block.named_modules() if layer in block.outputs()}
        own = {"attention.project_out", "feed_forward.project_out"}
        assert named == (own | {"memory_attention.project_out"} if cross else own) and len(named) == parts
        for layer in block.outputs():
            spread = float(layer.weight.detach().std()) * math.sqrt(layer.in_features)
            assert spread == pytest.approx(1 / math.sqrt(parts * 4), rel=0.03)
        inner = float(block.attention.queries.weight.detach().std()) * math.sqrt(128)
        assert inner == pytest.approx(1.0, rel=0.03)


@pytest.mark.parametrize("make", [Encoder, Decoder])
def test_residual_scalars_weigh_what_came_into_the_first_block_in_all(make: type[Encoder | Decoder]) -> None:
    """Blocks that add nothing: x <- a x + b x0, one after the other, then the norm."""
    torch.manual_seed(0)
    stack = make(Anatomy(dim=8, depth=3, heads=2, inner=16, residual_scalars=True, zero_init=True))
    x = torch.randn(2, 4, 8)
    expected = x
    for block in stack.blocks:
        scalars = block.scalars
        assert isinstance(scalars, nn.Parameter)
        assert scalars.tolist() == [1.0, 0.0]
        nn.init.normal_(scalars)
        expected = scalars[0] * expected + scalars[1] * x
    given = (x,) if isinstance(stack, Encoder) else (x, torch.zeros(2, 4, dtype=torch.int64))
    assert torch.allclose(stack(*given), nn.functional.layer_norm(expected, (8,)), atol=1e-5)


@pytest.mark.parametrize("kind", [Encoder, Decoder])
def test_what_goes_from_block_to_block_has_16_bits_where_products_are_of_bfloat16(kind: type[nn.Module]) -> None:
    """In float16 the sums of many blocks could overflow: they stay in 32 bits, as they are without mixed precision."""
    torch.manual_seed(0)
    stack = kind(Anatomy(dim=16, heads=2, depth=3, inner=32, residual_scalars=True))
    types: list[torch.dtype] = []
    for block in stack.get_submodule("blocks").children():
        block.register_forward_pre_hook(lambda _block, given: types.append(given[0].dtype))
        block.register_forward_hook(lambda _block, _given, said: types.append(said.dtype))
    x, more = torch.randn(2, 8, 16), (torch.zeros(2, 8, dtype=torch.int64),) if kind is Decoder else ()
    exact = stack(x, *more)
    assert set(types) == {torch.float32}
    for precision, carried in ((torch.bfloat16, torch.bfloat16), (torch.float16, torch.float32)):
        types.clear()
        with torch.autocast("cpu", precision):
            said = stack(x, *more)
        assert set(types) == {carried}, precision
        assert torch.allclose(said.float(), exact, atol=0.1) and not torch.equal(said.float(), exact)
