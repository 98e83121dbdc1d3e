from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from ops.nn.models.text_cnn import TextCnn
from ops.nn.spec import TextSpec
from ops.nn.text_cnn import Windows
from tests.ops.nn.learning import learned, phrases

TEXT = TextSpec(vocabulary=20, max_length=12)


def naive(windows: Windows, text: torch.Tensor, length: int) -> list[float]:
    """The largest value of each filter over one text (T, D), window by window."""
    found = []
    for module in windows.convolutions:
        layer: Any = module
        dim, width = layer.window
        inside = functional.pad(text[:length], (0, 0, width - 1, width - 1))
        for row, bias in zip(layer.weight, layer.bias, strict=True):
            kernel = row.view(dim, width).T
            values = [(inside[s : s + width] * kernel).sum() + bias for s in range(length + width - 1)]
            found.append(max(0.0, float(max(values).detach())))
    return found


def test_it_is_the_largest_over_all_windows() -> None:
    torch.manual_seed(0)
    windows = Windows(4, (1, 2, 5), 3)
    for module in windows.convolutions:
        nn.init.uniform_(module.bias, -0.2, 1.0)  # type: ignore[arg-type]
    x, lengths = torch.randn(4, 6, 4), torch.tensor([6, 3, 1, 2])
    found = windows(x, lengths)
    for row, length in enumerate(lengths.tolist()):
        assert found[row].tolist() == pytest.approx(naive(windows, x[row], length), abs=1e-5)


def test_without_padding_it_is_torchs_convolution_and_pooling() -> None:
    torch.manual_seed(0)
    windows, x = Windows(4, (3,), 5), torch.randn(2, 6, 4)
    layer: Any = windows.convolutions[0]
    values = functional.conv1d(x.transpose(1, 2), layer.weight.view(5, 4, 3), layer.bias, padding=2)
    assert torch.allclose(windows(x, torch.tensor([6, 6])), values.relu().amax(dim=2), atol=1e-6)


def test_it_learns_phrases_that_no_bag_of_words_tells_apart() -> None:
    torch.manual_seed(0)
    model = TextCnn(dim=8, filters=8, widths=(2, 3), dropout=0.1)
    assert learned(model.build(TEXT, 2), phrases, 60) > 0.97
    # One word at a time both classes look the same.
    single = TextCnn(dim=8, filters=8, widths=(1,), dropout=0.1)
    assert learned(single.build(TEXT, 2), phrases, 60) < 0.65
