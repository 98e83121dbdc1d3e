from __future__ import annotations

from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from ops.errors import ConfigError
from ops.nn.models.base import Model
from ops.nn.models.series_transformer import SeriesTransformer
from ops.nn.models.spectrogram_transformer import SpectrogramTransformer
from ops.nn.models.transformer import Transformer
from ops.nn.models.transformer_decoder import TransformerDecoder
from ops.nn.models.transformer_encoder import TransformerEncoder
from ops.nn.models.vision_transformer import VisionTransformer
from ops.nn.spec import ImageSpec, SeriesSpec, SoundSpec, Spec, TextSpec
from ops.registry import discover

TEXT = TextSpec(vocabulary=50, max_length=12)
IMAGE = ImageSpec(height=8, width=6, channels=3)
SERIES = SeriesSpec(features=3, history=8)


def tokens(batch: int, length: int) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randint(0, 50, (batch, length)), torch.full((batch,), length)


def images(batch: int) -> torch.Tensor:
    return torch.randint(0, 256, (batch, 8, 6, 3), dtype=torch.uint8)


def woken(network: torch.nn.Module) -> torch.nn.Module:
    """The head starts at zero; with other weights the logits say something."""
    torch.nn.init.normal_(network.head.weight)  # type: ignore[union-attr, arg-type]
    return network.eval()


def test_all_kinds_are_found() -> None:
    kinds = {
        "compact_transformer",
        "mobilenet",
        "feature_transformer",
        "perceptron",
        "recurrent_encoder",
        "resnet",
        "series_transformer",
        "spectrogram_transformer",
        "text_cnn",
        "transformer_decoder",
        "transformer_encoder",
        "vision_transformer",
    }
    assert kinds <= set(discover("ops.nn.models", base=Model))


def test_a_series_is_read_in_its_own_units_and_forecast_in_the_labels() -> None:
    """Features on another scale, said in the spec, change nothing; an untrained model says the mean."""
    torch.manual_seed(0)
    model = SeriesTransformer(dim=16, heads=2, depth=1, patch=4, dropout=0.0)
    steps = torch.randn(5, 8, 3)
    plain: Any = woken(model.build(SERIES, 6))
    spec = SeriesSpec(
        features=3, history=8, mean=(5.0, -1.0, 0.0), std=(10.0, 0.1, 2.0), target_mean=100.0, target_std=7.0
    )
    scaled: Any = model.build(spec, 6).eval()
    shifted = steps * scaled.std + scaled.mean
    assert torch.equal(scaled(shifted), torch.full((5, 6), 100.0))
    scaled.load_state_dict(plain.state_dict())
    assert torch.allclose(scaled(shifted), 100.0 + 7.0 * plain(steps), atol=1e-3)
    assert not torch.allclose(plain(steps), plain(steps.flip(1)), atol=1e-3)
    assert set(plain.state_dict()) == {name for name, _ in plain.named_parameters()}


def test_patches_fill_a_stretch() -> None:
    with pytest.raises(ConfigError, match="patch: 3 does not divide history: 8"):
        SeriesTransformer(patch=3).check(SERIES)
    with pytest.raises(ConfigError, match="reads series, not text"):
        SeriesTransformer().check(TEXT)
    with pytest.raises(ValidationError, match="one value for each of 3 features"):
        SeriesSpec(features=3, history=8, mean=(1.0,))


@pytest.mark.parametrize("pooling", ["mean", "cls"])
@pytest.mark.parametrize(
    "settings",
    [
        *({"positions": p, "bigrams": n} for p in ("learned", "sinusoidal") for n in (0, 64)),
        *({"positions": p} for p in ("relative", "t5", "rotary", "none")),
        *({"block": block} for block in ("article", "modern")),
        {"block": "modern", "kv_heads": 1, "norm_place": "post"},
    ],
)
def test_padding_does_not_matter(pooling: Any, settings: dict[str, Any]) -> None:
    torch.manual_seed(0)
    model = TransformerEncoder(**{"dim": 16, "heads": 2, "pooling": pooling, **settings})
    network: Any = woken(model.build(TEXT, 4))
    for weight in network.parameters():  # what starts at zero says nothing
        weight.data.add_(0.1 * torch.randn_like(weight))
    short, _ = tokens(3, 5)
    padded = torch.cat((short, torch.randint(0, 50, (3, 7))), dim=1)
    lengths = torch.full((3,), 5)
    assert torch.allclose(network(short, lengths), network(padded, lengths), atol=1e-5)


