"""Gradients told in fewer bits, against NumPy: means in that type, and PowerSGD's algorithm over several steps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ops.training.distributed import Group
from ops.training.micro_batches import parts
from ops.training.parallel import compression
from ops.training.parallel.compression import RANK, PowerSgd, in_bits
from ops.training.parallel.ddp import Ddp
from tests.ops.training.parallel.apart import together
from tests.ops.training.parallel.test_local_sgd import batch, loss_of, network

SHAPES = ((20, 17), (3,), (16, 4, 6), (15, 40))
"""Two that are told as thin matrices, the second as one of 16 by 24, and two that are too small for it."""
STEPS = 4


class Bucket:
    """A part of the gradients as DDP hands it to a hook: one flat tensor, and views of it."""

    def __init__(self, gradients: list[np.ndarray[Any, Any]], number: int = 0) -> None:
        self._flat = torch.from_numpy(np.concatenate([each.reshape(-1) for each in gradients]))
        self._shapes, self._number = [each.shape for each in gradients], number

    def buffer(self) -> torch.Tensor:
        return self._flat

    def gradients(self) -> list[torch.Tensor]:
        pieces = torch.split(self._flat, [int(np.prod(shape)) for shape in self._shapes])
        return [piece.view(shape) for piece, shape in zip(pieces, self._shapes, strict=True)]

    def index(self) -> int:
        return self._number


def drawn(rank: int, step: int) -> list[np.ndarray[Any, Any]]:
    rng = np.random.default_rng([rank, step])
    return [rng.normal(size=shape) for shape in SHAPES]


def by_power(group: Group) -> list[list[Any]]:
    hook, told = PowerSgd(), []
    for step in range(STEPS):
        bucket = Bucket(drawn(group.rank, step))
        hook(bucket).wait()
        told.append([each.numpy().copy() for each in bucket.gradients()])
    return told


def test_power_sgd_is_its_algorithm_with_what_was_left_out_added_later(tmp_path: Path) -> None:
    """Each process adds its own remainder; the base of mean(M Q) and the mean of M^T P are everybody's."""
    generator = torch.Generator().manual_seed(0)
    thin_of = {  # by the place of the matrix
        place: torch.randn(columns, RANK, generator=generator, dtype=torch.float64).numpy()
        for place, columns in ((0, 17), (2, 24))
    }
    left_out = [[np.zeros(shape) for shape in SHAPES] for _ in range(2)]
    expected = []
    for step in range(STEPS):
        gradients, means = [drawn(rank, step) for rank in range(2)], []
        for place, shape in enumerate(SHAPES):
            if place not in thin_of:
                means.append((gradients[0][place] + gradients[1][place]) / 2)
                continue
            own = [(gradients[n][place] / 2 + left_out[n][place]).reshape(shape[0], -1) for n in range(2)]
            base, _ = np.linalg.qr(own[0] @ thin_of[place] + own[1] @ thin_of[place])
            thin = [each.T @ base for each in own]
            for n in range(2):
                left_out[n][place] = (own[n] - base @ thin[n].T).reshape(shape)
            thin_of[place] = thin[0] + thin[1]
            means.append((base @ thin_of[place].T).reshape(shape))
        expected.append(means)
    for told in together(tmp_path, 2, by_power):
        for mine, theirs in zip(told, expected, strict=True):
            for left, right in zip(mine, theirs, strict=True):
                np.testing.assert_allclose(left, right, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_in_16_bits_each_process_rounds_and_so_does_the_sum(tmp_path: Path, dtype: torch.dtype) -> None:
    def told(group: Group) -> Any:
        bucket = Bucket([each.astype(np.float32) for each in drawn(group.rank, 0)])
        in_bits(dtype)(bucket).wait()
        return bucket.buffer().numpy()

    halves = [Bucket([each.astype(np.float32) for each in drawn(rank, 0)]).buffer() / 2 for rank in range(2)]
    expected = (halves[0].to(dtype) + halves[1].to(dtype)).float().numpy()
    for mine in together(tmp_path, 2, told):
        np.testing.assert_array_equal(mine, expected)


@pytest.mark.slow
def test_of_parts_that_add_up_only_the_last_tells_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[int] = []
    whole = compression.in_bits

    def counting(dtype: torch.dtype) -> Any:
        hook = whole(dtype)

        def counted(bucket: Any) -> Any:
            told.append(bucket.index())
            return hook(bucket)

        return counted

    monkeypatch.setattr(compression, "in_bits", counting)

    def told_in(group: Group) -> int:
        model, strategy = network(), Ddp(group, "bf16")
        strategy.prepare(model)
        pieces = parts(batch(0).rows(slice(group.rank, None, 2)), 2, 1)
        assert len(pieces) == 3
        for number, piece in enumerate(pieces, 1):
            with strategy.accumulating(last=number == len(pieces)):
                strategy.backward(piece, loss_of, 0.2)
        return len(told)

    assert together(tmp_path, 2, told_in) == [1, 1]
