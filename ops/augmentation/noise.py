"""Images with grain."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from ops.augmentation.base import ImageChange, Shape, Transform


class Noise(ImageChange):
    """Add Gaussian noise to every value, of a strength drawn evenly for each image."""

    kind: Literal["noise"] = "noise"
    """Images with noise."""
    deviation: Annotated[float, Field(gt=0.0, le=1.0)] = 0.05
    """Largest standard deviation of the noise, as a share of the range of values; the smallest is a tenth of it."""

    def weakened(self, strength: float) -> dict[str, Any]:
        """Less noise."""
        return {"deviation": self.deviation * strength}

    def transforms(self, shape: Shape) -> list[Transform]:
        """One addition of noise, drawn anew for each pixel and channel."""
        limit = (self.deviation / 10, self.deviation)
        return [Transform("GaussNoise", {"std_range": limit, "per_channel": True, "p": self.probability})]
