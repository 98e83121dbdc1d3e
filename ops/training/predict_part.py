"""Prediction by several processes of one machine: `python -m ops.training.predict_part FOLDER PART`.

They need not tell one another anything: each computes its share of the batches, which are those of one process, and
writes what it found into the folder that holds what it is asked.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from ops.errors import SatietyError, TrainingFailed
from ops.tasks.language_model import LanguageModel
from ops.training.data import Examples, load_examples
from ops.training.evaluate import places, predict, shares, tell
from ops.training.result import Trained, load_model
from ops.training.run import CacheInput

ASKED = "asked.json"
ROOT = Path(__file__).resolve().parents[2]


def predict_together(
    description: Mapping[str, Any], weights: Path, inputs: Sequence[CacheInput], split: str, processes: int
) -> NDArray[np.float32]:
    """What a stored model says about a split, in the order of the examples, by several processes.

    Args:
        description: the model's `model.json`.
        weights: its weights, verified.
        inputs: the token caches.
        split: `valid` or `test`.
        processes: how many.

    Raises:
        TrainingFailed: one of them failed; with the last that it said.
    """
    asked = _question(description, weights, inputs, split, processes)
    found = [each["said"] for each in _answers(asked)]
    return _merged(found, _asked(asked)[1].length)


def tell_together(
    description: Mapping[str, Any], weights: Path, inputs: Sequence[CacheInput], split: str, processes: int
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """What each token of a split costs a stored language model, by several processes; see `predict_together`.

    Raises:
        TrainingFailed: one of them failed; with the last that it said.
    """
    asked = _question(description, weights, inputs, split, processes)
    found = _answers(asked)
    trained, examples = _asked(asked)
    units, (nats, hits) = trained.task.units(examples.length), (found[0][name].copy() for name in ("nats", "hits"))
    for part, each in enumerate(found):
        for rows in shares(examples.length, part, processes):
            at = places(units, rows)
            nats[at], hits[at] = each["nats"][at], each["hits"][at]
    return nats, hits


def _question(
    description: Mapping[str, Any], weights: Path, inputs: Sequence[CacheInput], split: str, processes: int
) -> dict[str, Any]:
    asked = {"model": dict(description), "weights": str(weights.resolve()), "split": split, "parts": processes}
    return asked | {"inputs": [entry.model_dump(mode="json") for entry in inputs]}


def _answers(asked: Mapping[str, Any]) -> list[dict[str, NDArray[Any]]]:
    """What each of the processes says, by their numbers.

    Raises:
        TrainingFailed: one of them failed.
    """
    import torch

    processes = asked["parts"]
    threads = max(1, torch.get_num_threads() // processes)
    with tempfile.TemporaryDirectory(prefix="satiety-predict-") as folder:
        (Path(folder) / ASKED).write_text(json.dumps(asked), encoding="utf-8")
        env = {**os.environ, "OMP_NUM_THREADS": str(threads)}
        env["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), env.get("PYTHONPATH", "")]))
        program = [sys.executable, "-m", "ops.training.predict_part", folder]
        ranks = [
            subprocess.Popen([*program, str(part)], env=env, stderr=subprocess.PIPE, text=True)
            for part in range(processes)
        ]
        try:
            said = [rank.communicate()[1] for rank in ranks]
        finally:
            for rank in ranks:
                rank.kill()  # of those that are still there
        for part, rank in enumerate(ranks):
            if rank.returncode:
                raise TrainingFailed(f"predicting failed: {said[part].strip()[-500:]}", where=f"process {part}")
        return [load_file(Path(folder) / f"{part}.safetensors") for part in range(processes)]


def _merged(found: list[NDArray[np.float32]], lengths: NDArray[np.int64]) -> NDArray[np.float32]:
    """Of each process the rows that it has computed."""
    width = max(each.shape[1] for each in found)
    whole = np.zeros((len(lengths), width) if width else (0, 0), dtype=np.float32)
    for part, each in enumerate(found):
        for rows in shares(lengths, part, len(found)):
            whole[rows] = each[rows]
    return whole


def _asked(asked: Mapping[str, Any]) -> tuple[Trained, Examples]:
    trained = load_model(asked["model"], Path(asked["weights"]).read_bytes())
    inputs = [CacheInput.model_validate(entry) for entry in asked["inputs"]]
    shape = trained.task.label_shape
    return trained, load_examples(inputs, trained.spec.dtype, len(trained.classes), label_shape=shape)[asked["split"]]


def main(folder: Path, part: int) -> int:
    """Compute one process's share; returns the exit code."""
    try:
        asked = json.loads((folder / ASKED).read_text(encoding="utf-8"))
        trained, examples = _asked(asked)
        share = part, asked["parts"]
        if isinstance(trained.task, LanguageModel):
            nats, hits = tell(trained.network, trained.task, trained.spec, examples, *share)
            answer: dict[str, NDArray[Any]] = {"nats": nats, "hits": hits}
        else:
            answer = {"said": predict(trained.network, trained.task, trained.spec, examples, *share)}
        save_file(answer, folder / f"{part}.safetensors")
    except SatietyError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2])))
