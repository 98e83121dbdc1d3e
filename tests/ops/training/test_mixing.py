from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from ops.errors import ConfigError
from ops.nn.spec import ImageSpec, TextSpec
from ops.tasks.image_classification import ImageClassification
from ops.tasks.text_classification import TextClassification
from ops.training.config import Loader, Mixing
from ops.training.data import Examples
from ops.training.loader import Batch, batches
from ops.training.mixing import _uniforms, beta, draw_mix
from ops.training.order import Order
from ops.training.update import batch_loss
from tests.ops.training.runs import hashes, image_run, log, records, text_run, work, work_together

SPEC = ImageSpec(height=6, width=10, channels=3)
KINDS: tuple[Any, ...] = ("mixup", "cutmix")


def examples(count: int = 30) -> Examples:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, count * SPEC.size).astype("u1")
    offsets = np.arange(count) * SPEC.size
    return Examples((pixels,), np.zeros(count, np.int64), offsets, np.full(count, SPEC.size), rng.integers(0, 4, count))


def made(mixing: Mixing | None, total: int = 5, rank: int = 0, world: int = 1, size: int = 8) -> list[Batch]:
    data, task = examples(), ImageClassification(input="image", label="label")
    order = Order(data.length, size, 5)
    source = batches(data, order, task, SPEC, total, Loader(workers=2), rank, world, mixing, 5)
    try:
        return [source.get(step) for step in range(total)]
    finally:
        source.close()


@pytest.mark.parametrize("alpha", [0.2, 0.5, 1.0, 4.0, 60.0])
def test_shares_are_drawn_from_the_distribution(alpha: float) -> None:
    from scipy import stats

    draws = _uniforms("test", alpha)
    found = [beta(alpha, draws) for _ in range(4000)]
    assert stats.kstest(found, stats.beta(alpha, alpha).cdf).pvalue > 0.001


def test_what_is_drawn_depends_on_seed_and_step_alone() -> None:
    rows, settings = np.arange(100, 108), Mixing(kind="cutmix")

    def drawn(seed: int, step: int) -> tuple[Any, ...]:
        mix = draw_mix(settings, seed, step, rows, SPEC)
        assert mix is not None and sorted(mix.partners) == sorted(rows)
        return tuple(mix.partners), mix.share, mix.window

    assert drawn(1, 7) == drawn(1, 7)
    assert len({drawn(seed, step) for seed in (1, 2) for step in range(10)}) == 20


def test_the_probability_is_the_share_of_batches() -> None:
    rows = np.arange(4)
    drawn = [draw_mix(Mixing(kind="mixup", probability=0.3), 0, step, rows, SPEC) for step in range(2000)]
    assert 0.27 < np.mean([mix is not None for mix in drawn]) < 0.33
    assert draw_mix(Mixing(kind="mixup", probability=0.0), 0, 0, rows, SPEC) is None


def test_mixup_blends_pixels_and_labels() -> None:
    plain = made(None)
    for batch, before in zip(made(Mixing(kind="mixup")), plain, strict=True):
        assert batch.others is not None and batch.inputs[0].dtype == torch.float32
        images, order = before.inputs[0].numpy().astype(float), _partners(batch, before)
        wanted = batch.share * images + (1 - batch.share) * images[order]
        assert np.allclose(batch.inputs[0].numpy(), wanted, atol=1e-3)
        assert batch.labels.equal(before.labels) and batch.others.equal(before.labels[order])


def _partners(batch: Batch, before: Batch) -> list[int]:
    """Which image of the batch is each one's partner, found by trying all."""
    images = before.inputs[0].float()
    found = []
    for image, own in zip(batch.inputs[0].float(), images, strict=True):
        errors = [float((batch.share * own + (1 - batch.share) * other - image).abs().max()) for other in images]
        found.append(int(np.argmin(errors)))
    return found


