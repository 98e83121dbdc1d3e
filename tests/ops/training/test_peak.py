from __future__ import annotations

import torch

from ops.nn.models.transformer_encoder import TransformerEncoder
from ops.nn.models.vision_transformer import VisionTransformer
from ops.nn.spec import ImageSpec, TextSpec
from ops.tasks.image_classification import ImageClassification
from ops.tasks.text_classification import TextClassification
from ops.training.peak import counted_flops, peak_flops


def test_a_machine_does_more_than_a_loop_of_python_and_less_than_all_of_them() -> None:
    assert 1e8 < peak_flops(torch.device("cpu"), torch.float32) < 1e14


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
