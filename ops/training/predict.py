"""What a stored model says about the examples of a split."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ops.errors import ConfigError
from ops.storage import Version
from ops.training.data import load_examples
from ops.training.evaluate import predict, tell
from ops.training.inputs import cache_inputs
from ops.training.predict_part import predict_together, tell_together
from ops.training.result import load_model


def predict_split(model: Version, caches: Mapping[str, Version], split: str, processes: int = 1) -> NDArray[np.float32]:
    """Probabilities (N, C), or forecasts, for the original examples of a split, in the order of partitions and rows.

    Args:
        model: the stored model; its bytes are verified before they are parsed.
        caches: the token caches by partition.
        split: `valid` or `test`; copies made by augmentation occur in `train` alone.
        processes: how many share the work; what they say is the same for any number.

    Raises:
        TrainingFailed: one of several processes failed.
    """
    weights = model.file("model.safetensors")
    if processes > 1:
        return predict_together(model.json("model.json"), weights, cache_inputs(caches), split, processes)
    trained = load_model(model.json("model.json"), weights.read_bytes())
    examples = load_examples(
        cache_inputs(caches), trained.spec.dtype, len(trained.classes), label_shape=trained.task.label_shape
    )[split]
    return predict(trained.network, trained.task, trained.spec, examples)


def tell_split(
    model: Version, caches: Mapping[str, Version], split: str, processes: int = 1
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """What each token of a split costs a stored language model, and whether it was thought most likely; see `tell`.

    Args:
        model: the stored model; its bytes are verified before they are parsed.
        caches: the token caches by partition.
        split: `valid` or `test`.
        processes: how many share the work; what they say is the same for any number.

    Raises:
        ConfigError: the model is no language model.
        TrainingFailed: one of several processes failed.
    """
    from ops.tasks.language_model import LanguageModel

    weights = model.file("model.safetensors")
    trained = load_model(model.json("model.json"), weights.read_bytes())
    if not isinstance(trained.task, LanguageModel):
        raise ConfigError(
            f"the model is for {trained.task.kind}; only a language model tells tokens", where="model.json"
        )
    if processes > 1:
        return tell_together(model.json("model.json"), weights, cache_inputs(caches), split, processes)
    examples = load_examples(cache_inputs(caches), trained.spec.dtype, 0, label_shape=None)[split]
    return tell(trained.network, trained.task, trained.spec, examples)
