from __future__ import annotations

from pathlib import Path

import pytest

from ops.errors import DiskFull
from ops.training import checkpoint

FILES = {"state.json": b'{"step": 1}', "model.safetensors": bytes(range(200)), "best.safetensors": b""}


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def newest(folder: Path) -> tuple[checkpoint.Checkpoint | None, list[str]]:
    said: list[str] = []
    return checkpoint.newest(folder, said.append), said


def change(path: Path, data: bytes) -> None:
    path.chmod(0o644)
    path.write_bytes(data)


def test_what_is_saved_is_found(tmp_path: Path) -> None:
    assert newest(tmp_path) == (None, [])
    for step in (1, 20, 300):
        checkpoint.save(tmp_path, step, FILES)
    found, said = newest(tmp_path)
    assert found == checkpoint.Checkpoint(300, FILES)
    assert found.state == {"step": 1}
    assert not said
    assert names(tmp_path) == ["step-00000001", "step-00000020", "step-00000300"]


def test_any_flipped_bit_and_any_cut_is_found(tmp_path: Path) -> None:
    checkpoint.save(tmp_path, 1, FILES)
    checkpoint.save(tmp_path, 2, FILES)
    for path in sorted((tmp_path / "step-00000002").iterdir()):
        whole = path.read_bytes()
        for place in range(len(whole)):
            change(path, whole[:place] + bytes([whole[place] ^ 1 << place % 8]) + whole[place + 1 :])
            found, said = newest(tmp_path)
            assert found is not None
            assert found.step == 1 or found.files == FILES
            assert found.step == 2 or len(said) == 1
            change(path, whole[:place])
            found, said = newest(tmp_path)
            assert found is not None
            assert found.step == 1
            assert said[0].startswith("checkpoint step-00000002 cannot be used (")
        change(path, whole)


@pytest.mark.parametrize("name", [*FILES, checkpoint.MANIFEST])
def test_a_missing_file_is_found(tmp_path: Path, name: str) -> None:
    checkpoint.save(tmp_path, 2, FILES)
    (tmp_path / "step-00000002" / name).unlink()
    assert newest(tmp_path)[0] is None


def test_one_that_speaks_against_itself_is_passed_over(tmp_path: Path) -> None:
    for step in (1, 2):
        checkpoint.save(tmp_path, step, FILES)
    said: list[str] = []
    found = checkpoint.newest(tmp_path, said.append, lambda c: "it is too new" if c.step == 2 else "")
    assert found is not None
    assert found.step == 1
    assert said == ["checkpoint step-00000002 cannot be used (it is too new): going back to the one before"]


def test_a_step_can_be_saved_again(tmp_path: Path) -> None:
    checkpoint.save(tmp_path, 1, FILES)
    checkpoint.save(tmp_path, 1, {"state.json": b"{}"})
    found, _ = newest(tmp_path)
    assert found is not None
    assert found.files == {"state.json": b"{}"}


def test_old_ones_and_half_written_ones_are_removed(tmp_path: Path) -> None:
    for step in (1, 2, 3, 10):
        checkpoint.save(tmp_path, step, FILES)
    (tmp_path / ".step-00000011.part").mkdir()
    checkpoint.prune(tmp_path, 2)
    assert names(tmp_path) == ["step-00000003", "step-00000010"]
    checkpoint.drop_after(tmp_path, 3)
    assert names(tmp_path) == ["step-00000003"]


def test_a_full_disk_leaves_nothing_at_a_final_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for at in range(1, 40):
        folder = tmp_path / str(at)
        folder.mkdir()
        monkeypatch.setenv("SATIETY_FAULT", f"enospc@{at}")
        try:
            checkpoint.save(folder, 5, FILES)
        except DiskFull:
            monkeypatch.delenv("SATIETY_FAULT")
            found, said = newest(folder)
            assert not said
            assert found is None or found.files == FILES
            continue
        break
    assert at > 10
    assert newest(folder)[0] is not None
