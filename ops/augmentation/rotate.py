"""Images turned by a small angle."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from ops.augmentation.base import Border, ImageChange, Shape, Transform
from ops.augmentation.engine import BORDERS


class Rotate(ImageChange):
    """Turn images about their middle by an angle drawn evenly from both sides."""

    kind: Literal["rotate"] = "rotate"
    """Images turned."""
    degrees: Annotated[float, Field(gt=0.0, le=180.0)] = 15.0
    """Largest angle, to either side."""
    border: Border = "reflect"
    """What fills the corners: black, the nearest pixel, or the image mirrored."""

    def weakened(self, strength: float) -> dict[str, Any]:
        """Smaller angles."""
        return {"degrees": self.degrees * strength}

    def transforms(self, shape: Shape) -> list[Transform]:
        """One rotation."""
        limit = (-self.degrees, self.degrees)
        return [Transform("Rotate", {"limit": limit, "border_mode": BORDERS[self.border], "p": self.probability})]
