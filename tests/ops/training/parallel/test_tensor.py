"""What tensor parallelism refuses, and the order of rows of a joint projection."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from torch.distributed.device_mesh import DeviceMesh

from ops.errors import ConfigError
from ops.nn.anatomy import Anatomy
from ops.nn.attention import Attention
from ops.nn.encoder import Encoder
from ops.training.parallel.tensor import _by_heads, divide
from tests.ops.training.parallel.test_strategies import TEXT
from tests.ops.training.runs import text_run, work_together


def anatomy(**settings: Any) -> Anatomy:
    return Anatomy(**{"dim": 12, "depth": 1, "heads": 6, "inner": 8, **settings})


def test_rows_of_a_joint_projection_lie_by_heads() -> None:
    """Each half of the reordered projection makes the queries, keys and values of half of the heads."""
    attention = Attention(anatomy(kv_heads=2))
    order = _by_heads(attention, 2)
    assert sorted(order.tolist()) == list(range(12 + 2 * 4))
    x = torch.randn(2, 3, 12)
    whole = attention.project_in(x).split([12, 4, 4], dim=-1)
    halves = attention.project_in(x)[..., order].chunk(2, dim=-1)
    for half, expected in zip(halves, zip(*(part.chunk(2, dim=-1) for part in whole), strict=True), strict=True):
        assert torch.equal(half, torch.cat(expected, dim=-1))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ({"heads": 1}, "a number of heads (1) that 2 processes cannot divide"),
        ({"kv_heads": 1}, "a number of heads of keys and values (1)"),
        ({"inner": 1}, "a number inside the feed-forward layers (1)"),
    ],
)
def test_models_that_cannot_be_divided(model: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        divide(Encoder(anatomy(**model)), cast(DeviceMesh, SimpleNamespace(size=lambda: 2)))


def test_a_model_without_matrices_to_divide() -> None:
    with pytest.raises(ConfigError, match="neither attention nor feed-forward"):
        divide(torch.nn.Linear(4, 4), cast(DeviceMesh, SimpleNamespace(size=lambda: 2)))


def test_a_worker_refuses_before_it_trains(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run = text_run(tmp_path, {"strategy": "tensor"}, model={**TEXT, "heads": 1}, world_size=2)
    assert work_together(run) == [2, 2]
    assert "a number of heads (1)" in capfd.readouterr().err