def test_cutmix_pastes_a_window_and_counts_its_pixels() -> None:
    seen = set()
    for batch, before in zip(made(Mixing(kind="cutmix"), 40), made(None, 40), strict=True):
        assert batch.others is not None and batch.inputs[0].dtype == torch.uint8
        images, mixed = before.inputs[0].numpy(), batch.inputs[0].numpy()
        changed = (images != mixed).any(axis=(0, 3))  # where any image of the batch has become another
        rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
        if batch.share == 1:
            assert not changed.any()
            continue
        seen.add((len(rows), len(columns)))
        top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
        assert batch.share == pytest.approx(1 - (bottom - top) * (right - left) / 60)
        labelled = zip(images, before.labels.tolist(), strict=True)
        patches = {image[top:bottom, left:right].tobytes(): label for image, label in labelled}
        found = [patches[image[top:bottom, left:right].tobytes()] for image in mixed]
        assert found == batch.others.tolist()
    assert len(seen) > 8


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("world", [2, 3, 5])
def test_any_number_of_processes_have_the_same_mixed_batch(kind: Any, world: int) -> None:
    settings = Mixing(kind=kind, probability=0.8)
    parts = [made(settings, 8, rank, world, size=4) for rank in range(world)]
    for step, whole in enumerate(made(settings, 8, size=4)):
        for rank, part in enumerate(parts):
            batch = part[step]
            assert (batch.count, batch.share) == (whole.count, whole.share)
            assert (batch.others is None) == (whole.others is None)
            if rank < whole.count:
                assert batch.inputs[0].equal(whole.inputs[0][rank::world])
                if batch.others is not None and whole.others is not None:
                    assert batch.others.equal(whole.others[rank::world])
            else:
                assert batch.weights.tolist() == [0.0]


@pytest.mark.parametrize("kind", KINDS)
def test_a_killed_run_ends_with_the_same_bytes(kind: str, tmp_path: Path) -> None:
    settings = {"mixing": {"kind": kind, "alpha": 0.8, "probability": 0.7}}
    whole, killed = image_run(tmp_path / "whole", settings), image_run(tmp_path / "killed", settings)
    plain = image_run(tmp_path / "plain")
    assert work(whole) == 0 and work(plain) == 0
    assert work(killed, SATIETY_FAULT="kill@60") == -signal.SIGKILL
    assert work(killed) == 0 and "going on after step" in log(killed)
    assert hashes(killed) == hashes(whole)
    assert hashes(whole)["model.safetensors"] != hashes(plain)["model.safetensors"]


def test_two_processes_learn_what_one_learns(tmp_path: Path) -> None:
    settings = {"mixing": {"kind": "mixup"}, "label_smoothing": 0.1, "log_every": 1}
    one, two = image_run(tmp_path / "one", settings), image_run(tmp_path / "two", settings, world_size=2)
    assert work(one) == 0 and work_together(two) == [0, 0]
    losses = [[line["loss"] for line in records(run) if "loss" in line] for run in (one, two)]
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)


def test_the_loss_is_the_cross_entropy_with_mixed_targets() -> None:
    logits = torch.randn(8, 4, generator=torch.Generator().manual_seed(0))
    (batch,) = made(Mixing(kind="mixup"), 1)
    assert batch.others is not None
    task = ImageClassification(input="image", label="label")
    one, other = functional.one_hot(batch.labels, 4), functional.one_hot(batch.others, 4)
    targets = 0.9 * (batch.share * one + (1 - batch.share) * other) + 0.1 / 4
    wanted = functional.cross_entropy(logits, targets, reduction="sum")
    assert batch_loss(task, logits, batch, 0.1).allclose(wanted)


def test_texts_are_refused(tmp_path: Path) -> None:
    data, task = examples(), TextClassification(input="text", label="label")
    with pytest.raises(ConfigError, match="mixup mixes pixels, the model reads text"):
        batches(
            data, Order(data.length, 4, 0), task, TextSpec(vocabulary=9, max_length=9), 1, Loader(),
            mixing=Mixing(kind="mixup"),
        )  # fmt: skip
    run = text_run(tmp_path, {"mixing": {"kind": "cutmix"}})
    assert work(run) == 2
    assert json.loads(run.read_text())["training"]["mixing"] == {"kind": "cutmix"}
