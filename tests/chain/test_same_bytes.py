"""What a recipe's results depend on, and what they do not: the folder, the run, the number of partitions."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from ops.stages.cached import cached_rows
from ops.stages.chain import DATA_STAGES
from ops.storage import verify
from tests.chain import worlds
from tests.chain.worlds import Modality, World

MEASURED = ("costs", "verdict", "inputs")
"""Parts of the report that tell of seconds and joules, and the digest of their neighbour that does."""


@pytest.mark.parametrize("modality", ["text", "image"])
def test_a_second_build_elsewhere_has_the_same_bytes(
    modality: Modality, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    first: World = request.getfixturevalue(f"trained_{modality}")
    second = worlds.make(tmp_path / "some where else", modality)
    done = worlds.build(second.recipe(), second.store)
    assert all(built.built for built in done.values())
    one, two = (worlds.manifests(world.store, but=("report",)) for world in (first, second))
    assert one.keys() == two.keys() and len(one) == len(done) - 1
    assert [place for place in one if one[place] != two[place]] == []
    weights = [world.version("model").file("model.safetensors").read_bytes() for world in (first, second)]
    assert weights[0] == weights[1]
    reports = [world.version("report").json("report.json") for world in (first, second)]
    assert [_without(report) for report in reports[:1]] == [_without(report) for report in reports[1:]]
    assert verify(second.store) == []


def _without(report: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in report.items() if name not in MEASURED}


@pytest.mark.parametrize("partitions", ["{hash: 1}", "{hash: 7}", "{single: true}", "{by: file}"])
def test_the_number_of_partitions_changes_no_content_of_texts(text: World, tmp_path: Path, partitions: str) -> None:
    cut = worlds.make(tmp_path)
    recipe = cut.recipe(f"partitions={partitions}")
    built = worlds.build(recipe, cut.store, DATA_STAGES)
    versions: dict[str, list[Any]] = {}
    for (stage, _), found in built.items():
        versions.setdefault(stage, []).append(found.version)
    assert _contents(versions, "text") == _contents(_versions(text), "text")
    # Whichever copy of a text is kept, the vocabulary is learned from the same texts.
    tokenizers = [versions["tokenizer"][0], text.version("tokenizer")]
    assert tokenizers[0].digest == tokenizers[1].digest
    statistics = [found.json("statistics.json") for found in (versions["statistics"][0], text.version("statistics"))]
    assert statistics[0] == statistics[1]
    assert _packed(versions["token_cache"]) == _packed(list(text.every("token_cache").values()))


@pytest.mark.parametrize("partitions", ["{hash: 5}", "{single: true}"])
def test_the_number_of_partitions_changes_no_content_of_images(image: World, tmp_path: Path, partitions: str) -> None:
    cut = worlds.make(tmp_path, "image")
    recipe = cut.recipe(f"partitions={partitions}", "augmentation=null")
    built = worlds.build(recipe, cut.store, DATA_STAGES)
    versions: dict[str, list[Any]] = {}
    for (stage, _), found in built.items():
        versions.setdefault(stage, []).append(found.version)
    assert _contents(versions, "image") == _contents(_versions(image), "image")
    statistics = [found.json("statistics.json") for found in (versions["statistics"][0], image.version("statistics"))]
    assert statistics[0] == statistics[1], "moments are summed as whole numbers, in whatever parts"


def _versions(world: World) -> dict[str, list[Any]]:
    return {stage: list(world.every(stage).values()) for stage in ("raw_corpus", "clean_corpus", "shards")}


def _contents(versions: dict[str, list[Any]], column: str) -> dict[str, Any]:
    """Contents of the partitioned stages without ids, and their counts by reason."""
    found: dict[str, Any] = {}
    for stage, columns in {"clean_corpus": ["split"], "shards": ["label", "split"]}.items():
        rows = pl.concat([version.parquet("data.parquet") for version in versions[stage]])
        if "copy" in rows.columns:
            rows = rows.filter(pl.col("copy") == 0)
        value = pl.col(column).str.to_lowercase() if column == "text" else pl.col(column)
        found[stage] = sorted(rows.select(value, *columns).rows())
    for stage in ("raw_corpus", "clean_corpus"):
        for what in ("rejected", "dropped"):
            books = [Counter(getattr(version.manifest.counts, what)) for version in versions[stage]]
            found[f"{stage} {what}"] = sum(books, Counter())
    return found


def _packed(caches: list[Any]) -> list[tuple[int, str, bytes]]:
    """Label, split and tokens of every example, in no order."""
    found = []
    for cache in caches:
        data = cache.array("data.bin", np.uint16)
        for offset, length, label, split in cached_rows(cache).drop("id", "copy").iter_rows():
            found.append((label, split, data[offset : offset + length].tobytes()))
    return sorted(found)


def test_the_order_in_which_packages_are_named_changes_nothing(tmp_path: Path) -> None:
    names = ["packaging", "filelock", "typing_extensions"]
    digests = []
    for order in (names, names[::-1]):
        world = worlds.make(tmp_path / order[0])
        source = f"source={{kind: installed_docstrings, packages: [{', '.join(order)}], max_per_package: 20}}"
        task = "task={kind: text_classification, input: text, label: package}"
        cleaning = "cleaning=[{kind: exact_duplicates}]"
        recipe = world.recipe(source, task, cleaning, "partitions={by: package}")
        built = worlds.build(recipe, world.store, ("raw_corpus", "signatures", "duplicates", "clean_corpus"))
        digests.append({place: found.version.digest for place, found in built.items()})
    assert digests[0] == digests[1]
    assert list(digests[0]) == list(digests[1])
