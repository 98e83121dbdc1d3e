"""Where the real data lie that measurements read."""

from __future__ import annotations

import os
from pathlib import Path


def mirror(name: str) -> Path:
    """The path of a file below the folder that `SATIETY_MIRROR` names; ends the program where it is not there."""
    folder = os.environ.get("SATIETY_MIRROR")
    path = Path(folder or ".") / name
    if not folder or not path.exists():
        raise SystemExit(f"set SATIETY_MIRROR to a folder that has {name}")
    return path
