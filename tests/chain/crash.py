"""Ends, or fails, the building of every stage of a small recipe at its 1st, 2nd, 3rd … change of the file system.

    python -m tests.chain.crash FAULT STRIDE FOLDER RECIPE STAGE …

RECIPE is `tiny` or `rich`, the same with quality scores, near-duplicates and a step that is fitted. FAULT is `kill`,
`enospc`, `eio` or `eio-once` (see `ops/storage/faults.py`). Each stage has an old version in use and is built anew from
changed data; what is left behind is looked at, built again without faults, and compared with an undisturbed build.
Prints the number of calls of each stage as JSON; the first thing that is wrong ends it with 1.

A process of its own that has imported everything and run none of it has no threads that work, so a run is a fork.
polars would wait for ever in the child of a process in which it has worked.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import ftfy  # noqa: F401  # what stages import when they run is imported here, once
import tokenizers  # noqa: F401

from ops.errors import DiskFull, StorageError
from ops.recipe import Recipe
from ops.stages.chain import stage_named, stages
from ops.stages.code import code_versions
from ops.stages.run import build_stage, partitions_of
from ops.stages.spec import Services, Stage
from ops.storage import Slot, Store, gc, verify
from tests.chain import worlds
from tests.chain.worlds import World
from tests.ops.storage.helpers import staging_leftovers
from tests.tiny import write_rows

BUILT, WRONG = 0, 1


@dataclass(frozen=True)
class Case:
    """One partition of one stage that is about to be built anew.

    Attributes:
        world: its inputs are new, its own version in use is old.
        stage: the stage.
        partition: the partition.
        saved: a copy of the slot, and of its work folder, as they are now.
        old, new: the manifest in use, and the one that an undisturbed build ends with.
        calls: changes of the file system that the undisturbed build makes.
    """

    world: World
    stage: Stage
    partition: str
    saved: Path
    old: bytes
    new: bytes
    calls: int

    @property
    def slot(self) -> Slot:
        return slot_of(self.world, self.stage, self.partition)

    def restore(self) -> None:
        restore(self.slot, self.saved)


@cache
def recipe_of(world: World) -> Recipe:
    return world.recipe()


def slot_of(world: World, stage: Stage, partition: str) -> Slot:
    return world.store.slot(recipe_of(world).name, stage.name, partition)


def save(slot: Slot, saved: Path) -> None:
    for path in places(slot):
        if path.is_dir():
            shutil.copytree(path, saved / path.relative_to(slot.store.root), copy_function=os.link)


def restore(slot: Slot, saved: Path) -> None:
    """Put a slot back as it was saved, and nothing else: no leftovers, no locks."""
    root = slot.store.root
    for path in (*places(slot), root / ".staging", root / ".locks"):
        shutil.rmtree(path, ignore_errors=True)
    shutil.copytree(saved, root, copy_function=os.link, dirs_exist_ok=True)


def places(slot: Slot) -> tuple[Path, Path]:
    return slot.path, slot.work_path("f" * 32).parent


def in_use(slot: Slot) -> bytes:
    return (slot.path / "current" / "manifest.json").read_bytes()


def build(world: World, stage: Stage, partition: str) -> None:
    """Build what must be there without training."""
    build_stage(stage, recipe_of(world), partition, world.store, Services(launch=worlds.never))


def child(act: Callable[[], int]) -> int:
    """Run in a fork; returns its exit code, or minus the signal that ended it."""
    pid = os.fork()
    if pid == 0:
        code = WRONG
        try:
            code = act()
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def must(act: Callable[[], Any]) -> None:
    def run() -> int:
        act()
        return BUILT

    if child(run) != BUILT:
        raise SystemExit("a build that nothing disturbs has failed")


RICH = [
    {"kind": "whitespace"},
    {"kind": "quality", "gopher": None, "c4": None, "fineweb": None},
    {"kind": "exact_duplicates", "conflict_label": "label"},
    {"kind": "near_duplicates", "threshold": 0.6, "ngram": 1},
    {"kind": "impute", "columns": ["stars"], "method": "mean"},
]
"""Cleaning with all the folds there are."""


def train_only(world: World, stage: Stage) -> None:
    """Leave a finished training that was not committed."""

    def launch(run_file: Path, recipe: Recipe, on_record: Any) -> None:
        worlds.forked(run_file, recipe, on_record)
        raise InterruptedError

    try:
        build_stage(stage, recipe_of(world), "all", world.store, Services(launch=launch))
    except InterruptedError:
        return
    raise AssertionError("it was there already")


def alone(world: World, stage: Stage, partition: str, root: Path) -> World:
    """A store with the inputs and the slot of one partition of one stage: less to look through, again and again."""
    recipe = recipe_of(world)
    slots = [slot_of(world, stage, partition)]
    for read in stage.inputs:
        source = stage_named(recipe, read.stage)
        keys = partitions_of(source, recipe) if read.every or not source.partitioned else [partition]
        slots += [slot_of(world, source, key) for key in keys]
    for slot in slots:
        shutil.copytree(slot.path, root / slot.path.relative_to(world.store.root), copy_function=os.link)
    return World(world.path, Store(root))


def prepare(world: World, stage: Stage, partition: str, scratch: Path) -> Case:
    """Build undisturbed, counting the calls, and put the old version back."""
    world = alone(world, stage, partition, scratch / f"{stage.name}-store")
    slot, log = slot_of(world, stage, partition), scratch / f"{stage.name}.log"
    if stage.name == "model":
        must(lambda: train_only(world, stage))
    saved, old = scratch / stage.name, in_use(slot)
    save(slot, saved)

    def count() -> None:
        os.environ["SATIETY_FAULT_LOG"] = str(log)
        build(world, stage, partition)

    restore(slot, saved)  # without the folders of locks as well, whose making counts
    must(count)
    case = Case(world, stage, partition, saved, old, in_use(slot), len(log.read_text().splitlines()))
    assert case.new != case.old, f"{stage.name}: nothing has changed"
    case.restore()
    return case


def look(case: Case, *, whole: bool, tidy: bool) -> None:
    """What must hold after a fault, and after another go.

    Args:
        case: what was built.
        whole: whether nothing may have been left behind.
        tidy: whether to collect garbage as well.
    """
    assert in_use(case.slot) in (case.old, case.new), "readers see neither the old nor the new version"
    current = case.slot.current()
    assert current is not None
    current.check()
    assert verify(case.world.store) == []
    if whole:
        assert staging_leftovers(case.world.store.root) == []
    build(case.world, case.stage, case.partition)
    assert in_use(case.slot) == case.new, "another result than that of an undisturbed build"
    if tidy:
        gc(case.world.store, dry_run=False, keep=2)
        assert staging_leftovers(case.world.store.root) == []
        assert verify(case.world.store) == []


def killed(case: Case, number: int) -> None:
    """SIGKILL at a call, then a look by the next process."""

    def act() -> int:
        os.environ["SATIETY_FAULT"] = f"kill@{number}"
        build(case.world, case.stage, case.partition)
        return BUILT

    code = child(act)
    assert code == (-9 if number <= case.calls else BUILT), f"ended with {code}"
    must(lambda: look(case, whole=False, tidy=number % 8 == 0))


def failed(case: Case, kind: str, number: int) -> None:
    """A failing disk from a call on, then a look by the same process once it works again."""

    def act() -> None:
        os.environ["SATIETY_FAULT"] = f"{kind}@{number}"
        try:
            build(case.world, case.stage, case.partition)
        except StorageError as error:
            assert type(error) is (DiskFull if kind == "enospc" else StorageError), repr(error)
            assert error.exit_code == 74 and error.where and "\n" not in str(error)
        else:
            # What only tidies up may fail: the result is there and in use.
            assert in_use(case.slot) == case.new
        os.environ.pop("SATIETY_FAULT")
        look(case, whole=kind == "enospc", tidy=number % 8 == 0)

    must(act)


def main(fault: str, stride: int, folder: Path, kind: str, names: list[str]) -> dict[str, int]:
    world = worlds.make(folder, cleaning=RICH) if kind == "rich" else worlds.make(folder)
    recipe = recipe_of(world)
    for stage in stages(recipe):
        code_versions([stage.module, *stage.modules(recipe)])  # worked out once, and not in every child
    if "model" in names:
        import ops.training.result  # noqa: F401  # brings torch, which makes a fork slower
    order = [stage.name for stage in stages(recipe)]
    must(lambda: worlds.build(recipe, world.store, order[: order.index(names[-1]) + 1]))
    write_rows(world.path.with_suffix(".csv"), seed=1)
    calls = {}
    for stage in stages(recipe):
        if stage.name in names:
            # The second partition, which has one before it.
            case = prepare(world, stage, partitions_of(stage, recipe)[:2][-1], folder)
            for number in range(1, case.calls + 2, stride):
                case.restore()
                try:
                    killed(case, number) if fault == "kill" else failed(case, fault, number)
                except BaseException:
                    print(f"{stage.name}, {fault} at call {number} of {case.calls}", file=sys.stderr)
                    raise
            calls[stage.name] = case.calls
        if stage.name == names[-1]:
            break
        must(lambda named=stage.name: worlds.build(recipe, world.store, [named]))  # type: ignore[misc]
    return calls


def working_threads() -> list[str]:
    """Threads that somebody might wait for; those that polars starts when it is imported only tidy up."""
    names = [(task / "comm").read_text().strip() for task in Path("/proc/self/task").iterdir()][1:]
    return [name for name in names if not name.startswith(("jemalloc_bg", "polars-ooc"))]


if __name__ == "__main__":
    # The disk itself is not waited for: a kill loses nothing that the kernel has.
    setattr(os, "fsync", lambda descriptor: None)  # noqa: B010  # mypy knows that it is not to be assigned
    os.environ["POLARS_MAX_THREADS"] = "1"
    assert working_threads() == [], "they would be missing in the children"
    print(json.dumps(main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]), sys.argv[4], sys.argv[5:])))
