"""A small recipe over a CSV file, in a layout whose lines and columns the tests know."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ops.recipe import Recipe
from ops.stages.chain import DATA_STAGES, stages
from ops.stages.run import build_stage, partitions_of
from ops.storage import Store
from pipelines.recipe import load

Done = dict[tuple[str, str], bool]

RECIPE = """\
name: tiny
description: Tells colours from animals.
seed: 3
owners: ["team:data"]
source:
  kind: csv
  path: rows.csv
  columns:
    text: string
    label: string
partitions:
  hash: 2
cleaning:
  - kind: whitespace
  - kind: length
    minimum: 2
    maximum: 200
  - kind: exact_duplicates
split:
  valid: 0.2
  test: 0.2
  columns: [text]
normalization:
  - kind: text_case
tokenizer:
  kind: bpe
  vocabulary: 300
  max_length: 16
task:
  kind: text_classification
  input: text
  label: label
model:
  kind: transformer_encoder
  dim: 16
  depth: 1
  heads: 2
training:
  epochs: 1
  batch_size: 16
  learning_rate: 1e-3
evaluation:
  bootstrap: 100
  baseline:
    kind: tfidf_svm
"""


def write_rows(path: Path, rows: int = 120, seed: int = 0) -> None:
    """Sentences of two classes, some of them twice."""
    draw = random.Random(seed)
    words = {"colour": ["red", "green", "blue", "pale", "dark"], "animal": ["cat", "dog", "owl", "ant", "carp"]}
    lines = ["text,label"]
    for _ in range(rows):
        label = draw.choice(list(words))
        lines.append(f"{' '.join(draw.choices(words[label], k=3))} {draw.randrange(40)},{label}")
    path.write_text("\n".join(lines) + "\n")


def build(recipe: Recipe, store: Store, names: tuple[str, ...] = DATA_STAGES) -> Done:
    """Build the data half without Dagster; whether each partition was built now."""
    chosen = [stage for stage in stages(recipe) if stage.name in names]
    keys = [(stage, key) for stage in chosen for key in partitions_of(stage, recipe)]
    return {(stage.name, key): build_stage(stage, recipe, key, store).built for stage, key in keys}


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store in which the recipe's data half is built."""
    folder = tmp_path_factory.mktemp("once")
    write_rows(folder / "rows.csv")
    (folder / "tiny.yaml").write_text(RECIPE)
    assert all(build(load(str(folder / "tiny.yaml")).recipe, Store(folder / "store")).values())
    return folder / "store"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store, where the settings expect it if the test goes to the recipe's folder."""
    return Store(tmp_path / "store")


@pytest.fixture
def built(once: Path, store: Store) -> Store:
    """A copy of it for one test: other inodes, another place, and the rows in another folder change nothing."""
    shutil.copytree(once, store.root)
    return store


@pytest.fixture
def tiny(recipe_folder: Path) -> Callable[..., Recipe]:
    """Loads the recipe with overrides."""
    return lambda *overrides: load(str(recipe_folder / "tiny.yaml"), overrides).recipe


@pytest.fixture
def recipe_folder(tmp_path: Path) -> Path:
    """A folder with `tiny.yaml` and its rows."""
    write_rows(tmp_path / "rows.csv")
    (tmp_path / "tiny.yaml").write_text(RECIPE)
    return tmp_path
