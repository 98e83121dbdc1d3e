"""A mirror in a local folder and in fsspec's memory: the same versions on another machine, whatever goes wrong."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import pytest

from ops.errors import ConfigError, IntegrityError, ServiceDown, StorageError
from ops.storage import Counts, Output, Store, digest_of, verify
from ops.storage.bucket import Bucket
from ops.storage.manifest import COST, MANIFEST, seal
from ops.storage.mirror import Moved, pull, push
from tests.ops.storage.helpers import INPUTS, NEW, OLD, slot_of, write_new, write_old


@pytest.fixture(params=["folder", "memory"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "mirror") if request.param == "folder" else f"memory://{secrets.token_hex(4)}/mirror"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Two versions in one slot, the new one in use, and a version in another recipe's."""
    slot = slot_of(tmp_path / "here")
    slot.commit(OLD, INPUTS, write_old)
    slot.commit(NEW, INPUTS, write_new)
    slot.store.slot("other", "raw_corpus").commit(OLD, {}, write_old)
    return slot.store


def files(address: str) -> tuple[Any, str]:
    found: tuple[Any, str] = fsspec.core.url_to_fs(address)
    return found


def contents(store: Store) -> dict[str, bytes]:
    return {
        str(path.relative_to(store.root)): path.read_bytes()
        for path in sorted(store.root.glob("[a-z]*/**/*"))
        if path.is_file() and path.name != "history"
    }


def test_the_same_versions_on_another_machine(store: Store, address: str, tmp_path: Path) -> None:
    other = Store(tmp_path / "there")
    pushed = push(store, Bucket(address), every=True)
    assert (pushed.versions, pushed.there, pushed.objects) == (3, 0, 5), "the other recipe's files are the same bytes"
    seen: list[Path] = []
    pulled = pull(other, Bucket(address), every=True, on_progress=lambda path, size: seen.append(path))
    assert pulled.versions == 3 and len(seen) == pulled.objects == 7
    assert contents(other) == contents(store) and verify(other) == []
    current = slot_of(other.root).current()
    assert current is not None and current.path.name == NEW and current.cost == slot_of(store.root).current().cost  # type: ignore[union-attr]
    assert push(store, Bucket(address), every=True) == Moved(there=3)
    assert pull(other, Bucket(address), every=True) == Moved(there=3)
    assert push(other, Bucket(address), every=True) == Moved(there=3)


def test_only_what_is_in_use_and_only_one_recipe(store: Store, address: str, tmp_path: Path) -> None:
    push(store, Bucket(address), recipe="demo")
    other = Store(tmp_path / "there")
    assert pull(other, Bucket(address), recipe="other") == Moved()
    assert pull(other, Bucket(address)).versions == 1
    assert slot_of(other.root).fingerprints() == [NEW]
    # Another version comes into use here, then there.
    slot_of(store.root).commit(OLD, INPUTS, write_old)
    push(store, Bucket(address))
    pull(other, Bucket(address))
    assert slot_of(other.root).peek() == OLD and pull(Store(tmp_path / "empty"), Bucket(address)).versions == 2


