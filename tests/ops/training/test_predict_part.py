"""Several processes say what one does, bit for bit and in the order of the examples."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from ops.errors import TrainingFailed
from ops.training import evaluate
from ops.training.data import load_examples
from ops.training.evaluate import predict, shares
from ops.training.predict_part import predict_together
from ops.training.result import load_model
from ops.training.run import CacheInput, read_run
from tests.ops.training.runs import text_run, work, write_cache


def test_each_batch_is_one_process_share() -> None:
    lengths = np.arange(1000)[::-1].copy()
    rows = [set(np.concatenate(list(shares(lengths, part, 3))).tolist()) for part in range(3)]
    assert set.union(*rows) == set(range(1000))
    assert sum(map(len, rows)) == 1000


@pytest.mark.slow
def test_several_processes_say_what_one_does(tmp_path: Path) -> None:
    """300 examples of many lengths, in batches of 128, of which the first process has two and the second one."""
    run = text_run(tmp_path)
    assert work(run) == 0
    rng = np.random.default_rng(0)
    told: list[tuple[list[int], int | None, str, int]] = [
        (rng.integers(0, 12, int(rng.integers(1, 12))).tolist(), n % 3, "test" if n else "train", 0) for n in range(301)
    ]
    inputs = [CacheInput.model_validate(write_cache(tmp_path / "more", told, "<u2"))]
    result = run.parent / "result"
    description = json.loads((result / "model.json").read_text())
    trained = load_model(description, (result / "model.safetensors").read_bytes())
    examples = load_examples(inputs, trained.spec.dtype, 3)["test"]
    expected = predict(trained.network, trained.task, trained.spec, examples)
    assert len(np.unique(expected, axis=0)) > 100
    found = predict_together(description, result / "model.safetensors", inputs, "test", 2)
    assert found.tobytes() == expected.tobytes()
    with pytest.raises(TrainingFailed, match=r"predicting failed: .*weights are those of another model"):
        predict_together({**description, "classes": ["x"]}, result / "model.safetensors", inputs, "test", 2)


def test_shares_of_one_process_add_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluate, "BATCH", 3)
    run = text_run(tmp_path, {"steps": 1})
    assert work(run) == 0
    result = run.parent / "result"
    description = json.loads((result / "model.json").read_text())
    trained = load_model(description, (result / "model.safetensors").read_bytes())
    examples = load_examples(read_run(run).inputs, trained.spec.dtype, 3)["test"]
    whole = predict(trained.network, trained.task, trained.spec, examples)
    parts = [predict(trained.network, trained.task, trained.spec, examples, part, 2) for part in (0, 1)]
    assert not (parts[0].any(axis=1) & parts[1].any(axis=1)).any()
    assert (parts[0] + parts[1]).tobytes() == whole.tobytes()
