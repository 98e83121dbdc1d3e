"""Images with a part missing."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from ops.augmentation.base import ImageChange, Probability, Shape, Transform

Share = Annotated[float, Field(gt=0.0, lt=1.0)]


class Erasing(ImageChange):
    """Overwrite a random rectangle (random erasing, Zhong et al., 2017). Boxes stay, as things half hidden do."""

    kind: Literal["erasing"] = "erasing"
    """A rectangle of the image overwritten."""
    minimum: Share = 0.02
    """Smallest rectangle, as a share of the area."""
    maximum: Share = 0.2
    """Largest rectangle, as a share of the area."""
    fill: Annotated[int, Field(ge=0, le=255)] | Literal["noise"] = "noise"
    """What stands in the rectangle: a grey value, or noise."""
    probability: Probability = 0.5
    """Share of the copies that are changed by this step."""

    @model_validator(mode="after")
    def _bounds(self) -> Erasing:
        if self.minimum > self.maximum:
            raise ValueError(f"minimum {self.minimum} is above maximum {self.maximum}")
        return self

    def transforms(self, shape: Shape) -> list[Transform]:
        """One rectangle, of an aspect ratio from 0.3 to 3.3 as in the paper."""
        fill: Any = "random" if self.fill == "noise" else float(self.fill)
        arguments = {"scale": (self.minimum, self.maximum), "ratio": (0.3, 3.3), "fill": fill, "p": self.probability}
        return [Transform("Erasing", arguments)]