def test_order_matters_to_both() -> None:
    torch.manual_seed(0)
    text = woken(TransformerEncoder(dim=16, heads=2).build(TEXT, 4))
    row, lengths = tokens(1, 6)
    assert not torch.allclose(text(row, lengths), text(row.flip(1), lengths), atol=1e-5)
    vision = woken(VisionTransformer(dim=16, stem="patches").build(IMAGE, 4))
    picture = images(1)
    assert not torch.allclose(vision(picture), vision(picture.flip(1)), atol=1e-5)


def test_an_empty_text_gives_finite_logits() -> None:
    network = woken(TransformerEncoder(dim=16, heads=2).build(TEXT, 4))
    logits = network(torch.zeros(2, 3, dtype=torch.int64), torch.tensor([0, 3]))
    assert logits.isfinite().all()


def test_logits_start_equal() -> None:
    assert VisionTransformer(dim=16).build(IMAGE, 4)(images(2)).abs().sum() == 0


def test_images_are_centred_by_the_moments_of_the_training_images() -> None:
    spec = ImageSpec(height=2, width=2, channels=1, mean=(0.2,), std=(0.1,))
    network: Any = VisionTransformer(patch=2, dim=8, stem="patches").build(spec, 2)
    seen = []
    network.patches.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    network(torch.full((1, 2, 2, 1), 51, dtype=torch.uint8))  # 0.2 of 255
    network(torch.full((1, 2, 2, 1), 255, dtype=torch.uint8))
    assert torch.allclose(seen[0], torch.zeros(1, 1, 2, 2), atol=1e-5)
    assert torch.allclose(seen[1], torch.full((1, 1, 2, 2), 8.0), atol=1e-4)


KINDS: list[tuple[type[Model], Spec, dict[str, Any]]] = [
    (TransformerEncoder, TEXT, {}),
    (VisionTransformer, IMAGE, {}),
    (SeriesTransformer, SERIES, {"patch": 2}),
]
OTHERS: list[dict[str, Any]] = [
    {"block": "article", "drop_path": 0.2},
    {"block": "modern"},
    {"block": "modern", "kv_heads": 2, "activation": "swiglu", "positions": "t5"},
    {"positions": "relative", "projections": "separate", "norm": "rms_norm"},
    {"positions": "none", "norm_place": "post", "bias": False, "activation": "relu2"},
]
MODELS: list[tuple[Model, Spec]] = [
    *((TransformerEncoder(dim=32, depth=3, heads=4, pooling=p), TEXT) for p in ("mean", "cls")),
    (TransformerEncoder(dim=16, depth=1, heads=1, feed_forward=24, bigrams=32), TEXT),
    *((VisionTransformer(dim=16, depth=2, stem=s, pooling="cls"), IMAGE) for s in ("patches", "convolution")),
    *((SeriesTransformer(dim=16, depth=2, patch=p), SERIES) for p in (1, 4)),
    *((kind.model_validate({"dim": 16, **own, **other}), spec) for kind, spec, own in KINDS for other in OTHERS),
]


@pytest.mark.parametrize(("model", "spec"), MODELS)
def test_flops_are_those_that_torch_counts(model: Model, spec: Spec) -> None:
    network = model.build(spec, 7).eval()
    batch = {"text": tokens(5, 12), "image": (images(5),), "series": (torch.randn(5, 8, 3),)}[spec.kind]
    # The fused attention is not counted on a CPU: the one of single products is.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter, torch.no_grad():
        network(*batch)
    assert model.flops(spec, 7) == pytest.approx(counter.get_total_flops() / 5, rel=0.02)


def test_flops_of_a_shorter_text() -> None:
    model = TransformerEncoder(dim=16, heads=2)
    assert model.flops(TEXT, 3, length=4) == model.flops(TextSpec(vocabulary=9, max_length=4), 3)


@pytest.mark.parametrize(("model", "spec"), MODELS)
def test_parameters_are_those_of_the_network(model: Model, spec: Spec) -> None:
    assert model.parameters(spec, 7) == sum(weight.numel() for weight in model.build(spec, 7).parameters())


