"""Reading token by token: what the whole model says of the whole text, of every kind of block."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest
import torch

from ops.errors import ConfigError
from ops.nn.anatomy import Anatomy
from ops.nn.language_model import LanguageModel
from ops.nn.stepping import Stepper
from tests.ops.nn.test_language_model import SETTINGS, awake, tokens

MORE: list[dict[str, Any]] = [
    {"block": "modern", "projections": "joint", "kv_heads": 2, "value_embeddings": 3, "bias": True},
    {"block": "modern", "qk_norm": False, "drop_path": 0.5, "dropout": 0.5},
    {"block": "article", "positions": "rotary", "activation": "swiglu", "residual_scalars": True},
]


@pytest.mark.parametrize(("dtype", "close"), [(torch.float32, 1e-4), (torch.float64, 1e-10)])
@pytest.mark.parametrize("settings", [*SETTINGS, *MORE])
def test_token_by_token_the_logits_are_those_of_the_whole(
    settings: dict[str, Any], dtype: torch.dtype, close: float
) -> None:
    network, rows = awake(**settings).to(dtype), tokens(3)
    stepper = Stepper(network, 3, 12)
    with torch.no_grad():
        for begin in (5, 1, 3):  # what was read before is forgotten
            found = [stepper.begin(rows[:, :begin])]
            found += [stepper.read(rows[:, place : place + 1]) for place in range(begin, 12)]
            assert stepper.cache.length == 12
            assert (torch.cat(found, dim=1) - network(rows)).abs().max() < close


def test_every_setting_of_a_block_is_among_those_tested() -> None:
    """A new one is not forgotten: what a step does is written a second time."""
    seen = [awake(**settings).anatomy for settings in [*SETTINGS, *MORE]]
    same = {field.name for field in fields(Anatomy) if len({getattr(each, field.name) for each in seen}) == 1}
    assert same == {"dim", "depth", "heads", "length"}


@pytest.mark.parametrize("block", ["gpt2", "modern"])
def test_a_full_cache_says_so(block: str) -> None:
    network = awake(block=block)
    stepper = Stepper(network, 1, 4)
    with torch.inference_mode():
        stepper.begin(tokens(1, 4))
        with pytest.raises(ConfigError, match="the cache holds 4 positions, not 5"):
            stepper.read(tokens(1, 1))


def test_what_looks_at_a_memory_is_refused() -> None:
    anatomy = Anatomy(dim=8, depth=1, heads=2, inner=8)
    with pytest.raises(ValueError, match="looks at a memory"):
        Stepper(LanguageModel(anatomy, vocabulary=5, cross=True), 1, 4)
