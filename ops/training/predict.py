"""What a stored model says about the examples of a split."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ops.storage import Version
from ops.training.data import load_examples
from ops.training.evaluate import predict
from ops.training.inputs import cache_inputs
from ops.training.result import load_model


def predict_split(model: Version, caches: Mapping[str, Version], split: str) -> NDArray[np.float32]:
    """Probabilities (N, C), or forecasts, for the original examples of a split, in the order of partitions and rows.

    Args:
        model: the stored model; its bytes are verified before they are parsed.
        caches: the token caches by partition.
        split: `valid` or `test`; copies made by augmentation occur in `train` alone.
    """
    trained = load_model(model.json("model.json"), model.file("model.safetensors").read_bytes())
    examples = load_examples(
        cache_inputs(caches), trained.spec.dtype, len(trained.classes), label_shape=trained.task.label_shape
    )[split]
    return predict(trained.network, trained.task, trained.spec, examples)
