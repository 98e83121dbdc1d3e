"""What a run of some stages alone reads and does not build: what of it is missing or older than the recipe."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ops.errors import ConfigError, SatietyError
from pipelines.plan import Item, Planner

if TYPE_CHECKING:
    from ops.recipe import Recipe
    from ops.stages.spec import Stage
    from ops.storage import Store
    from pipelines.recipe import Loaded

Result = tuple[str, str]
"""A stage and one of its partitions."""

SHOWN = 5
"""Partitions of a stage that are named."""


@dataclass(frozen=True)
class Beneath:
    """Results that the named stages read, themselves or through others, in the order of the chain.

    Attributes:
        recipe: the recipe.
        chain: its stages by name.
        stages: the stages that are to be built.
        partitions: the only partitions that are to be built; none where all are.
        missing: results that are not there, without which nothing can be built.
        older: results that are there, but not as the recipe is now.
    """

    recipe: Recipe
    chain: Mapping[str, Stage]
    stages: tuple[str, ...]
    partitions: tuple[str, ...]
    missing: tuple[Result, ...]
    older: tuple[Result, ...]

    def check(self, loaded: Loaded, *, as_is: bool) -> None:
        """Refuse what cannot be built, or not from what the recipe asks for.

        Args:
            loaded: the recipe, for the command that the error advises.
            as_is: take results that are older than the recipe as they lie.

        Raises:
            SatietyError: inputs are missing; all of them are named.
            ConfigError: inputs are older than the recipe.
        """
        what = ", ".join(self.stages)
        if self.missing:
            said = f"{what} cannot be built before {self.names(self.missing)}"
            raise SatietyError(said, where=self.recipe.name, hint=self._command(loaded))
        if self.older and not as_is:
            said = f"{what} would be built from what is older than the recipe: {self.names(self.older)}"
            hint = f"build that too, {self._command(loaded)}; or take it as it is, --as-is"
            raise ConfigError(said, where=self.recipe.name, hint=hint)

    def names(self, results: Sequence[Result]) -> str:
        """The results in words: a stage alone stands for all of its partitions."""
        found = []
        for name in dict.fromkeys(stage for stage, _ in results):
            keys = [key for stage, key in results if stage == name]
            if not self.chain[name].partitioned or len(keys) == len(self.recipe.partition_keys()):
                found.append(name)
                continue
            more = f" and {len(keys) - SHOWN} more" if len(keys) > SHOWN else ""
            found.append(f"{', '.join(f'{name}[{key}]' for key in keys[:SHOWN])}{more}")
        return ", ".join(found)

    def _command(self, loaded: Loaded) -> str:
        """The command that builds all of it."""
        lacking = [*self.missing, *self.older]
        wanted = {stage for stage, _ in lacking} | set(self.stages)
        options = [word for name in self.chain if name in wanted for word in ("--stage", name)]
        others = {key for stage, key in lacking if self.chain[stage].partitioned} - set(self.partitions)
        if not others:
            options += [word for key in self.partitions for word in ("--partition", key)]
        return loaded.command("run", *options)


def beneath(recipe: Recipe, store: Store, stages: Sequence[str], partitions: Sequence[str] | None = None) -> Beneath:
    """What the named stages rest on and are not among.

    Whether the source itself has changed is not looked at. A result that was built from another one which is not there
    any more (as in a store of which only a part was fetched) is compared in all else.
    """
    from ops.stages.chain import stages as chain_of
    from ops.stages.run import partitions_of

    chain = {stage.name: stage for stage in chain_of(recipe)}
    chosen = {
        (name, key)
        for name in stages
        for key in partitions_of(chain[name], recipe)
        if not partitions or not chain[name].partitioned or key in partitions
    }
    below = _below(recipe, chain, chosen)
    planner = _Beneath(recipe, store, chain)
    for name, stage in chain.items():
        wanted = {key for own, key in below | chosen if own == name}
        planner.add(stage, build=bool(stage.inputs) and bool(wanted), wanted=wanted)
    missing = _missing(planner, chosen)
    older = [result for result in planner.older if result in below - chosen]
    in_order = [(name, key) for name in chain for key in partitions_of(chain[name], recipe)]
    return Beneath(
        recipe=recipe,
        chain=chain,
        stages=tuple(name for name in chain if name in stages),
        partitions=tuple(partitions or ()),
        missing=tuple(result for result in in_order if result in missing),
        older=tuple(older),
    )


def _below(recipe: Recipe, chain: Mapping[str, Stage], chosen: set[Result]) -> set[Result]:
    """All results that the chosen ones read, themselves or through others."""
    found: set[Result] = set()
    for name in reversed(list(chain)):
        for own, key in sorted(found | chosen):
            if own == name:
                found |= set(_read(recipe, chain, own, key))
    return found


def _read(recipe: Recipe, chain: Mapping[str, Stage], name: str, key: str) -> Iterable[Result]:
    """The results that one reads."""
    from ops.stages.run import partitions_of

    for read in chain[name].inputs:
        for other in read.keys(partitions_of(chain[read.stage], recipe), key):
            yield read.stage, other


def _missing(planner: _Beneath, chosen: set[Result]) -> set[Result]:
    """What is not there of what the chosen ones read, and of what those read that are not there."""
    found: set[Result] = set()
    queue = list(chosen)
    while queue:
        for result in _read(planner.recipe, planner.chain, *queue.pop()):
            if result in planner.absent and result not in found | chosen:
                found.add(result)
                queue.append(result)
    return found


class _Beneath(Planner):
    """A planner that tells what is older from what is not there, or was built from what is not.

    Attributes:
        older: what is there, but differs from what would be built.
        absent: what is not there.
    """

    def __init__(self, recipe: Recipe, store: Store, chain: Mapping[str, Stage]) -> None:
        super().__init__(recipe, store, chain)
        self.older: list[Result] = []
        self.absent: set[Result] = set()

    def add(self, stage: Stage, *, build: bool = True, wanted: set[str] | None = None) -> None:
        first = len(self.items)
        super().add(stage, build=build, wanted=wanted)
        for key in wanted or ():
            if self.store.slot(self.recipe.name, stage.name, key).current() is None:
                self.absent.add((stage.name, key))
        for item in self.items[first:]:
            self._judge(item)

    def _judge(self, item: Item) -> None:
        result = item.stage, item.partition
        current = self.store.slot(self.recipe.name, *result).current()
        gone = {f"{stage}[{key}]" for stage, key in self.absent}
        if current is None:
            return
        if any(change.kind != "input" or change.key not in gone for change in item.changes):
            self.older.append(result)
        else:
            self.digests[result] = current.digest
