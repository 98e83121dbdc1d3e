"""Hogwild: alone it is plain SGD; with several workers it learns, and weights are judged while nobody steps."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from ops.training.config import TrainingConfig
from ops.training.parallel.hogwild import SHARED
from tests.ops.training.parallel.test_strategies import trained
from tests.ops.training.runs import records

PLAIN = {"optimizer": "sgd", "momentum": 0.0, "averaging": None, "learning_rate": 0.5, "accelerator": "cpu"}


def test_one_worker_is_plain_sgd(tmp_path: Path) -> None:
    """Judged after every step, so that the worker is never ahead of the judge."""
    settings = {**PLAIN, "evaluate_every": 1}
    alone = trained(tmp_path / "alone", 1, settings)
    run = trained(tmp_path / "hog", 2, {**settings, "strategy": "hogwild"})
    losses = [[line["loss"] for line in records(path) if "loss" in line] for path in (run, alone)]
    assert losses[0] == pytest.approx(losses[1], abs=1e-9)
    assert not (run.parent / SHARED).exists()
    same_weights(run, alone)


def same_weights(run: Path, other: Path) -> None:
    from safetensors.torch import load_file

    mine, theirs = (load_file(path.parent / "result" / "model.safetensors") for path in (run, other))
    assert all(float((mine[name] - value).abs().max()) < 1e-9 for name, value in theirs.items())


@pytest.mark.slow
def test_several_workers_learn(tmp_path: Path) -> None:
    run = trained(tmp_path, 3, {**PLAIN, "strategy": "hogwild", "steps": 200, "evaluate_every": 50})
    judged = [line["valid_accuracy"] for line in records(run) if "valid_loss" in line]
    assert max(judged) > 0.8  # by chance a third


def test_what_is_no_plain_sgd_is_refused() -> None:
    with pytest.raises(ValidationError, match="plain SGD"):
        TrainingConfig(steps=1, strategy="hogwild")
