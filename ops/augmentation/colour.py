"""Images in another light."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from ops.augmentation.base import ImageChange, Shape, Transform

Strength = Annotated[float, Field(ge=0.0, le=1.0)]


class Colour(ImageChange):
    """Change brightness, contrast, saturation and hue, in an order drawn each time; grey images have the first two."""

    kind: Literal["colour"] = "colour"
    """Brightness, contrast, saturation and hue changed."""
    brightness: Strength = 0.2
    """Largest change of brightness, as a share."""
    contrast: Strength = 0.2
    """Largest change of contrast, as a share."""
    saturation: Strength = 0.2
    """Largest change of saturation, as a share."""
    hue: Annotated[float, Field(ge=0.0, le=0.5)] = 0.05
    """Largest turn of the colour wheel, as a share of the full turn."""

    def weakened(self, strength: float) -> dict[str, Any]:
        """Smaller changes of each sort."""
        return {name: getattr(self, name) * strength for name in ("brightness", "contrast", "saturation", "hue")}

    def transforms(self, shape: Shape) -> list[Transform]:
        """One colour jitter."""
        arguments = {
            "brightness": (1.0 - self.brightness, 1.0 + self.brightness),
            "contrast": (1.0 - self.contrast, 1.0 + self.contrast),
            "saturation": (1.0 - self.saturation, 1.0 + self.saturation),
            "hue": (-self.hue, self.hue),
            "p": self.probability,
        }
        return [Transform("ColorJitter", arguments)]
