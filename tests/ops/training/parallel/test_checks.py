"""What is wrong between strategy, processes and model is said before anything runs."""

from __future__ import annotations

from typing import Any

import pytest

from ops.errors import ConfigError
from ops.launch import LaunchConfig
from ops.nn.models.text_cnn import TextCnn
from ops.nn.models.transformer_decoder import TransformerDecoder
from ops.nn.models.transformer_encoder import TransformerEncoder
from ops.training.config import TrainingConfig
from ops.training.parallel import checks
from ops.training.parallel.checks import oversubscribed, strategy_problems

ENCODER = TransformerEncoder(heads=4, dim=128, depth=2)


@pytest.mark.parametrize(
    ("training", "processes", "model", "place", "message"),
    [
        ({"strategy": "fsdp"}, 1, ENCODER, "strategy", "for several processes"),
        ({"strategy": "tensor"}, 8, ENCODER, "heads", "8 processes cannot divide 4 heads"),
        (
            {"strategy": "tensor"},
            4,
            TransformerEncoder(heads=4, kv_heads=2),
            "projections",
            "2 heads of keys and values, nor",
        ),
        (
            {"strategy": "tensor"},
            4,
            TransformerEncoder(heads=12, kv_heads=3, dim=48),
            "kv_heads",
            "divide 3 heads of keys",
        ),
        ({"strategy": "tensor"}, 4, TransformerEncoder(feed_forward=6), "feed_forward", "divide the width 6"),
        ({"strategy": "tensor"}, 2, TextCnn(), "strategy", "no heads of attention"),
        ({"strategy": "fsdp_tensor"}, 3, ENCODER, "tensor", "no groups of 2"),
        ({"strategy": "fsdp_tensor", "parallel": {"tensor": 8}}, 8, ENCODER, "heads", "8 processes cannot divide"),
        ({"strategy": "pipeline"}, 3, ENCODER, "depth", "3 stages need 3 blocks at least, not 2"),
        ({"strategy": "pipeline"}, 2, TextCnn(), "strategy", "no stack of blocks"),
        ({"strategy": "tensor", "sync_batch_norm": True}, 2, ENCODER, "sync_batch_norm", "no batch norms"),
        ({"sync_batch_norm": True}, 2, ENCODER, "sync_batch_norm", "transformer_encoder has no batch norms"),
    ],
)
def test_wrong_pairs(training: dict[str, Any], processes: int, model: Any, place: str, message: str) -> None:
    config = TrainingConfig(steps=1, **training)
    (found,) = strategy_problems(config, LaunchConfig(processes=processes), model)
    assert found[0][-1] == place
    assert message in found[1]


@pytest.mark.parametrize(
    ("strategy", "processes", "model"),
    [
        *(
            (strategy, processes, ENCODER)
            for strategy, processes in [("ddp", 1), ("ddp", 3), ("zero1", 2), ("fsdp", 5)]
        ),
        *(
            (strategy, processes, ENCODER)
            for strategy, processes in [("tensor", 4), ("fsdp_tensor", 6), ("pipeline", 2)]
        ),
        ("tensor", 2, TransformerEncoder(positions="t5")),
        ("fsdp_tensor", 4, TransformerDecoder(positions="relative")),
        ("tensor", 4, TransformerDecoder(heads=4, kv_heads=2, activation="swiglu")),
        ("pipeline", 2, TransformerDecoder(block="gpt2")),
    ],
)
def test_right_pairs(strategy: Any, processes: int, model: Any) -> None:
    config = TrainingConfig(steps=1, strategy=strategy)
    assert not list(strategy_problems(config, LaunchConfig(processes=processes), model))


def test_settings_of_another_strategy() -> None:
    with pytest.raises(ValueError, match=r"parallel.microbatches is for pipeline, not for ddp"):
        TrainingConfig(steps=1, parallel={"microbatches": 2})  # type: ignore[arg-type]


def test_more_processes_than_cores_need_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "cores_here", lambda: 2)
    assert not oversubscribed(LaunchConfig(processes=2))
    assert "2 processes of 2 threads want 4 cores, this machine has 2" in oversubscribed(
        LaunchConfig(processes=2, threads=2)
    )
    assert not oversubscribed(LaunchConfig(processes=3, oversubscribe=True))


def test_the_launcher_asks_for_it_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    from resources.launcher import LaunchPlan, launch

    monkeypatch.setattr(checks, "cores_here", lambda: 1)
    with pytest.raises(ConfigError, match="this machine has 1"):
        launch(LaunchPlan(tmp_path / "run.json", tmp_path, LaunchConfig(processes=2)))
