"""Mirrored images."""

from __future__ import annotations

from typing import Literal

from ops.augmentation.base import ImageChange, Probability, Shape, Transform


class Flip(ImageChange):
    """Mirror images; not for images whose meaning has a left and a right, such as digits and letters."""

    kind: Literal["flip"] = "flip"
    """Images mirrored."""
    direction: Literal["horizontal", "vertical", "both"] = "horizontal"
    """Left with right, top with bottom, or each of the two drawn for itself."""
    probability: Probability = 0.5
    """Share of the copies that are mirrored."""

    def transforms(self, shape: Shape) -> list[Transform]:
        """One transform for each direction."""
        names = {"horizontal": ["HorizontalFlip"], "vertical": ["VerticalFlip"]}
        chosen = names.get(self.direction, ["HorizontalFlip", "VerticalFlip"])
        return [Transform(name, {"p": self.probability}) for name in chosen]