def test_the_stem_has_the_channels_that_a_recipe_says() -> None:
    sound = SoundSpec(frames=8, mels=4)
    kinds: list[tuple[type[Model], Spec, str]] = [
        (VisionTransformer, IMAGE, "patches.stem.0"),
        (SpectrogramTransformer, sound, "stem.0"),
    ]
    for kind, spec, place in kinds:
        model = kind.model_validate({"stem": "convolution", "stem_channels": 7, "dim": 16})
        assert len(model.build(spec, 3).get_submodule(place).get_parameter("weight")) == 7


@pytest.mark.parametrize("kind", [TransformerEncoder, TransformerDecoder, VisionTransformer, SeriesTransformer])
def test_heads_must_divide_dim(kind: type[Model]) -> None:
    with pytest.raises(ValidationError, match="heads: 3 does not divide dim: 16"):
        kind.model_validate({"dim": 16, "heads": 3})
    with pytest.raises(ValidationError, match="even dim"):
        kind.model_validate({"dim": 15, "heads": 3, "positions": "sinusoidal"})


def test_patches_must_tile_the_image() -> None:
    with pytest.raises(ConfigError, match=r"patch: 4 does not tile images of 8 by 6"):
        VisionTransformer(patch=4).check(IMAGE)


def test_a_model_of_another_modality_is_refused() -> None:
    with pytest.raises(ConfigError, match="reads text, not image"):
        TransformerEncoder().check(IMAGE)
    with pytest.raises(ConfigError, match="reads image, not text"):
        VisionTransformer().build(TEXT, 2)


def test_moments_fit_the_channels() -> None:
    with pytest.raises(ValidationError, match="one value for each of 3 channels"):
        ImageSpec(height=8, width=8, channels=3, mean=(0.5,))


@pytest.mark.parametrize(("model", "spec"), MODELS)
def test_every_weight_learns(model: Model, spec: Spec) -> None:
    """In whatever way blocks are put together, each weight has a part in the result."""
    torch.manual_seed(0)
    network = model.build(spec, 7).train()
    for weight in network.parameters():
        weight.data.add_(0.1 * torch.randn_like(weight))
    batch = {"text": tokens(8, 12), "image": (images(8),), "series": (torch.randn(8, 8, 3),)}[spec.kind]
    network(*batch).square().sum().backward()
    still = [name for name, weight in network.named_parameters() if weight.grad is None or not weight.grad.any()]
    assert still == []


def test_designs_of_a_block_are_told_apart() -> None:
    made = {block: TransformerEncoder(block=block).anatomy(12) for block in ("article", "gpt2", "modern")}
    assert {block: (a.norm, a.norm_place, a.positions, a.activation, a.bias) for block, a in made.items()} == {
        "article": ("layer_norm", "post", "sinusoidal", "relu", True),
        "gpt2": ("layer_norm", "pre", "learned", "gelu", True),
        "modern": ("rms_norm", "pre", "rotary", "relu2", False),
    }
    assert TransformerEncoder() == TransformerEncoder(block="gpt2")


@pytest.mark.parametrize("kind", [TransformerEncoder, TransformerDecoder, VisionTransformer, SeriesTransformer])
def test_each_setting_of_a_block_reaches_the_blocks(kind: type[Transformer]) -> None:
    """None of them is as by default, whatever the kind."""
    said: dict[str, Any] = {
        "dim": 48, "depth": 3, "heads": 6, "kv_heads": 2, "dropout": 0.37, "drop_path": 0.21, "norm": "rms_norm",
        "norm_place": "post", "positions": "relative", "activation": "swiglu", "bias": False, "projections": "separate",
        "qk_norm": True, "zero_init": True, "residual_scalars": True,
    }  # fmt: skip
    contrary = {"norm": "layer_norm", "norm_place": "pre", "positions": "none", "activation": "relu", "bias": True,
                "projections": "joint", "qk_norm": False, "zero_init": False, "residual_scalars": False}  # fmt: skip
    for chosen in (said, {**said, **contrary}):
        made = kind.model_validate({**chosen, "feed_forward": 52}).anatomy(17)
        assert {name: getattr(made, name) for name in chosen} == chosen
        assert (made.inner, made.length) == (52, 17)
