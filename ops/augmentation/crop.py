"""A part of each image, brought back to the full size."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from ops.augmentation.base import ImageChange, Shape, Transform


class Crop(ImageChange):
    """Cut out a random part and resize it to the full size (Szegedy et al., 2015)."""

    kind: Literal["crop"] = "crop"
    """A random part of the image."""
    minimum: Annotated[float, Field(gt=0.0, le=1.0)] = 0.8
    """Smallest part, as a share of the area."""
    aspect: Annotated[float, Field(ge=1.0, le=4.0)] = 1.1
    """Largest factor by which the aspect ratio changes, to either side; 1 keeps it."""

    def weakened(self, strength: float) -> dict[str, Any]:
        """Larger parts, less distorted."""
        return {"minimum": 1.0 - (1.0 - self.minimum) * strength, "aspect": self.aspect**strength}

    def transforms(self, shape: Shape) -> list[Transform]:
        """One crop, resized to the images' shape."""
        height, width, _ = shape
        ratio = width / height
        arguments = {
            "size": (height, width),
            "scale": (self.minimum, 1.0),
            "ratio": (ratio / self.aspect, ratio * self.aspect),
            "p": self.probability,
        }
        return [Transform("RandomResizedCrop", arguments)]
