"""Addresses of files elsewhere: what stands behind `?` may be a key, is kept nowhere and changes no result."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

import pytest
import yaml

from ops.recipe import Recipe
from ops.storage import Store
from pipelines import dvc
from pipelines.execute import execute
from pipelines.plan import make_plan
from pipelines.recipe import load
from resources.settings import EngineSettings, TrackingSettings, load_settings
from tests.pipelines.conftest import build

SECRET = "CANARY7c1"


@pytest.fixture
def elsewhere(recipe_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The recipe's folder; its rows are in a mirror."""
    mirror = recipe_folder / "mirror"
    mirror.mkdir()
    (recipe_folder / "rows.csv").rename(mirror / "rows.csv")
    (mirror / "others.csv").write_bytes((mirror / "rows.csv").read_bytes())
    monkeypatch.setenv("SATIETY_MIRROR", str(mirror))
    return recipe_folder


def recipe_of(folder: Path, address: str, more: bool = False) -> Path:
    content = yaml.safe_load((folder / "tiny.yaml").read_text())
    sha256 = hashlib.sha256((folder / "mirror" / "rows.csv").read_bytes()).hexdigest()
    place = {"url": address, "sha256": sha256}
    content["source"]["path"] = [place, "more.csv"] if more else place
    path = folder / "there.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def loaded(path: Path) -> Recipe:
    return load(str(path)).recipe


def test_a_key_in_an_address_is_kept_nowhere_and_another_one_builds_nothing(elsewhere: Path) -> None:
    settings = dataclasses.replace(
        load_settings(elsewhere, {}), engine=EngineSettings(workers=1), tracking=TrackingSettings(enabled=False)
    )
    recipe = loaded(recipe_of(elsewhere, f"https://example.org/rows.csv?token={SECRET}#{SECRET}"))
    done = execute(recipe, stages=["raw_corpus"], settings=settings)
    assert len(done.built) == 2
    for root in (settings.store, settings.home):
        holding = [path for path in root.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]
        assert holding == []
    assert SECRET not in repr(recipe.source) + str(recipe.part("source"))
    assert "https://example.org/rows.csv" in str(recipe.part("source"))
    for address in ("https://example.org/rows.csv?token=other", "https://mirror.example.org/deep/rows.csv"):
        other = loaded(recipe_of(elsewhere, address))
        plan = make_plan(other, Store(settings.store), ["raw_corpus"])
        assert {item.status for item in plan.items} == {"fresh"}
        assert execute(other, stages=["raw_corpus"], settings=settings).built == []


def test_another_name_is_a_change(elsewhere: Path, store: Store) -> None:
    address = "https://example.org/rows.csv"
    assert any(build(loaded(recipe_of(elsewhere, address)), store, ("raw_corpus",)).values())
    other = loaded(recipe_of(elsewhere, "https://example.org/others.csv"))
    assert all(build(other, store, ("raw_corpus",)).values())


@pytest.mark.parametrize("more", [False, True])
def test_dvc_is_not_told_the_key(more: bool, elsewhere: Path) -> None:
    from dvc.dependency.param import read_param_file
    from dvc.fs import LocalFileSystem

    (elsewhere / "more.csv").write_text("text,label\n")
    path = recipe_of(elsewhere, f"https://example.org/rows.csv?token={SECRET}", more)
    rendered = dvc.render([load(str(path))], elsewhere, elsewhere / "store")
    parameters, *_ = yaml.safe_load(rendered[dvc.FILE])["stages"]["tiny-raw_corpus"]["params"]
    values = read_param_file(LocalFileSystem(), str(path), parameters["there.yaml"], flatten=True)
    assert SECRET not in str(values)
    assert set(values) == set(parameters["there.yaml"])
    sha256 = hashlib.sha256((elsewhere / "mirror" / "rows.csv").read_bytes()).hexdigest()
    assert values["source.path.0.sha256" if more else "source.path.sha256"] == sha256
    assert values["source.kind"] == "csv" and (not more or values["source.path.1"] == "more.csv")
