"""The order in which a slot's versions were in use, oldest first: what `gc --keep` counts by, without any clock."""

from __future__ import annotations

from pathlib import Path

from ops.storage.files import translate, write_file
from ops.storage.names import is_fingerprint

HISTORY = "history"


def read_history(slot: Path) -> list[str]:
    """Fingerprints, the newest last, each once; empty where nothing was ever in use."""
    try:
        lines = (slot / HISTORY).read_text("utf-8", "replace").split()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise translate(error, "read", slot / HISTORY) from error
    return [line for line in lines if is_fingerprint(line)]


def record(slot: Path, fingerprint: str) -> None:
    """Make a fingerprint the newest; does nothing where it is. The caller holds the slot's lock."""
    lines = read_history(slot)
    if lines[-1:] == [fingerprint]:
        return
    kept = [line for line in lines if line != fingerprint]
    write_file(slot / HISTORY, "".join(f"{line}\n" for line in [*kept, fingerprint]).encode(), mode=0o644)
