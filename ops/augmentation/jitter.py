"""Noise added to columns of numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from ops.augmentation.tables import TableChange, uniform

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Jitter(TableChange):
    """Add normal noise to columns of numbers, each value its own."""

    kind: Literal["jitter"] = "jitter"
    """Noise added to columns of numbers."""
    strength: Annotated[float, Field(gt=0.0)] = 0.05
    """Standard deviation of the noise, in the unit of the column: behind `rescale` by zscore, in its deviations."""

    def weakened(self, strength: float) -> dict[str, Any]:
        """Less noise."""
        return {"strength": self.strength * strength}

    def moved(
        self, values: NDArray[np.float64], kin: NDArray[np.float64], seeds: NDArray[np.uint64]
    ) -> NDArray[np.float64]:
        """The values and the noise, by the transform of Box and Muller (1958)."""
        import numpy as np

        noise = [self._normal(seeds, place) for place in range(values.shape[1])]
        return np.asarray(values + self.strength * np.stack(noise, axis=1))

    def _normal(self, seeds: NDArray[np.uint64], place: int) -> NDArray[np.float64]:
        import numpy as np

        radius = np.sqrt(-2.0 * np.log1p(-uniform(seeds, 2 * place + 1)))
        return np.asarray(radius * np.cos(2.0 * np.pi * uniform(seeds, 2 * place + 2)))
