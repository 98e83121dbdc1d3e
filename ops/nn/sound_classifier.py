"""Spectrograms in, logits out."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from ops.nn.anatomy import Anatomy
from ops.nn.encoder_classifier import EncoderClassifier
from ops.nn.spec import SoundSpec


class SoundClassifier(EncoderClassifier):
    """Frames, convolved over time, in patches, then as `EncoderClassifier`.

    Mel channels are brought to mean zero and deviation one by what the training sounds say. Where patches do not fill
    the frames, the last one is filled up with the mean.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, spec: SoundSpec, anatomy: Anatomy, *, classes: int, patch: int, stem: int, pooling: str) -> None:
        super().__init__(anatomy, classes=classes, pooling=pooling)
        self.register_buffer("mean", torch.tensor(spec.mean or 0.5) * 255, persistent=False)
        self.register_buffer("std", torch.tensor(spec.std or 0.5).clamp(min=1e-3) * 255, persistent=False)
        self.patch = patch
        self.stem = nn.Sequential(nn.Conv1d(spec.mels, stem, 3, padding=1), nn.GELU()) if stem else nn.Identity()
        self.project = nn.Linear((stem or spec.mels) * patch, anatomy.dim)

    def forward(self, sounds: Tensor) -> Tensor:
        """Logits (B, C) of spectrograms (B, frames, mels) uint8."""
        scaled = ((sounds - self.mean) / self.std).transpose(1, 2)
        filled = self.stem(functional.pad(scaled, (0, -sounds.shape[1] % self.patch)))
        patches = filled.transpose(1, 2).reshape(len(sounds), -1, self.project.in_features)
        return self.classify(self.project(patches))
