"""The decoder: what it sees, what it remembers, what it costs, and that it learns."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from ops.errors import ConfigError
from ops.nn.language_model import LanguageModel
from ops.nn.models.transformer_decoder import TransformerDecoder
from ops.nn.short_convolution import ShortConvolution
from ops.nn.spec import ImageSpec, TextSpec
from ops.training.optimizer import hidden_matrices

SPEC = TextSpec(vocabulary=11, max_length=12)

SETTINGS: list[dict[str, Any]] = [
    {"block": "article"},
    {"block": "gpt2"},
    {"block": "modern"},
    {"block": "modern", "kv_heads": 2, "value_embeddings": 1, "bigrams": 16, "activation": "swiglu"},
    {"block": "modern", "convolution": 3},
    {"block": "article", "convolution": 4},
    {"block": "gpt2", "positions": "relative", "projections": "joint", "kv_heads": 1, "bias": False},
    {"block": "article", "positions": "t5", "norm": "rms_norm", "softcap": 5.0, "tied": False},
    {"block": "modern", "positions": "none", "norm_place": "post", "tied": True, "zero_init": False},
]


def model(**settings: Any) -> TransformerDecoder:
    return TransformerDecoder(**{"dim": 16, "depth": 3, "heads": 4, **settings})


def awake(seed: int = 0, **settings: Any) -> LanguageModel:
    """A network whose weights all say something: what starts at zero does not."""
    torch.manual_seed(seed)
    network = model(**settings).build(SPEC, 11)
    assert isinstance(network, LanguageModel)
    for weight in network.parameters():
        weight.data.add_(0.3 * torch.randn_like(weight))
    return network.eval()


def tokens(batch: int = 2, length: int = 12) -> Tensor:
    return torch.randint(0, 11, (batch, length), generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("settings", SETTINGS)
def test_a_position_sees_itself_and_what_is_before(settings: dict[str, Any]) -> None:
    network, row = awake(**settings), tokens(1)
    logits = network(row)
    for place in (0, 5, 11):
        other = row.clone()
        other[0, place] = (other[0, place] + 1) % 11
        changed = (network(other) - logits).abs().amax(dim=2)[0]
        assert changed[:place].sum() == 0
        assert (changed[place:] > 1e-4).all()


@pytest.mark.parametrize(("dtype", "close"), [(torch.float32, 1e-5), (torch.float64, 1e-10)])
@pytest.mark.parametrize("settings", SETTINGS)
def test_with_a_cache_the_logits_are_the_same(settings: dict[str, Any], dtype: torch.dtype, close: float) -> None:
    network, rows = awake(**settings).to(dtype), tokens(3)
    with torch.no_grad():
        expected = network(rows)
        cache = network.cache(3, 12)
        parts = [network(part, cache) for part in torch.tensor_split(rows, (5, 6, 7, 10, 11), dim=1)]
    assert cache.length == 12
    assert (torch.cat(parts, dim=1) - expected).abs().max() < close


def test_a_cache_keeps_chosen_rows() -> None:
    network, rows = awake(bigrams=16), tokens(3)
    chosen = torch.tensor([2, 0])
    with torch.no_grad():
        cache = network.cache(3, 12)
        network(rows[:, :7], cache)
        cache.select(chosen)
        after = network(rows[chosen, 7:], cache)
        assert torch.allclose(after, network(rows[chosen])[:, 7:], atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings", [{"block": "article", "positions": "relative"}, {"block": "modern", "kv_heads": 2}]
)
def test_it_is_one_graph_to_a_compiler(settings: dict[str, Any]) -> None:
    """A graph that breaks is compiled in pieces, and gains less."""
    network = awake(**settings)
    torch.compiler.reset()
    compiled = torch.compile(network, backend="eager", fullgraph=True)
    assert torch.allclose(compiled(tokens()), network(tokens()), atol=1e-5)


def test_a_full_cache_says_so() -> None:
    network = awake()
    cache = network.cache(1, 4)
    network(tokens(1, 4), cache)
    with pytest.raises(ConfigError, match="the cache holds 4 positions, not 5"):
        network(tokens(1, 1), cache)


@pytest.mark.parametrize("positions", ["sinusoidal", "rotary", "relative", "t5", "none"])
def test_positions_go_on_behind_the_longest_text(positions: str) -> None:
    """The same as those of a model that was made for longer texts; a learned table ends."""
    longer = TextSpec(vocabulary=11, max_length=40)
    network = awake(positions=positions)
    other = model(positions=positions).build(longer, 11).eval()
    other.load_state_dict(network.state_dict())
    row = tokens(1, 40)
    assert torch.equal(network(row), other(row))
    with torch.no_grad():  # the first place behind the table is in the middle of what is read
        fresh = awake(positions=positions)
        cache = fresh.cache(1, 40)
        parts = [fresh(part, cache) for part in torch.tensor_split(row, (7, 20, 21), dim=1)]
    assert torch.allclose(torch.cat(parts, dim=1), other(row), atol=1e-4)


def test_learned_positions_end() -> None:
    with pytest.raises(ConfigError, match="learned positions end at 12, asked for 13"):
        awake(block="gpt2")(tokens(1, 13))


@pytest.mark.parametrize("settings", SETTINGS)
def test_flops_are_those_that_torch_counts(settings: dict[str, Any]) -> None:
    made = model(**settings)
    network = made.build(SPEC, 11)
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter, torch.no_grad():
        network(tokens(5))
    assert made.flops(SPEC, 11) == pytest.approx(counter.get_total_flops() / 5, rel=0.02)
    assert made.flops(SPEC, 11, length=4) == made.flops(TextSpec(vocabulary=11, max_length=4), 11)
    assert made.parameters(SPEC, 11) == sum(weight.numel() for weight in network.parameters())


def test_all_tokens_are_equally_likely_at_first_where_the_head_is_its_own() -> None:
    torch.manual_seed(0)
    assert model().build(SPEC, 11)(tokens()).abs().sum() == 0


def test_a_tied_head_is_the_embedding() -> None:
    network = awake(block="gpt2")
    assert network.head is None
    x = torch.randn(2, 3, 16)
    assert torch.equal(network.back(x), x @ network.embedding.weight.T)


def test_logits_stay_below_the_cap() -> None:
    network = awake(softcap=2.0)
    x = 100 * torch.randn(2, 3, 16)
    free = functional.linear(x, network.head.weight) if network.head is not None else x
    assert torch.allclose(network.back(x), 2.0 * torch.tanh(free / 2.0))
    assert network.back(x).abs().max() <= 2.0 < free.abs().max()


def test_outputs_that_start_at_zero_leave_what_comes_in() -> None:
    torch.manual_seed(0)
    network: Any = model(zero_init=True).build(SPEC, 11)
    x = torch.randn(2, 5, 16)
    for block in network.decoder.blocks:
        assert torch.equal(block(x), x)
    kept: Any = model(zero_init=False).build(SPEC, 11)
    assert not torch.allclose(kept.decoder.blocks[0](x), x, atol=0.1)


def test_residual_scalars_weigh_what_comes_in_and_what_came_first() -> None:
    torch.manual_seed(0)
    network: Any = model().build(SPEC, 11)  # whose blocks add nothing yet
    block = network.decoder.blocks[1]
    block.scalars.data.copy_(torch.tensor([0.5, 3.0]))
    x, first = torch.randn(2, 2, 5, 16)
    assert torch.allclose(block(x, first=first), 0.5 * x + 3.0 * first)


def test_what_goes_into_the_blocks_has_one_length_where_asked() -> None:
    network = awake(embedding_norm=True, bigrams=16)
    assert torch.allclose(network.front(tokens()).square().mean(dim=2), torch.ones(2, 12), atol=1e-4)
    torch.manual_seed(0)
    for tied, spread in ((False, 1.0), (True, 0.02)):  # one that is the head too must not begin with loud logits
        table = TransformerDecoder(dim=256, tied=tied).build(SPEC, 11).get_submodule("embedding").weight
        assert isinstance(table, Tensor) and float(table.detach().std()) == pytest.approx(spread, rel=0.1)
    scaled: Any = TransformerDecoder(block="article", dim=256, positions="none", dropout=0.0).build(SPEC, 11)
    assert float(scaled.front(tokens()).detach().std()) == pytest.approx(1.0, rel=0.1)


def test_stochastic_depth_skips_whole_examples_and_grows_with_depth() -> None:
    torch.manual_seed(0)
    network: Any = model(zero_init=False, residual_scalars=False, drop_path=0.8).build(SPEC, 11)
    assert [block.path.share for block in network.decoder.blocks] == pytest.approx([0.0, 0.4, 0.8])
    path, x = network.decoder.blocks[1].path, torch.ones(4000, 1, 1)
    dropped = path(x)
    assert dropped.unique().tolist() == pytest.approx([0.0, 1 / 0.6])
    assert dropped.mean() == pytest.approx(1.0, abs=0.05)
    assert torch.equal(path.eval()(x), x)


def test_convolutions_are_those_of_torch_and_say_nothing_at_first() -> None:
    part, x = ShortConvolution(16, 4), torch.randn(2, 9, 16)
    assert torch.equal(part(x), x)
    part.weight.data.normal_()
    kernel = part.weight.detach().flip(0).permute(2, 1, 0)  # (D, 1, W), the present position last
    expected = functional.conv1d(functional.pad(x.mT, (3, 0)), kernel, groups=16).mT
    assert torch.allclose(part(x), x + expected, atol=1e-5)
    network: Any = awake(convolution=4)
    assert sum("convolutions" in name for name, _ in network.named_parameters()) == 6
    assert not any("convolutions" in name for name in hidden_matrices(network))


def test_value_embeddings_are_in_the_last_blocks_and_say_nothing_at_first() -> None:
    torch.manual_seed(0)
    network: Any = model(value_embeddings=2).build(SPEC, 11)
    assert sorted(network.decoder.values) == ["1", "2"]
    assert network.decoder.values["1"].weight.abs().sum() == 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"heads": 3}, "heads: 3 does not divide dim: 16"),
        ({"kv_heads": 3}, "kv_heads: 3 does not divide heads: 4"),
        ({"dim": 12, "heads": 4}, "rotary positions need an even dim / heads, not 3"),
        ({"value_embeddings": 4}, "value_embeddings: 4 is more than depth: 3"),
    ],
)
def test_settings_that_do_not_fit_are_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        model(**settings)


def test_it_reads_text_only() -> None:
    with pytest.raises(ConfigError, match="reads text, not image"):
        model().check(ImageSpec(height=2, width=2, channels=1))


def test_a_recipe_says_one_word_and_what_differs() -> None:
    modern, gpt2 = TransformerDecoder(), TransformerDecoder(block="gpt2", positions="rotary")
    assert (modern.chosen("norm"), modern.chosen("softcap"), modern.chosen("tied")) == ("rms_norm", 15.0, False)
    assert (gpt2.chosen("norm"), gpt2.chosen("positions"), gpt2.chosen("tied")) == ("layer_norm", "rotary", True)
    assert TransformerDecoder(activation="swiglu", dim=96).inner == 256
    assert TransformerDecoder(dim=96).inner == 384
