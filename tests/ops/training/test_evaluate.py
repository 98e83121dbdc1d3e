from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn import metrics

from ops.errors import IntegrityError
from ops.training import evaluate as module
from ops.training.data import Examples, load_examples
from ops.training.distributed import Group
from ops.training.evaluate import Verdict, batches, evaluate, predict
from ops.training.parallel.local_sgd import LocalSgd
from ops.training.result import Trained, describe, is_done, load_model, write_result
from ops.training.run import read_run
from tests.ops.training.parallel.apart import together
from tests.ops.training.runs import text_run


@pytest.fixture
def judged(tmp_path: Path) -> tuple[Trained, Examples]:
    from safetensors.torch import save

    run = read_run(text_run(tmp_path))
    torch.manual_seed(1)
    network = run.model_value().build(run.input, 3)
    torch.nn.init.normal_(network.head.weight)  # type: ignore[arg-type, union-attr]
    trained = load_model(describe(run, 5, 7), save(network.state_dict()))
    return trained, load_examples(run.inputs, "<u2", 3)["train"]


def test_loss_and_metrics_are_those_of_single_examples(
    judged: tuple[Trained, Examples], monkeypatch: pytest.MonkeyPatch
) -> None:
    trained, examples = judged
    monkeypatch.setattr(module, "BATCH", 7)
    verdict = evaluate(trained.network, trained.task, trained.spec, examples, 3)
    said = predict(trained.network, trained.task, trained.spec, examples)
    single = []
    for row in range(len(examples)):
        tokens = torch.from_numpy(examples.values(np.array([row])).astype(np.int64))
        with torch.no_grad():
            single.append(trained.network(tokens, torch.tensor([tokens.shape[1]])).softmax(dim=1)[0].numpy())
    assert np.allclose(said, single, atol=1e-6)
    labels = examples.label
    assert verdict.loss == pytest.approx(metrics.log_loss(labels, said.astype(np.float64), labels=range(3)), rel=1e-5)
    assert verdict.metrics["accuracy"] == pytest.approx(metrics.accuracy_score(labels, said.argmax(1)))
    assert verdict.tally == metrics.confusion_matrix(labels, said.argmax(1)).tolist()
    assert verdict.examples == len(examples)


def test_who_has_no_example_of_a_batch_counts_none(
    judged: tuple[Trained, Examples], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """48 examples in batches of 47: of the last one the second process only stands in with the first one's."""
    trained, examples = judged
    monkeypatch.setattr(module, "BATCH", 47)
    alone = evaluate(trained.network, trained.task, trained.spec, examples, 3)
    assert len(examples) == 48 and alone.loss > 0.1

    def told(group: Group) -> Verdict:
        strategy = LocalSgd(group, 1)  # shares batches, and wraps nothing
        strategy.prepare(trained.network)
        return evaluate(trained.network, trained.task, trained.spec, examples, 3, strategy)

    for verdict in together(tmp_path, 2, told):
        assert verdict.tally == alone.tally and verdict.metrics == alone.metrics and verdict.examples == 48
        assert verdict.loss == pytest.approx(alone.loss, rel=1e-6)


def test_batches_have_each_example_once_and_lengths_alike() -> None:
    lengths = np.random.default_rng(0).integers(0, 50, size=1000)
    made = list(batches(lengths))
    assert sorted(np.concatenate(made).tolist()) == list(range(1000))
    assert all(lengths[a].max() <= lengths[b].min() for a, b in itertools.pairwise(made))


def test_weights_of_another_model_are_refused(judged: tuple[Trained, Examples], tmp_path: Path) -> None:
    from safetensors.torch import save

    run = read_run(tmp_path / "work" / "run.json")
    with pytest.raises(IntegrityError, match="another model"):
        load_model(describe(run, 0, 7), save({"x": torch.zeros(1)}))
    with pytest.raises(IntegrityError, match="another format"):
        load_model({**describe(run, 0, 7), "format": 2}, b"")


def test_a_result_is_done_when_all_its_bytes_are_there(tmp_path: Path) -> None:
    folder = tmp_path / "result"
    assert not is_done(folder)
    for data in (b"one", b"two"):
        write_result(folder, {"a.json": data, "b": b""})
        assert is_done(folder)
        assert (folder / "a.json").read_bytes() == data
    (folder / "a.json").chmod(0o644)
    (folder / "a.json").write_bytes(b"tvo")
    assert not is_done(folder)
    (folder / "done.json").chmod(0o644)
    (folder / "done.json").write_text("[]")
    assert not is_done(folder)
