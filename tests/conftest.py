"""What every test shares: one thread a process, no settings of the person who runs them, Hypothesis without clocks."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Two threads on two busy cores cost eight times the CPU time of one. Set before anything imports torch or NumPy.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A shell that starts the tests in the background has them ignore Ctrl-C, and so would everything that they start.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The user's own stores, servers and planted faults must not reach the tests, nor the tests them.
for _name in [name for name in os.environ if name.startswith(("SATIETY_", "MLFLOW_", "DAGSTER_", "DVC_"))]:
    if _name != "SATIETY_MIRROR":
        del os.environ[_name]

_COMMON = settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("local", _COMMON)
settings.register_profile("ci", _COMMON, derandomize=True, database=None, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")


@pytest.fixture(scope="session")
def mirror() -> Path:
    """The folder of larger corpora that SATIETY_MIRROR names; without one the test skips."""
    named = os.environ.get("SATIETY_MIRROR")
    if not named:
        pytest.skip("SATIETY_MIRROR names no folder of larger corpora")
    folder = Path(named)
    if not folder.is_dir():
        pytest.skip(f"SATIETY_MIRROR={named} is not a folder")
    return folder
