"""A small recipe over a CSV file, in a layout whose lines and columns the tests know."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

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


@pytest.fixture
def recipe_folder(tmp_path: Path) -> Path:
    """A folder with `tiny.yaml` and its rows."""
    write_rows(tmp_path / "rows.csv")
    (tmp_path / "tiny.yaml").write_text(RECIPE)
    return tmp_path
