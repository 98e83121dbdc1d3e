"""Copies of texts on their way through shards and token cache."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from ops.stages.cached import cached_rows
from ops.stages.chain import DATA_STAGES
from tests.chain import worlds

STEPS = [{"kind": "word_swap", "rate": 0.3}, {"kind": "bpe_dropout", "rate": 0.5}]


def test_copies_are_cut_into_other_pieces_and_say_the_same(tmp_path: Path) -> None:
    from tokenizers import Tokenizer

    world = worlds.make(tmp_path, augmentation={"copies": 2, "steps": STEPS}, tokenizer={"max_length": 60})
    recipe = world.recipe()
    worlds.build(recipe, world.store, DATA_STAGES)
    assert recipe.tokenizer is not None
    model = world.version("tokenizer").file("tokenizer.json").read_text()
    plain, library, other, copies = recipe.tokenizer.encoder(model), Tokenizer.from_str(model), 0, 0
    for key, version in world.every("token_cache").items():
        shard = world.every("shards")[key].parquet("data.parquet")
        index = cached_rows(version)
        tokens = np.frombuffer(version.file("data.bin").read_bytes(), "<u2")
        assert index["id"].to_list() == shard["id"].to_list()
        texts = dict(shard.filter(pl.col("copy") == 0).select("id", "text").iter_rows())
        for text, row in zip(shard["text"], index.iter_rows(named=True), strict=True):
            found = tokens[row["offset"] : row["offset"] + row["length"]]
            assert library.decode(found.tolist()) == text
            original = texts[row["id"].partition("+")[0]]
            assert sorted(text.split()) == sorted(original.split())
            same = found.tolist() == plain.encode([text])[0].tolist()
            assert same or row["copy"] > 0
            other, copies = other + (not same), copies + (row["copy"] > 0)
        assert set(index.filter(pl.col("copy") > 0)["split"]) <= {"train"}
    assert copies > 150 and other > 0.9 * copies
