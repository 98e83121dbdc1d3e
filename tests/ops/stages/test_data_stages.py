"""Every data stage of the tiny recipes against plain Python, row by row."""

from __future__ import annotations

from collections import Counter

import numpy as np
import polars as pl
import pytest

from ops.stages.cached import cached_rows
from ops.stages.duplicates import file_of
from ops.storage import Counts
from tests import tiny
from tests.chain.worlds import World
from tests.ops.stages.oracle import Books, image_books, pixels, text_books


@pytest.fixture(scope="module")
def texts(text: World) -> Books:
    return text_books(text.path.with_suffix(".csv"), tiny.PARTITIONS)


@pytest.fixture(scope="module")
def images(image: World) -> Books:
    return image_books(image.path.with_suffix(""), tiny.PARTITIONS)


@pytest.fixture(params=["text", "image"])
def both(request: pytest.FixtureRequest) -> tuple[World, Books]:
    return request.getfixturevalue(request.param), request.getfixturevalue(f"{request.param}s")


def rows(world: World, stage: str, file: str = "data.parquet") -> pl.DataFrame:
    return pl.concat([version.parquet(file) for version in world.every(stage).values()])


def counts(world: World, stage: str) -> list[Counts]:
    found = [version.manifest.counts for version in world.every(stage).values()]
    assert all(books is not None for books in found)
    return [books for books in found if books is not None]


def total(found: list[Counts], what: str) -> Counter[str]:
    return sum((Counter(getattr(books, what)) for books in found), Counter())


def test_the_oracle_sees_what_the_recipe_says(texts: Books, images: Books) -> None:
    assert texts.rejected == tiny.REJECTED
    assert len(texts.kept) == tiny.CLEAN
    wanted = {"too_short": tiny.SHORT, "duplicate": tiny.COPIES, "conflicting_label": tiny.CONFLICTING}
    assert texts.dropped_by_reason == wanted
    assert images.rejected == tiny.BROKEN_IMAGES
    assert len(images.kept) == tiny.IMAGES
    assert images.dropped_by_reason == {"duplicate": tiny.IMAGE_COPIES, "conflicting_label": tiny.IMAGE_CONFLICTING}


def test_raw_corpus_has_every_record_once_in_its_partition(both: tuple[World, Books]) -> None:
    world, books = both
    column = world.recipe().task.input
    for key, version in world.every("raw_corpus").items():
        table = version.parquet("data.parquet")
        assert list(zip(table[column], table["label"], strict=True)) == books.raw[key]
        assert table["id"].to_list() == [f"{key}/{row}" for row in range(table.height)]
    assert total(counts(world, "raw_corpus"), "rejected").total() == books.rejected
    assert rows(world, "raw_corpus", "rejects.parquet").height == books.rejected
    assert rows(world, "raw_corpus")["id"].is_unique().all()


def test_rejects_say_where_and_why(text: World) -> None:
    rejects = rows(text, "raw_corpus", "rejects.parquet")
    lines = text.path.with_suffix(".csv").read_bytes().split(b"\n")
    assert dict(rejects["reason"].value_counts().iter_rows()) == {"not_int64": 2, "wrong_column_count": 2}
    for line, excerpt in rejects.select("line", "excerpt").iter_rows():
        assert lines[line - 1] == excerpt


def test_the_duplicates_are_those_of_the_whole_corpus(both: tuple[World, Books]) -> None:
    world, books = both
    repeated = {row: reason for row, reason in books.dropped.items() if reason != "too_short"}
    (step,) = world.recipe().deduplication.values()
    names = [file_of(step.key, key) for key in world.recipe().partition_keys()]
    found = pl.concat([world.version("duplicates").parquet(name) for name in names])
    assert dict(found.select("id", "reason").iter_rows()) == repeated
    kept = dict(found.filter(pl.col("reason") == "duplicate").select("id", "evidence").iter_rows())
    assert set(kept.values()) <= {row.id for row in books.kept}
    # Texts that repeat one of another partition would be missed without the fold.
    apart = any(row.split("/")[0] != first.split("/")[0] for row, first in kept.items())
    assert apart == (world.recipe().task.modality == "text")


def test_clean_corpus_keeps_and_drops_what_it_should(both: tuple[World, Books]) -> None:
    world, books = both
    column = world.recipe().task.input
    clean = rows(world, "clean_corpus")
    assert clean.select("id", column, "label", "split").rows() == [
        (row.id, row.content, row.label, row.split) for row in books.kept
    ]
    dropped = rows(world, "clean_corpus", "dropped.parquet")
    assert dict(dropped.select("id", "reason").iter_rows()) == books.dropped
    reasons: Counter[str] = Counter()
    for name, count in total(counts(world, "clean_corpus"), "dropped").items():
        reasons[name.rpartition(".")[2]] += count
    assert reasons == books.dropped_by_reason
    facts = [Counter(version.manifest.facts["splits"]) for version in world.every("clean_corpus").values()]
    assert sum(facts, Counter()) == Counter(books.splits.values())


def test_a_dropped_text_can_be_read_beside_its_reason(text: World) -> None:
    raw = dict(rows(text, "raw_corpus").select("id", "text").iter_rows())
    for row, excerpt in rows(text, "clean_corpus", "dropped.parquet").select("id", "excerpt").iter_rows():
        assert excerpt == raw[row][:200]


