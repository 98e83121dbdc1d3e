"""Debian's Chromium without a window: what a page's document says, and how it looks."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
SECONDS = 30
"""Virtual seconds that a page may take to load its data and settle."""


def browser() -> str:
    """The browser's program; without one the test skips."""
    found = next((path for path in map(shutil.which, NAMES) if path), None)
    if found is None:
        pytest.skip(f"there is no browser ({', '.join(NAMES)})")
    return found


def document(url: str, folder: Path) -> str:
    """The page's document after its scripts have run."""
    return _run(url, folder, "--dump-dom")


def screenshot(url: str, image: Path, width: int = 1600, height: int = 1000) -> Path:
    """The page as a PNG."""
    _run(url, image.parent, f"--window-size={width},{height}", f"--screenshot={image}")
    return image


def _run(url: str, folder: Path, *options: str) -> str:
    command = [browser(), "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars"]
    command += ["--disable-background-networking", "--disable-dev-shm-usage", f"--user-data-dir={folder / 'profile'}"]
    command += [f"--virtual-time-budget={SECONDS * 1000}", *options, url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout
