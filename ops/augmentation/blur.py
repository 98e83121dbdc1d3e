"""Images out of focus."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from ops.augmentation.base import ImageChange, Shape, Transform


class Blur(ImageChange):
    """Blur images by a Gaussian whose width is drawn evenly."""

    kind: Literal["blur"] = "blur"
    """Images blurred."""
    sigma: Annotated[float, Field(gt=0.0, le=20.0)] = 1.0
    """Largest standard deviation of the Gaussian, in pixels; the smallest is a tenth of it."""

    def weakened(self, strength: float) -> dict[str, Any]:
        """A narrower Gaussian."""
        return {"sigma": self.sigma * strength}

    def transforms(self, shape: Shape) -> list[Transform]:
        """One Gaussian blur; the kernel is as wide as the deviation asks for."""
        limit = (self.sigma / 10, self.sigma)
        return [Transform("GaussianBlur", {"sigma_limit": limit, "blur_limit": 0, "p": self.probability})]
