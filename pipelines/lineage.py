"""From a model back to the raw bytes: every version on the way found by its digest and hashed again."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ops.errors import ConfigError, SatietyError

if TYPE_CHECKING:
    from ops.recipe import Recipe
    from ops.storage import Slot, Store, Version

Status = Literal["ok", "changed", "unchecked", "missing", "broken"]
"""From best to worst; `changed` and `unchecked` are about a source outside of the store."""

ORDER: tuple[Status, ...] = ("ok", "unchecked", "changed", "missing", "broken")
INPUT = re.compile(r"input\.([^\[]+)\[(.*)\]", re.DOTALL)
DIGEST = re.compile(r"[0-9a-f]{8,64}")

Progress = Callable[[Path, int], None]
Key = tuple[str, str, str]
"""Stage, partition and digest."""


@dataclass
class Node:
    """One version on the way, or the outside source of one.

    Attributes:
        stage: its stage; `source` for what lies outside of the store.
        partition: its partition key.
        digest: what its bytes should be.
        status: what was found.
        problem: in words, where the status is not `ok`.
        path: its folder.
        inputs: what it was made from.
    """

    stage: str
    partition: str
    digest: str
    status: Status = "ok"
    problem: str = ""
    path: Path | None = None
    inputs: list[Key] = field(default_factory=list)


@dataclass
class Lineage:
    """A version and everything it was made from."""

    recipe: str
    top: Key
    nodes: dict[Key, Node]

    @property
    def status(self) -> Status:
        """The worst status of any part."""
        return max((node.status for node in self.nodes.values()), key=ORDER.index)

    def data(self) -> dict[str, Any]:
        """As JSON-able data; the nodes are a graph, named by `stage[partition]@digest`."""
        nodes = []
        for node in self.nodes.values():
            inputs = [_name(key) for key in node.inputs]
            path = str(node.path) if node.path else None
            shown = {"id": _name((node.stage, node.partition, node.digest)), "inputs": inputs, "path": path}
            nodes.append({**vars(node), **shown})
        return {"recipe": self.recipe, "top": _name(self.top), "status": self.status, "nodes": nodes}


def _name(key: Key) -> str:
    return f"{key[0]}[{key[1]}]@{key[2]}"


def find_digest(store: Store, digest: str) -> Version:
    """The version whose digest begins so; a model before anything else.

    Raises:
        ConfigError: there is none, or several different ones.
    """
    found: dict[str, tuple[bool, Version]] = {}
    for slot in store.slots():
        for fingerprint in slot.fingerprints():
            version = slot.version(fingerprint)
            if version is not None and version.digest.startswith(digest):
                found.setdefault(version.digest, (slot.stage == "model", version))
    models = [version for is_model, version in found.values() if is_model]
    chosen = models or [version for _, version in found.values()]
    if not chosen:
        raise ConfigError(f"nothing in {store.root} has the digest {digest}")
    if len(chosen) > 1:
        raise ConfigError(f"{len(chosen)} digests begin with {digest}", hint="give more of it")
    return chosen[0]


def trace(
    version: Version, store: Store, recipe: Recipe | None, on_file: Progress = lambda path, count: None
) -> Lineage:
    """Walk from a version to the raw bytes and hash everything on the way.

    Args:
        version: where to begin.
        store: where the others lie.
        recipe: the recipe, to read its source again; None leaves the source unchecked.
        on_file: called with path and bytes of each file before it is hashed.
    """
    manifest = version.manifest
    tracer = _Tracer(store, manifest.recipe, recipe, on_file)
    top = (manifest.stage, manifest.partition, manifest.digest)
    tracer.walk(top, version)
    return Lineage(manifest.recipe, top, tracer.nodes)


class _Tracer:
    def __init__(self, store: Store, name: str, recipe: Recipe | None, on_file: Progress) -> None:
        self.store = store
        self.name = name
        self.recipe = recipe
        self.on_file = on_file
        self.nodes: dict[Key, Node] = {}

    def walk(self, top: Key, version: Version) -> None:
        """Visit a version and, from there, all its inputs, each once."""
        queue: list[tuple[Key, Version | None]] = [(top, version)]
        while queue:
            key, known = queue.pop()
            if key in self.nodes:
                continue
            node = self.nodes[key] = Node(*key)
            try:
                there = known or _by_digest(self.store.slot(self.name, key[0], key[1]), key[2])
            except SatietyError as error:
                node.status, node.problem = "broken", str(error)
                continue
            if there is None:
                node.status, node.problem = "missing", "no version with this digest is in the store"
                continue
            self._check(node, there)
            queue += [(key, None) for key in node.inputs if key[0] != "source"]

    def _check(self, node: Node, version: Version) -> None:
        """Hash a version's files, and see that its manifest tells of the inputs that its fingerprint was made of."""
        from ops.storage import sha256_json
        from ops.storage.version import verify_file

        manifest, node.path = version.manifest, version.path
        for entry in manifest.files:
            self.on_file(version.path / entry.name, entry.bytes)
            try:
                verify_file(version.path / entry.name, entry)
            except SatietyError as error:
                node.status, node.problem = "broken", str(error)
        made = {"stage": manifest.stage, "partition": manifest.partition, "parts": manifest.inputs}
        if sha256_json(made)[:32] != manifest.fingerprint:
            node.status, node.problem = "broken", "the manifest's inputs are not those of its fingerprint"
        for name, digest in manifest.inputs.items():
            match = INPUT.fullmatch(name)
            if match:
                node.inputs.append((match[1], match[2], digest))
        if "external" in manifest.inputs:
            self._source(node, manifest.inputs)

    def _source(self, node: Node, inputs: dict[str, str]) -> None:
        """Read the source again and compare its content with what it was."""
        key = ("source", node.partition, inputs["external"])
        node.inputs.append(key)
        source = self.nodes.setdefault(key, Node(*key))
        if self.recipe is None:
            source.status, source.problem = (
                "unchecked",
                f"there is no recipe {self.name!r} to read the source by; give its file",
            )
            return
        try:
            now = _raw_ingredients(self.recipe, node.stage, node.partition)
        except SatietyError as error:
            source.status, source.problem = "changed", f"cannot be read any more: {error}"
            return
        if {k: v for k, v in now.items() if k.startswith("config.")} != _config(inputs):
            source.status, source.problem = "unchecked", "the recipe now names another source or other partitions"
        elif now.get("external") != inputs["external"]:
            source.status, source.problem = "changed", "its content has changed since"


