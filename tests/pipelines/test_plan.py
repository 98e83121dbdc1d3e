"""The plan on real stages: what it predicts is what a build then does, and the reasons name what was changed."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from ops.errors import ConfigError
from ops.recipe import Recipe
from ops.stages.chain import DATA_STAGES
from ops.storage import Store
from pipelines.plan import Change, Item, Plan, make_plan
from tests.pipelines.conftest import RECIPE, build, write_rows


def data_items(plan: Plan) -> dict[tuple[str, str], Item]:
    return {(item.stage, item.partition): item for item in plan.items if item.stage in DATA_STAGES}


def statuses(plan: Plan) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for item in plan.items:
        found.setdefault(item.stage, set()).add(item.status)
    return found


def test_nothing_is_built_at_first(tiny: Callable[..., Recipe], store: Store) -> None:
    plan = make_plan(tiny(), store)
    assert {item.status for item in plan.items} == {"build"}
    assert {tuple(item.reasons) for item in plan.items} == {("never built",)}
    assert [item.stage for item in plan.items][:2] == ["raw_corpus", "raw_corpus"]
    assert not store.root.exists(), "a plan writes nothing"


def test_what_was_built_is_fresh(tiny: Callable[..., Recipe], built: Store) -> None:
    plan = make_plan(tiny(), built)
    assert {item.status for item in data_items(plan).values()} == {"fresh"}
    assert not any(build(tiny(), built).values())
    chosen = make_plan(tiny(), built, ["statistics", "shards"])
    assert chosen.fresh
    assert chosen.counts == {"fresh": 3, "reuse": 0, "build": 0, "pending": 0}


EDITS = [
    ("cleaning[1].maximum=30", "clean_corpus", "config cleaning[1].maximum 200 -> 30"),
    ("cleaning[1].maximum=190", "clean_corpus", "config cleaning[1].maximum 200 -> 190"),
    ("cleaning[2].kind=length", "clean_corpus", ""),
    ("split.valid=0.3", "clean_corpus", "config split.valid 0.2 -> 0.3"),
    ("seed=4", "clean_corpus", "config seed 3 -> 4"),
    ("normalization=[]", "shards", "config normalization[0].kind"),
    ("tokenizer.vocabulary=280", "tokenizer", "config tokenizer.vocabulary 300 -> 280"),
    ("tokenizer.max_length=8", "token_cache", "config tokenizer.max_length 16 -> 8"),
    ("partitions.hash=3", "raw_corpus", "config partitions.hash 2 -> 3"),
    ("description=Other words.", None, ""),
    ("training.epochs=2", None, ""),
    ("evaluation.bootstrap=200", None, ""),
]


@pytest.mark.parametrize(("edit", "first", "reason"), EDITS)
def test_a_build_does_what_the_plan_said(
    tiny: Callable[..., Recipe], built: Store, edit: str, first: str | None, reason: str
) -> None:
    if edit.startswith("cleaning[2]"):
        edit = "cleaning=[{kind: whitespace}, {kind: length, minimum: 2, maximum: 200}]"
    recipe = tiny(edit)
    planned = data_items(make_plan(recipe, built))
    done = build(recipe, built)
    assert planned.keys() == done.keys()
    for key, item in planned.items():
        if item.status != "pending":
            assert done[key] == (item.status == "build"), (key, item)
    touched = {item.stage for item in planned.values() if item.status != "fresh"}
    if first is None:
        assert not touched
        return
    assert first in touched
    assert reason in "; ".join(planned[first, next(k[1] for k in planned if k[0] == first)].reasons)
    assert {item.status for item in data_items(make_plan(recipe, built)).values()} == {"fresh"}


def test_pending_is_skipped_when_the_input_comes_out_the_same(tiny: Callable[..., Recipe], built: Store) -> None:
    recipe = tiny("cleaning[1].maximum=190")  # no text is that long, so the rows stay the same
    plan = make_plan(recipe, built)
    assert statuses(plan)["clean_corpus"] == {"build"}
    assert statuses(plan)["statistics"] == {"pending"}
    assert data_items(plan)["statistics", "all"].reasons == [
        "input clean_corpus[0] is to be built",
        "input clean_corpus[1] is to be built",
    ]
    done = build(recipe, built)
    assert done["clean_corpus", "0"]
    assert not done["statistics", "all"]
    assert not done["token_cache", "1"]


def test_going_back_is_a_reuse(tiny: Callable[..., Recipe], built: Store) -> None:
    build(tiny("split.valid=0.3"), built)
    items = data_items(make_plan(tiny(), built))
    assert items["clean_corpus", "0"].status == "reuse"
    assert items["clean_corpus", "0"].reasons == ["config split.valid 0.3 -> 0.2"]
    assert items["shards", "0"].status == "reuse"
    assert items["raw_corpus", "0"].status == "fresh"
    assert not any(build(tiny(), built).values())


def test_a_certain_build_behind_one_is_not_called_pending(tiny: Callable[..., Recipe], built: Store) -> None:
    plan = make_plan(tiny("cleaning[1].maximum=190", "tokenizer.vocabulary=280"), built)
    assert statuses(plan)["shards"] == {"pending"}
    assert statuses(plan)["tokenizer"] == {"build"}, "its own setting changed, whatever the shards come out as"


def test_changed_content_is_a_reason(tiny: Callable[..., Recipe], built: Store, recipe_folder: Path) -> None:
    write_rows(recipe_folder / "rows.csv", rows=121)
    items = data_items(make_plan(tiny(), built))
    assert items["raw_corpus", "0"].reasons == ["the source's content has changed"]
    assert items["raw_corpus", "0"].status == "build"
    (recipe_folder / "rows.csv").touch()
    write_rows(recipe_folder / "rows.csv")
    assert data_items(make_plan(tiny(), built))["raw_corpus", "0"].status == "fresh", "a new time is no change"


def test_changed_code_is_named(tiny: Callable[..., Recipe], built: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    from ops.stages import code, run

    def edited(modules: list[str]) -> dict[str, str]:
        found = code.code_versions(modules)
        return {m: "edited" if m == "ops.cleaning.length" else v for m, v in found.items()}

    monkeypatch.setattr(run, "code_versions", edited)
    items = data_items(make_plan(tiny(), built))
    assert items["clean_corpus", "0"].reasons[0] == "code ops.cleaning.length"
    assert items["raw_corpus", "0"].status == "fresh"


def test_many_inputs_are_counted() -> None:
    changes = tuple(Change("input", f"shards[{n}]", "a", "to be built") for n in range(5))
    assert Item("model", "all", "pending", changes).reasons == ["input shards (5 partitions are to be built)"]


def test_only_some_stages_and_partitions(tiny: Callable[..., Recipe], store: Store) -> None:
    plan = make_plan(tiny(), store, ["raw_corpus", "statistics"], ["1"])
    assert [(item.stage, item.partition) for item in plan.items] == [("raw_corpus", "1"), ("statistics", "all")]
    with pytest.raises(ConfigError, match=r"tiny has no stage 'modle' \(did you mean 'model'\?\)"):
        make_plan(tiny(), store, ["modle"])
    with pytest.raises(ConfigError, match=r"tiny has no partition '7' \(it has: 0, 1\)"):
        make_plan(tiny(), store, None, ["7"])


def test_a_plan_beside_a_build_never_fails(tiny: Callable[..., Recipe], store: Store) -> None:
    recipe = tiny()
    plans: list[Plan] = []
    worker = threading.Thread(target=build, args=(recipe, store))
    worker.start()
    while worker.is_alive():
        plans.append(make_plan(recipe, store))
    worker.join()
    assert plans
    assert {item.status for item in data_items(make_plan(recipe, store)).values()} == {"fresh"}


HEAVY = ("dagster", "mlflow", "torch", "sklearn", "albumentations", "cv2", "tokenizers", "ftfy")


def test_planning_imports_nothing_heavy(recipe_folder: Path) -> None:
    (recipe_folder / "tiny.yaml").write_text(RECIPE)
    recipes = ("quickstart", "digits", str(recipe_folder / "tiny.yaml"))
    code = (
        "import sys; from pathlib import Path; from ops.storage import Store; from pipelines.plan import make_plan; "
        "from pipelines.recipe import load; "
        f"[make_plan(load(r).recipe, Store(Path('none'))) for r in {recipes!r}]; "
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