def test_statistics_count_the_rows_by_split_and_class(both: tuple[World, Books]) -> None:
    world, books = both
    found = world.version("statistics").json("statistics.json")
    assert found["classes"] == sorted({row.label for row in books.of("train")})
    for split in ("train", "valid", "test"):
        assert found["counts"][split] == Counter(row.label for row in books.of(split))
    assert found["shared_with_train"] == {"valid": 0, "test": 0}


def test_pixel_moments_are_those_of_the_training_images(image: World, images: Books) -> None:
    found = image.version("statistics").json("statistics.json")["image"]
    train = np.frombuffer(b"".join(pixels(row) for row in images.of("train")), np.uint8) / 255
    assert (found["height"], found["width"], found["channels"]) == (8, 8, 1)
    assert found["mean"] == pytest.approx([train.mean()], rel=1e-12)
    assert found["std"] == pytest.approx([train.std()], rel=1e-12)


def test_shards_number_the_classes_and_lower_the_case(text: World, texts: Books) -> None:
    classes = sorted({row.label for row in texts.of("train")})
    shards = rows(text, "shards")
    assert shards.select("id", "text", "label", "split", "copy").rows() == [
        (row.id, str(row.content).lower(), classes.index(row.label), row.split, 0) for row in texts.kept
    ]
    assert shards.schema["label"] == shards.schema["copy"] == pl.Int32


def test_only_training_images_get_copies(image: World, images: Books) -> None:
    classes = sorted({row.label for row in images.of("train")})
    shards = rows(image, "shards")
    originals, copies = shards.filter(pl.col("copy") == 0), shards.filter(pl.col("copy") > 0)
    assert originals.select("id", "image", "label", "split").rows() == [
        (row.id, pixels(row), classes.index(row.label), row.split) for row in images.kept
    ]
    known = {row.id: row for row in images.of("train")}
    assert copies["copy"].unique().to_list() == [1]
    assert sorted(copies["id"].str.strip_suffix("+1")) == sorted(known)
    for row, label, split in copies.select("id", "label", "split").iter_rows():
        assert (classes[label], split) == (known[row.removesuffix("+1")].label, "train")
    assert sum(books.added for books in counts(image, "shards")) == len(known)
    changed = [data != pixels(known[row.removesuffix("+1")]) for row, data in copies.select("id", "image").iter_rows()]
    assert sum(changed) > len(changed) / 2, "a copy is an altered one"
    assert shards["id"].is_unique().all()


def test_the_token_cache_holds_the_pixels_of_the_shards(image: World) -> None:
    shards, caches = image.every("shards"), image.every("token_cache")
    for key, cache in caches.items():
        data, index = cache.array("data.bin", np.uint8), cached_rows(cache)
        table = shards[key].parquet("data.parquet")
        assert index.select("id", "label", "split", "copy").equals(table.select("id", "label", "split", "copy"))
        for (offset, length), pixels_ in zip(index.select("offset", "length").iter_rows(), table["image"], strict=True):
            assert data[offset : offset + length].tobytes() == pixels_
        assert cache.manifest.facts == {"elements": len(data), "longest": 64}


def test_packed_tokens_decode_to_the_text(text: World) -> None:
    vocabulary = text.version("tokenizer").json("tokenizer.json")["model"]["vocab"]
    assert len(vocabulary) == text.version("tokenizer").manifest.facts["vocabulary"] == 320
    spelled = {number: token for token, number in vocabulary.items()}
    longest, cut = 0, 0
    for key, cache in text.every("token_cache").items():
        data, index = cache.array("data.bin", np.uint16), cached_rows(cache)
        table = text.every("shards")[key].parquet("data.parquet")
        assert index["length"].sum() == len(data), "nothing lies between the texts"
        for (offset, length), words in zip(index.select("offset", "length").iter_rows(), table["text"], strict=True):
            tokens = [spelled[int(number)] for number in data[offset : offset + length]]
            assert tokens[0] == "[CLS]" and length <= 24
            said = bytes(BYTE_OF[sign] for token in tokens[1:] for sign in token)
            assert words.encode().startswith(said) and (length == 24 or said == words.encode())
            longest, cut = max(longest, length), cut + (said != words.encode())
    assert longest == 24 and cut > 0
    assert max(v.manifest.facts["longest"] for v in text.every("token_cache").values()) == longest


def test_the_vocabulary_is_learned_from_training_texts_alone(text: World, texts: Books) -> None:
    vocabulary = text.version("tokenizer").json("tokenizer.json")["model"]["vocab"]
    learned = [token for token in vocabulary if len(token) > 1 and not token.startswith("[")]
    said = " ".join(str(row.content).lower() for row in texts.of("train")).encode()
    assert len(learned) > 50
    for token in learned:
        assert said.count(bytes(BYTE_OF[sign] for sign in token)) >= 2, f"{token!r} is in no two training texts"


def _byte_level() -> dict[str, int]:
    """GPT-2's printable sign for each byte: itself where it has a look, else the next one from 256 on."""
    looks = [*range(33, 127), *range(161, 173), *range(174, 256)]
    signs = {chr(byte): byte for byte in looks}
    others = [byte for byte in range(256) if byte not in looks]
    return signs | {chr(256 + place): byte for place, byte in enumerate(others)}


BYTE_OF = _byte_level()
