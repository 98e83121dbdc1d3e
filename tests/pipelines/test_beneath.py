"""What a run of some stages alone reads: all that is missing is named, and what is older is not used unasked."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ops.errors import ConfigError, SatietyError
from ops.recipe import Recipe
from ops.storage import Store
from pipelines.beneath import beneath
from pipelines.recipe import Loaded
from tests.pipelines.conftest import build, write_rows


def loaded(recipe: Recipe) -> Loaded:
    return Loaded(recipe, Path("tiny.yaml"), "tiny.yaml", ())


def remove(store: Store, stage: str, key: str) -> None:
    shutil.rmtree(store.slot("tiny", stage, key).path)


def test_all_that_is_missing_is_named_at_once(tiny: Callable[..., Recipe], store: Store) -> None:
    with pytest.raises(SatietyError) as caught:
        beneath(tiny(), store, ["duplicates"]).check(loaded(tiny()), as_is=True)
    assert str(caught.value) == (
        "tiny: duplicates cannot be built before raw_corpus, signatures "
        "(satiety run tiny.yaml --stage raw_corpus --stage signatures --stage duplicates)"
    )
    assert not beneath(tiny(), store, ["raw_corpus", "signatures", "duplicates"]).missing
    one = beneath(tiny(), store, ["signatures"], ["1"])
    assert one.missing == (("raw_corpus", "1"),)
    with pytest.raises(SatietyError, match=r"before raw_corpus\[1\] .*--stage signatures --partition 1\)"):
        one.check(loaded(tiny()), as_is=False)


def test_only_what_is_needed_is_missing(tiny: Callable[..., Recipe], built: Store) -> None:
    remove(built, "raw_corpus", "0")
    assert beneath(tiny(), built, ["shards"]).missing == (), "what shards read is there"
    remove(built, "signatures", "1")
    found = beneath(tiny(), built, ["duplicates"])
    assert found.missing == (("signatures", "1"),)
    assert found.names(found.missing) == "signatures[1]"
    remove(built, "signatures", "0")
    assert beneath(tiny(), built, ["duplicates"]).missing == (
        ("raw_corpus", "0"),
        ("signatures", "0"),
        ("signatures", "1"),
    )


def test_a_store_with_a_part_of_the_chain_is_taken_as_it_is(tiny: Callable[..., Recipe], built: Store) -> None:
    for key in ("0", "1"):
        remove(built, "raw_corpus", key)
        remove(built, "signatures", key)
    assert beneath(tiny(), built, ["shards"]).older == ()
    shorter = tiny("cleaning[1].maximum=30")
    older = beneath(shorter, built, ["shards"]).older
    assert older == (("clean_corpus", "0"), ("clean_corpus", "1"), ("statistics", "all"))


def test_what_is_older_than_the_recipe_is_refused(
    tiny: Callable[..., Recipe], built: Store, recipe_folder: Path
) -> None:
    assert beneath(tiny(), built, ["shards"]).older == ()
    shorter = tiny("cleaning[1].maximum=30")
    older = ["signatures", "duplicates", "clean_corpus", "statistics"]
    found = beneath(shorter, built, ["shards"])
    assert list(dict.fromkeys(stage for stage, _ in found.older)) == older
    with pytest.raises(ConfigError) as caught:
        found.check(loaded(shorter), as_is=False)
    assert str(caught.value) == (
        f"tiny: shards would be built from what is older than the recipe: {', '.join(older)} (build that too, satiety "
        f"run tiny.yaml {' '.join(f'--stage {name}' for name in older)} --stage shards; or take it as it is, --as-is)"
    )
    found.check(loaded(shorter), as_is=True)
    assert beneath(shorter, built, [*older, "shards"]).older == ()
    assert beneath(shorter, built, ["raw_corpus"]).older == ()
    assert beneath(tiny("tokenizer.vocabulary=280"), built, ["shards"]).older == (), "it is not what they rest on"
    write_rows(recipe_folder / "rows.csv", rows=130)
    assert beneath(tiny(), built, ["shards"]).older == (), "the source is not looked at"


def test_what_lies_between_chosen_stages_counts(tiny: Callable[..., Recipe], built: Store) -> None:
    shorter = tiny("cleaning[1].maximum=30")
    found = beneath(shorter, built, ["signatures", "clean_corpus"])
    assert found.older == (("duplicates", "all"),)
    build(shorter, built)
    assert beneath(shorter, built, ["signatures", "clean_corpus"]).older == ()
    back = beneath(tiny(), built, ["clean_corpus"])
    assert back.older == (("signatures", "0"), ("signatures", "1")), "there, but not in use"
