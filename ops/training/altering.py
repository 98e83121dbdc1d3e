"""Changing training examples while they are loaded: each in every epoch as its copy of that number would be.

What is drawn depends on (seed, epoch, id of the row, place of the step) alone: not on processes or threads, nor on how
often a run was stopped. The examples of the first epoch are those that would be stored as first copies.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from ops.augmentation.forms import ORIGINALS
from ops.training.cache_files import DATA
from ops.training.changing.base import Changing, Made, changing_of
from ops.training.data import Examples
from ops.training.index import training_ids, training_originals
from ops.training.order import Rows
from ops.training.run import CacheInput, RunSpec


class Altering:
    """Changes examples by the ids of their rows.

    Attributes:
        changing: the changes.
        read: what they are made of: the examples, or their originals.
        file: the file of each token cache that holds it.
    """

    def __init__(self, changing: Changing, read: Examples, ids: Sequence[str], file: str = DATA) -> None:
        """Nothing is changed before it is read.

        Args:
            changing: the changes.
            read: what they are made of.
            ids: (N,) the id of each training example.
            file: the file that holds it.
        """
        self.changing, self.read, self.file, self._ids = changing, read, file, ids

    def __call__(self, rows: Rows, epoch: int) -> Made:
        """The examples as they are in the epoch, which counts from 0."""
        return self.changing(self.read.slices(rows), self.ids(rows), epoch)

    def ids(self, rows: Rows) -> list[str]:
        """Their ids."""
        found: list[Any] = [self._ids[row] for row in rows.tolist()]
        return [one if isinstance(one, str) else one.as_py() for one in found]


def alteration(run: RunSpec, examples: Examples) -> Altering | None:
    """What a run does to its training examples; None where it has no changes.

    Raises:
        ConfigError: the changes are not for what the model reads.
    """
    if run.changes is None:
        return None
    changing = changing_of(run.changes, run.input, run.seed)
    parts = [chunk for part in run.inputs for chunk in training_ids(part).chunks]
    ids = pa.chunked_array(parts, pa.large_string()).combine_chunks()
    if run.changes.form is None:
        return Altering(changing, examples, ids)
    return Altering(changing, originals(run.inputs), ids, ORIGINALS)


def originals(inputs: Sequence[CacheInput]) -> Examples:
    """What changes read of the training examples, in their order, as bytes.

    Raises:
        IntegrityError: bytes are not what the manifest says, or the index points outside them.
    """
    parts = [training_originals(part) for part in inputs]
    source = np.repeat(np.arange(len(parts)), [len(offset) for _, offset, _ in parts])
    offset, length = (np.concatenate([part[place] for part in parts]) for place in (1, 2))
    return Examples(tuple(array for array, _, _ in parts), source, offset, length, np.zeros((len(source), 0), np.int64))
