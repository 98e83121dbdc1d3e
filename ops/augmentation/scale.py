"""Images zoomed in or out."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from ops.augmentation.base import Border, ImageChange, Shape, Transform
from ops.augmentation.engine import BORDERS

Factor = Annotated[float, Field(gt=0.0, le=10.0)]


class Scale(ImageChange):
    """Zoom images about their middle; the size in pixels stays."""

    kind: Literal["scale"] = "scale"
    """Images zoomed."""
    low: Factor = 0.9
    """Smallest factor; below 1 the image shrinks."""
    high: Factor = 1.1
    """Largest factor."""
    border: Border = "reflect"
    """What fills the rim of a smaller image: black, the nearest pixel, or the image mirrored."""

    @model_validator(mode="after")
    def _bounds(self) -> Scale:
        if self.low > self.high:
            raise ValueError(f"low {self.low} is above high {self.high}")
        return self

    def weakened(self, strength: float) -> dict[str, Any]:
        """Factors nearer to 1, by their logarithms."""
        return {"low": self.low**strength, "high": self.high**strength}

    def transforms(self, shape: Shape) -> list[Transform]:
        """One affine transform with the same factor in both directions."""
        arguments = {
            "scale": (self.low, self.high),
            "keep_ratio": True,
            "border_mode": BORDERS[self.border],
            "p": self.probability,
        }
        return [Transform("Affine", arguments)]