def _raw_ingredients(recipe: Recipe, stage: str, partition: str) -> dict[str, str]:
    from ops.stages.chain import stage_named
    from ops.stages.run import ingredients, partitions_of

    found = stage_named(recipe, stage)
    if partition not in partitions_of(found, recipe):
        raise ConfigError(f"there is no partition {partition!r} any more")
    return ingredients(found, recipe, partition, {})


def _config(inputs: dict[str, str]) -> dict[str, str]:
    return {key: value for key, value in inputs.items() if key.startswith("config.")}


def _by_digest(slot: Slot, digest: str) -> Version | None:
    """The version of a slot with this digest; the one in use if it has it."""
    current = slot.current()
    if current is not None and current.digest == digest:
        return current
    versions = (slot.version(fingerprint) for fingerprint in slot.fingerprints())
    return next((version for version in versions if version is not None and version.digest == digest), None)


def start(
    target: str, store: Store, tracking_uri: str, overrides: tuple[str, ...] = ()
) -> tuple[Version, Recipe | None]:
    """What a target means: a recipe (its model in use), a digest, or a model or run of MLflow; and the recipe of it.

    Raises:
        ConfigError: there is no such thing.
    """
    from pipelines.recipe import NAME, load, recipes

    if target.startswith(("models:/", "runs:/")):
        from pipelines.mlflow_address import model_digest

        version = find_digest(store, model_digest(target, tracking_uri))
    elif DIGEST.fullmatch(target) and target not in recipes():
        version = find_digest(store, target)
    else:
        if NAME.fullmatch(target) and target not in recipes() and not overrides:
            # Of a recipe that was run by its path only the store knows the name.
            current = store.slot(target, "model").current()
            if current is not None:
                return current, None
        loaded = load(target, overrides)
        current = store.slot(loaded.recipe.name, "model").current()
        if current is None:
            raise ConfigError(f"{target} has no model yet", hint=loaded.command("run"))
        return current, loaded.recipe
    return version, _recipe_named(version.manifest.recipe)


def _recipe_named(name: str) -> Recipe | None:
    """The recipe of that name, if there still is one that can be read."""
    from pipelines.recipe import load

    try:
        return load(name).recipe
    except ConfigError:
        return None


def by_stage(lineage: Lineage) -> dict[str, list[Node]]:
    """The nodes of each stage."""
    found: dict[str, list[Node]] = {}
    for node in lineage.nodes.values():
        found.setdefault(node.stage, []).append(node)
    return found


def stage_inputs(lineage: Lineage, stage: str) -> list[str]:
    """The stages that a stage's nodes were made from, in the order in which they name them."""
    return list(dict.fromkeys(key[0] for node in by_stage(lineage).get(stage, []) for key in node.inputs))
