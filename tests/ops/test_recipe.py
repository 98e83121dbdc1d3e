"""The recipe as a value: its partitions, its parts, and what is wrong between keys that are each right alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from ops.recipe import Partitions, Recipe
from ops.recipe_checks import NOT_IN_KEYS
from ops.sources.installed_docstrings import InstalledDocstrings
from tests.tiny import tiny_recipe


def recipe(folder: Path, modality: Any = "text", **overrides: Any) -> Recipe:
    path = tiny_recipe(folder, modality=modality, **overrides)
    return Recipe.model_validate(yaml.safe_load(path.read_text()))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("recipes")


WIDE = {
    "kind": "csv",
    "path": "tiny.csv",
    "columns": {"text": "string", "label": "string", "stars": "float64", "at": "datetime"},
}
LENGTH = {"kind": "length", "minimum": 1}
DUPLICATES = {"kind": "exact_duplicates"}

WRONG: list[tuple[str, dict[str, Any], tuple[str | int, ...], str]] = [
    (
        "text",
        {"augmentation": {"steps": [{"kind": "bpe_dropout"}]}, "tokenizer": {"kind": "word"}},
        ("augmentation", "steps", 0, "kind"),
        "bpe_dropout is for the tokenizer bpe",
    ),
    ("text", {"training": {"mixing": {"kind": "mixup"}}}, ("training", "mixing"), "reads numbers of tokens"),
    ("image", {"augmentation": {"steps": [{"kind": "eda"}]}}, ("augmentation", "steps", 0, "kind"), "work on image"),
    ("text", {"cleaning": [{"kind": "image_decodable"}]}, ("cleaning", 0, "kind"), "does not work on text"),
    ("image", {"cleaning": [LENGTH]}, ("cleaning", 0, "kind"), "step 'length' does not work on image"),
    ("image", {"normalization": [{"kind": "text_case"}]}, ("normalization", 0, "kind"), "does not work on image"),
    (
        "text",
        {"cleaning": [DUPLICATES, LENGTH, DUPLICATES]},
        ("cleaning", 2, "kind"),
        "exact_duplicates is there twice",
    ),
    (
        "text",
        {"cleaning": [{**LENGTH, "column": "txt"}]},
        ("cleaning", 0, "column"),
        "has no column 'txt', it has text",
    ),
    ("text", {"split": {"columns": ["text", "x"]}}, ("split", "columns"), "the source has no column 'x'"),
    ("text", {"cleaning": [{**DUPLICATES, "conflict_label": "lbl"}]}, ("cleaning", 0, "conflict_label"), "'lbl'"),
    ("text", {"task": {"label": "lbl"}}, ("task", "label"), "the source has no column 'lbl'"),
    ("text", {"task": {"input": "stars"}}, ("task", "input"), "reads String, column 'stars' is Int64"),
    (
        "text",
        {"source": WIDE, "task": {"label": "stars"}},
        ("task", "label"),
        "'stars' is Float64, which names no classes",
    ),
    ("text", {"source": WIDE, "split": {"columns": ["at"]}}, ("split", "columns"), "cannot be compared by content"),
    ("image", {"task": {"label": "image"}}, ("task", "label"), "column 'image' is Binary, which names no classes"),
    (
        "text",
        {"source": WIDE, "cleaning": [{**DUPLICATES, "columns": ["text", "at"]}]},
        ("cleaning", 0, "columns"),
        "column 'at' is Datetime(time_unit='us', time_zone='UTC'), which cannot be compared by content",
    ),
    (
        "text",
        {"normalization": [{"kind": "text_case", "column": "label"}]},
        ("normalization", 0, "column"),
        "only that",
    ),
    ("text", {"split": {"valid": 0.0}}, ("split", "valid"), "'valid' must be above 0: the model is judged on it"),
    ("text", {"split": {"test": 0.0}}, ("split", "test"), "'test' must be above 0: the report judges"),
    ("text", {"tokenizer": None}, ("task", "kind"), "text_classification needs a tokenizer"),
    ("image", {"tokenizer": {"kind": "bpe", "vocabulary": 300}}, ("tokenizer",), "reads image, which is not tokenised"),
    (
        "text",
        {"model": {"kind": "vision_transformer"}},
        ("model", "kind"),
        "reads image, not text; text_classification takes recurrent_encoder, text_cnn, tr",
    ),
    (
        "text",
        {"evaluation": {"baseline": {"kind": "pixel_svm"}}},
        ("evaluation", "baseline", "kind"),
        "pixel_svm does not read text; text_classification takes tfidf_svm",
    ),
    (
        "text",
        {"partitions": {"hash": None, "by": "package"}},
        ("partitions", "by"),
        "csv has no packages; it can be cut by: file",
    ),
    ("image", {"partitions": {"hash": None, "by": "file"}}, ("partitions", "by"), "it can be cut hash or single"),
]


@pytest.mark.parametrize(("modality", "overrides", "path", "text"), WRONG)
def test_what_does_not_fit_is_said_with_its_place(
    folder: Path, modality: str, overrides: dict[str, Any], path: tuple[str | int, ...], text: str
) -> None:
    found = recipe(folder, modality, **overrides).problems()
    assert [message for place, message in found if place == path and text in message], found


@pytest.mark.parametrize("modality", ["text", "image"])
def test_the_tiny_recipes_have_no_problem(folder: Path, modality: str) -> None:
    assert recipe(folder, modality).problems() == []


def test_all_problems_come_at_once(folder: Path) -> None:
    wrong = recipe(
        folder, task={"label": "lbl"}, split={"valid": 0.0}, tokenizer=None, cleaning=[DUPLICATES, DUPLICATES]
    )
    assert [path for path, _ in wrong.problems()] == [
        ("cleaning", 1, "kind"),
        ("task", "label"),
        ("split", "valid"),
        ("task", "kind"),
    ]


@pytest.mark.parametrize(
    ("count", "first", "last"), [(1, "0", "0"), (3, "0", "2"), (10, "0", "9"), (11, "00", "10"), (1000, "000", "999")]
)
def test_keys_of_hash_partitions_sort_as_numbers(folder: Path, count: int, first: str, last: str) -> None:
    keys = recipe(folder, partitions={"hash": count}).partition_keys()
    assert (keys[0], keys[-1], len(keys)) == (first, last, count)
    assert keys == sorted(keys) and [int(key) for key in keys] == list(range(count))


def test_natural_partitions_are_in_the_order_of_their_names(folder: Path) -> None:
    by_package = {"hash": None, "by": "package"}
    for order in (["numpy", "click"], ["click", "numpy"]):
        source = InstalledDocstrings(packages=order)
        assert recipe(folder, partitions=by_package).model_copy(update={"source": source}).partition_keys() == [
            "click",
            "numpy",
        ]
    assert recipe(folder, partitions={"hash": None, "single": True}).partition_keys() == ["all"]


def monthly(start: str, end: str, column: str = "day") -> dict[str, Any]:
    return {"hash": None, "monthly": {"column": column, "start": start, "end": end}}


def test_keys_of_months_are_all_months_in_order(folder: Path) -> None:
    keys = recipe(folder, partitions=monthly("2009-11", "2011-02")).partition_keys()
    assert keys == ["2009-11", "2009-12", *(f"2010-{month:02d}" for month in range(1, 13)), "2011-01", "2011-02"]
    assert recipe(folder, partitions=monthly("2012-02", "2012-02")).partition_keys() == ["2012-02"]


@pytest.mark.parametrize(
    ("start", "end", "text"),
    [
        ("2010-02", "2010-01", "2010-02 to 2010-01 are 0 months, not 1 to 1000"),
        ("1900-01", "2000-01", "are 1201 months"),
        ("2010-13", "2011-01", "should match pattern"),
        ("2010-1", "2011-01", "should match pattern"),
    ],
)
def test_months_that_are_none(folder: Path, start: str, end: str, text: str) -> None:
    with pytest.raises(ValidationError, match=text):
        recipe(folder, partitions=monthly(start, end))


def test_months_need_a_column_of_times(folder: Path) -> None:
    for column, text in (("stars", "column 'stars' is Int64, which has no months"), ("x", "has no column 'x'")):
        found = recipe(folder, partitions=monthly("2010-01", "2010-02", column)).problems()
        assert [(path, text in said) for path, said in found] == [(("partitions", "monthly", "column"), True)]


@pytest.mark.parametrize("keys", [{}, {"hash": 2, "single": True}, {"by": "file", "hash": 2}])
def test_exactly_one_way_to_cut(keys: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="give exactly one of by, hash, monthly, single"):
        Partitions.model_validate(keys)


def test_a_part_has_its_defaults_and_nothing_else(folder: Path) -> None:
    found = recipe(folder)
    assert found.part("seed", "split") == {
        "seed": 3,
        "split": {
            **{"valid": 0.2, "test": 0.2, "columns": ["text"], "salt": "", "groups": None, "near_duplicates": False},
            **dict.fromkeys(("time", "valid_from", "test_from", "position")),
            "valid_place": "before_test",
        },
    }
    assert found.part("source")["source"]["path"] == "tiny.csv"
    assert "declared" not in found.part("source")["source"], "keys are called as in the recipe"


def test_the_place_of_deduplication(folder: Path) -> None:
    assert recipe(folder).deduplication.keys() == {4}
    assert recipe(folder, cleaning=[]).deduplication == {}


def test_a_recipe_is_frozen_and_strict(folder: Path) -> None:
    found = recipe(folder)
    with pytest.raises(ValidationError, match="frozen"):
        found.seed = 4  # type: ignore[misc]  # that is the point
    for wrong in ({"seed": "3"}, {"seed": 3.0}, {"seed": True}, {"sed": 3}, {"name": "A b"}, {"owners": ["nobody"]}):
        with pytest.raises(ValidationError):
            Recipe.model_validate({**found.model_dump(by_alias=True), **wrong})


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("wait....csv", "partition 'wait....csv' has '...' in its name"),
        ("two\nlines.csv", r"partition 'two\nlines.csv' has '\n' in its name"),
        ("x" * 210 + ".csv", "200 are allowed"),
    ],
)
def test_files_whose_names_are_no_partitions(name: str, text: str, tmp_path: Path) -> None:
    made = recipe(tmp_path, source={"path": "*.csv"}, partitions={"hash": None, "by": "file"})
    made = made.model_copy(update={"source": made.source.resolve(tmp_path)})
    assert made.problems() == []
    (tmp_path / name).write_text("")
    ((path, problem),) = made.problems()
    assert path == ("partitions", "by")
    assert text in problem


def test_a_file_whose_name_is_no_text_is_a_partition_with_an_escaped_name(tmp_path: Path) -> None:
    made = recipe(tmp_path, source={"path": "*.csv"}, partitions={"hash": None, "by": "file"})
    made = made.model_copy(update={"source": made.source.resolve(tmp_path)})
    (tmp_path / "caf\udce9.csv").write_text("")
    assert made.problems() == []
    assert "caf\\udce9.csv" in made.partition_keys()


def test_what_dagster_refuses_in_a_key_is_known() -> None:
    from dagster._core.definitions.partitions.utils.base import INVALID_PARTITION_SUBSTRINGS

    assert set(NOT_IN_KEYS) == set(INVALID_PARTITION_SUBSTRINGS)


UNIQUE = {"kind": "consistency", "unique": [["label"]]}
EXACT, NEAR = {"kind": "exact_duplicates"}, {"kind": "near_duplicates"}
LANGUAGE = {"kind": "language", "languages": ["en"]}


@pytest.mark.parametrize(
    ("cleaning", "wrong"),
    [
        ([UNIQUE, EXACT, NEAR], None),
        ([EXACT, NEAR, UNIQUE], None),
        ([LANGUAGE, UNIQUE], None),
        ([EXACT, {"kind": "consistency", "columns": {"label": {"required": True}}}, NEAR], None),
        ([EXACT, UNIQUE, NEAR], 1),
        ([LANGUAGE, {"kind": "whitespace"}, UNIQUE, EXACT], 2),
        ([EXACT, UNIQUE, LANGUAGE], 1),
    ],
)
def test_steps_that_compare_rows_stand_before_or_behind_those_over_the_corpus(
    cleaning: list[dict[str, Any]], wrong: int | None, tmp_path: Path
) -> None:
    """Between them they would see other rows when what follows is scored or signed than in the clean corpus."""
    found = [path for path, text in recipe(tmp_path, cleaning=cleaning).problems() if "compares rows" in text]
    assert found == ([] if wrong is None else [("cleaning", wrong, "kind")])
