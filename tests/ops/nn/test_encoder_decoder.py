"""The encoder-decoder against torch's own, with and without a cache, and on a task that it must learn."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from ops.nn.anatomy import Anatomy
from ops.nn.attention import Attention
from ops.nn.block import Block
from ops.nn.encoder_decoder import EncoderDecoder, encoder_decoder_flops
from ops.training.optimizer import hidden_matrices

VOCABULARY = 11

SETTINGS: list[dict[str, Any]] = [
    {"norm_place": "post", "positions": "sinusoidal", "activation": "relu"},
    {"positions": "learned"},
    {"positions": "rotary", "norm": "rms_norm", "activation": "relu2", "bias": False, "projections": "separate",
     "qk_norm": True, "residual_scalars": True, "kv_heads": 2, "convolution": 3},
    {"positions": "t5", "activation": "swiglu"},
    {"positions": "relative", "norm_place": "post", "norm": "rms_norm", "kv_heads": 1},
]  # fmt: skip


def anatomy(**settings: Any) -> Anatomy:
    return Anatomy(**{"dim": 16, "depth": 2, "heads": 4, "inner": 32, "length": 12, **settings})


def awake(made: Anatomy, **settings: Any) -> EncoderDecoder:
    """A network whose weights all say something."""
    torch.manual_seed(0)
    network = EncoderDecoder(made, source_vocabulary=9, target_vocabulary=VOCABULARY, **settings)
    for weight in network.parameters():
        weight.data.add_(0.2 * torch.randn_like(weight))
    return network.eval()


def batch() -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(3)
    source = torch.randint(0, 9, (3, 7), generator=generator)
    return source, torch.tensor([7, 4, 2]), torch.randint(0, VOCABULARY, (3, 10), generator=generator)


def copy_attention(theirs: nn.MultiheadAttention, ours: Attention) -> None:
    parts = [ours.project_in] if ours.joint else [ours.queries, ours.keys, ours.values]
    theirs.in_proj_weight.data.copy_(torch.cat([part.weight for part in parts]))
    theirs.in_proj_bias.data.copy_(torch.cat([part.bias for part in parts]))
    theirs.out_proj.load_state_dict(ours.project_out.state_dict())


def copy_block(theirs: Any, ours: Block) -> None:
    copy_attention(theirs.self_attn, ours.attention)
    theirs.linear1.load_state_dict(ours.feed_forward.project_in.state_dict())
    theirs.linear2.load_state_dict(ours.feed_forward.project_out.state_dict())
    norms = [ours.attention_norm, ours.feed_forward_norm]
    if ours.memory_attention is not None and ours.memory_norm is not None:
        copy_attention(theirs.multihead_attn, ours.memory_attention)
        norms.insert(1, ours.memory_norm)
    for number, norm in enumerate(norms, 1):
        getattr(theirs, f"norm{number}").load_state_dict(norm.state_dict())


@pytest.mark.parametrize("projections", ["joint", "separate"])
@pytest.mark.parametrize(("place", "activation"), [("post", "relu"), ("pre", "gelu")])
def test_equals_torchs_transformer(place: str, activation: str, projections: str) -> None:
    """The article's post-norm and the pre-norm one, with padded sources: both stacks with copied weights."""
    made = anatomy(norm_place=place, activation=activation, positions="none", projections=projections)
    ours = awake(made, scaled=True)  # by the square root of 16
    options: dict[str, Any] = {"activation": activation, "batch_first": True, "norm_first": place == "pre"}
    encoder = nn.TransformerEncoder(
        nn.TransformerEncoderLayer(16, 4, 32, 0.0, **options),
        2, norm=nn.LayerNorm(16) if place == "pre" else None, enable_nested_tensor=False,
    )  # fmt: skip
    decoder = nn.TransformerDecoder(
        nn.TransformerDecoderLayer(16, 4, 32, 0.0, **options), 2, norm=nn.LayerNorm(16) if place == "pre" else None
    )
    # It gives them new weights, and so comes first.
    whole = nn.Transformer(custom_encoder=encoder, custom_decoder=decoder, d_model=16, nhead=4, batch_first=True).eval()
    for theirs, stack in ((encoder, ours.encoder), (decoder, ours.writer.decoder)):
        for layer, block in zip(theirs.layers, stack.blocks, strict=True):
            assert isinstance(block, Block)
            copy_block(layer, block)
        if theirs.norm is not None:
            theirs.norm.load_state_dict(stack.norm.state_dict())
    source, lengths, before = batch()
    assert ours.source is not None
    expected = whole(
        4.0 * ours.source(source),
        4.0 * ours.writer.embedding(before),
        tgt_mask=torch.ones(10, 10).triu(1).bool(),
        src_key_padding_mask=torch.arange(7) >= lengths[:, None],
        memory_key_padding_mask=torch.arange(7) >= lengths[:, None],
    )
    assert torch.allclose(ours(source, lengths, before), ours.writer.back(expected), atol=1e-5)


