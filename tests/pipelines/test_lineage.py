"""Lineage: from a result to the raw bytes, and what is said where something on the way is not what it was."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ops.errors import ConfigError
from ops.recipe import Recipe
from ops.storage import Store, Version
from ops.storage.manifest import load_sealed, seal
from pipelines.lineage import Lineage, find_digest, stage_inputs, start, trace
from tests.pipelines.conftest import build, write_rows


def top(store: Store) -> Version:
    version = store.slot("tiny", "token_cache", "0").current()
    assert version is not None
    return version


def status_of(lineage: Lineage, stage: str) -> dict[str, str]:
    return {node.partition: node.status for node in lineage.nodes.values() if node.stage == stage}


def test_everything_on_the_way_is_hashed(built: Store, tiny: Callable[..., Recipe]) -> None:
    seen: list[Path] = []
    found = trace(top(built), built, tiny(), lambda path, count: seen.append(path))
    assert found.status == "ok"
    assert status_of(found, "source") == {"0": "ok", "1": "ok"}
    assert status_of(found, "raw_corpus") == {"0": "ok", "1": "ok"}, "the tokenizer has seen both partitions"
    names = "token_cache shards tokenizer statistics clean_corpus duplicates signatures raw_corpus source"
    assert {node.stage for node in found.nodes.values()} == set(names.split())
    files = {path for node in found.nodes.values() if node.path for path in node.path.iterdir()}
    assert set(seen) == {path for path in files if path.name not in ("manifest.json", "cost.json")}
    assert stage_inputs(found, "token_cache") == ["shards", "tokenizer"]
    document = found.data()
    ids = {node["id"] for node in document["nodes"]}
    assert {name for node in document["nodes"] for name in node["inputs"]} <= ids


def test_a_flipped_bit_is_found_wherever_it_is(built: Store, tiny: Callable[..., Recipe]) -> None:
    version = built.slot("tiny", "raw_corpus", "1").current()
    assert version is not None
    path = version.path / "data.parquet"
    data = bytearray(path.read_bytes())
    data[-20] ^= 4
    path.chmod(0o644)
    path.write_bytes(data)
    found = trace(top(built), built, tiny())
    assert found.status == "broken"
    assert status_of(found, "raw_corpus") == {"0": "ok", "1": "broken"}
    assert any("data.parquet" in node.problem for node in found.nodes.values())


def test_a_missing_input_is_named(built: Store, tiny: Callable[..., Recipe]) -> None:
    shutil.rmtree(built.slot("tiny", "signatures", "0").path)
    found = trace(top(built), built, tiny())
    assert found.status == "missing"
    assert status_of(found, "signatures") == {"0": "missing", "1": "ok"}


def test_a_manifest_that_tells_of_other_inputs_than_its_fingerprint_is_broken(
    built: Store, tiny: Callable[..., Recipe]
) -> None:
    """Sealed anew and whole by itself: only the fingerprint gives it away."""
    version = top(built)
    content = load_sealed(version.path / "manifest.json")
    content["inputs"]["config.tokenizer.vocabulary"] = "17"
    (version.path / "manifest.json").chmod(0o644)
    (version.path / "manifest.json").write_bytes(seal(content))
    forged = built.slot("tiny", "token_cache", "0").version(version.manifest.fingerprint)
    assert forged is not None
    found = trace(forged, built, tiny())
    assert found.status == "broken"
    assert any("not those of its fingerprint" in node.problem for node in found.nodes.values())


def test_an_older_version_is_found_by_its_digest(built: Store, tiny: Callable[..., Recipe]) -> None:
    old = top(built)
    build(tiny("split.valid=0.4"), built)
    assert top(built).digest != old.digest
    assert trace(old, built, tiny()).status == "ok"


def test_changed_sources_and_other_recipes(built: Store, tiny: Callable[..., Recipe], recipe_folder: Path) -> None:
    assert trace(top(built), built, None).status == "unchecked"
    assert status_of(trace(top(built), built, tiny("source.max_record_bytes=100000")), "source") == {
        "0": "unchecked",
        "1": "unchecked",
    }
    write_rows(recipe_folder / "rows.csv", rows=121)
    found = trace(top(built), built, tiny())
    assert (found.status, status_of(found, "source")) == ("changed", {"0": "changed", "1": "changed"})
    (recipe_folder / "rows.csv").unlink()


def test_digests_may_be_cut_but_not_ambiguous(built: Store) -> None:
    version = top(built)
    assert find_digest(built, version.digest[:12]).digest == version.digest
    with pytest.raises(ConfigError, match="nothing in"):
        find_digest(built, "0" * 32)
    with pytest.raises(ConfigError, match="give more of it"):
        find_digest(built, "")


def test_what_a_target_means(built: Store, recipe_folder: Path) -> None:
    version, recipe = start(top(built).digest, built, "sqlite:///none.db")
    assert (version.manifest.stage, recipe) == ("token_cache", None), (
        "tiny is no name here, so its source stays unchecked"
    )
    with pytest.raises(ConfigError, match="has no model yet"):
        start(str(recipe_folder / "tiny.yaml"), built, "sqlite:///none.db")
    with pytest.raises(ConfigError, match="no recipe 'quickstar'"):
        start("quickstar", built, "sqlite:///none.db")
