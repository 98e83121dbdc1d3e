from __future__ import annotations

import os

import pytest


@pytest.fixture(autouse=True)
def quick_fsync(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody cuts the power of these processes; `crash.py` does, and there every fsync counts."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
