from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from ops.errors import IntegrityError
from ops.nn.spec import ImageSpec, TextSpec
from ops.registry import discover
from ops.tasks.base import Task
from ops.tasks.classification import accuracy, macro_f1
from ops.tasks.image_classification import ImageClassification
from ops.tasks.text_classification import TextClassification

TASK = TextClassification(input="text", label="label")
PAIRS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=60)


@given(PAIRS)
def test_metrics_are_those_of_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    truth, said = (np.array(column) for column in zip(*pairs, strict=True))
    confusion = metrics.confusion_matrix(truth, said, labels=range(5))
    assert accuracy(confusion) == pytest.approx(metrics.accuracy_score(truth, said))
    assert macro_f1(confusion) == pytest.approx(metrics.f1_score(truth, said, average="macro"))


@given(PAIRS)
def test_the_tally_is_the_confusion_matrix_of_the_weighted(pairs: list[tuple[int, int]]) -> None:
    truth, said = (np.array(column) for column in zip(*pairs, strict=True))
    logits, weights = torch.eye(5)[said], torch.arange(len(pairs)) % 2
    kept = weights.bool().numpy()
    expected = metrics.confusion_matrix(truth[kept], said[kept], labels=range(5)) if kept.any() else np.zeros((5, 5))
    assert (TASK.tally(logits, torch.from_numpy(truth), weights, 5).numpy() == expected).all()


def test_metrics_of_nothing() -> None:
    assert TASK.metrics(np.zeros((3, 3), dtype=np.int64)) == {"accuracy": 0.0, "macro_f1": 0.0}


def test_the_loss_is_a_weighted_sum() -> None:
    torch.manual_seed(0)
    logits, labels = torch.randn(4, 3), torch.tensor([0, 1, 2, 0])
    probabilities = logits.softmax(dim=1)
    each = -probabilities[torch.arange(4), labels].log()
    loss = TASK.loss(logits, labels, torch.tensor([1.0, 0.0, 1.0, 1.0]))
    assert loss.item() == pytest.approx((each[0] + each[2] + each[3]).item(), rel=1e-5)
    smooth = TASK.loss(logits, labels, torch.ones(4), smoothing=0.3)
    uniform = -probabilities.log().mean(dim=1)
    assert smooth.item() == pytest.approx((0.7 * each + 0.3 * uniform).sum().item(), rel=1e-5)


def test_probabilities_add_up() -> None:
    assert torch.allclose(TASK.probabilities(torch.randn(4, 3)).sum(dim=1), torch.ones(4))


def test_texts_become_tokens_and_lengths() -> None:
    values = np.array([[1, 65_535], [2, 0]], dtype="<u2")
    tokens, lengths = TASK.collate(values, np.array([2, 1]), TextSpec(vocabulary=65_536, max_length=2))
    assert tokens.tolist() == [[1, 65_535], [2, 0]]
    assert tokens.dtype == torch.int64
    assert lengths.tolist() == [2, 1]


def test_images_get_their_shape_back() -> None:
    task, spec = ImageClassification(input="image", label="label"), ImageSpec(height=2, width=3, channels=1)
    (images,) = task.collate(np.arange(12, dtype="u1").reshape(2, 6), np.array([6, 6]), spec)
    assert images.shape == (2, 2, 3, 1)
    assert images[1, 0, :, 0].tolist() == [6, 7, 8]
    with pytest.raises(IntegrityError, match="size"):
        task.collate(np.zeros((1, 6), dtype="u1"), np.array([5]), spec)


def test_all_tasks_are_found_without_heavy_imports() -> None:
    kinds = {
        "forecasting",
        "image_classification",
        "language_model",
        "sound_classification",
        "table_classification",
        "text_classification",
    }
    assert set(discover("ops.tasks", base=Task)) >= kinds
    script = (
        "import sys; from ops.registry import discover; from ops.tasks.base import Task; "
        "from ops.nn.models.base import Model; import ops.training.config; "
        "discover('ops.tasks', base=Task); discover('ops.nn.models', base=Model); "
        "print([m for m in ('torch', 'sklearn', 'numpy', 'polars', 'pyarrow') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
