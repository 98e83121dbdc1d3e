"""The type in which a model computes, and scaling the loss where small gradients would vanish.

Mixed precision as in Micikevicius et al. (2018): matrix products in 16 bits, weights and sums in 32.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ops.errors import ConfigError

WEIGHTS = {
    "float32": torch.float32,
    "bfloat16": torch.float32,
    "float16": torch.float32,
    "float64": torch.float64,
}
"""Type of the weights by precision: in mixed precision they and the optimisers' state stay in 32 bits."""

PRODUCTS = WEIGHTS | {"bfloat16": torch.bfloat16, "float16": torch.float16}
"""Type of the factors of matrix products by precision."""

FIRST_SCALE = 2.0**16
LARGEST_SCALE = 2.0**24
PATIENCE = 2000
"""Steps without an overflow after which the scale is doubled."""


def place(model: nn.Module, device: torch.device, precision: str) -> nn.Module:
    """The model with its weights on the device, of the type that the precision asks for.

    Raises:
        ConfigError: the device has no numbers of such a type.
    """
    if precision == "float64" and device.type == "mps":
        raise ConfigError("Apple's GPUs have no float64", where="training.precision", hint="say accelerator: cpu")
    return model.to(device, WEIGHTS[precision])


def lower(model: nn.Module, device: torch.device, precision: str) -> None:
    """Let a model compute its matrix products in 16 bits; what it returns is of 32 bits again.

    Training, evaluation and all strategies call the model itself, so this is where they have it in common.
    """
    if precision not in ("bfloat16", "float16"):
        return
    forward, dtype = model.forward, PRODUCTS[precision]

    def lowered(*inputs: Tensor) -> Tensor:
        with torch.autocast(device.type, dtype):
            said: Tensor = forward(*inputs)
        return said.float()

    model.forward = lowered


class LossScale:
    """What the loss is multiplied by, so that gradients of 16-bit floats neither vanish nor overflow.

    It is halved at each overflow, whose update is left out, and doubled after many steps without one. Only `float16`
    needs it; else it is 1.

    Attributes:
        value: the scale.
    """

    def __init__(self, precision: str) -> None:
        self._scales = precision == "float16"
        self.value = FIRST_SCALE if self._scales else 1.0
        self._good = 0

    def take_back(self, model: nn.Module) -> None:
        """Divide the gradients by the scale."""
        if self.value == 1.0:
            return
        for weight in model.parameters():
            if weight.grad is not None:
                weight.grad.mul_(1.0 / self.value)

    @property
    def can_fall(self) -> bool:
        """Whether gradients that are not finite may be an overflow that a lower scale avoids."""
        return self._scales and self.value > 1.0

    def note(self, overflow: bool) -> None:
        """Change the scale after a step."""
        if not self._scales:
            return
        self._good = 0 if overflow else self._good + 1
        if overflow:
            self.value = max(1.0, self.value / 2)
        elif self._good >= PATIENCE:
            self.value, self._good = min(LARGEST_SCALE, self.value * 2), 0

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds."""
        return {"value": self.value, "good": self._good}

    def restore(self, state: dict[str, Any]) -> None:
        """Put back what a checkpoint holds."""
        self.value, self._good = state["value"], state["good"]
