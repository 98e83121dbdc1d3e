"""A copy of the store on an object store: `push` brings versions there, `pull` brings them to another machine.

    <address>/objects/<xx>/<SHA-256>                                            the bytes of files, each once
    <address>/versions/<recipe>/<stage>/<partition>/<fingerprint>/cost.json     what building it took
    <address>/versions/<recipe>/<stage>/<partition>/<fingerprint>/manifest.json put last, and only where there is none
    <address>/current/<recipe>/<stage>/<partition>                              the fingerprint in use

An object's name is the hash of its bytes, so putting it twice changes nothing, and a push that died is finished by the
next one. A version is there once its manifest is; of two writers the first wins, and the other one is told if its own
result differs. On the way down every byte is hashed before anything has its final name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ops.errors import IntegrityError, SatietyError, StorageError
from ops.storage import names
from ops.storage.bucket import Bucket
from ops.storage.files import AtomicFile, write_file
from ops.storage.manifest import COST, MANIFEST, FileEntry, Manifest
from ops.storage.store import Slot, Store
from ops.storage.version import Version

Progress = Callable[[Path, int], None]


@dataclass(frozen=True)
class Moved:
    """What a push or a pull did.

    Attributes:
        versions: versions that came.
        there: versions that were there already.
        objects: files that were transferred.
        bytes: bytes that were transferred.
    """

    versions: int = 0
    there: int = 0
    objects: int = 0
    bytes: int = 0


def push(
    store: Store, bucket: Bucket, recipe: str | None = None, every: bool = False, on_progress: Progress | None = None
) -> Moved:
    """Bring the versions in use there.

    Args:
        store: the store.
        bucket: the mirror.
        recipe: only this recipe.
        every: all versions, not only those in use.
        on_progress: called with path and bytes of each file before it is transferred.

    Raises:
        IntegrityError: a file here is broken, or the mirror has another result of the same fingerprint.
        StorageError: the mirror cannot be written; the next push goes on from there.
    """
    versions = there = objects = size = 0
    for slot in store.slots():
        if recipe is not None and slot.recipe != recipe:
            continue
        now = slot.current()
        in_use = now.path.name if now is not None else None
        for fingerprint in slot.fingerprints() if every else filter(None, [in_use]):
            version = slot.version(fingerprint)
            if version is None:  # gc was faster
                continue
            place = _place(slot, fingerprint)
            if _is_there(bucket, place, version):
                there += 1
                continue
            for entry in version.manifest.files:
                name = _object(entry)
                if bucket.size(name) != entry.bytes:
                    if on_progress:
                        on_progress(version.path / entry.name, entry.bytes)
                    bucket.put(name, version.file(entry.name))
                    objects, size = objects + 1, size + entry.bytes
            if (version.path / COST).exists() and bucket.size(f"{place}/{COST}") is None:
                bucket.create(f"{place}/{COST}", (version.path / COST).read_bytes())
            bucket.create(f"{place}/{MANIFEST}", (version.path / MANIFEST).read_bytes())
            if not _is_there(bucket, place, version):
                raise StorageError("the manifest that was put is not there", where=f"{bucket.shown}/{place}")
            versions += 1
        if in_use is not None:
            pointer = _pointer(slot)
            if bucket.read(pointer) != in_use.encode():
                bucket.replace(pointer, in_use.encode())
    return Moved(versions, there, objects, size)


def pull(
    store: Store, bucket: Bucket, recipe: str | None = None, every: bool = False, on_progress: Progress | None = None
) -> Moved:
    """Bring the versions that the mirror has in use here, and put them in use.

    Args:
        store: the store.
        bucket: the mirror.
        recipe: only this recipe.
        every: all versions, not only those in use.
        on_progress: called with path and bytes of each file before it is transferred.

    Raises:
        IntegrityError: something there is broken; what came before it is kept.
        StorageError: the mirror cannot be read, or the store not be written.
    """
    versions = there = objects = size = 0
    below = f"/{recipe}" if recipe is not None else ""
    current = {name.removeprefix("current/"): name for name in bucket.names(f"current{below}")}
    wanted = {(place, fingerprint) for place in current if (fingerprint := _read_pointer(bucket, current[place]))}
    in_use = dict(wanted)
    if every:
        found = bucket.names(f"versions{below}")
        manifests = [name.split("/") for name in found if name.endswith(f"/{MANIFEST}")]
        wanted |= {("/".join(parts[1:-2]), parts[-2]) for parts in manifests}
    for place, fingerprint in sorted(wanted):
        slot = _slot(store, bucket, place)
        version = slot.version(fingerprint)
        if version is not None:
            there += 1
        else:
            version = slot.receive(fingerprint, lambda folder: _fetch(bucket, slot, fingerprint, folder, on_progress))  # noqa: B023 - called at once
            versions += 1
            objects += len(version.manifest.files)
            size += sum(entry.bytes for entry in version.manifest.files)
        if in_use.get(place) == fingerprint:
            slot.point(version)
    return Moved(versions, there, objects, size)


def _fetch(bucket: Bucket, slot: Slot, fingerprint: str, folder: Path, on_progress: Progress | None) -> None:
    place = _place(slot, fingerprint)
    text = bucket.read(f"{place}/{MANIFEST}")
    if text is None:
        raise IntegrityError(
            "the mirror names a version that it has not", where=f"{bucket.shown}/{place}", hint="push it again"
        )
    write_file(folder / MANIFEST, text)
    try:
        manifest = Manifest.load(folder / MANIFEST)
        slot.check_place(manifest, fingerprint, folder)
    except IntegrityError as error:
        raise IntegrityError(error.message, where=f"{bucket.shown}/{place}/{MANIFEST}", hint=_ADVICE) from error
    for entry in manifest.files:
        # A foreign manifest must not name a file outside of its folder.
        if not names.is_file_name(entry.name):
            raise IntegrityError(f"{entry.name!r} cannot be a file of a version", where=f"{bucket.shown}/{place}")
        if on_progress:
            on_progress(slot.path / fingerprint / entry.name, entry.bytes)
        _fetch_file(bucket, entry, folder / entry.name)
    cost = bucket.read(f"{place}/{COST}")
    if cost is not None:
        write_file(folder / COST, cost)


def _fetch_file(bucket: Bucket, entry: FileEntry, path: Path) -> None:
    where = f"{bucket.shown}/{_object(entry)}"
    with AtomicFile(path) as file:
        try:
            for piece in bucket.chunks(_object(entry)):
                file.write(piece)
                if file.size > entry.bytes:
                    break
        except FileNotFoundError as error:
            raise IntegrityError("object is missing", where=where, hint=_ADVICE) from error
        if file.size != entry.bytes or file.sha256 != entry.sha256:
            raise IntegrityError(f"bytes are not those of {entry.name}", where=where, hint=_ADVICE)


_ADVICE = "remove it, and its version's manifest, there, and push again from a store that has it"


def _is_there(bucket: Bucket, place: str, version: Version) -> bool:
    """Whether the mirror has this version.

    Raises:
        IntegrityError: it has another one of the same fingerprint.
    """
    theirs, ours = bucket.read(f"{place}/{MANIFEST}"), (version.path / MANIFEST).read_bytes()
    if theirs is None or theirs == ours:
        return theirs is not None
    raise IntegrityError(
        "the mirror has another result of this fingerprint",
        where=f"{bucket.shown}/{place}",
        hint=f"find out which of the two is right; the one here is {version.path}",
    )


def _object(entry: FileEntry) -> str:
    return f"objects/{entry.sha256[:2]}/{entry.sha256}"


def _place(slot: Slot, fingerprint: str) -> str:
    return f"versions/{slot.recipe}/{slot.stage}/{names.partition_slug(slot.partition)}/{fingerprint}"


def _pointer(slot: Slot) -> str:
    return f"current/{slot.recipe}/{slot.stage}/{names.partition_slug(slot.partition)}"


def _read_pointer(bucket: Bucket, name: str) -> str | None:
    data = bucket.read(name)
    return data.decode("ascii", "replace").strip() if data is not None else None


def _slot(store: Store, bucket: Bucket, place: str) -> Slot:
    try:
        recipe, stage, slug = place.split("/")
        return store.slot(recipe, stage, names.partition_key(slug))
    except (ValueError, SatietyError) as error:
        raise IntegrityError(f"not a place of results: {place!r}", where=bucket.shown) from error
