"""Checkpoints: folders that are whole or not there, with a manifest that tells damage.

A folder `step-00000200` holds `model.safetensors` (the weights), `optimizer.safetensors` (the optimiser's state),
`best.safetensors` (the weights that did best so far), `state.json` (position, random states, best and
cost so far) and `manifest.json` (bytes and SHA-256 of each of these).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ops.storage.files import fsync_folder, make_folder, remove_tree, rename, write_file
from ops.storage.hashing import canonical_json, sha256_bytes

FORMAT = 1
MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Checkpoint:
    """A whole checkpoint, in memory.

    Attributes:
        step: updates that had been made.
        files: bytes by name.
    """

    step: int
    files: Mapping[str, bytes]

    @property
    def state(self) -> dict[str, Any]:
        """What `state.json` says."""
        state: dict[str, Any] = json.loads(self.files["state.json"])
        return state


def save(folder: Path, step: int, files: Mapping[str, bytes]) -> None:
    """Write the checkpoint of a step: under a hidden name first, made durable, then renamed."""
    final = folder / f"step-{step:08d}"
    hidden = folder / f".{final.name}.part"
    remove_tree(hidden)
    make_folder(hidden)
    entries = [{"name": n, "bytes": len(d), "sha256": write_file(hidden / n, d).sha256} for n, d in files.items()]
    write_file(hidden / MANIFEST, canonical_json({"format": FORMAT, "step": step, "files": entries}).encode())
    fsync_folder(hidden)
    remove_tree(final)  # only there if it was found damaged
    rename(hidden, final)
    fsync_folder(folder)


def newest(
    folder: Path, tell: Callable[[str], None], usable: Callable[[Checkpoint], str] = lambda _: ""
) -> Checkpoint | None:
    """The newest checkpoint that is whole; each newer one that is passed over is told about.

    Args:
        folder: where the checkpoints are.
        tell: receives a sentence about each that cannot be used.
        usable: what speaks against a whole checkpoint, or nothing.
    """
    for path in sorted(folder.glob("step-*"), reverse=True):
        found, problem = _load(path)
        problem = problem or (usable(found) if found else "")
        if found is not None and not problem:
            return found
        tell(f"checkpoint {path.name} cannot be used ({problem}): going back to the one before")
    return None


def prune(folder: Path, keep: int) -> None:
    """Remove all but the newest `keep` checkpoints, and what a killed process left half written."""
    for path in [*sorted(folder.glob("step-*"))[:-keep], *folder.glob(".step-*.part")]:
        remove_tree(path)


def drop_after(folder: Path, step: int) -> None:
    """Remove the checkpoints of later steps: damaged ones, which must not be taken for the newest again."""
    for path in folder.glob("step-*"):
        if path.name > f"step-{step:08d}":
            remove_tree(path)


def _load(path: Path) -> tuple[Checkpoint | None, str]:
    """The checkpoint in a folder, or what is wrong with it."""
    try:
        manifest = json.loads((path / MANIFEST).read_bytes())
        step, entries = manifest["step"], manifest["files"]
        if manifest["format"] != FORMAT or path.name != f"step-{step:08d}":
            return None, "its manifest is of another format or step"
        files = {}
        for entry in entries:
            data = (path / entry["name"]).read_bytes()
            if len(data) != entry["bytes"] or sha256_bytes(data) != entry["sha256"]:
                return None, f"{entry['name']} is damaged"
            files[entry["name"]] = data
    except OSError as error:
        return None, f"{error.filename}: {error.strerror}"
    except (ValueError, KeyError, TypeError):
        return None, "its manifest is damaged"
    return Checkpoint(step, files), "" if "state.json" in files else "state.json is missing"
