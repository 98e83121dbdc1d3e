"""The store and its slots: the one way to commit a result and to find it again.

    <root>/<recipe>/<stage>/<partition>/<fingerprint>/    a version: its files, manifest.json, cost.json; never changes
    <root>/<recipe>/<stage>/<partition>/current/          links to the version in use (see `current`)
    <root>/<recipe>/<stage>/<partition>/history           fingerprints in order of use
    <root>/.staging/  .locks/  .work/                     what is being written, by whom, and scratch that survives

Which results are there is decided by fingerprints alone, never by clocks or modification times.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from ops.errors import ConfigError, IntegrityError
from ops.storage import current, files, history, lock, names
from ops.storage.counts import Counts
from ops.storage.hashing import digest_of
from ops.storage.manifest import COST, FORMAT, MANIFEST, Manifest, seal
from ops.storage.meter import Meter
from ops.storage.output import Output
from ops.storage.staging import LOCKS, owner_of, staging
from ops.storage.version import Version, verify_file

WORK = ".work"

Write = Callable[[Output], Counts | None]


@dataclass(frozen=True)
class Store:
    """A folder that holds the results of all recipes; made when the first one is committed.

    Attributes:
        root: the folder.
    """

    root: Path

    def __post_init__(self) -> None:
        # Paths of versions go to other processes, which may stand elsewhere.
        object.__setattr__(self, "root", Path(self.root).absolute())

    def slot(self, recipe: str, stage: str, partition: str = names.UNPARTITIONED) -> Slot:
        """The place of one stage's results for one partition.

        Raises:
            ConfigError: a name cannot be one.
        """
        names.partition_slug(partition)
        return Slot(self, names.check_name(recipe, "recipe"), names.check_name(stage, "stage"), partition)

    def slots(self) -> Iterator[Slot]:
        """Every slot there is, sorted by path; strange folders are passed over."""
        for folder in sorted(self.root.glob("[a-z0-9]*/[a-z0-9]*/*")):
            recipe, stage, slug = folder.parts[-3:]
            if not folder.is_dir():
                continue
            try:
                yield self.slot(recipe, stage, names.partition_key(slug))
            except ConfigError:
                continue


@dataclass(frozen=True)
class Slot:
    """The place of one stage's results for one partition.

    Attributes:
        store: the store it belongs to.
        recipe: the recipe's name.
        stage: the stage's name.
        partition: partition key, any text; `all` for an unpartitioned stage.
    """

    store: Store
    recipe: str
    stage: str
    partition: str

    @property
    def _relative(self) -> Path:
        return Path(self.recipe, self.stage, names.partition_slug(self.partition))

    @property
    def path(self) -> Path:
        """The slot's folder."""
        return self.store.root / self._relative

    def fingerprints(self) -> list[str]:
        """Fingerprints of all committed versions, sorted by name."""
        if not self.path.is_dir():
            return []
        return sorted(path.name for path in self.path.iterdir() if names.is_fingerprint(path.name) and path.is_dir())

    def version(self, fingerprint: str) -> Version | None:
        """The committed version of this fingerprint, or None.

        Where only `current/` has it (a fresh clone after `dvc pull`), every file is verified and linked into a
        version's folder first.

        Raises:
            IntegrityError: it is there but broken, or belongs elsewhere.
        """
        names.check_fingerprint(fingerprint)
        version = self._open(fingerprint)
        if version is None and self.peek() == fingerprint:
            with self.lock_current():
                version = self._open(fingerprint)
                if version is None and self.peek() == fingerprint:
                    version = self._adopt(fingerprint)
        return version

    def current(self) -> Version | None:
        """The version in use, or None.

        Raises:
            IntegrityError: `current/` or the version behind it is broken.
        """
        fingerprint = self.peek()
        if fingerprint is None and history.read_history(self.path):
            with self.lock_current():  # a swap without exchange may be under way, or was interrupted
                current.repair(self.path)
                fingerprint = self.peek()
        while fingerprint is not None:
            version = self.version(fingerprint)
            if version is not None:
                return version
            fingerprint = self.peek()  # it was replaced, and taken away by gc, since we looked
        return None

    def peek(self) -> str | None:
        """Fingerprint that `current/` shows at this moment, or None; waits for nobody and mends nothing.

        Raises:
            IntegrityError: its manifest is broken or belongs elsewhere.
        """
        folder = self.path / current.CURRENT
        try:
            manifest = Manifest.load(folder / MANIFEST)
        except IntegrityError as error:
            if isinstance(error.__cause__, OSError):  # no folder, or no manifest in it
                return None
            raise
        self.check_place(manifest, manifest.fingerprint, folder)
        return manifest.fingerprint

    def commit(self, fingerprint: str, inputs: Mapping[str, str], write: Write) -> tuple[Version, bool]:
        """Build and commit a version, unless it is there; `current/` shows it afterwards.

        Args:
            fingerprint: what is to be built.
            inputs: digests of the input versions by name, kept in the manifest.
            write: writes the result's files and returns the rows' books, or None for a stage without rows.

        Returns:
            The version, and whether it was built now (False: it was there, or another process was faster).

        Raises:
            IntegrityError: the rows do not add up, or what is there is broken; nothing was committed.
            DiskFull, StorageError: the result could not be written; nothing is at its name.
        """
        version = self.version(fingerprint)
        built = False
        if version is None or not self._is_in_use(version):
            with self._lock(fingerprint):
                version = self.version(fingerprint)
                if version is None:
                    version, built = self._build(fingerprint, inputs, write)
                self._point(version)
        return version, built

    def receive(self, fingerprint: str, fill: Callable[[Path], None]) -> Version:
        """Take a version that was committed elsewhere; one that is here already stays as it is.

        Args:
            fingerprint: its fingerprint.
            fill: writes the files and the manifest into a folder; the caller vouches for nothing, all is checked.

        Raises:
            IntegrityError: what was filled in is not what its manifest says, or belongs elsewhere.
        """
        with self._lock(names.check_fingerprint(fingerprint)):
            version = self.version(fingerprint)
            if version is not None:
                return version
            with staging(self.store.root, f"{self._relative}/{fingerprint}") as folder:
                fill(folder)
                found = Version.open(folder)
                self.check_place(found.manifest, fingerprint, folder)
                for entry in found.manifest.files:
                    verify_file(folder / entry.name, entry)
                files.fsync_folder(folder)
                files.make_folder(self.path)
                self._publish(folder, fingerprint)
            return Version.open(self.path / fingerprint)

    def point(self, version: Version) -> None:
        """Make `current/` show a committed version of this slot; does nothing where it does.

        Raises:
            ConfigError: the version is of another slot.
            IntegrityError: it is not there any more.
        """
        if version.path.parent != self.path:
            raise ConfigError(f"{version.path} is no version of {self._relative}")
        if not self._is_in_use(version):
            with self._lock(version.path.name):
                self._point(version)

    def _is_in_use(self, version: Version) -> bool:
        newest = history.read_history(self.path)[-1:]
        clean = newest == [version.path.name] and not current.leftovers(self.path)
        return clean and current.points_at(self.path, version)

    def _point(self, version: Version) -> None:
        # The caller holds the version's lock: gc must not take it for one that nobody uses.
        with self.lock_current():
            history.record(self.path, version.path.name)
            current.point_at(self.path, version)

    def _lock(self, fingerprint: str) -> AbstractContextManager[None]:
        target = f"{self._relative}/{fingerprint}"
        return lock.hold(self.lock_path(fingerprint), target, lambda: owner_of(self.store.root, target))

    def work(self, fingerprint: str) -> Path:
        """A scratch folder for building this fingerprint; it survives crashes until gc finds the version committed."""
        folder = self.work_path(fingerprint)
        files.make_folder(folder)
        return folder

    def work_path(self, fingerprint: str) -> Path:
        """Where `work` is, without making it."""
        return self.store.root / WORK / self._relative / names.check_fingerprint(fingerprint)

    def lock_path(self, name: str) -> Path:
        """Lock file of a fingerprint, or of `current`."""
        return self.store.root / LOCKS / self._relative / f"{name}.lock"

    def lock_current(self) -> AbstractContextManager[None]:
        """The lock under which `current/` and the history change."""
        return lock.hold(self.lock_path(current.CURRENT), f"{self._relative}/current")

    def _open(self, fingerprint: str) -> Version | None:
        folder = self.path / fingerprint
        try:
            if not any(folder.iterdir()):
                return None
            version = Version.open(folder)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise files.translate(error, "read", folder) from error
        except IntegrityError:
            if not folder.exists():  # gc has taken it away as a whole
                return None
            raise
        self.check_place(version.manifest, fingerprint, folder)
        return version

    def check_place(self, manifest: Manifest, fingerprint: str, folder: Path) -> None:
        """Raise IntegrityError unless the manifest found in a folder is of this slot and fingerprint."""
        found = (manifest.recipe, manifest.stage, manifest.partition, manifest.fingerprint)
        if found != (self.recipe, self.stage, self.partition, fingerprint):
            raise IntegrityError(f"the manifest belongs to {'/'.join(found)}", where=str(folder / MANIFEST))

    def _adopt(self, fingerprint: str) -> Version:
        folder = self.path / current.CURRENT
        found = Version.open(folder)
        for entry in found.manifest.files:
            verify_file(folder / entry.name, entry)
        with staging(self.store.root, f"{self._relative}/{fingerprint}") as new:
            current.populate(new, found)
            history.record(self.path, fingerprint)
            self._publish(new, fingerprint)
        return Version.open(self.path / fingerprint)

    def _build(self, fingerprint: str, inputs: Mapping[str, str], write: Write) -> tuple[Version, bool]:
        meter = Meter()
        with staging(self.store.root, f"{self._relative}/{fingerprint}") as folder:
            output = Output(folder)
            counts = write(output)
            if counts is not None:
                counts.check(where=str(self._relative))
            entries, facts, cost = output.finished()
            manifest = Manifest(
                format=FORMAT,
                recipe=self.recipe,
                stage=self.stage,
                partition=self.partition,
                fingerprint=fingerprint,
                digest=digest_of((entry.name, entry.bytes, entry.sha256) for entry in entries),
                inputs=dict(inputs),
                counts=counts,
                facts=facts,
                files=entries,
            )
            text = manifest.text()
            files.write_file(folder / COST, seal({**meter.read(), **cost}))
            files.write_file(folder / MANIFEST, text)
            files.fsync_folder(folder)
            files.make_folder(self.path)
            with self.lock_current():  # before the name is given: after a crash in between, gc must not call it old
                history.record(self.path, fingerprint)
            built = self._publish(folder, fingerprint)
        version = Version.open(self.path / fingerprint)
        if not built:
            version.check()
        return version, built

    def _publish(self, folder: Path, fingerprint: str) -> bool:
        """Give a finished folder its name; False where another one has it already."""
        won = files.rename_new(folder, self.path / fingerprint)
        files.fsync_folder(self.path)
        return won
