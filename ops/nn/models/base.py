"""What a model of a recipe is: a value that can build itself, and say what it costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from ops.config import Config
from ops.errors import ConfigError
from ops.nn.spec import Spec

if TYPE_CHECKING:
    from torch import nn


class Model(Config):
    """Base of all kinds of models. A subclass adds `kind: Literal[...]`, its settings and the methods below.

    `modality` names what it reads, as the `form` of a task: text, image, sound, row, series, or stream (of tokens). The
    module that `build` returns takes the tensors that the task's `collate` makes and returns logits of shape (B, C).
    Nothing in it knows of parallelism.
    """

    modality: ClassVar[str]
    counted: ClassVar[bool] = True
    """Whether torch's counter of operations knows all that the model does."""
    batch_norms: ClassVar[bool] = False
    """Whether it has batch norms: what it says of an example in training then depends on the others of the batch."""

    if TYPE_CHECKING:
        kind: Any

    def check(self, spec: Spec) -> None:
        """Whether the model can read such input.

        Raises:
            ConfigError: it cannot; the message says which setting to change.
        """
        reads = "text" if self.modality == "stream" else self.modality
        if spec.kind != reads:
            raise ConfigError(f"{self.kind} reads {reads}, not {spec.kind}", where="model")

    def build(self, spec: Spec, classes: int) -> nn.Module:
        """The network with fresh weights from torch's global random state."""
        raise TypeError(f"{type(self).__name__} has no build")

    def flops(self, spec: Spec, classes: int, length: int | None = None) -> int:
        """Floating-point operations of the matrix products of one example's forward pass (2mnk for each product).

        Args:
            spec: what the model reads.
            classes: number of logits, or of other outputs.
            length: tokens of the text, padding included; the longest by default.
        """
        raise TypeError(f"{type(self).__name__} has no flops")

    def parameters(self, spec: Spec, classes: int) -> int:
        """Number of trained values."""
        import torch

        with torch.device("meta"):
            return sum(parameter.numel() for parameter in self.build(spec, classes).parameters())
