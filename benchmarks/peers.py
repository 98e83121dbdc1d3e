"""Environments of their own for the libraries that are measured beside this one; never in this project's."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path


def peer(*requirements: str) -> Path:
    """The interpreter of an environment with these packages, made at the first call and kept in a cache folder.

    Raises:
        SystemExit: they cannot be installed; pip's own words are shown.
    """
    root = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "satiety-benchmarks"
    name = hashlib.sha256("\n".join([sys.version, *sorted(requirements)]).encode()).hexdigest()[:16]
    folder, python = root / name, root / name / "bin" / "python"
    done = folder / "requirements.txt"
    if not done.exists():
        print(f"installing {', '.join(requirements)} into {folder}", file=sys.stderr, flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"]
        if subprocess.run([*pip, *requirements], check=False).returncode:
            raise SystemExit(f"could not install {', '.join(requirements)}")
        done.write_text("\n".join(requirements) + "\n", encoding="utf-8")
    return python
