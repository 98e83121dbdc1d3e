"""A Transformer that forecasts a series from its last steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from ops.errors import ConfigError
from ops.nn.models.base import Model, check_attention
from ops.nn.spec import SeriesSpec, Spec

if TYPE_CHECKING:
    from torch import nn


class SeriesTransformer(Model):
    """A Transformer encoder over patches of steps with all features, and one linear head (after Nie et al., 2023)."""

    modality: ClassVar[str] = "table"

    kind: Literal["series_transformer"] = "series_transformer"
    """A Transformer for series of numbers."""
    patch: Annotated[int, Field(ge=1, le=8192)] = 6
    """Steps of a patch; divides the task's `history`."""
    dim: Annotated[int, Field(ge=4, le=4096)] = 64
    """Width: length of the vector of each patch."""
    depth: Annotated[int, Field(ge=1, le=96)] = 2
    """Number of blocks."""
    heads: Annotated[int, Field(ge=1, le=128)] = 4
    """Number of attention heads; divides `dim`."""
    feed_forward: Annotated[int, Field(ge=1, le=32_768)] | None = None
    """Width inside the feed-forward layers; twice `dim` by default."""
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.1
    """Share of values that are zeroed in training, before and in each block and before the head."""
    positions: Literal["learned", "sinusoidal"] = "learned"
    """How the model knows when a patch was: a trained table, or sines and cosines."""

    @model_validator(mode="after")
    def _heads_divide_dim(self) -> SeriesTransformer:
        check_attention(self.dim, self.heads, self.positions)
        return self

    @property
    def inner(self) -> int:
        """Width inside the feed-forward layers."""
        return self.feed_forward or 2 * self.dim

    def check(self, spec: Spec) -> None:
        """Whether patches fill such stretches.

        Raises:
            ConfigError: they do not, or the input is no series.
        """
        self._series(spec)

    def build(self, spec: Spec, classes: int) -> nn.Module:
        """The network: steps (B, history, F) float32 to forecasts (B, H)."""
        from ops.nn.series_forecaster import SeriesForecaster

        return SeriesForecaster(
            self._series(spec),
            outputs=classes,
            patch=self.patch,
            dim=self.dim,
            depth=self.depth,
            heads=self.heads,
            inner=self.inner,
            dropout=self.dropout,
            positions=self.positions,
        )

    def flops(self, spec: Spec, classes: int, length: int | None = None) -> int:
        """Operations of one example's forward pass; see `Model.flops`."""
        from ops.nn.flops import encoder_flops

        series = self._series(spec)
        patches = series.history // self.patch
        embedding = 2 * series.size * self.dim
        head = 2 * patches * self.dim * classes
        return embedding + encoder_flops(patches, self.dim, self.depth, self.inner) + head

    def _series(self, spec: Spec) -> SeriesSpec:
        super().check(spec)
        if not isinstance(spec, SeriesSpec):
            raise ConfigError(f"{self.kind} reads series", where="model")
        if spec.history % self.patch:
            raise ConfigError(
                f"patch: {self.patch} does not divide history: {spec.history}", where="model", hint="change one of them"
            )
        return spec
