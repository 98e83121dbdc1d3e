"""Changing training images while they are loaded: every image in every epoch as its copy of that number would be.

What is drawn depends on (seed, epoch, id of the row, place of the step) alone: not on processes or threads, nor on how
often a run was stopped. The images of the first epoch are those that offline augmentation would store as first copies.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
from numpy.typing import NDArray

from ops.augmentation.engine import Transform
from ops.errors import ConfigError
from ops.nn.spec import ImageSpec
from ops.training.changing import Changes, tuples
from ops.training.index import training_ids
from ops.training.loader import Alter
from ops.training.order import Rows
from ops.training.run import RunSpec


def alteration(run: RunSpec) -> Alter:
    """What a run does to its training images; nothing where it has no changes.

    Raises:
        ConfigError: the model reads no images.
    """
    if not run.changes:
        return lambda values, rows, epoch: values
    if not isinstance(run.input, ImageSpec):
        raise ConfigError(f"images are changed, the model reads {run.input.kind}", where="changes")
    steps = [[Transform(t.name, tuples(t.arguments)) for t in step] for step in run.changes]
    parts = [chunk for part in run.inputs for chunk in training_ids(part).chunks]
    ids = pa.chunked_array(parts, pa.large_string()).combine_chunks()
    return Altering(steps, run.input, run.seed, ids)


class Altering:
    """Changes images by the ids of their rows.

    Attributes:
        steps: the transforms of each step.
        shape: height, width and channels of the images.
        seed: the recipe's seed.
    """

    def __init__(self, steps: Sequence[Sequence[Transform]], spec: ImageSpec, seed: int, ids: pa.Array) -> None:
        """The library is imported with the first image.

        Args:
            steps: the transforms of each step.
            spec: form of the images.
            seed: the recipe's seed.
            ids: (N,) the id of each training example.
        """
        self.steps, self.shape, self.seed = steps, (spec.height, spec.width, spec.channels), seed
        self._ids, self._changes = ids, Changes(steps, self.shape, seed)

    def __call__(self, values: NDArray[Any], rows: Rows, epoch: int) -> NDArray[Any]:
        """(B, size) pixels of those examples as they are in the epoch, which counts from 0."""
        return self._changes(values, self.ids(rows), epoch)

    def ids(self, rows: Rows) -> list[str]:
        """Their ids."""
        return [self._ids[row].as_py() for row in rows.tolist()]