@pytest.mark.parametrize(("dtype", "close"), [(torch.float32, 1e-5), (torch.float64, 1e-10)])
@pytest.mark.parametrize("settings", SETTINGS)
def test_written_token_by_token_the_logits_are_the_same(
    settings: dict[str, Any], dtype: torch.dtype, close: float
) -> None:
    network = awake(anatomy(**settings)).to(dtype)
    source, lengths, before = batch()
    with torch.no_grad():
        expected = network(source, lengths, before)
        memory, cache = network.read(source, lengths), network.cache(3, 10)
        parts = [network.write(part, memory, cache) for part in torch.tensor_split(before, (3, 4, 5, 8, 9), dim=1)]
    assert (torch.cat(parts, dim=1) - expected).abs().max() < close


def test_rows_may_be_chosen_while_writing() -> None:
    """What a beam search does: some hypotheses go on twice, others end."""
    network, rows = awake(anatomy(positions="rotary")), torch.tensor([2, 2, 0])
    source, lengths, before = batch()
    with torch.no_grad():
        memory, cache = network.read(source, lengths), network.cache(3, 10)
        network.write(before[:, :6], memory, cache)
        cache.select(rows)
        after = network.write(before[rows, 6:], memory.select(rows), cache)
        assert torch.allclose(after, network(source, lengths, before)[rows, 6:], atol=1e-5)


def test_a_cache_that_is_cleared_is_for_another_memory() -> None:
    network = awake(anatomy(positions="rotary", convolution=3))
    source, lengths, before = batch()
    with torch.no_grad():
        cache = network.cache(3, 10)
        network.write(before[:, :6], network.read(source, lengths), cache)
        cache.clear()
        found = network.write(before, network.read(source.flip(0), lengths), cache)
        assert torch.allclose(found, network(source.flip(0), lengths, before), atol=1e-5)


@pytest.mark.parametrize("settings", SETTINGS)
def test_padding_and_what_comes_later_do_not_matter(settings: dict[str, Any]) -> None:
    network = awake(anatomy(**settings))
    source, lengths, before = batch()
    other, later = source.clone(), before.clone()
    other[1, 4:] = (other[1, 4:] + 1) % 9
    later[:, 6:] = (later[:, 6:] + 1) % VOCABULARY
    expected = network(source, lengths, before)
    assert torch.allclose(network(other, lengths, before), expected, atol=1e-6)
    assert torch.allclose(network(source, lengths, later)[:, :6], expected[:, :6], atol=1e-6)
    other[1, 3] = (other[1, 3] + 1) % 9
    assert not torch.allclose(network(other, lengths, before)[1], expected[1], atol=1e-3)


@pytest.mark.parametrize("settings", SETTINGS)
def test_flops_are_those_that_torch_counts(settings: dict[str, Any]) -> None:
    made = anatomy(**settings)
    source, _, before = batch()
    network, full = awake(made), torch.full((3,), 7)
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter, torch.no_grad():
        network(source, full, before)
    counted = counter.get_total_flops() / 3
    assert encoder_decoder_flops(made, 7, 10, VOCABULARY) == pytest.approx(counted, rel=0.02)


def test_what_goes_into_both_stacks_and_out_of_the_head_follows_the_settings() -> None:
    """Embeddings times the root of the width, brought to one length and dropped from; logits that a bound holds."""
    network = awake(anatomy(positions="none", dropout=0.4), scaled=True, embedding_norm=True, softcap=3.0)
    source, lengths, before = batch()
    given: list[Tensor] = []
    for stack in (network.encoder, network.writer.decoder):
        stack.register_forward_pre_hook(lambda _module, inputs: given.append(inputs[0]))
    logits = network(source, lengths, before)
    assert network.source is not None
    for tokens, table, found in ((source, network.source, given[0]), (before, network.writer.embedding, given[1])):
        x = 4.0 * table(tokens)
        assert torch.allclose(found, x / x.square().mean(dim=2, keepdim=True).sqrt(), atol=1e-5)
    said = network.writer.decoder(given[1], before, None, *network.read(source, lengths))
    free = said @ network.writer.embedding.weight.T
    assert torch.allclose(logits, 3.0 * torch.tanh(free / 3.0), atol=1e-5) and free.abs().max() > 3.0
    given.clear()
    network.train()(source.repeat(20, 1), lengths.repeat(20), before.repeat(20, 1))
    assert [float((x == 0).double().mean()) for x in given] == pytest.approx([0.4, 0.4], abs=0.03)


def test_one_embedding_for_source_target_and_head() -> None:
    torch.manual_seed(0)
    network = EncoderDecoder(anatomy(), source_vocabulary=9, target_vocabulary=9, shared=True)
    tables = [name for name, weight in network.named_parameters() if 9 in weight.shape]
    assert tables == ["writer.embedding.weight"]
    with pytest.raises(ValueError, match="vocabularies of 9 and 11 tokens"):
        EncoderDecoder(anatomy(), source_vocabulary=9, target_vocabulary=11, shared=True)


def test_matrices_of_both_stacks_are_hidden_ones() -> None:
    made = anatomy(depth=1, projections="separate", positions="relative")
    network = EncoderDecoder(made, source_vocabulary=9, target_vocabulary=11, tied=False)
    names = hidden_matrices(network)
    assert {name.split(".blocks.0.")[0] for name in names} == {"encoder", "writer.decoder"}
    assert len(names) == 6 + 10
    assert not any("table" in name or "embedding" in name or "head" in name for name in names)
