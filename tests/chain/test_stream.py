"""The whole chain of a language model: passages, windows, training, and the report beside n-grams."""

from __future__ import annotations

import itertools
import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from ops.errors import CheckFailed, ConfigError
from ops.evaluation.language.schema import LanguageReport
from ops.evaluation.reports import asset_metadata, lead, markdown, read_report
from ops.stages.cached import cached_rows
from ops.stages.chain import stages
from ops.stages.run import Built
from ops.stages.spec import ALL
from ops.storage import Store
from ops.training.generate import load_writer, tokens
from ops.training.sampling import Sampling
from pipelines.recipe import load
from tests.chain.worlds import World
from tests.streams import stream_recipe, verse

EVERYTHING = (
    "raw_corpus", "clean_corpus", "statistics", "shards", "tokenizer", "token_cache", "model", "report",
)  # fmt: skip
Places = dict[tuple[str, str], Built]


def made(folder: Path, **overrides: Any) -> World:
    """A recipe over one long text with a store of its own."""
    return World(stream_recipe(folder, **overrides), Store(folder / "store"))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return made(tmp_path_factory.mktemp("verse"))


@pytest.fixture(scope="module")
def built(world: World) -> Places:
    return world.build()


def test_the_chain_is_that_of_every_recipe_with_a_vocabulary(world: World) -> None:
    assert tuple(stage.name for stage in stages(world.recipe())) == EVERYTHING


