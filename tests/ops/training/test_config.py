from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError
from torch.nn.modules.batchnorm import _BatchNorm

from ops.config import Config, describe
from ops.nn.models.base import Model
from ops.nn.spec import ImageSpec, RowSpec, SeriesSpec, SoundSpec, TextSpec
from ops.registry import discover
from ops.tasks.base import Task
from ops.training.config import TrainingConfig
from ops.training.run import CacheInput, RunSpec


@pytest.mark.parametrize("strategy", ["tensor", "fsdp_tensor", "pipeline"])
def test_what_cannot_be_compiled_is_named(strategy: Any) -> None:
    with pytest.raises(ValueError, match=f"compile is not for {strategy}"):
        TrainingConfig(steps=1, compile=True, strategy=strategy)


@pytest.mark.parametrize("settings", [{}, {"epochs": 1, "steps": 1}])
def test_the_length_is_given_once(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="give exactly one of epochs, steps"):
        TrainingConfig(**settings)


@pytest.mark.parametrize(
    "wrong",
    [
        {"strategy": "dpp"},
        {"precision": "float8"},
        {"betas": [0.9, 1.0]},
        {"betas": [0.9]},
        {"keep_checkpoints": 1},
        {"learning_rate": 0.0},
        {"batch_size": "8"},
        {"warmup": 1.0},
        {"epoch": 1},
    ],
)
def test_wrong_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        TrainingConfig.model_validate({"epochs": 1, **wrong})


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"optimizer": "adamw", "momentum_warmup": 0.1}, "momentum_warmup is for optimizer sgd or muon; adamw"),
        ({"optimizer": "adam", "momentum": 0.9}, "momentum is for optimizer sgd or muon; adam .* leave it at 0.95"),
        (
            {"optimizer": "sgd", "betas": (0.9, 0.99)},
            r"betas is for optimizer adam or adamw or muon; sgd .* leave it at \[0.9, 0.98\]",
        ),
        ({"schedule": "cosine", "cooldown": 0.2}, "cooldown is for schedule trapezoid; cosine"),
        ({"weight_decay": 0.0, "weight_decay_schedule": "linear"}, "a weight_decay of 0 has nothing to fall from"),
        ({"precision": "float64", "accelerator": "mps"}, "Apple's GPUs have no float64"),
    ],
)
def test_settings_that_would_do_nothing_or_cannot_be_are_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        TrainingConfig(steps=1, **settings)


def test_a_resolved_run_says_defaults_of_what_is_not_looked_at() -> None:
    """All settings are in `run.json`; what is as by default is not held against a recipe."""
    config = TrainingConfig(steps=1, optimizer="sgd", schedule="cosine")
    assert TrainingConfig.model_validate(config.model_dump()) == config


def test_betas_may_be_a_list() -> None:
    assert TrainingConfig.model_validate({"epochs": 1, "betas": [0.8, 0.9]}).betas == (0.8, 0.9)


@pytest.mark.parametrize("kind", discover("ops.nn.models", base=Model).values())
def test_whether_a_kind_has_batch_norms_is_what_it_says(kind: type[Model]) -> None:
    specs: dict[str, Any] = {
        "text": TextSpec(vocabulary=9, max_length=5),
        "image": ImageSpec(height=8, width=8, channels=1),
        "sound": SoundSpec(frames=8, mels=4),
        "row": RowSpec(numbers=3),
        "series": SeriesSpec(features=2, history=6),
    }
    network = kind.model_validate({}).build(specs.get(kind.modality, specs["text"]), 3)
    assert any(isinstance(module, _BatchNorm) for module in network.modules()) == kind.batch_norms


def test_every_key_is_described() -> None:
    kinds = [*discover("ops.nn.models", base=Model).values(), *discover("ops.tasks", base=Task).values()]
    configs: tuple[type[Config], ...] = (TrainingConfig, RunSpec, CacheInput, TextSpec, ImageSpec, *kinds)
    describe(*configs)
    for config in configs:
        assert all(field.description for field in config.model_fields.values()), config
