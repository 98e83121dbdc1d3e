"""What all processes of a run do together around a checkpoint: choosing one to go on from, and writing one."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from ops.storage.files import make_folder, remove_tree
from ops.storage.hashing import canonical_json, sha256_json
from ops.training import checkpoint, random_state
from ops.training.checkpoint import Checkpoint
from ops.training.distributed import Group
from ops.training.journal import Journal
from ops.training.run import RunSpec

Tensors = dict[str, Tensor]

SHARING = ("accelerator", "strategy", "parallel")
"""Settings of training that say who computes what, and, but for strategies that differ, not what is computed."""

log = logging.getLogger("satiety.training")


class Snapshots:
    """The checkpoints of a run and its journal of metrics, which belong together: lines after a checkpoint are cut off.

    Only the first process reads and writes files; the others are handed what it has read.
    """

    def __init__(self, run: RunSpec, group: Group, stream: int = 0) -> None:
        """Nothing is read yet.

        Args:
            run: the resolved run.
            group: the processes that train together.
            stream: which random numbers this process draws.
        """
        self._run, self._group, self._stream = run, group, stream
        self._folder, self._metrics = run.folder / "checkpoints", run.folder / "metrics.jsonl"
        self._journal: Journal | None = None

    def newest(self, before: int | None = None) -> Checkpoint | None:
        """The newest whole checkpoint of this run, the same in every process; the journal is open after it.

        Args:
            before: the step that it must be older than; None for any.
        """
        packed = self._group.hand_out(self._find(before) if self._group.first else None)
        if not packed:
            return None
        files = {name: bytes(box.numpy()) for name, box in load_tensors(packed).items()}
        return Checkpoint(int(Checkpoint(0, files).state["step"]), files)

    def restore_random(self, found: Checkpoint) -> None:
        """Set this process's random states to those of the checkpoint.

        If there were other processes, or they drew by other streams, fresh ones are drawn.
        """
        states, streams = found.state["random"], found.state["streams"]
        if streams == self._streams():
            random_state.restore(states[self._group.rank].encode())
        else:
            random_state.seed_everything(random_state.seed_of_rank(self._run.seed, self._stream, found.step))

    def save(self, step: int, tensors: Mapping[str, Tensors], state: Mapping[str, Any], keep: int | None) -> None:
        """Write a checkpoint; every process calls this after the same step.

        Args:
            step: updates made.
            tensors: files of named tensors, without the suffix.
            state: what else there is to know.
            keep: number of checkpoints to keep; None for all.
        """
        random = [data.decode() for data in self._group.gather(random_state.capture())]
        streams = self._streams()
        if self._journal is None:
            return
        full = {**state, "step": step, "identity": self._identity, "journal": self._journal.sync()}
        full |= {"random": random, "streams": streams}
        files = {f"{name}.safetensors": save_tensors(values) for name, values in tensors.items()}
        checkpoint.save(self._folder, step, {**files, "state.json": canonical_json(full).encode()})
        if keep is not None:
            checkpoint.prune(self._folder, keep)

    def write(self, record: dict[str, Any]) -> None:
        """Append a line to the journal, in the first process."""
        if self._journal is not None:
            self._journal.write(record)

    def close(self) -> bytes:
        """Close the journal; returns all its lines."""
        if self._journal is None:
            return b""
        self._journal.sync()
        self._journal.close()
        return self._metrics.read_bytes()

    @property
    def _identity(self) -> str:
        """What must be equal for a checkpoint to be of this run: everything but places, and who computes what."""
        told = self._run.model_dump(mode="json", exclude={"work", "resume", "world_size", "inputs"})
        if not self._run.training.differs:
            told["training"] = {key: value for key, value in told["training"].items() if key not in SHARING}
        return sha256_json({**told, "inputs": [[part.partition, part.files] for part in self._run.inputs]})

    def _streams(self) -> list[int]:
        return [int(data) for data in self._group.gather(str(self._stream).encode())]

    def _find(self, before: int | None) -> bytes | None:
        """Choose the checkpoint, clear away what is after it, and open the journal there."""
        back = self._journal is not None
        if self._journal is not None:  # training goes back to a checkpoint
            self._journal.close()
        elif not self._run.resume:
            remove_tree(self._folder)
        make_folder(self._folder)

        def unusable(seen: Checkpoint) -> str:
            late = before is not None and seen.step >= before
            return "training diverged after it again" if late else self._unusable(seen)

        found = checkpoint.newest(self._folder, log.warning, unusable)
        if found is not None or not back:
            checkpoint.drop_after(self._folder, found.step if found else -1)
        # Without one to go back to the run ends, and its lines show how it came to that.
        kept = self._metrics.stat().st_size if back else 0
        self._journal = Journal(self._metrics, found.state["journal"] if found else kept)
        if found is None:
            return None
        boxes = {name: torch.frombuffer(bytearray(data), dtype=torch.uint8) for name, data in found.files.items()}
        return save_tensors(boxes)

    def _unusable(self, found: Checkpoint) -> str:
        if found.state["identity"] != self._identity:
            return "it is of another run"
        written = self._metrics.stat().st_size if self._metrics.exists() else 0
        return "the journal of metrics is shorter than it says" if found.state["journal"] > written else ""
