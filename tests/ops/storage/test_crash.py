"""A process killed, or a machine cut off, at any change of the file system loses nothing that was promised."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ops.storage import Store, gc, verify
from tests.ops.storage import crash
from tests.ops.storage.helpers import NEW, OLD, forget_verified, slot_of, staging_leftovers

REPOSITORY = Path(__file__).parents[3]
ENDS_AT = {"first": NEW, "second": NEW, "adopt": NEW, "point": OLD, "gc": NEW}


@pytest.fixture(scope="module")
def manifests(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Manifests of undisturbed runs."""
    root = tmp_path_factory.mktemp("undisturbed") / "store"
    crash.with_both(root)
    return {name: (slot_of(root).path / name / "manifest.json").read_bytes() for name in (OLD, NEW)}


def crash_everywhere(folder: Path, act: str, how: str, *extra: str) -> int:
    command = [sys.executable, "-m", "tests.ops.storage.crash", act, how, str(folder), *extra]
    result = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stderr
    return int(result.stdout)


def check_store(root: Path, act: str, manifests: dict[str, bytes]) -> None:
    forget_verified()
    slot = slot_of(root)
    # 1. Readers see whole versions, and an old or a new one as the current.
    for fingerprint in slot.fingerprints():
        version = slot.version(fingerprint)
        assert version is not None
        version.check()
        assert (version.path / "manifest.json").read_bytes() == manifests[fingerprint]
    current = slot.current()
    if current is None:
        assert act == "first"
    else:
        current.check()
        assert current.manifest.fingerprint in {"first": {NEW}, "adopt": {NEW}}.get(act, {OLD, NEW})
    if act in ("second", "point"):
        assert OLD in slot.fingerprints()
    if act == "second":  # hours of training may lie in a version that was never pointed at
        assert slot.path / NEW not in [removal.path for removal in gc(Store(root))]
    # 2. Doing it again ends where an undisturbed run ends.
    crash.ACTS[act][1](root)
    current = slot.current()
    assert current is not None and current.manifest.fingerprint == ENDS_AT[act]
    assert (slot.path / "current/manifest.json").read_bytes() == manifests[ENDS_AT[act]]
    assert verify(Store(root)) == []
    # 3. What was left behind goes, and nothing else.
    gc(Store(root), dry_run=False, keep=2)
    assert staging_leftovers(root) == []
    names = {path.name for path in slot.path.iterdir()}
    assert names == {*slot.fingerprints(), "current", "history"}
    assert ENDS_AT[act] in names
    assert gc(Store(root), keep=2) == []
    assert verify(Store(root)) == []


QUICK = {("second", "kill"), ("gc", "kill"), ("second", "lost"), ("adopt", "eager")}
EVERY = [
    pytest.param(act, how, marks=() if (act, how) in QUICK else pytest.mark.slow)
    for act in sorted(crash.ACTS)
    for how in ("kill", "lost", "eager")
]


@pytest.mark.parametrize(("act", "how"), EVERY)
def test_ended_at_every_call(tmp_path: Path, act: str, how: str, manifests: dict[str, bytes]) -> None:
    runs = crash_everywhere(tmp_path, act, how)
    assert runs > 10
    for number in range(1, runs + 1):
        check_store(tmp_path / str(number), act, manifests)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["kill", "lost", "eager"])
def test_ended_at_every_call_where_names_cannot_be_exchanged(
    tmp_path: Path, how: str, manifests: dict[str, bytes]
) -> None:
    for number in range(1, crash_everywhere(tmp_path, "second", how, "two-renames") + 1):
        check_store(tmp_path / str(number), "second", manifests)


@pytest.mark.parametrize("how", ["lost", "eager"])
@pytest.mark.parametrize("act", ["first", "second", "adopt"])
def test_what_commit_has_returned_survives_a_power_cut(tmp_path: Path, act: str, how: str) -> None:
    runs = crash_everywhere(tmp_path, act, how, "at-the-end")
    slot = slot_of(tmp_path / str(runs))
    assert slot.fingerprints() == sorted({NEW, *([OLD] if act == "second" else [])})
    assert slot.peek() == NEW
    forget_verified()
    assert verify(Store(tmp_path / str(runs))) == []
