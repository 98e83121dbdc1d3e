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
from ops.training.data import Examples, load_examples
from ops.training.evaluate import predict, shares
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
    import torch

    threads = max(1, torch.get_num_threads() // processes)
    with tempfile.TemporaryDirectory(prefix="satiety-predict-") as folder:
        asked = {"model": dict(description), "weights": str(weights.resolve()), "split": split, "parts": processes}
        asked["inputs"] = [entry.model_dump(mode="json") for entry in inputs]
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
        return _merged(
            [load_file(Path(folder) / f"{part}.safetensors")["said"] for part in range(processes)], _lengths(asked)
        )


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


def _lengths(asked: Mapping[str, Any]) -> NDArray[np.int64]:
    return _asked(asked)[1].length


def main(folder: Path, part: int) -> int:
    """Compute one process's share; returns the exit code."""
    try:
        asked = json.loads((folder / ASKED).read_text(encoding="utf-8"))
        trained, examples = _asked(asked)
        said = predict(trained.network, trained.task, trained.spec, examples, part, asked["parts"])
        save_file({"said": said}, folder / f"{part}.safetensors")
    except SatietyError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2])))
