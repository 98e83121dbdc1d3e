"""Looking into anything the pipeline makes or reads: figures and samples, without loading more than it takes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ops.errors import BadData, ConfigError, StorageError
from pipelines.console import seconds, size
from pipelines.problems import advice

if TYPE_CHECKING:
    from ops.storage import Slot, Store, Version

CELL = 60
LINES_READ = 1 << 20
PLACE = re.compile(r"[a-z0-9][a-z0-9_.-]*(/[a-z0-9][a-z0-9_.-]*(/.+)?)?")


@dataclass
class Grid:
    """A small table."""

    title: str
    columns: list[str]
    rows: list[list[Any]]


@dataclass
class Sheet:
    """What was seen: a title, figures by name, and tables."""

    title: str
    figures: dict[str, Any] = field(default_factory=dict)
    grids: list[Grid] = field(default_factory=list)

    def data(self) -> dict[str, Any]:
        """As JSON-able data."""
        grids = [
            {"title": g.title, "rows": [dict(zip(g.columns, row, strict=True)) for row in g.rows]} for g in self.grids
        ]
        return {"title": self.title, "figures": self.figures, "tables": grids}


def peek(target: str, store: Store, rows: int) -> Sheet:
    """Look at a path, or at `recipe`, `recipe/stage`, `recipe/stage/partition` in the store.

    Raises:
        ConfigError: there is nothing of that name.
        IntegrityError: a stored file is not what was committed.
    """
    from pipelines.peek_files import look_at

    if not target or "\0" in target:
        raise ConfigError(f"{target!r} is neither a file nor in the store")
    path = Path(target).expanduser()
    try:
        is_folder, is_file = path.is_dir(), path.is_file()
    except OSError as error:
        raise StorageError(f"cannot be looked at: {error.strerror}", where=target[:100]) from error
    inside = PLACE.fullmatch(target) and (store.root / target.split("/")[0]).is_dir()
    if is_file:
        # The whole version where the file is a manifest, the checked file where a manifest lists it.
        return _version(path.parent, rows) if path.name == "manifest.json" else look_at(_checked(path), rows)
    if is_folder and not inside:
        return _version(path, rows) if (path / "manifest.json").is_file() else _folder(path)
    return _stored(target, store, rows)


def _checked(path: Path) -> Path:
    """The file itself; if the manifest beside it lists it, its bytes are checked first."""
    from ops.storage import Version

    if (path.parent / "manifest.json").is_file():
        version = Version.open(path.parent)
        if version.manifest.entry(path.name) is not None:
            return version.file(path.name)
    return path


def _stored(target: str, store: Store, rows: int) -> Sheet:
    """A recipe, a stage or a partition by name."""
    recipe, _, rest = target.partition("/")
    stage, _, partition = rest.partition("/")
    slots = [slot for slot in store.slots() if slot.current() is not None]
    known = list(dict.fromkeys(slot.recipe for slot in slots))
    if recipe not in known:
        hint = advice(recipe, known, "the store has") if known else f"the store {store.root} is empty"
        raise ConfigError(f"{target!r} is neither a file nor in the store", hint=hint)
    own = [slot for slot in slots if slot.recipe == recipe]
    if not stage:
        return _stages(recipe, own)
    of_stage = [slot for slot in own if slot.stage == stage]
    if not of_stage:
        names = list(dict.fromkeys(slot.stage for slot in own))
        raise ConfigError(f"{recipe} has no stored stage {stage!r}", hint=advice(stage, names, "it has"))
    chosen = [slot for slot in of_stage if slot.partition == partition] if partition else of_stage
    if not chosen:
        names = [slot.partition for slot in of_stage]
        raise ConfigError(f"{recipe}/{stage} has no partition {partition!r}", hint=advice(partition, names, "it has"))
    sheet = _version(_current(chosen[0]).path, rows)
    if len(chosen) > 1:
        sheet.grids.insert(0, _partitions(chosen, f"{recipe}/{stage}"))
    return sheet


def _current(slot: Slot) -> Version:
    version = slot.current()
    if version is None:
        raise ConfigError(f"{slot.stage}[{slot.partition}] has no version in use")
    return version


def _stages(recipe: str, slots: list[Slot]) -> Sheet:
    rows: dict[str, list[Any]] = {}
    for slot in slots:
        version = _current(slot)
        row = rows.setdefault(slot.stage, [slot.stage, 0, 0, 0, 0])
        counts = version.manifest.counts
        row[1] += 1
        row[2] += counts.rows_out if counts else 0
        row[3] += sum(counts.dropped.values()) + sum(counts.rejected.values()) if counts else 0
        row[4] += sum(entry.bytes for entry in version.manifest.files)
    total = sum(row[4] for row in rows.values())
    ordered = sorted(rows.values(), key=lambda row: _order(row[0]))
    columns = ["stage", "partitions", "rows", "dropped", "bytes"]
    return Sheet(recipe, {"stages": len(rows), "size": size(total)}, [Grid("stages", columns, ordered)])


def _order(stage: str) -> tuple[int, str]:
    from ops.stages.chain import DATA_STAGES

    names = (*DATA_STAGES, "model", "report")
    return (names.index(stage) if stage in names else len(names), stage)


def _partitions(slots: list[Slot], name: str) -> Grid:
    rows = []
    for slot in slots:
        version = _current(slot)
        counts = version.manifest.counts
        lost = sum(counts.dropped.values()) + sum(counts.rejected.values()) if counts else 0
        rows.append([slot.partition, counts.rows_out if counts else None, lost, version.digest])
    title = f"{len(slots)} partitions (below: the first; the last is {name}/{slots[-1].partition})"
    return Grid(title, ["partition", "rows", "dropped", "digest"], rows)


def _version(folder: Path, rows: int) -> Sheet:
    """A version: its books, its files, and samples of each."""
    from ops.storage import Version
    from ops.training.cache_files import DATA, INDEX
    from pipelines.peek_files import look_at, token_cache

    version = Version.open(folder)
    manifest = version.manifest
    figures: dict[str, Any] = {"path": str(folder), "digest": manifest.digest, "fingerprint": manifest.fingerprint}
    if manifest.counts is not None:
        counts = manifest.counts
        figures |= {"rows in": counts.rows_in, "rows out": counts.rows_out}
        for name in ("rejected", "dropped", "changed"):
            figures |= {f"{name} {reason}": count for reason, count in getattr(counts, name).items()}
    figures |= {name: shown for name, value in manifest.facts.items() if (shown := _fact(value)) != ""}
    if version.cost and isinstance(version.cost.get("wall_s"), int | float):
        figures["built in"] = seconds(version.cost["wall_s"])
    sheet = Sheet(f"{manifest.recipe}/{manifest.stage}/{manifest.partition}", figures)
    entries = [[entry.name, entry.bytes, entry.rows, entry.sha256[:16]] for entry in manifest.files]
    sheet.grids.append(Grid("files", ["file", "bytes", "rows", "sha256"], entries))
    names = [entry.name for entry in manifest.files]
    if {DATA, INDEX} <= set(names):
        sheet.grids += token_cache(version, rows).grids
        return sheet
    for name in names:
        look = look_at(version.file(name), rows)
        sheet.grids += [Grid(f"{name}: {grid.title}", grid.columns, grid.rows) for grid in look.grids]
    return sheet


def _fact(value: Any) -> Any:
    if isinstance(value, int | float | str | bool) or value is None:
        return value
    return cut(json.dumps(value, ensure_ascii=False), 200)


def _folder(path: Path) -> Sheet:
    """A folder that is no version: what lies in it, by kind of file."""
    kinds: dict[str, list[int]] = {}
    for count, entry in enumerate(path.rglob("*")):
        if count >= 100_000:
            break
        if entry.is_file():
            found = kinds.setdefault(entry.suffix.lower() or "(none)", [0, 0])
            found[0] += 1
            found[1] += entry.stat().st_size
    if not kinds:
        raise BadData("this folder holds no files", where=str(path))
    rows = [[kind, count, bytes_] for kind, (count, bytes_) in sorted(kinds.items(), key=lambda item: -item[1][1])]
    figures = {"files": sum(count for count, _ in kinds.values()), "size": size(sum(b for _, b in kinds.values()))}
    return Sheet(str(path), figures, [Grid("kinds of files", ["suffix", "files", "bytes"], rows)])


def cut(text: str, length: int = CELL) -> str:
    """A text in one line, control characters made visible, cut to a length."""
    visible = "".join(c if c.isprintable() else "·" for c in text[: length * 2].replace("\n", "⏎"))
    return visible if len(visible) <= length else f"{visible[: length - 1]}…"


def lines_of(path: Path, count: int, convert: Callable[[str], Any] = cut) -> Iterable[Any]:
    """The first lines of a text file, each converted; reads at most a megabyte."""
    with path.open("rb") as file:
        text = file.read(LINES_READ).decode("utf-8", "replace")
    return [convert(line) for line in text.splitlines()[:count]]
