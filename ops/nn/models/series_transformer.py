"""A Transformer that forecasts a series from its last steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from ops.errors import ConfigError
from ops.nn.models.transformer import Transformer
from ops.nn.spec import SeriesSpec, Spec

if TYPE_CHECKING:
    from torch import nn


class SeriesTransformer(Transformer):
    """A Transformer encoder over patches of steps with all features, and one linear head (after Nie et al., 2023)."""

    modality: ClassVar[str] = "series"
    inner_ratio: ClassVar[int] = 2

    kind: Literal["series_transformer"] = "series_transformer"
    """A Transformer for series of numbers."""
    patch: Annotated[int, Field(ge=1, le=8192)] = 6
    """Steps of a patch; divides the task's `history`."""
    dim: Annotated[int, Field(ge=4, le=4096)] = 64

    def check(self, spec: Spec) -> None:
        """Whether patches fill such stretches.

        Raises:
            ConfigError: they do not, or the input is no series.
        """
        self._series(spec)

    def build(self, spec: Spec, classes: int) -> nn.Module:
        """The network: steps (B, history, F) float32 to forecasts (B, H)."""
        from ops.nn.series_forecaster import SeriesForecaster

        series = self._series(spec)
        return SeriesForecaster(
            series,
            self.anatomy(series.history // self.patch),
            outputs=classes,
            patch=self.patch,
        )

    def flops(self, spec: Spec, classes: int, length: int | None = None) -> int:
        """Operations of one example's forward pass; see `Model.flops`."""
        from ops.nn.flops import stack_flops

        series = self._series(spec)
        patches = series.history // self.patch
        embedding = 2 * series.size * self.dim
        head = 2 * patches * self.dim * classes
        return embedding + stack_flops(patches, self.anatomy(patches)) + head

    def _series(self, spec: Spec) -> SeriesSpec:
        super().check(spec)
        if not isinstance(spec, SeriesSpec):
            raise ConfigError(f"{self.kind} reads series", where="model")
        if spec.history % self.patch:
            raise ConfigError(
                f"patch: {self.patch} does not divide history: {spec.history}", where="model", hint="change one of them"
            )
        return spec
