"""What a kind of change is: a value that alters rows, each by its own seed.

Training processes make changes on the fly by the same kinds, so that nothing heavy is imported with them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

from pydantic import Field

from ops.augmentation.engine import Border, Shape, Transform
from ops.config import Config

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Border", "Change", "ImageChange", "Probability", "Shape", "Transform"]

Probability = Annotated[float, Field(ge=0.0, le=1.0)]


class Change(Config):
    """One entry of `augmentation.steps`. A subclass adds `kind: Literal[...]`, its settings and `change`."""

    applies_to: ClassVar[frozenset[str]] = frozenset({"text", "image", "table"})

    early: ClassVar[bool] = False
    """Whether it alters what the steps from `log_mel` on read, and so comes before them."""

    if TYPE_CHECKING:
        kind: Any = None

    probability: Probability = 1.0
    """Share of the copies that are changed by this step."""

    def at(self, strength: float) -> Self:
        """The change at a share of its strength: at 1 as it is, at 0 one that leaves every copy as it is."""
        if strength == 1:
            return self
        return self.model_copy(update=self.weakened(strength) if strength else {"probability": 0.0})

    def weakened(self, strength: float) -> dict[str, Any]:
        """The settings that differ at a share of its strength, above 0 and below 1.

        Here the share of the copies that are changed; a kind that has a range of its own shrinks that instead, towards
        what changes nothing.
        """
        return {"probability": self.probability * strength}

    def change(self, values: pl.Series, seeds: Sequence[int], shape: Shape | None) -> pl.Series:
        """Return the altered values, each a pure function of the value and its seed.

        Args:
            values: texts, or raw pixels.
            seeds: one number below 2**64 for each value.
            shape: the images' shape; None for text.
        """
        raise TypeError(f"{type(self).__name__} has no change")


class ImageChange(Change):
    """A change of images that albumentations knows; a subclass adds `transforms`."""

    applies_to: ClassVar[frozenset[str]] = frozenset({"image"})

    def transforms(self, shape: Shape) -> list[Transform]:
        """The transforms to apply one after the other, for images of that shape."""
        raise TypeError(f"{type(self).__name__} has no transforms")

    def change(self, values: pl.Series, seeds: Sequence[int], shape: Shape | None) -> pl.Series:
        """Return the images after the transforms, in the same shape."""
        from ops.augmentation.engine import transformed

        if shape is None:
            raise TypeError("images have a shape")
        return transformed(values, self.transforms(shape), seeds, shape)

    def change_with_boxes(
        self, values: pl.Series, boxes: pl.Series, seeds: Sequence[int], shape: Shape
    ) -> tuple[pl.Series, pl.Series, int]:
        """As `change`, to the same pixels, the boxes where they are then, and how many are lost."""
        from ops.augmentation.engine import transformed_with_boxes

        return transformed_with_boxes(values, boxes, self.transforms(shape), seeds, shape)
