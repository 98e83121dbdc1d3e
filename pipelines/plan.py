"""The plan: for every stage and partition whether it is fresh or to be built, and why. Builds nothing.

Compares fingerprints and nothing else, and imports neither Dagster nor MLflow nor torch, so that it takes a moment.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from ops.errors import ConfigError
from pipelines.problems import advice

if TYPE_CHECKING:
    from ops.recipe import Recipe
    from ops.stages.spec import Stage
    from ops.storage import Slot, Store, Version

Status = Literal["fresh", "reuse", "build", "pending"]

MEANING: dict[str, str] = {
    "fresh": "the version in use is what would be built",
    "reuse": "a version that is there already will come into use",
    "build": "will be built",
    "pending": "depends on how an input comes out; skipped if that comes out as before",
}


@dataclass(frozen=True)
class Change:
    """One difference between the version in use and what would be built.

    Attributes:
        kind: `code`, `config`, `input`, `external`, or `first` where no version is in use.
        key: module, path of the key, or `stage[partition]`.
        old: the value in the version in use; None where the key is new.
        new: the value now; None where the key is gone, or not known before an input is built.
    """

    kind: str
    key: str
    old: str | None = None
    new: str | None = None

    def __str__(self) -> str:
        if self.kind == "first":
            return "never built"
        if self.kind == "external":
            return "the source's content has changed"
        if self.kind == "config":
            return f"config {self.key} {_short(self.old)} -> {_short(self.new)}"
        if self.kind == "input" and self.new == TO_BUILD:
            return f"input {self.key} is to be built"
        suffix = " (new)" if self.old is None else " (gone)" if self.new is None else ""
        return f"{self.kind} {self.key}{suffix}"


TO_BUILD = "to be built"
"""Stands for the digest of an input that is not built yet."""


@dataclass(frozen=True)
class Item:
    """What the plan says of one partition of one stage.

    Attributes:
        stage: name of the stage.
        partition: partition key; `all` for a stage without partitions.
        status: see `MEANING`.
        changes: why it is not fresh.
        fingerprint: of what would be built; None while an input is not known.
        digest: of the version that is there for it; None where there is none.
    """

    stage: str
    partition: str
    status: Status
    changes: tuple[Change, ...] = ()
    fingerprint: str | None = None
    digest: str | None = None

    @property
    def reasons(self) -> list[str]:
        """The changes in words; many inputs of one stage are counted rather than listed."""
        found: dict[str, None] = {}
        inputs = Counter(_stage_of(c) for c in self.changes if c.kind == "input")
        for change in self.changes:
            many = inputs[_stage_of(change)] if change.kind == "input" else 0
            if many > 2:
                verb = "are to be built" if change.new == TO_BUILD else "changed"
                found[f"input {_stage_of(change)} ({many} partitions {verb})"] = None
            else:
                found[str(change)] = None
        return list(found)

    def data(self) -> dict[str, Any]:
        """As JSON-able data."""
        changes = [{"kind": c.kind, "key": c.key, "old": c.old, "new": c.new} for c in self.changes]
        return {
            "stage": self.stage,
            "partition": self.partition,
            "status": self.status,
            "reasons": self.reasons,
            "changes": changes,
            "fingerprint": self.fingerprint,
            "digest": self.digest,
        }


@dataclass(frozen=True)
class Plan:
    """What a run of a recipe would do, in the order in which it would do it."""

    recipe: str
    items: tuple[Item, ...]

    @property
    def fresh(self) -> bool:
        """Whether there is nothing to do."""
        return all(item.status == "fresh" for item in self.items)

    @property
    def counts(self) -> dict[str, int]:
        """Number of items by status; all four are there."""
        return {status: sum(item.status == status for item in self.items) for status in MEANING}

    def data(self) -> dict[str, Any]:
        """As JSON-able data."""
        items = [item.data() for item in self.items]
        return {"recipe": self.recipe, "fresh": self.fresh, "counts": self.counts, "items": items}


def make_plan(
    recipe: Recipe, store: Store, stages: Sequence[str] | None = None, partitions: Sequence[str] | None = None
) -> Plan:
    """Compare what the recipe asks for with what the store has.

    Args:
        recipe: the recipe.
        store: where outputs lie; a store that is not there yet is empty.
        stages: only these stages are built; the others stay as they are. All by default.
        partitions: only these partitions of partitioned stages are built. All by default.

    Raises:
        ConfigError: a stage or partition that the recipe does not have.
        SatietyError: the source cannot be looked at, or the store is broken.
    """
    from ops.stages.chain import stages as chain_of
    from ops.stages.raw_corpus import looking_once

    chain = chain_of(recipe)
    _check_names(recipe, "stage", stages, [stage.name for stage in chain])
    _check_names(recipe, "partition", partitions, recipe.partition_keys() if partitions else [])
    planner = Planner(recipe, store, {stage.name: stage for stage in chain})
    chosen = set(stages) if stages else {stage.name for stage in chain}
    with looking_once():
        for stage in chain:
            wanted = set(partitions) if partitions and stage.partitioned else None
            planner.add(stage, build=stage.name in chosen, wanted=wanted)
    return Plan(recipe.name, tuple(planner.items))


class Planner:
    """Goes through the stages in order, knowing what each before will come out as, if that can be known."""

    def __init__(self, recipe: Recipe, store: Store, chain: Mapping[str, Stage]) -> None:
        self.recipe = recipe
        self.store = store
        self.chain = chain
        self.items: list[Item] = []
        self.digests: dict[tuple[str, str], str | None] = {}
        """Digest that each stage and partition will have; None where it is not known yet."""

    def add(self, stage: Stage, *, build: bool = True, wanted: set[str] | None = None) -> None:
        """Plan a stage; what is not to be built keeps the version that is in use."""
        from ops.stages.run import partitions_of

        for partition in partitions_of(stage, self.recipe):
            slot = self.store.slot(self.recipe.name, stage.name, partition)
            current = slot.current()
            if build and (wanted is None or partition in wanted):
                item = self._item(stage, partition, slot, current)
                self.items.append(item)
                self.digests[stage.name, partition] = item.digest
            else:
                self.digests[stage.name, partition] = current.digest if current else None

    def _item(self, stage: Stage, partition: str, slot: Slot, current: Version | None) -> Item:
        from ops.stages.run import fingerprint, ingredients

        inputs = self._inputs(stage, partition)
        digests = {name: {k: d or TO_BUILD for k, d in parts.items()} for name, parts in inputs.items()}
        parts = ingredients(stage, self.recipe, partition, digests)
        unknown = {f"input.{name}[{k}]" for name, found in inputs.items() for k, d in found.items() if d is None}
        changes = tuple(_changes(current.manifest.inputs if current else None, parts))
        if unknown:
            pending = any(_could_be(old, parts, unknown) for old in _versions(slot))
            return Item(stage.name, partition, "pending" if pending else "build", changes)
        expected = fingerprint(stage, partition, parts)
        if current is not None and current.manifest.fingerprint == expected:
            return Item(stage.name, partition, "fresh", (), expected, current.digest)
        there = slot.version(expected)
        if there is not None:
            return Item(stage.name, partition, "reuse", changes, expected, there.digest)
        return Item(stage.name, partition, "build", changes, expected)

    def _inputs(self, stage: Stage, partition: str) -> dict[str, dict[str, str | None]]:
        """For each input stage the digests of the partitions that are read, None where not known yet."""
        from ops.stages.run import partitions_of

        found: dict[str, dict[str, str | None]] = {}
        for wanted in stage.inputs:
            source = self.chain[wanted.stage]
            keys = wanted.keys(partitions_of(source, self.recipe), partition)
            found[wanted.stage] = {key: self.digests[wanted.stage, key] for key in keys}
        return found


def _versions(slot: Slot) -> list[Mapping[str, str]]:
    """The ingredients of every version of a slot."""
    found = (slot.version(fingerprint) for fingerprint in slot.fingerprints())
    return [version.manifest.inputs for version in found if version is not None]


def _could_be(old: Mapping[str, str], new: Mapping[str, str], unknown: set[str]) -> bool:
    """Whether a version with the ingredients `old` could turn out to be the one, whatever the unknown inputs become."""
    return old.keys() == new.keys() and all(old[key] == new[key] for key in new.keys() - unknown)


def _changes(old: Mapping[str, str] | None, new: Mapping[str, str]) -> list[Change]:
    """The differences of two sets of ingredients: configuration first, then code, content and inputs."""
    if old is None:
        return [Change("first", "")]
    found = []
    for name in sorted(old.keys() | new.keys()):
        before, after = old.get(name), new.get(name)
        if before != after:
            kind, _, key = name.partition(".")
            found.append(Change(kind, key, before, after))
    order = ("config", "code", "external", "input")
    return sorted(found, key=lambda change: order.index(change.kind) if change.kind in order else len(order))


def _stage_of(change: Change) -> str:
    return change.key.partition("[")[0]


def _short(value: str | None) -> str:
    if value is None:
        return "(none)"
    return value if len(value) <= 40 else f"{value[:37]}…"


def _check_names(recipe: Recipe, what: str, asked: Sequence[str] | None, known: list[str]) -> None:
    for name in asked or ():
        if name not in known:
            raise ConfigError(f"{recipe.name} has no {what} {name!r}", hint=advice(name, known, "it has"))
