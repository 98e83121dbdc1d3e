"""Debian's Chromium without a window: what a page's document says, and how it looks."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
SECONDS = 15
"""Virtual seconds that a page may take to load its data and settle."""


def browser() -> str:
    """The browser's program; without one the test skips."""
    found = next((path for path in map(shutil.which, NAMES) if path), None)
    if found is None:
        pytest.skip(f"there is no browser ({', '.join(NAMES)})")
    return found


def look(url: str, image: Path) -> str:
    """The page's document after its scripts have run; how it looks is written to `image`."""
    return _run(url, image.parent, "--window-size=1600,1000", f"--screenshot={image}", "--dump-dom")


def _run(url: str, folder: Path, *options: str) -> str:
    command = [browser(), "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars"]
    command += ["--disable-background-networking", "--disable-dev-shm-usage", f"--user-data-dir={folder / 'profile'}"]
    command += [f"--virtual-time-budget={SECONDS * 1000}", *options, url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout
