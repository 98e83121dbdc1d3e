"""Rows of numbers and categories in, logits out."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from ops.nn.anatomy import Anatomy
from ops.nn.encoder_classifier import EncoderClassifier
from ops.nn.head import level_head
from ops.nn.spec import RowSpec


class RowClassifier(EncoderClassifier):
    """A vector for each number and each category, then as `EncoderClassifier`: what a place means is in its vector."""

    def __init__(self, spec: RowSpec, anatomy: Anatomy, *, classes: int, pooling: str) -> None:
        super().__init__(anatomy, classes=classes, pooling=pooling)
        dim = anatomy.dim
        self.numbers = nn.Sequential(Scale(spec), NumberVectors(spec.numbers, dim)) if spec.numbers else None
        self.categories = CategoryVectors(spec.categories, dim) if spec.categories else None

    def forward(self, numbers: Tensor, categories: Tensor) -> Tensor:
        """Logits (B, C) of numbers (B, N) float32 and numbers of categories (B, K) int64."""
        vectors = [] if self.numbers is None else [self.numbers(numbers)]
        vectors += [] if self.categories is None else [self.categories(categories)]
        return self.classify(torch.cat(vectors, dim=1))


class RowPerceptron(nn.Module):
    """Numbers and vectors of categories side by side, layers with a ReLU behind each, and a linear head from zero."""

    def __init__(
        self, spec: RowSpec, *, classes: int, layers: Sequence[int], category_dim: int, dropout: float
    ) -> None:
        super().__init__()
        self.scale = Scale(spec)
        self.categories = CategoryVectors(spec.categories, category_dim) if spec.categories else None
        widths = [spec.numbers + category_dim * len(spec.categories), *layers]
        parts = [
            nn.Sequential(nn.Linear(before, width), nn.ReLU(), nn.Dropout(dropout))
            for before, width in pairwise(widths)
        ]
        self.layers = nn.Sequential(*parts)
        self.head = level_head(widths[-1], classes)

    def hidden_matrices(self) -> set[str]:
        """Names of the weights between two layers, which Muon is for."""
        return {f"layers.{place}.0.weight" for place in range(1, len(self.layers))}

    def forward(self, numbers: Tensor, categories: Tensor) -> Tensor:
        """Logits (B, C) of numbers (B, N) float32 and numbers of categories (B, K) int64."""
        values = self.scale(numbers)
        if self.categories is not None:
            values = torch.cat((values, self.categories(categories).flatten(1)), dim=1)
        logits: Tensor = self.head(self.layers(values))
        return logits


class Scale(nn.Module):
    """Numbers brought to mean zero and deviation one by what the training rows say."""

    mean: Tensor
    std: Tensor

    def __init__(self, spec: RowSpec) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(spec.mean or 0.0), persistent=False)
        self.register_buffer("std", torch.tensor(spec.std or 1.0), persistent=False)

    def forward(self, numbers: Tensor) -> Tensor:
        """(B, N) to (B, N)."""
        return (numbers - self.mean) / self.std


class NumberVectors(nn.Module):
    """A trained direction and a trained start for each of N numbers: number j becomes x_j · w_j + b_j."""

    def __init__(self, numbers: int, dim: int) -> None:
        super().__init__()
        self.direction = nn.Parameter(torch.empty(numbers, dim))
        self.start = nn.Parameter(torch.empty(numbers, dim))
        bound = dim**-0.5
        nn.init.uniform_(self.direction, -bound, bound)
        nn.init.uniform_(self.start, -bound, bound)

    def forward(self, numbers: Tensor) -> Tensor:
        """(B, N) to (B, N, D)."""
        return numbers[:, :, None] * self.direction + self.start


class CategoryVectors(nn.Module):
    """A trained vector for each category of each of K columns, in one table one behind the other."""

    before: Tensor

    def __init__(self, sizes: Sequence[int], dim: int) -> None:
        super().__init__()
        self.table = nn.Embedding(sum(sizes), dim)
        bound = dim**-0.5
        nn.init.uniform_(self.table.weight, -bound, bound)
        before = [sum(sizes[:place]) for place in range(len(sizes))]
        self.register_buffer("before", torch.tensor(before, dtype=torch.int64), persistent=False)

    def forward(self, categories: Tensor) -> Tensor:
        """(B, K) to (B, K, D)."""
        vectors: Tensor = self.table(categories + self.before)
        return vectors
