"""What is dropped in training: where, how much of it, and with it the blocks are still torch's, draw by draw."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ops.nn.anatomy import Anatomy
from ops.nn.block import Block, DropPath
from ops.nn.models.base import Model
from ops.nn.spec import ImageSpec, RowSpec, SeriesSpec, SoundSpec, Spec, TextSpec
from ops.registry import discover
from tests.ops.nn.test_block import copy_into, their_layer

SHARE = 0.3

TEXT = TextSpec(vocabulary=50, max_length=64)
IMAGE = ImageSpec(height=8, width=8, channels=1)
SERIES = SeriesSpec(features=3, history=8)
SOUND = SoundSpec(frames=32, mels=8)
ROW = RowSpec(numbers=4, categories=(3, 5))

WHERE: dict[str, tuple[Spec, dict[str, Any], dict[str, float]]] = {
    # Of each kind: what it reads, its settings, and the share of zeros in what these parts are given.
    "transformer_encoder": (TEXT, {}, {"encoder": SHARE}),
    "transformer_decoder": (TEXT, {}, {"decoder": SHARE}),
    "vision_transformer": (IMAGE, {}, {"encoder": SHARE}),
    "compact_transformer": (IMAGE, {}, {"encoder": SHARE}),
    "series_transformer": (SERIES, {"patch": 2}, {"encoder": SHARE, "head": SHARE}),
    "spectrogram_transformer": (SOUND, {}, {"encoder": SHARE}),
    "feature_transformer": (ROW, {}, {"encoder": SHARE}),
    "perceptron": (ROW, {"layers": [32, 32]}, {"layers.1": SHARE, "head": SHARE}),
    "text_cnn": (TEXT, {}, {"head": SHARE}),
    "recurrent_encoder": (TEXT, {"layers": 2}, {"head": SHARE}),
    "resnet": (IMAGE, {}, {"head": SHARE}),
    "mobilenet": (IMAGE, {}, {"head": SHARE}),
}


def batch(spec: Spec, rows: int = 200) -> tuple[Tensor, ...]:
    source = torch.Generator().manual_seed(1)
    if isinstance(spec, TextSpec):
        return torch.randint(0, 50, (rows, 12), generator=source), torch.full((rows,), 12)
    if isinstance(spec, ImageSpec):
        return (torch.randint(0, 256, (rows, 8, 8, 1), generator=source).to(torch.uint8),)
    if isinstance(spec, SoundSpec):
        return (torch.randint(0, 256, (rows, 32, 8), generator=source).to(torch.uint8),)
    if isinstance(spec, RowSpec):
        categories = torch.stack([torch.randint(0, size, (rows,), generator=source) for size in spec.categories], dim=1)
        return torch.randn(rows, spec.numbers, generator=source), categories
    return (torch.randn(rows, 8, 3, generator=source),)


def built(kind: str, **settings: Any) -> nn.Module:
    torch.manual_seed(0)
    model = discover("ops.nn.models", base=Model)[kind].model_validate(settings)
    assert isinstance(model, Model)
    return model.build(WHERE[kind][0], 5)


def zeros(network: nn.Module, inputs: tuple[Tensor, ...], name: str) -> float:
    """Share of zeros in what a part of a network is given in one forward pass."""
    seen: list[Tensor] = []
    hook = network.get_submodule(name).register_forward_pre_hook(lambda _module, given: seen.append(given[0]))
    network(*inputs)
    hook.remove()
    return float((seen[0] == 0).double().mean())


def test_every_kind_is_among_those_tested() -> None:
    assert set(WHERE) == set(discover("ops.nn.models", base=Model))


@pytest.mark.parametrize("kind", WHERE)
def test_a_recipes_share_is_dropped_and_in_training_only(kind: str) -> None:
    """Beside a network of the same weights that drops nothing, in which a ReLU makes zeros too."""
    spec, settings, places = WHERE[kind]
    plain, dropping = (built(kind, dropout=share, **settings) for share in (0.0, SHARE))
    inputs = batch(spec) if kind != "transformer_decoder" else batch(spec)[:1]
    for name, share in places.items():
        own, found = (zeros(network.train(), inputs, name) for network in (plain, dropping))
        assert found == pytest.approx(own + (1 - own) * share, abs=0.04), name
        assert zeros(dropping.eval(), inputs, name) == zeros(plain.eval(), inputs, name)


def test_texts_are_dropped_from_before_and_between_recurrent_layers() -> None:
    network: Any = built("recurrent_encoder", dropout=SHARE, layers=2)
    assert network.encoder.cells.dropout == SHARE
    assert zeros(network, batch(TEXT), "encoder") == pytest.approx(SHARE, abs=0.02)


def dropping(place: str) -> tuple[Block, nn.TransformerEncoderLayer]:
    """Ours and torch's with equal weights, both dropping from what each part adds and nowhere else."""
    torch.manual_seed(0)
    ours = Block(Anatomy(dim=16, depth=1, heads=4, inner=48, dropout=SHARE, norm_place=place))
    theirs = their_layer(16, 4, 48)
    theirs.norm_first = place == "pre"
    copy_into(theirs, ours)
    theirs.dropout1.p = theirs.dropout2.p = SHARE
    theirs.dropout = nn.Identity()  # type: ignore[assignment] # a share of zero draws numbers too
    return ours.train(), theirs.train()


@pytest.mark.parametrize("place", ["pre", "post"])
def test_blocks_drop_what_torchs_drop(place: str) -> None:
    ours, theirs = dropping(place)
    x = torch.randn(1, 7, 16)  # of several rows torch's lie in another order, in which numbers are drawn
    torch.manual_seed(5)
    expected = theirs(x)
    torch.manual_seed(5)
    assert torch.allclose(ours(x), expected, atol=1e-5)
    assert not torch.allclose(ours.eval()(x), expected, atol=0.1)


@pytest.mark.parametrize("silent", ["attention", "feed_forward"])
def test_each_part_is_skipped_by_whole_examples(silent: str) -> None:
    """Of a block of which one part says nothing: the other is there twice, or not at all, in all places of a row."""
    torch.manual_seed(0)
    block = Block(Anatomy(dim=8, depth=2, heads=2, inner=16, drop_path=0.5), number=1)
    nn.init.zeros_(getattr(block, silent).project_out.weight)
    nn.init.zeros_(getattr(block, silent).project_out.bias)
    x = torch.randn(40, 5, 8)
    with torch.no_grad():
        whole, found = block.eval()(x) - x, block.train()(x) - x
    skipped = (found == 0).all(dim=2).all(dim=1)
    assert 5 < int(skipped.sum()) < 35
    assert torch.allclose(found[~skipped], 2.0 * whole[~skipped], atol=1e-5)


def test_a_single_block_is_skipped_by_all_of_the_share() -> None:
    shares = [Anatomy(dim=4, depth=depth, heads=1, inner=4, drop_path=0.6).path_dropped(0) for depth in (1, 2)]
    assert shares == [0.6, 0.0]
    x = torch.randn(3, 2, 4)
    assert DropPath(0.0).train()(x) is x
