from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from ops.config import Config, describe
from ops.nn.models.base import Model
from ops.nn.spec import ImageSpec, TextSpec
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


def test_betas_may_be_a_list() -> None:
    assert TrainingConfig.model_validate({"epochs": 1, "betas": [0.8, 0.9]}).betas == (0.8, 0.9)


def test_every_key_is_described() -> None:
    kinds = [*discover("ops.nn.models", base=Model).values(), *discover("ops.tasks", base=Task).values()]
    configs: tuple[type[Config], ...] = (TrainingConfig, RunSpec, CacheInput, TextSpec, ImageSpec, *kinds)
    describe(*configs)
    for config in configs:
        assert all(field.description for field in config.model_fields.values()), config
