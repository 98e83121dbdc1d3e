"""Images changed while they are loaded."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ops.augmentation.base import ImageChange
from ops.augmentation.engine import actions_of, altered
from ops.nn.spec import ImageSpec
from ops.training.changing.base import Changing, Made, named


class ChangingImages(Changing):
    """Changes pixels; the library is imported with the first image."""

    def begin(self) -> None:
        """Each thread has its own transforms, which hold random states."""
        spec = cast(ImageSpec, self.spec)
        self._shape = (spec.height, spec.width, spec.channels)
        self._own = threading.local()

    def __call__(self, given: Sequence[NDArray[Any]], ids: Sequence[str], epoch: int) -> Made:
        """Their pixels."""
        if not hasattr(self._own, "actions"):
            steps = [cast(ImageChange, step) for step in self.steps]
            self._own.actions = [actions_of(step.transforms(self._shape)) if step.probability else [] for step in steps]
        images = [values.reshape(self._shape) for values in given]
        for place, actions in enumerate(self._own.actions):
            images = list(self._changed(images, actions, self.seeds(ids, epoch, place), ids, place))
        values = np.stack(images).reshape(len(ids), -1)
        return values, np.full(len(ids), values.shape[1])

    def _changed(
        self, images: list[NDArray[np.uint8]], actions: Sequence[Any], seeds: list[int], ids: Sequence[str], place: int
    ) -> Iterator[NDArray[np.uint8]]:
        """The images after one step; what goes wrong is said of the image and the step."""
        with named(place, ids) as done:
            done.append(0)
            for image in altered(images, actions, seeds, self._shape):
                yield image
                done.append(done[-1] + 1)


CHANGING = ChangingImages
