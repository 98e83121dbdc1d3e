"""Several processes say what one does, bit for bit and in the order of the examples."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from ops.errors import TrainingFailed
from ops.tasks.language_model import LanguageModel
from ops.training import evaluate
from ops.training.data import load_examples
from ops.training.evaluate import predict, shares
from ops.training.predict_part import predict_together, tell_together
from ops.training.result import load_model
from ops.training.run import CacheInput, read_run
from tests.ops.training.runs import log, text_run, work, write_cache


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


@pytest.mark.slow
def test_several_processes_tell_a_language_models_tokens_as_one_does(tmp_path: Path) -> None:
    """300 windows of many lengths; what belongs to each token stands at its place, window by window."""
    rng = np.random.default_rng(1)
    told: list[tuple[list[int], int | None, str, int]] = [
        (rng.integers(0, 12, int(rng.integers(2, 12))).tolist(), 0, "test" if n > 9 else "train", 0) for n in range(310)
    ]
    run = text_run(
        tmp_path,
        {"steps": 3, "learning_rate": 0.5},
        task={"kind": "language_model", "input": "text", "context": 11},
        model={"kind": "transformer_decoder", "dim": 8, "depth": 1, "heads": 2},
        classes=[],
        inputs=[write_cache(tmp_path / "windows", told, "<u2")],
    )
    assert work(run) == 0, log(run)
    result, inputs = run.parent / "result", read_run(run).inputs
    description = json.loads((result / "model.json").read_text())
    trained = load_model(description, (result / "model.safetensors").read_bytes())
    assert isinstance(trained.task, LanguageModel)
    examples = load_examples(inputs, trained.spec.dtype, 0, label_shape=None)["test"]
    nats, hits = evaluate.tell(trained.network, trained.task, trained.spec, examples)
    assert len(nats) == sum(len(window) - 1 for window, *_ in told[10:]) and len(np.unique(nats)) > 100
    found = tell_together(description, result / "model.safetensors", inputs, "test", 2)
    assert found[0].tobytes() == nats.tobytes() and found[1].tobytes() == hits.tobytes()
    # The last window alone, token by token.
    tokens = torch.tensor([told[-1][0]])
    with torch.no_grad():
        logits = trained.network(tokens[:, :-1])[0]
    alone = functional.cross_entropy(logits, tokens[0, 1:], reduction="none").numpy()
    np.testing.assert_allclose(nats[-len(alone) :], alone, atol=1e-5)
