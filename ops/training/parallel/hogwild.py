"""Hogwild (Niu et al., 2011): processes of one machine step the same weights in shared memory, without any lock."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from ops.training.config import TrainingConfig
from ops.training.distributed import Group
from ops.training.loader import Batch
from ops.training.parallel.base import Loss
from ops.training.parallel.server import Server, Unit
from ops.training.parallel.server_worker import Helper, Told
from ops.training.run import RunSpec
from ops.training.schedule import decay, rate

SHARED = "weights.shared"


class Hogwild(Server):
    """Rank 0, which hands out batches, judges and stores; the others step the weights, each whenever it is ready.

    Each step is plain SGD on a batch of its own, and may overwrite a part of another's. So two runs are not alike.
    While weights are judged or stored nobody steps; what was under way then is in the weights already, and is done
    again by a run that goes on from such a checkpoint.
    """

    def __init__(self, folder: Path, workers: int, total: int, device: torch.device) -> None:
        """Nobody is listened to before `prepare`; see `Server`."""
        super().__init__(folder, workers, total, None, device)
        self._norm, self._quiet = 0.0, False

    def prepare(self, model: nn.Module) -> None:
        """Move the weights to shared memory and begin to listen."""
        _share(model, self._folder / SHARED, fresh=True)
        super().prepare(model)

    def load(self, model: nn.Module, weights: Mapping[str, Tensor]) -> None:
        """Put weights into the model while nobody steps: a step under way would mix into them what they replace."""
        self.settle()
        super().load(model, weights)

    def backward(self, batch: Batch, loss: Loss, scale: float) -> Tensor:
        """Wait until somebody has made a step; there are no gradients here."""
        with self._changed:
            self._quiet = False
            self._changed.notify_all()
            self._wait_for(lambda: bool(self._ledger.arrived))
            unit = next(iter(self._ledger.arrived))
            _, value, count, self._norm = self._ledger.arrived.pop(unit)
            self._taken = unit[0]
        return torch.tensor(value / count * batch.count, dtype=torch.float64)

    def clip(self, model: nn.Module, longest: float | None, largest: float | None = None) -> float:
        """The length of the gradients of the step, which whoever made it has clipped."""
        return self._norm

    def settle(self, *tensors: object) -> None:
        """Wait until nobody steps; the next `backward` lets them go on."""
        with self._changed:
            self._quiet = True
            self._changed.wait_for(lambda: self._working == 0)

    def close(self) -> None:
        """Tell the workers that it is over, and give the memory back."""
        super().close()
        (self._folder / SHARED).unlink(missing_ok=True)

    def _next(self) -> Unit | None:
        return None if self._quiet else super()._next()

    def _publish(self, step: int) -> None:
        with self._changed:
            self._version = step or self._version
            self._changed.notify_all()


class Hog(Helper):
    """A worker that steps the shared weights by itself."""

    def __init__(self, run: RunSpec, group: Group) -> None:
        super().__init__(run, group)
        _share(self.model, run.folder / SHARED, fresh=False)

    def answer(self, unit: tuple[int, int, int], weights: dict[str, Tensor]) -> tuple[Told, dict[str, Tensor]]:
        """Step the weights by the gradient of the batch."""
        told = self.compute(unit)
        told["norm"] = _step(self.model, self.run.training, unit[0], self.total)
        return told, {}


@torch.no_grad()
def _step(model: nn.Module, config: TrainingConfig, step: int, total: int) -> float:
    """SGD; weights of two dimensions and more decay. Returns the gradients' length."""
    weights = [weight for weight in model.parameters() if weight.grad is not None]
    if config.clip_value is not None:
        nn.utils.clip_grad_value_(weights, config.clip_value)
    norm = float(nn.utils.clip_grad_norm_(weights, config.clip_norm or torch.inf))
    speed = config.learning_rate * rate(config, step, total)
    pull = config.weight_decay * decay(config, step, total)
    for weight in weights:
        gradient = weight.grad if weight.grad is not None else torch.zeros_like(weight)
        weight.sub_(speed * (gradient + pull * weight if weight.ndim >= 2 else gradient))
    return norm


def _share(model: nn.Module, place: Path, fresh: bool) -> None:
    """Let a model's weights lie in a file that all processes map.

    Args:
        model: its weights are of one type.
        place: the file.
        fresh: whether the file is made anew, with the weights that the model has.
    """
    weights = list(model.parameters())
    if fresh:
        place.unlink(missing_ok=True)
    size = sum(weight.numel() for weight in weights)
    flat = torch.from_file(str(place), shared=True, size=size, dtype=weights[0].dtype)
    for weight, piece in zip(weights, torch.split(flat, [each.numel() for each in weights]), strict=True):
        shared = piece.view_as(weight)
        if fresh:
            shared.copy_(weight.data)
        weight.data = shared