def test_a_push_that_dies_anywhere(store: Store, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every call that changes the mirror fails once, at each of its places; then the next push goes on."""
    real = {name: getattr(Bucket, name) for name in ("put", "create", "replace")}

    def failing(at: int) -> None:
        count = iter(range(1, 1000))

        def wrap(call: Callable[..., Any]) -> Callable[..., Any]:
            def act(*arguments: Any) -> Any:
                if next(count) == at:
                    raise StorageError("the connection broke")
                return call(*arguments)

            return act

        for name, call in real.items():
            monkeypatch.setattr(Bucket, name, wrap(call))

    for at in range(1, 100):
        place = f"{address}-{at}"
        failing(at)
        try:
            push(store, Bucket(place), every=True)
            break
        except StorageError:
            failing(0)
            half = Store(tmp_path / f"half-{at}")
            pull(half, Bucket(place), every=True)  # what has come is whole
            assert verify(half) == [] and contents(half).items() <= contents(store).items()
            push(store, Bucket(place), every=True)
            whole = Store(tmp_path / f"whole-{at}")
            pull(whole, Bucket(place), every=True)
            assert contents(whole) == contents(store)
    else:
        raise AssertionError("it never got through")
    assert at > 10


@pytest.mark.parametrize("what", ["flip", "cut", "gone", "long"])
def test_broken_objects_are_found_on_the_way_down(store: Store, address: str, tmp_path: Path, what: str) -> None:
    push(store, Bucket(address))
    fs, root = files(address)
    for path in fs.find(f"{root}/objects"):
        data = fs.cat_file(path)
        broken = {"flip": bytes([data[0] ^ 1]) + data[1:], "cut": data[:-1], "long": data + b"x", "gone": b""}[what]
        fs.rm(path)
        if what != "gone":
            fs.pipe_file(path, broken)
        other = Store(tmp_path / path.rpartition("/")[2])
        with pytest.raises(IntegrityError, match=r"object is missing|bytes are not those of") as caught:
            pull(other, Bucket(address))
        assert path.rpartition("/")[2] in caught.value.where and "push again" in caught.value.hint
        assert verify(other) == [] and not list((other.root / ".staging").glob("*"))
        fs.pipe_file(path, data)
    assert pull(Store(tmp_path / "well"), Bucket(address)).versions == 2


def test_a_cut_off_object_is_put_again(store: Store, address: str, tmp_path: Path) -> None:
    fs, root = files(address)
    entry = slot_of(store.root).current().manifest.files[0]  # type: ignore[union-attr]
    path = f"{root}/objects/{entry.sha256[:2]}/{entry.sha256}"
    fs.makedirs(path.rpartition("/")[0], exist_ok=True)
    fs.pipe_file(path, b"x")
    push(store, Bucket(address))
    assert pull(Store(tmp_path / "there"), Bucket(address)).versions == 2


def test_broken_and_foreign_manifests(store: Store, address: str, tmp_path: Path) -> None:
    push(store, Bucket(address), recipe="other")
    fs, root = files(address)
    (path,) = [path for path in fs.find(f"{root}/versions") if path.endswith(MANIFEST)]
    sound = fs.cat_file(path)
    fs.rm(path)
    with pytest.raises(IntegrityError, match="names a version that it has not"):
        pull(Store(tmp_path / "1"), Bucket(address))
    fs.pipe_file(path, sound[:-20] + b"x" + sound[-19:])
    with pytest.raises(IntegrityError, match="seal broken"):
        pull(Store(tmp_path / "2"), Bucket(address))
    fs.rm(path)
    content = json.loads(sound)
    del content["check"]
    content["files"][0]["name"] = "../../../evil"
    content["digest"] = digest_of((f["name"], f["bytes"], f["sha256"]) for f in content["files"])
    fs.pipe_file(path, seal(content))
    with pytest.raises(IntegrityError, match="cannot be a file"):
        pull(Store(tmp_path / "3"), Bucket(address))
    fs.rm(path)
    content["recipe"] = "demo"
    fs.pipe_file(path, seal(content))
    with pytest.raises(IntegrityError, match="belongs to demo"):
        pull(Store(tmp_path / "4"), Bucket(address))
    fs.makedirs(f"{root}/current/a/b/c", exist_ok=True)
    fs.pipe_file(f"{root}/current/a/b/c/d", b"a")
    with pytest.raises(IntegrityError, match="not a place of results"):
        pull(Store(tmp_path / "5"), Bucket(address))
    assert not (tmp_path / "evil").exists()


def test_two_writers(store: Store, address: str, tmp_path: Path) -> None:
    same, other = Store(tmp_path / "same"), Store(tmp_path / "other")
    slot_of(same.root).commit(NEW, INPUTS, write_new)

    def write_another(output: Output) -> Counts:
        output.json("statistics.json", {"version": "another"})
        return Counts(rows_in=1, rows_out=1)

    slot_of(other.root).commit(NEW, INPUTS, write_another)
    push(store, Bucket(address))
    assert push(same, Bucket(address)).there == 1
    with pytest.raises(IntegrityError, match="another result of this fingerprint"):
        push(other, Bucket(address))
    assert pull(Store(tmp_path / "there"), Bucket(address)).versions == 2


def test_two_writers_at_once(store: Store, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other one puts its manifest after this one has looked whether there is one."""
    other = Store(tmp_path / "other")
    slot_of(other.root).commit(NEW, INPUTS, write_old)
    real = Bucket.create

    def create(self: Bucket, name: str, data: bytes) -> bool:
        monkeypatch.setattr(Bucket, "create", real)
        push(store, Bucket(address))
        return real(self, name, data)

    monkeypatch.setattr(Bucket, "create", create)
    with pytest.raises(IntegrityError, match="another result"):
        push(other, Bucket(address))
    there = Store(tmp_path / "there")
    pull(there, Bucket(address))
    assert contents(there).items() <= contents(store).items()


def test_put_once(address: str) -> None:
    bucket = Bucket(address)
    assert bucket.create("a/b", b"one") and not bucket.create("a/b", b"two")
    assert bucket.read("a/b") == b"one" and bucket.size("a/b") == 3
    assert bucket.read("a/c") is None and bucket.size("a/c") is None
    assert bucket.names("a") == ["a/b"] and bucket.names("none") == []
    bucket.replace("a/b", b"three")
    assert bucket.read("a/b") == b"three"


def test_a_broken_file_here_is_not_pushed(store: Store, address: str) -> None:
    path = slot_of(store.root).path / NEW / "statistics.json"
    path.chmod(0o644)
    path.write_bytes(path.read_bytes().replace(b"new", b"odd"))
    with pytest.raises(IntegrityError, match="bytes are not what the manifest says"):
        push(store, Bucket(address))


def test_addresses() -> None:
    assert Bucket("memory://user:secret@host/a").shown == "memory://host/a"
    with pytest.raises(ConfigError, match="cannot be used"):
        Bucket("nosuch://a/b")
    with pytest.raises(ServiceDown, match="cannot be reached"):
        Bucket("ftp://127.0.0.1:1/a")


def test_cost_need_not_be_there(store: Store, address: str, tmp_path: Path) -> None:
    (slot_of(store.root).path / NEW / COST).unlink()
    push(store, Bucket(address), recipe="demo")
    other = Store(tmp_path / "there")
    pull(other, Bucket(address))
    assert slot_of(other.root).current().cost is None  # type: ignore[union-attr]
