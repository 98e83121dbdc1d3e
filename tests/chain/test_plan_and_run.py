"""What `plan` says is what a run then does: nothing else is built, nothing that was announced is left out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ops.recipe import Recipe
from ops.storage import Store, verify
from pipelines.plan import Plan, make_plan
from tests.chain import worlds
from tests.chain.worlds import Place, World

SHORT = "training.steps=20"
"""How long is trained makes no difference here."""

NOTHING: tuple[str, ...] = ()

FROM_MODEL = ("model", "report")
FROM_SHARDS = ("shards", "tokenizer", "token_cache", *FROM_MODEL)

COUNTED = (
    "[{kind: unicode_repair}, {kind: control_characters}, {kind: whitespace}, {kind: mask, pattern: ' ', token: ' '}, "
    "{kind: length, minimum: 4, maximum: 200}, {kind: exact_duplicates, conflict_label: label}]"
)
"""With a step that puts a space in the place of each space, and counts the rows."""

# An edit of the recipe, and the stages of which it builds something. The report prints the recipe.
EDITS: dict[str, tuple[str, ...]] = {
    "owners=[]": NOTHING,
    "automation.data='0 3 * * *'": NOTHING,
    "launch.retries=3": ("report",),
    "description=Other words.": ("report",),
    "evaluation.bootstrap=200": ("report",),
    "training.learning_rate=0.02": FROM_MODEL,
    "training.log_every=2": FROM_MODEL,
    "model.dim=8": FROM_MODEL,
    "tokenizer.max_length=16": ("tokenizer", "token_cache", *FROM_MODEL),
    "tokenizer.vocabulary=300": ("tokenizer", "token_cache", *FROM_MODEL),
    "normalization=[]": FROM_SHARDS,
    "cleaning[3].minimum=3": ("signatures", "clean_corpus", "report"),
    "cleaning[3].minimum=20": worlds.EVERYTHING[1:],
    "cleaning[4].conflict=keep_first": worlds.EVERYTHING[2:],
    "split.valid=0.3": ("clean_corpus", "statistics", *FROM_SHARDS),
    "split.columns=null": ("clean_corpus", "report"),
    "seed=4": ("signatures", "clean_corpus", "shards", *FROM_MODEL),
    "source.extra_columns=drop": ("raw_corpus", "report"),
    "partitions.hash=2": worlds.EVERYTHING,
    # The same rows in the end, but other steps have changed them on the way, which the report tells.
    f"cleaning={COUNTED}": ("signatures", "clean_corpus", "statistics", "shards", "report"),
    "cleaning[0].form=NFD": worlds.EVERYTHING[1:],
}
QUICK = {"owners=[]", "description=Other words.", "tokenizer.max_length=16", "cleaning[3].minimum=3"}


@pytest.fixture(scope="module")
def start(text: World, tmp_path_factory: pytest.TempPathFactory) -> World:
    """Everything built, with a short training; read only."""
    world = worlds.copied(text, tmp_path_factory.mktemp("plans") / "start")
    worlds.build(world.recipe(SHORT), world.store)
    return world


@pytest.fixture
def world(start: World, tmp_path: Path) -> World:
    return worlds.copied(start, tmp_path / "world")


def ingredients(store: Store) -> dict[Place, list[dict[str, str]]]:
    """Of every version that there is."""
    found: dict[Place, list[dict[str, str]]] = {}
    for slot in store.slots():
        versions = [slot.version(fingerprint) for fingerprint in slot.fingerprints()]
        found[slot.stage, slot.partition] = [dict(v.manifest.inputs) for v in versions if v is not None]
    return found


def planned(plan: Plan) -> dict[Place, str]:
    return {(item.stage, item.partition): item.status for item in plan.items}


def run_as_planned(recipe: Recipe, store: Store) -> set[Place]:
    """Plan, run, compare; returns what was built."""
    before, plan = ingredients(store), planned(make_plan(recipe, store))
    done = worlds.build(recipe, store)
    assert plan.keys() == done.keys()
    for place, status in plan.items():
        was_built = done[place].built
        if status == "pending":
            # Skipped exactly if all that it depends on came out as it was for some version.
            assert was_built == (dict(done[place].version.manifest.inputs) not in before.get(place, [])), place
        else:
            assert was_built == (status == "build"), (place, status)
    assert set(planned(make_plan(recipe, store)).values()) == {"fresh"}
    return {place for place, found in done.items() if found.built}


@pytest.mark.parametrize(
    "edit", [pytest.param(edit, marks=() if edit in QUICK else pytest.mark.slow) for edit in EDITS]
)
def test_an_edit_builds_what_was_planned_and_its_undoing_nothing(world: World, edit: str) -> None:
    built = run_as_planned(world.recipe(SHORT, edit), world.store)
    assert {stage for stage, _ in built} == set(EDITS[edit])
    undone = planned(make_plan(world.recipe(SHORT), world.store))
    assert set(undone.values()) <= {"fresh", "reuse"}
    assert {place for place, status in undone.items() if status == "reuse"} <= built | {
        place for place in undone if place[0] in EDITS[edit]
    }
    assert run_as_planned(world.recipe(SHORT), world.store) == set()
    assert verify(world.store) == []


def a_row_more(path: Path) -> None:
    path.write_text(path.read_text() + "a gull over the reef and the wave,sea,1\n")


def another_reject(path: Path) -> None:
    text = path.read_text()
    assert ",many\n" in text
    path.write_text(text.replace(",many\n", ",lots\n", 1))


def the_same_again(path: Path) -> None:
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content)


SOURCE: list[tuple[Callable[[Path], None], set[str]]] = [
    (the_same_again, set()),
    (a_row_more, set(worlds.EVERYTHING)),
    # What comes out of `raw_corpus` differs in the rejects alone: what reads it is built, and no more.
    (another_reject, {"raw_corpus", "signatures", "clean_corpus", "report"}),
]


@pytest.mark.parametrize(("change", "stages"), SOURCE, ids=["same", "more", "reject"])
def test_a_change_of_the_data_builds_what_was_planned(
    world: World, change: Callable[[Path], None], stages: set[str]
) -> None:
    path = world.path.with_suffix(".csv")
    original = path.read_bytes()
    change(path)
    built = run_as_planned(world.recipe(SHORT), world.store)
    assert {stage for stage, _ in built} == stages
    path.write_bytes(original)
    assert run_as_planned(world.recipe(SHORT), world.store) == set()


def test_two_edits_one_after_the_other_and_both_undone(world: World) -> None:
    first, second = "cleaning[3].minimum=20", "tokenizer.vocabulary=300"
    assert run_as_planned(world.recipe(SHORT, first), world.store)
    assert run_as_planned(world.recipe(SHORT, first, second), world.store)
    assert run_as_planned(world.recipe(SHORT, second), world.store)
    assert run_as_planned(world.recipe(SHORT), world.store) == set()
    assert run_as_planned(world.recipe(SHORT, first, second), world.store) == set()
