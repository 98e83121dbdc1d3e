"""Images changed by the ids of their rows: what a thread and a process of the loader have in common.

Nothing here imports torch, so that a process of the loader is ready soon and small.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ops.augmentation.engine import Shape, Transform, actions_of, altered, row_seed
from ops.errors import SatietyError


class Changes:
    """The changes of a run; the library is imported with the first image."""

    def __init__(self, steps: Sequence[Sequence[Transform]], shape: Shape, seed: int) -> None:
        """Nothing is changed yet.

        Args:
            steps: the transforms of each step.
            shape: height, width and channels of the images.
            seed: the recipe's seed.
        """
        self._steps, self._shape, self._seed = steps, shape, seed
        self._own = threading.local()

    def __call__(self, values: NDArray[Any], ids: Sequence[str], epoch: int) -> NDArray[Any]:
        """(B, size) pixels of the rows with those ids as they are in the epoch, which counts from 0.

        Raises:
            SatietyError: an image cannot be changed.
        """
        if not hasattr(self._own, "actions"):  # transforms hold random states: each thread has its own
            self._own.actions = [actions_of(step) for step in self._steps]
        images = list(values.reshape(-1, *self._shape))
        for place, actions in enumerate(self._own.actions):
            seeds = [row_seed(self._seed, row, epoch + 1, place) for row in ids]
            images = list(self._changed(images, actions, seeds, ids, place))
        return np.stack(images).reshape(len(ids), -1)

    def _changed(
        self, images: list[NDArray[np.uint8]], actions: Sequence[Any], seeds: list[int], ids: Sequence[str], place: int
    ) -> Iterator[NDArray[np.uint8]]:
        """The images after one step; what goes wrong is said of the image and the step."""
        done = 0
        try:
            for image in altered(images, actions, seeds, self._shape):
                yield image
                done += 1
        except Exception as error:
            said = " ".join(str(error).split()) or "no more is known"
            where = f"augmentation.steps[{place}], example {ids[done]}"
            raise SatietyError(f"cannot be changed: {type(error).__name__}: {said}", where=where) from error


def tuples(value: Any) -> Any:
    """The value with tuples for lists, which JSON cannot tell apart."""
    if isinstance(value, dict):
        return {name: tuples(item) for name, item in value.items()}
    return tuple(tuples(item) for item in value) if isinstance(value, list) else value
