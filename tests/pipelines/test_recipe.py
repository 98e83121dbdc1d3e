"""Loading recipes: what is wrong is named where it stands, all at once, with the nearest valid name."""

from __future__ import annotations

import os
import pickle
import shlex
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ops.errors import ConfigError
from ops.sources.files import FileSource
from pipelines.overrides import _parts
from pipelines.problems import RecipeError
from pipelines.recipe import broken_recipes, extra_recipes, find, load, load_file, load_recipe, recipes
from tests.pipelines.conftest import RECIPE, write_rows

# (what is replaced, by what, `line:column`, part of the text): one mutation of the valid recipe each.
MUTATIONS = [
    ("seed: 3", "sed: 3", "3:1", "unknown key 'sed'; did you mean 'seed'?"),
    ("seed: 3", "seed: three", "3:7", "'seed' is 'three', not a whole number"),
    ("seed: 3", "seed: 3.5", "3:7", "'seed' is 3.5, not a whole number"),
    ("seed: 3", "seed: true", "3:7", "'seed' is true, not a whole number"),
    ("seed: 3", "seed: -1", "3:7", "'seed' is -1, must be at least 0"),
    ("seed: 3", "seed: 2147483648", "3:7", "must be less than 2147483648"),
    ("seed: 3", "seed:", "3:1", "'seed' is empty, not a whole number"),
    ("seed: 3", "seed: '3'", "3:7", "'seed' is '3', not a whole number"),
    ("name: tiny", "name: Tiny Recipe", "1:7", "'name' is 'Tiny Recipe', which does not match"),
    ("name: tiny", "name: ../etc", "1:7", "does not match"),
    ("name: tiny\n", "", "1:1", "key 'name' is missing"),
    ("name: tiny", "name: no", None, ""),  # `no` is text, not false
    ("description: Tells colours from animals.", "description: ''", "2:14", "'description' is empty"),
    ('["team:data"]', "[data]", "4:10", "'data', which does not match"),
    ('["team:data"]', "team:data", "4:9", "'owners' is 'team:data', not a list"),
    ("  kind: csv", "  kind: cvs", "6:9", "unknown kind 'cvs'; did you mean 'csv'?"),
    ("  kind: csv\n", "", "5:1", "'kind' is missing; one of arrow, coco, "),
    ("  path: rows.csv", "  path: row.csv", "7:9", "did you mean 'rows.csv'?"),
    ("  path: rows.csv", "  path: none/*.csv", "7:9", "no file matches 'none/*.csv'"),
    ("  path: rows.csv", "  pth: rows.csv", "7:3", "unknown key 'pth'; did you mean 'path'?"),
    ("  path: rows.csv", "  pth: rows.csv", "5:1", "key 'path' is missing"),
    ("    text: string", "    text: str", "9:11", "'text' cannot be 'str'; did you mean 'string'?"),
    ("  columns:\n    text", "  colums:\n    text", "8:3", "unknown key 'colums'; did you mean 'columns'?"),
    ("  hash: 2", "  hash: 0", "12:9", "'hash' is 0, must be at least 1"),
    ("  hash: 2", "  by: package", "12:7", "has no packages"),
    ("  hash: 2", "  by: fil", "12:7", "'by' cannot be 'fil'; did you mean 'file'?"),
    ("  hash: 2", "  hash: 2\n  single: true", "12:9", "exactly one of by, hash, monthly, single"),
    ("  hash: 2", "  monthly: 2026-01", "12:12", "'monthly' is '2026-01', not a mapping"),
    ("  - kind: length", "  - kind: lenght", "15:11", "unknown kind 'lenght'; did you mean 'length'?"),
    ("  - kind: length", "  - kind: semantic_duplicates", "15:11", "not there yet (removal of texts that mean"),
    ("    minimum: 2", "    minimun: 2", "16:5", "unknown key 'minimun'; did you mean 'minimum'?"),
    ("    minimum: 2", "    minimum: two", "16:14", "'minimum' is 'two', not a whole number"),
    ("  - kind: whitespace", "  - whitespace", "14:5", "'entry [0]' is 'whitespace', not a mapping"),
    ("  - kind: whitespace", "  - knd: whitespace", "14:5", "'kind' is missing"),
    ("  - kind: exact_duplicates", "  - kind: exact_duplicates\n  - kind: exact_duplicates", "19:11", "there twice"),
    ("  valid: 0.2", "  valid: 2", "20:10", "'valid' is 2"),
    ("  columns: [text]", "  columns: []", "22:3", "'columns' has 0 entries, must have at least 1"),
    ("  path: rows.csv", f"  path: {'x' * 300}", "7:9", "cannot be looked at: File name too long"),
    ("  columns: [text]", "  columns: text", "22:12", "'columns' is 'text', not a list"),
    ("  kind: bpe", "  kind: bp", "26:9", "unknown kind 'bp'"),
    ("  max_length: 16", "  max_length: 16\n  vocabulary: 9", "29:3", "'vocabulary' is there twice, first in line 27"),
    ("  label: label", "  label: lable", "32:10", "the source has no column 'lable'"),
    ("  kind: text_classification", "  kind: image_classification", "25:1", "which is not tokenised"),
    ("  kind: text_classification", "  kind: translation", "30:9", "not there yet (the translation task is planned)"),
    ("  kind: transformer_encoder", "  kind: vision_transformer", "34:9", ""),
    ("  dim: 16", "  dmi: 16", "35:3", "unknown key 'dmi'; did you mean 'dim'?"),
    ("  learning_rate: 1e-3", "  learning_rte: 1e-3", "41:3", "'learning_rte'; did you mean 'learning_rate'?"),
    ("  learning_rate: 1e-3", "  learning-rate: 1e-3", "41:3", "did you mean 'learning_rate'?"),
    ("  learning_rate: 1e-3", "  learning_rate: -1e-3", "41:18", "must be more than 0"),
    ("  learning_rate: 1e-3", "  learning_rate: .nan", "41:18", "not a finite number"),
    ("  epochs: 1", "  epochs: [1]", "39:3", "'epochs' is a list, not a whole number"),
    ("  epochs: 1\n", "", "38:1", "exactly one of epochs, steps"),
    ("  bootstrap: 100", "  bootstrap: 1", "43:14", "must be at least 100"),
    ("    kind: tfidf_svm", "    kind: tfidf_swm", "45:11", "unknown kind 'tfidf_swm'"),
    ("training:\n", "trainin:\n", "38:1", "unknown key 'trainin'; did you mean 'training'?"),
    ("seed: 3", "seed: &s 3", "3:7", "anchor &s"),
    ("seed: 3", "seed: !!int 3", "3:7", "tags are not allowed"),
    ("evaluation:\n", "launch: {proceses: 2}\nevaluation:\n", "42:10", "did you mean 'processes'?"),
    ("evaluation:\n", "automation: {data: daily}\nevaluation:\n", "42:20", "a cron expression has five fields"),
]  # fmt: skip


