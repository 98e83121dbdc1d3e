"""The shipped recipe `shakespeare`: it loads without network or mirror, and judges on the text that others judge on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from ops.stages.language import _joined, _runs
from ops.stages.spec import ALL
from ops.storage import Store
from ops.training.data import load_examples
from ops.training.inputs import cache_inputs
from pipelines.recipe import load
from tests.chain import worlds

DATA = ("raw_corpus", "clean_corpus", "statistics", "shards", "tokenizer", "token_cache")


def test_without_network_or_mirror_it_is_right_and_keeps_to_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SATIETY_MIRROR", raising=False)
    recipe = load("shakespeare").recipe
    assert recipe.problems() == [] and recipe.partition_keys() == ["all"]
    training = recipe.training
    assert (training.steps or 0) * training.batch_size * 64 <= 1_540_000


@pytest.mark.mirror
def test_the_test_split_is_the_last_tenth_that_others_judge_on(mirror: Path, tmp_path: Path) -> None:
    text = (mirror / "tinyshakespeare/input.txt").read_text(encoding="utf-8")
    built = worlds.build(load("shakespeare").recipe, Store(tmp_path / "store"), DATA)
    rows = built["shards", ALL].version.parquet("data.parquet")
    parts = {split: "".join(rows.filter(pl.col("split") == split)["text"]) for split in ("train", "valid", "test")}
    assert parts["test"] == text[int(0.9 * len(text)) :] and len(parts["test"]) == 111_540
    assert parts["valid"] + parts["train"] == text[:1_003_854]
    cache = built["token_cache", ALL].version
    vocabulary = built["tokenizer", ALL].version.manifest.facts["vocabulary"]
    examples = load_examples(cache_inputs({ALL: cache}), "<u2", 0, label_shape=None)
    assert vocabulary == 65 + 5 and cache.manifest.facts["longest"] == 64
    assert {split: int((some.length - 1).sum()) for split, some in examples.items()} == {
        split: len(part) for split, part in parts.items()
    }
    # What the n-grams learn from are the passages themselves.
    train = _joined(_runs(examples["train"], vocabulary))
    lengths = rows.filter(pl.col("split") == "train")["text"].str.len_chars().to_numpy()
    np.testing.assert_array_equal(train.lengths, lengths + 1)
    assert len(cache.manifest.counts.changed if cache.manifest.counts else {1}) == 0