def test_windows_tell_every_character_once(built: Places) -> None:
    text = verse()
    vocabulary = json.loads(built["tokenizer", ALL].version.file("tokenizer.json").read_text())["model"]["vocab"]
    names = {number: name for name, number in vocabulary.items()}
    cache = built["token_cache", ALL].version
    flat = np.frombuffer(cache.file("data.bin").read_bytes(), "<u2")
    index = cached_rows(cache)
    for split, part in (("train", text[: len(text) * 16 // 20]), ("test", text[len(text) * 18 // 20 :])):
        told = ""
        for offset, length in index.filter(pl.col("split") == split).select("offset", "length").iter_rows():
            assert 2 <= length <= 17
            told += "".join(names[number] for number in flat[offset + 1 : offset + length].tolist())
        assert told == part
    assert cache.manifest.facts["longest"] == 16 and set(index["split"]) == {"train", "valid", "test"}


def test_the_report_says_what_metrics_and_single_tokens_say(built: Places) -> None:
    version = built["report", ALL].version
    report = read_report(version.file("report.json").read_bytes())
    assert isinstance(report, LanguageReport)
    figures = {name: value for name, value in asset_metadata(report).items() if not isinstance(value, str)}
    assert version.json("metrics.json") == figures
    test = verse()[len(verse()) * 18 // 20 :]
    assert report.test_tokens == report.test_characters == report.test_bytes == len(test)
    shares = [count / len(test) for count in Counter(test).values()]
    assert figures["unigram_nats"] == pytest.approx(-sum(s * math.log(s) for s in shares), abs=1e-6)
    assert figures["bits_per_character"] == pytest.approx(figures["nats"] / math.log(2), abs=2e-6)
    assert figures["nats_low"] <= figures["nats"] < figures["unigram_nats"] and figures["baseline_nats"] < 1.5
    assert lead(report).low > 0 and len(report.samples) == 2
    assert [(row.first, row.last) for row in report.places] == [(1, 1), (2, 2), (3, 4), (5, 8), (9, 16)]
    assert sum(row.tokens for row in report.places) == len(test)
    page = version.file("report.html").read_text()
    assert "What was seen" in page and "http" not in page.replace("http-equiv", "")
    assert "Kneser-Ney" in markdown(report)
    assert built["model", ALL].version.manifest.facts["valid"].keys() == {
        "loss", "nats", "perplexity", "accuracy", "unigram_nats",
    }  # fmt: skip


def test_the_model_writes_the_same_with_and_without_a_cache(built: Places) -> None:
    writer = load_writer(built["model", ALL].version, built["tokenizer", ALL].version)
    prompt = writer.encode("the owl ")
    for sampling in (Sampling(temperature=0.0), Sampling(seed=5, top_k=3), Sampling(seed=6, top_p=0.8)):
        cached, plain = (
            list(tokens(writer.network, prompt, 60, writer.context, sampling, cached=cached))
            for cached in (True, False)
        )
        assert cached == plain and len(cached) == 60
    text = "".join(writer.write("the owl ", 60, Sampling(temperature=0.0)))
    assert text == writer.vocabulary.decode(list(tokens(writer.network, prompt, 60, 16, Sampling(temperature=0.0))))
    assert set(text) <= set(verse())
    assert (
        "".join(writer.write("the owl ", 60, Sampling(temperature=0.0), stop=text[7:10]))
        == text[: text.index(text[7:10])]
    )


def test_the_same_again_is_the_same_to_the_byte_and_processes_share_the_work(built: Places, tmp_path: Path) -> None:
    again = made(tmp_path)
    same = again.build(EVERYTHING[:-1])
    assert all(same[place].version.digest == built[place].version.digest for place in same)
    both = again.build(("model",), "launch.processes=2")["model", ALL].version.manifest.facts["valid"]
    alone = built["model", ALL].version.manifest.facts["valid"]
    assert both["unigram_nats"] == alone["unigram_nats"] and both["nats"] == pytest.approx(alone["nats"], rel=1e-3)


def test_texts_are_one_stream_across_their_ends(tmp_path: Path) -> None:
    (tmp_path / "lines").mkdir()
    path = {"source": {"per": "line"}, "cleaning": [], "split": {"position": None}, "task": {"across": True}}
    world = made(tmp_path, **path)
    built = world.build(EVERYTHING[:6])
    cache = built["token_cache", ALL].version
    index = cached_rows(cache)
    for (split,), windows in index.group_by("split", maintain_order=True):
        assert windows["length"][:-1].unique().to_list() == [17]
        ends = (windows["offset"] + windows["length"] - 1).to_list()
        assert windows["offset"].to_list()[1:] == ends[:-1], split
    rows = built["shards", ALL].version.parquet("data.parquet")
    assert len(cache.file("data.bin").read_bytes()) == 2 * sum(len(text) + 1 for text in rows["text"])


def test_what_a_stream_cannot_have_is_named(tmp_path: Path) -> None:
    augmentation = {"copies": 1, "column": "text", "steps": [{"kind": "word_swap"}]}
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"augmentation": augmentation}, "copies of texts are for classes"),
        ({"model": {"kind": "transformer_encoder"}}, "transformer_encoder reads text, not stream"),
        ({"evaluation": {"baseline": {"kind": "tfidf_svm"}}}, "tfidf_svm does not read stream"),
        ({"tokenizer": None}, "language_model needs a tokenizer"),
        ({"split": {"position": "place"}}, "the source has no column 'place'"),
    ]
    for number, (overrides, said) in enumerate(wrong):
        path = stream_recipe(tmp_path / str(number), **overrides)
        path.write_text(path.read_text().replace("    order: 4\n", ""))  # a setting of n-grams alone
        with pytest.raises(ConfigError, match=said):
            load(str(path))


def test_only_a_language_model_with_its_own_vocabulary_writes(built: Places, tmp_path: Path) -> None:
    other = made(tmp_path, tokenizer={"vocabulary": 12}).build(EVERYTHING[:5])
    with pytest.raises(CheckFailed, match="not the one that the model was trained with"):
        load_writer(built["model", ALL].version, other["tokenizer", ALL].version)


def test_sampling_by_hand() -> None:
    logits = np.log(np.array([0.1, 0.4, 0.2, 0.3]))
    plain = Sampling()
    np.testing.assert_allclose(plain.probabilities(logits), [0.1, 0.4, 0.2, 0.3])
    np.testing.assert_allclose(plain.probabilities(logits, [1]), np.array([0.1, 0.0, 0.2, 0.3]) / 0.6)
    np.testing.assert_allclose(Sampling(top_k=2).probabilities(logits), np.array([0, 0.4, 0, 0.3]) / 0.7)
    np.testing.assert_allclose(Sampling(top_p=0.5).probabilities(logits), np.array([0, 0.4, 0, 0.3]) / 0.7)
    np.testing.assert_allclose(Sampling(top_p=0.4).probabilities(logits), [0, 1, 0, 0])
    half = np.sqrt([0.1, 0.4, 0.2, 0.3])
    np.testing.assert_allclose(Sampling(temperature=2.0).probabilities(logits), half / half.sum())
    np.testing.assert_allclose(Sampling(temperature=0.0).probabilities(np.ones(3)), [1, 0, 0])
    drawn = [plain.draw(logits, place) for place in range(4000)]
    np.testing.assert_allclose(np.bincount(drawn) / 4000, [0.1, 0.4, 0.2, 0.3], atol=0.03)
    assert drawn == [Sampling(seed=0).draw(logits, place) for place in range(4000)]
    assert list(itertools.islice(drawn, 8)) != [Sampling(seed=1).draw(logits, place) for place in range(8)]
