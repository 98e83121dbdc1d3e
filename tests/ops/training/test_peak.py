from __future__ import annotations

import pytest
import torch

from ops.nn.models.transformer_encoder import TransformerEncoder
from ops.nn.models.vision_transformer import VisionTransformer
from ops.nn.spec import ImageSpec, TextSpec
from ops.tasks.image_classification import ImageClassification
from ops.tasks.text_classification import TextClassification
from ops.training.peak import counted_flops, peak_flops


def test_a_machine_does_more_than_a_loop_of_python_and_less_than_all_of_them() -> None:
    assert 1e8 < peak_flops(torch.device("cpu"), torch.float32) < 1e14


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("NVIDIA H100 80GB HBM3", 989.4e12),
        ("NVIDIA H100 PCIe", 756e12),
        ("NVIDIA GH200 480GB", 989.4e12),
        ("NVIDIA A100-SXM4-40GB", 312e12),
        ("NVIDIA L4", 121e12),
    ],
)
def test_what_a_data_sheet_says_is_found_by_the_name(
    monkeypatch: pytest.MonkeyPatch, name: str, expected: float
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: name)
    assert {peak_flops(torch.device("cuda"), dtype) for dtype in (torch.bfloat16, torch.float16)} == {expected}


def test_an_unknown_gpu_and_other_types_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """No card's name fits, so products are computed: what this machine, without such a card, cannot do."""
    measured: list[torch.dtype] = []

    def ones(size: tuple[int, int], *, device: torch.device, dtype: torch.dtype) -> torch.Tensor:
        measured.append(dtype)
        return torch.zeros((8, 8), dtype=dtype)

    monkeypatch.setattr(torch, "ones", ones)
    for name, dtype in (("NVIDIA L40", torch.bfloat16), ("NVIDIA H100 80GB HBM3", torch.float32)):
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda device, name=name: name)
        peak_flops(torch.device("cuda"), dtype)
    assert measured == [torch.bfloat16, torch.float32]


def test_torch_counts_a_training_step_as_three_forward_passes() -> None:
    kind, spec = TransformerEncoder(dim=32, depth=2, heads=4, dropout=0.1), TextSpec(vocabulary=50, max_length=24)
    task = TextClassification(input="text", label="label")
    tokens = torch.zeros((5, 24), dtype=torch.int64)
    inputs, labels = (tokens, torch.full((5,), 20)), torch.zeros(5, dtype=torch.int64)
    found = counted_flops(kind, spec, 7, task, inputs, labels)
    assert found is not None
    assert abs(found / (3 * 5 * kind.flops(spec, 7, 24)) - 1) < 0.02


def test_the_gradient_of_the_pixels_is_what_torch_does_not_count() -> None:
    kind, spec = VisionTransformer(patch=2, dim=64, depth=4, heads=4), ImageSpec(height=16, width=16, channels=1)
    task = ImageClassification(input="image", label="label")
    pixels, labels = torch.zeros((3, 16, 16, 1)), torch.zeros(3, dtype=torch.int64)
    found = counted_flops(kind, spec, 10, task, (pixels,), labels)
    assert found is not None
    assert abs((found + 3 * 2 * 64 * 4 * 64) / (3 * 3 * kind.flops(spec, 10)) - 1) < 0.001