def test_what_is_wrong_on_the_disk_and_between_keys_is_said_beside_wrong_values(recipe_folder: Path) -> None:
    """A key that is wrong itself hides neither a missing file nor a wrong column elsewhere."""
    path = recipe_folder / "tiny.yaml"
    broken = {
        "  path: rows.csv": "  path: rovs.csv",
        "  label: label": "  label: lable",
        "  dim: 16": "  dim: 15",
        "evaluation:\n": "automation: {data: 99 2 * * *}\nevaluation:\n",
    }
    text = RECIPE
    for old, new in broken.items():
        text = text.replace(old, new)
    path.write_text(text)
    with pytest.raises(RecipeError) as caught:
        load_file(path)
    said = [str(problem).removeprefix(f"{path}:") for problem in caught.value.problems]
    for place, words in {"7:9": "rovs.csv", "32:10": "'lable'", "37:10": "divide dim", "42:20": "no minute"}.items():
        assert any(line.startswith(f"{place}: ") and words in line for line in said), said
    assert len(said) == 4


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("2", "'strength' is 2, must be at most 1.0, or auto"),
        ("strong", "'strength' is 'strong', not a number, or auto"),
    ],
)
def test_a_value_that_may_be_a_number_or_a_word_is_wrong_once(given: str, said: str, recipe_folder: Path) -> None:
    steps = "augmentation: {steps: [{kind: word_swap}], strength: "
    (recipe_folder / "tiny.yaml").write_text(RECIPE.replace("evaluation:\n", f"{steps}{given}}}\nevaluation:\n"))
    with pytest.raises(RecipeError) as caught:
        load_file(recipe_folder / "tiny.yaml")
    assert [problem.text for problem in caught.value.problems] == [said]


def test_an_override_that_breaks_a_part_is_named(recipe_folder: Path) -> None:
    with pytest.raises(RecipeError, match=r"--set model.heads: heads: 3 does not divide dim: 16"):
        load_file(recipe_folder / "tiny.yaml", ("model.heads=3",))


