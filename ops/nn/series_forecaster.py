"""The last steps of a series in, the next ones out."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ops.nn.anatomy import Anatomy
from ops.nn.encoder import Encoder
from ops.nn.head import level_head
from ops.nn.positions import make_positions
from ops.nn.spec import SeriesSpec


class SeriesForecaster(nn.Module):
    """Patches of steps, positions, encoder, and a linear head over all of them that starts at zero.

    Features are brought to mean zero and deviation one by what the training rows say, and outputs back to the label's
    unit, so that the untrained model says the mean.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        spec: SeriesSpec,
        anatomy: Anatomy,
        *,
        outputs: int,
        patch: int,
    ) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(spec.mean or 0.0), persistent=False)
        self.register_buffer("std", torch.tensor(spec.std or 1.0).clamp(min=1e-6), persistent=False)
        self.target_mean, self.target_std, self.patch = spec.target_mean, max(spec.target_std, 1e-6), patch
        patches, dim = spec.history // patch, anatomy.dim
        self.project = nn.Linear(patch * spec.features, dim)
        self.positions = make_positions(anatomy.positions, anatomy.length, dim)
        self.dropout = nn.Dropout(anatomy.dropout)
        self.encoder = Encoder(anatomy)
        self.head = level_head(patches * dim, outputs)

    def forward(self, steps: Tensor) -> Tensor:
        """(B, history, F) to (B, H), in the label's unit."""
        scaled = (steps - self.mean) / self.std
        patches = scaled.reshape(len(steps), -1, self.patch * steps.shape[2])
        x = self.encoder(self.dropout(self.positions(self.project(patches))))
        forecast: Tensor = self.target_mean + self.target_std * self.head(self.dropout(x.flatten(1)))
        return forecast
