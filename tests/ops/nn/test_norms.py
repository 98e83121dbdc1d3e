"""The norms written out, against torch's: values, gradients, running statistics."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import gradcheck

from ops.nn.norms import BatchNorm, LayerNorm, RMSNorm, UnitRms, make_norm, normalise, unit_rms

SHAPES = [(6, 5), (6, 5, 4), (3, 5, 4, 2)]


def both(ours: nn.Module, theirs: nn.Module, x: Tensor) -> None:
    """The same values, and the same gradients of everything, for a loss that weighs every value differently."""
    torch.manual_seed(1)
    for weight in theirs.parameters():
        weight.data.normal_()
    ours.load_state_dict(theirs.state_dict())
    weights, gradients = torch.randn_like(x), []
    for norm in (ours, theirs):
        given = x.clone().requires_grad_()
        out = norm(given)
        torch.autograd.backward((out * weights).sum())
        gradients.append([out, given.grad, *(weight.grad for weight in norm.parameters())])
    for mine, other in zip(*gradients, strict=True):
        assert mine is not None and other is not None
        assert torch.allclose(mine, other, atol=1e-10)


def example(*shape: int) -> Tensor:
    return 3.0 + 2.0 * torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("bias", [True, False])
def test_layer_norm_is_torchs(shape: tuple[int, ...], bias: bool) -> None:
    dim = shape[-1]
    both(LayerNorm(dim, bias).double(), nn.LayerNorm(dim, bias=bias).double(), example(*shape))


@pytest.mark.parametrize("shape", SHAPES)
def test_rms_norm_is_torchs(shape: tuple[int, ...]) -> None:
    both(RMSNorm(shape[-1]).double(), nn.RMSNorm(shape[-1]).double(), example(*shape))


@pytest.mark.parametrize(
    ("shape", "kind"), [((6, 5), nn.BatchNorm1d), ((6, 5, 4), nn.BatchNorm1d), ((3, 5, 4, 2), nn.BatchNorm2d)]
)
@pytest.mark.parametrize("momentum", [0.1, 0.4])
def test_batch_norm_is_torchs_in_training_and_after(
    shape: tuple[int, ...], kind: type[nn.BatchNorm1d | nn.BatchNorm2d], momentum: float
) -> None:
    ours, theirs = BatchNorm(5, momentum).double(), kind(5, momentum=momentum).double()
    both(ours, theirs, example(*shape))
    for turn in range(3):
        batch = example(*shape) * (turn + 1)
        ours(batch), theirs(batch)
    for name, value in theirs.state_dict().items():
        assert torch.allclose(ours.state_dict()[name], value, atol=1e-12), name
    assert ours.num_batches_tracked == 4
    both(ours.eval(), theirs.eval(), example(*shape))


def test_batch_norm_does_not_depend_on_other_channels_and_does_on_other_examples() -> None:
    norm, x = BatchNorm(5).double(), example(4, 5)
    channel, row = x.clone(), x.clone()
    channel[:, 1:] += torch.randn(4, 4)
    row[1:] += torch.randn(3, 5)
    assert torch.equal(norm(channel)[:, 0], norm(x)[:, 0])
    assert not torch.allclose(norm(row)[0], norm(x)[0], atol=1e-3)


def test_batch_norm_refuses_a_single_value() -> None:
    with pytest.raises(ValueError, match="two values"):
        BatchNorm(5)(torch.ones(1, 5))
    assert torch.equal(BatchNorm(5).eval()(torch.zeros(1, 5)), torch.zeros(1, 5))


@pytest.mark.parametrize("centred", [True, False])
@pytest.mark.parametrize("over", [(-1,), (0,), (0, 2)])
def test_gradients_are_those_of_finite_differences(over: tuple[int, ...], centred: bool) -> None:
    x = example(3, 4, 2).requires_grad_()
    assert gradcheck(lambda value: normalise(value, over, centred), (x,))


def test_what_models_use_is_what_is_written_out() -> None:
    x = torch.randn(3, 7, 8)
    for kind, written in (("layer_norm", LayerNorm(8)), ("rms_norm", RMSNorm(8))):
        used = make_norm(kind, 8)
        assert torch.allclose(used(x), written(x), atol=1e-6)
        assert set(used.state_dict()) == set(written.state_dict())
    assert list(make_norm("layer_norm", 8, bias=False).state_dict()) == ["weight"]
    assert torch.allclose(unit_rms(x).square().mean(dim=-1), torch.ones(3, 7), atol=1e-5)


def test_the_kernel_for_cpus_is_the_formula_and_has_its_gradient() -> None:
    x = example(3, 4, 6).requires_grad_()
    assert gradcheck(lambda value: UnitRms.apply(value, 1e-5), (x,))  # type: ignore[no-untyped-call]
    for given in (x, x.transpose(0, 1), x[:, ::2]):
        assert torch.allclose(unit_rms(given), unit_rms(given.detach()), atol=1e-12)
        assert torch.allclose(unit_rms(given), normalise(given, (-1,), False, torch.finfo(x.dtype).eps), atol=1e-12)


def test_a_position_of_zeros_stays_zeros_with_a_finite_gradient() -> None:
    """As torch's own has it: padding may be zeros."""
    found = []
    for function in (unit_rms, lambda given: nn.functional.rms_norm(given, (4,), eps=torch.finfo(given.dtype).eps)):
        x = example(2, 3, 4)
        x[1] = 0.0
        said = function(x.requires_grad_())
        torch.autograd.backward(said.sum())
        assert x.grad is not None and bool(x.grad.isfinite().all()) and bool((said[1] == 0).all())
        found.append(x.grad)
    ours, expected = found
    assert torch.allclose(ours, expected, rtol=1e-10)