def test_a_missing_part_is_shown_as_it_is_written_and_is_no_fault_of_an_option(recipe_folder: Path) -> None:
    """`--set` is named where it has made what lacks a key, and not where it has changed something beside it."""
    path = recipe_folder / "tiny.yaml"
    path.write_text(RECIPE[: RECIPE.index("evaluation:")])
    missing = "key 'evaluation' is missing (`evaluation: {baseline: {kind: …}}`)"
    for overrides, place in (((), f"{path}:1:1"), (("seed=4",), f"{path}:1:1")):
        with pytest.raises(RecipeError) as caught:
            load_file(path, overrides)
        assert [str(problem) for problem in caught.value.problems] == [f"{place}: {missing}"]
    with pytest.raises(RecipeError) as caught:
        load_file(path, ("evaluation.samples=2",))
    said = [str(problem) for problem in caught.value.problems]
    assert said == ["--set evaluation.samples: key 'baseline' is missing (`baseline: {kind: …}`)"]


def test_settings_beside_recipes_are_none(recipe_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A project's folder may be named as one of recipes, with all else that lies in it."""
    monkeypatch.setenv("SATIETY_RECIPES", str(recipe_folder))
    for name in ("params.yaml", "dvc.yaml", "dvc.code.yaml"):
        (recipe_folder / name).write_text("stages: {}\n")
    assert "tiny" in recipes() and not {"params", "dvc"} & recipes().keys()
    assert not list(broken_recipes())


def test_a_file_that_is_meant_by_its_name_is_suggested(recipe_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(recipe_folder)
    with pytest.raises(ConfigError, match=r"there is no recipe 'tiny' \(did you mean the file tiny.yaml\?\)"):
        load("tiny")


def test_what_is_wrong_between_keys_stands_at_one_of_them(recipe_folder: Path) -> None:
    path = recipe_folder / "tiny.yaml"
    text = RECIPE.replace("    minimum: 2", "    minimum: 300").replace("  epochs: 1", "  epochs: 1\n  steps: 1")
    path.write_text(text)
    with pytest.raises(RecipeError) as caught:
        load_file(path)
    for problem in caught.value.problems:
        named = text.splitlines()[problem.line - 1].split(":")[0].strip()
        assert problem.line and named in problem.text.replace(",", "").split(), problem
    assert len(caught.value.problems) == 2


@pytest.mark.parametrize(("old", "new", "position", "text"), MUTATIONS)
def test_a_mutation_is_reported_where_it_stands(
    recipe_folder: Path, old: str, new: str, position: str | None, text: str
) -> None:
    assert RECIPE.count(old) == 1, "the mutation must be unambiguous"
    path = recipe_folder / "tiny.yaml"
    path.write_text(RECIPE.replace(old, new))
    if position is None:
        load_file(path)
        return
    with pytest.raises(RecipeError) as caught:
        load_file(path)
    found = {str(problem) for problem in caught.value.problems}
    assert any(line.startswith(f"{path}:{position}: ") and text in line for line in found), found
    assert caught.value.exit_code == 2


def test_the_recipe_itself_is_valid(recipe_folder: Path) -> None:
    recipe = load_file(recipe_folder / "tiny.yaml")
    assert recipe.name == "tiny"
    assert recipe.training.learning_rate == 0.001
    assert [step["kind"] for step in recipe.part("cleaning")["cleaning"]] == [
        "whitespace",
        "length",
        "exact_duplicates",
    ]


def test_all_problems_come_at_once_in_the_order_of_the_file(recipe_folder: Path) -> None:
    text = RECIPE
    for old, new in (
        ("seed: 3", "sed: 3"),
        ("hash: 2", "hash: x"),
        ("kind: length", "kind: lenght"),
        ("dim: 16", "dim: no"),
    ):
        text = text.replace(old, new)
    text += "evaluation: 3\n"
    path = recipe_folder / "tiny.yaml"
    path.write_text(text)
    with pytest.raises(RecipeError) as caught:
        load_file(path)
    assert [problem.line for problem in caught.value.problems] == [3, 12, 15, 35, 46]
    assert str(caught.value).count("\n") == 4
    again = pickle.loads(pickle.dumps(caught.value))
    assert str(again) == str(caught.value)


@pytest.mark.parametrize(
    ("path", "texts"),
    [
        ("{url: https://host/a.csv}", ["key 'sha256' is missing"]),
        ("{url: https://host/a.csv, sha256: x}", ["'sha256' is 'x', which does not match"]),
        ("{urll: https://host/a.csv, sha256: " + "a" * 64 + "}", ["unknown key 'urll'", "key 'url' is missing"]),
        ("[rows.csv, {url: https://host/a.csv}]", ["key 'sha256' is missing"]),
        ("[rows.csv, 3]", ["not text"]),
        ("3", ["not text"]),
    ],
)
def test_a_file_elsewhere_that_is_wrong_is_explained_as_one(path: str, texts: list[str], recipe_folder: Path) -> None:
    file = recipe_folder / "tiny.yaml"
    file.write_text(RECIPE.replace("path: rows.csv", f"path: {path}"))
    with pytest.raises(RecipeError) as caught:
        load_file(file)
    said = [problem.text for problem in caught.value.problems]
    for text in texts:
        assert any(text in line for line in said), said
    if path != "3" and "3]" not in path:
        assert len(said) == len(texts), said
    assert not any("'path' is missing" in line for line in said)


def test_a_component_file_is_the_same_recipe(recipe_folder: Path) -> None:
    plain = load_file(recipe_folder / "tiny.yaml")
    wrapped = "type: pipelines.component.Recipe\nattributes:\n" + "".join(f"  {line}\n" for line in RECIPE.splitlines())
    path = recipe_folder / "defs.yaml"
    path.write_text(wrapped)
    assert load_file(path) == plain
    path.write_text(wrapped.replace("  seed: 3", "  sed: 3").replace("component.Recipe", "component.Recip"))
    with pytest.raises(RecipeError) as caught:
        load_file(path)
    assert [str(problem).removeprefix(str(path)) for problem in caught.value.problems] == [
        ":1:7: type is 'pipelines.component.Recip', a recipe has 'pipelines.component.Recipe'",
        ":5:3: unknown key 'sed'; did you mean 'seed'?",
    ]


@pytest.mark.parametrize(
    ("override", "read"),
    [
        ("training.learning_rate=5e-4", lambda r: r.training.learning_rate == 5e-4),
        ("cleaning[1].maximum=77", lambda r: r.cleaning[1].maximum == 77),
        ("cleaning.1.maximum=77", lambda r: r.cleaning[1].maximum == 77),
        ("launch.processes=2", lambda r: r.launch.processes == 2),
        ("partitions={single: true}", lambda r: r.partitions.single is True),
        ("description=two: words", None),
        ("description='two: words'", lambda r: r.description == "two: words"),
        ("owners=[]", lambda r: r.owners == []),
        ("cleaning=[{kind: length, minimum: 1}]", lambda r: len(r.cleaning) == 1),
        ("augmentation=null", lambda r: r.augmentation is None),
    ],
)
def test_set_changes_a_key(recipe_folder: Path, override: str, read: object) -> None:
    path = str(recipe_folder / "tiny.yaml")
    if read is None:
        with pytest.raises(RecipeError, match=r"--set description: 'description' is a mapping, not text"):
            load(path, [override])
    else:
        assert callable(read)
        assert read(load(path, [override]).recipe)


@pytest.mark.parametrize(
    ("override", "text"),
    [
        ("trainin.epochs=2", "--set trainin.epochs: unknown key 'trainin'; did you mean 'training'?"),
        ("training.epoch=2", "--set training.epoch: unknown key 'epoch'; did you mean 'epochs'?"),
        ("training.epochs=two", "--set training.epochs: 'epochs' is 'two', not a whole number"),
        ("cleaning[9].maximum=2", "--set cleaning[9].maximum: cleaning has no entry [9]; it has 0 to 2"),
        ("cleaning.length.maximum=2", "--set cleaning.length.maximum: cleaning is a list; name an entry by its number"),
        ("name.x=2", "--set name.x: name is a single value and has no 'x'"),
        ("seed[0]=2", "--set seed[0]: seed is a single value"),
        ("training[0]=2", "--set training[0]: training is a mapping and has no entry [0]"),
        ("seed", "--set seed: write it as key.path=value"),
        ("a..b=1", "--set a..b=1: 'a..b' is not a path of keys"),
        ("=1", "is not a path of keys"),
        ("seed=*x", "--set seed: alias *x"),
        ("seed=[1", "--set seed: not YAML"),
        ("seed=", "--set seed: 'seed' is '', not a whole number"),
        ("source.path=none.csv", "--set source.path: "),
        ("model={kind: transformer_encodr}", "--set model: unknown kind 'transformer_encodr'; did you mean"),
        ("model={kind: resnet}", "--set model: resnet reads image, not text"),
        ("cleaning[1].minimun=2", "--set cleaning[1].minimun: unknown key 'minimun'; did you mean 'minimum'?"),
        ("sweep={over: {training.batch_size: {low: 1, high: 4, stp: 2}}}", "unknown key 'stp'; did you mean 'step'?"),
        ("sweep={over: {training.batch_siz: [4]}}", "did you mean 'training.batch_size'?"),
        ("sweep={over: {training.batch_size: [4, 0]}}", "training.batch_size cannot be 0: it should be greater than"),
    ],
)
def test_set_reports_by_the_option(recipe_folder: Path, override: str, text: str) -> None:
    with pytest.raises(RecipeError) as caught:
        load(str(recipe_folder / "tiny.yaml"), [override])
    assert len(caught.value.problems) == 1
    assert text in str(caught.value)


@given(st.text(max_size=40))
def test_any_path_of_keys_is_parsed_or_refused(key: str) -> None:
    parts = _parts(key)
    assert all(isinstance(part, int) or part for part in parts)


@settings(max_examples=30)
@given(
    st.lists(st.sampled_from(["training.epochs=2", "seed='$(id)'", 'description=a b;c "d" \'e', "x=\n"]), max_size=3)
)
def test_the_command_of_a_loaded_recipe_can_be_pasted(overrides: list[str]) -> None:
    from pipelines.recipe import Loaded

    command = Loaded(None, Path("x"), "my recipe.yaml", tuple(overrides)).command("run", "--stage", "model")  # type: ignore[arg-type]
    expected = [
        "satiety",
        "run",
        "my recipe.yaml",
        *[word for o in overrides for word in ("--set", o)],
        "--stage",
        "model",
    ]
    assert shlex.split(command) == expected


@pytest.mark.parametrize(
    ("reference", "text"),
    [
        ("quickstat", "there is no recipe 'quickstat' (did you mean 'quickstart'?)"),
        ("zzz", "there is no recipe 'zzz' (there are: "),
        ("a;rm -rf", "is no name of a recipe"),
        ("$(id)", "is no name of a recipe"),
        ("a\nb", "neither a name nor a path"),
        ("a\0b", "neither a name nor a path"),
        ("a‮b", "neither a name nor a path"),
        ("", "neither a name nor a path"),
        ("x" * 5000, "neither a name nor a path"),
        ("CON", "is no name of a recipe"),
        ("none.yaml", "none.yaml: no such file"),
        ("../../etc/passwd", "no such file"),
        ("./", "this is a folder"),
        ("/dev/null", "this is not a regular file"),
        ("x" * 300 + ".yaml", ""),
    ],
)
def test_names_that_are_not_there(reference: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "deep" / "er")
    with pytest.raises(ConfigError) as caught:
        find(reference)
    assert text in str(caught.value)
    assert "\n" not in str(caught.value)


def test_folders_of_the_user(recipe_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = recipe_folder / "other"
    (other / "second").mkdir(parents=True)
    write_rows(other / "second" / "rows.csv")
    (other / "second" / "defs.yaml").write_text(RECIPE.replace("name: tiny", "name: second"))
    monkeypatch.setenv("SATIETY_RECIPES", os.pathsep.join([str(recipe_folder), str(other)]))
    assert {"tiny", "second", "quickstart", "digits"} <= set(recipes())
    assert load_recipe("second").name == "second"
    assert load("tiny").path == recipe_folder / "tiny.yaml"
    assert set(extra_recipes()) == {recipe_folder / "tiny.yaml", other / "second" / "defs.yaml"}


def test_a_recipe_must_bear_the_name_it_is_found_by(recipe_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SATIETY_RECIPES", str(recipe_folder))
    (recipe_folder / "tiny.yaml").rename(recipe_folder / "small.yaml")
    with pytest.raises(
        RecipeError, match=r"small.yaml:1:7: name is 'tiny', the recipe's file or folder is called 'small'"
    ):
        load("small")


def test_paths_are_relative_to_the_recipe(recipe_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = recipe_folder / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    source = load("../tiny.yaml").recipe.source
    assert isinstance(source, FileSource)
    assert [file.path.resolve() for file in source.files()] == [recipe_folder / "rows.csv"]


@pytest.mark.parametrize("name", ["quickstart", "digits"])
def test_the_shipped_recipes_are_right(name: str) -> None:
    assert load(name).recipe.name == name


def test_broken_recipes_of_the_users_folders_are_listed(recipe_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SATIETY_RECIPES", str(recipe_folder))
    assert list(broken_recipes()) == []
    path = recipe_folder / "tiny.yaml"
    path.write_text(RECIPE.replace("seed: 3", "sed: 3"))
    ((found, problem),) = broken_recipes()
    assert found == path and "did you mean 'seed'?" in str(problem)
