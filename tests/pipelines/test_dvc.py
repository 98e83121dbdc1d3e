"""dvc.yaml: what is written for which recipe, and DVC itself at work on it: repro, experiments, clones, crashes."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from ops.errors import CheckFailed, ConfigError
from ops.stages import code
from ops.stages.chain import DATA_STAGES, stages
from ops.stages.run import build_stage, partitions_of
from ops.storage import Store
from pipelines import cli, dvc
from pipelines.recipe import SHIPPED, Loaded, load, recipes
from tests.tiny import tiny_recipe

ROOT = Path(__file__).parents[2]

# What each stage reads, and the keys of a recipe that it depends on: written down here, not taken from the stages.
GRAPH: dict[str, set[str]] = {
    "raw_corpus": set(),
    "signatures": {"raw_corpus"},
    "duplicates": {"signatures"},
    "clean_corpus": {"raw_corpus", "duplicates"},
    "statistics": {"clean_corpus"},
    "shards": {"clean_corpus", "statistics"},
    "tokenizer": {"shards"},
    "token_cache": {"shards", "tokenizer"},
    "model": {"token_cache", "statistics", "tokenizer"},
    "report": {"raw_corpus", "clean_corpus", "statistics", "shards", "token_cache", "model"},
}
ONLY_MODEL = {"training"}
ONLY_REPORT = {"evaluation", "name", "description"}


def rendered(*paths: Path, root: Path, store: Path | None = None) -> dict[str, str]:
    return dvc.render([load(str(path)) for path in paths], root, store or root / "store")


def content(*paths: Path, root: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(rendered(*paths, root=root)[dvc.FILE])
    return found


def shipped() -> list[Loaded]:
    return [load(name) for name, path in recipes().items() if SHIPPED in path.parents]


# The text of dvc.yaml


def test_the_committed_file_is_what_the_recipes_say() -> None:
    files = dvc.render(shipped(), ROOT, ROOT / "store")
    assert list(files) == [dvc.FILE], "all code lies in the repository"
    assert dvc.stale(files, ROOT) == [], "run satiety dvc"
    assert files == dvc.render(shipped(), ROOT, ROOT / "store")


def test_each_asset_is_a_stage_with_the_edges_of_the_graph(tmp_path: Path) -> None:
    found = content(tiny_recipe(tmp_path), root=tmp_path)
    assert list(found["stages"]) == [f"tiny-{name}" for name in GRAPH]
    for name, inputs in GRAPH.items():
        stage = found["stages"][f"tiny-{name}"]
        read = {path.split("/")[2] for path in stage["deps"] if path.startswith("store/")}
        assert read == inputs, name
        keys = ["all"] if name in ("duplicates", "statistics", "tokenizer", "model", "report") else ["0", "1", "2"]
        assert stage["outs"] == [f"store/tiny/{name}/{key}/current" for key in keys]
        params = set(stage["params"][0]["tiny.yaml"])
        # The report prints the whole recipe.
        assert ("training" in params) == (name in ("model", "report"))
        assert params >= ONLY_REPORT if name == "report" else not params & ONLY_REPORT
    assert found["stages"]["tiny-raw_corpus"]["deps"] == ["tiny.csv"]


def test_a_recipe_without_a_fold_has_no_stage_for_it(tmp_path: Path) -> None:
    path = tiny_recipe(tmp_path, modality="image", cleaning=[{"kind": "image_decodable"}])
    found = content(path, root=tmp_path)["stages"]
    assert [name.removeprefix("tiny-") for name in found] == [
        name for name in GRAPH if name not in ("signatures", "duplicates", "tokenizer")
    ]
    assert found["tiny-raw_corpus"]["deps"] == ["tiny"], "the folder, so that new images are seen"


def test_only_keys_that_the_file_names_are_parameters(tmp_path: Path) -> None:
    def parameters() -> set[str]:
        return {
            key for stage in content(path, root=tmp_path)["stages"].values() for key in stage["params"][0]["tiny.yaml"]
        }

    path = tiny_recipe(tmp_path)
    assert "launch" not in parameters()
    path = tiny_recipe(tmp_path, launch={"processes": 1})
    assert "launch" in parameters()
    component = {"type": "pipelines.component.Recipe", "attributes": yaml.safe_load(path.read_text())}
    path.write_text(yaml.safe_dump(component))
    assert {"attributes.launch", "attributes.training", "attributes.cleaning"} <= parameters()
    assert all(key.startswith("attributes.") for key in parameters())


def test_a_repository_with_the_source_names_files_and_runs_its_own_code() -> None:
    found = yaml.safe_load(dvc.render(shipped(), ROOT, ROOT / "store")[dvc.FILE])
    for name, stage in found["stages"].items():
        recipe, _, part = name.partition("-")
        assert stage["cmd"] == f"python -m pipelines.cli run {recipe} --stage {part}"
        files = [path for path in stage["deps"] if not path.startswith("store/")]
        assert files and all((ROOT / path).is_file() for path in files), name
        assert f"ops/stages/{part}.py" in files
        assert list(stage["params"][0]) == [f"pipelines/defs/{recipe}/defs.yaml"]
    assert "ops/training/loop.py" in found["stages"]["digits-model"]["deps"]
    assert "ops/cleaning/mask.py" in found["stages"]["quickstart-clean_corpus"]["deps"]
    assert "ops/cleaning/mask.py" not in found["stages"]["digits-clean_corpus"]["deps"]
    assert "constraints.txt" in found["stages"]["quickstart-raw_corpus"]["deps"]


def test_an_installed_satiety_is_watched_by_the_hash_of_its_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tiny_recipe(tmp_path)
    before = rendered(path, root=tmp_path)
    stage = yaml.safe_load(before[dvc.FILE])["stages"]["tiny-model"]
    assert stage["cmd"] == "satiety run tiny.yaml --stage model"
    assert stage["params"][1] == {dvc.CODE_FILE: ["tiny-model"]}
    assert not any(path.endswith(".py") for path in stage["deps"])

    versions = code.code_versions

    def changed(modules: list[str]) -> dict[str, str]:
        return {m: "other" if m == "ops.training.loop" else v for m, v in versions(modules).items()}

    monkeypatch.setattr(code, "code_versions", changed)
    after = rendered(path, root=tmp_path)
    assert after[dvc.FILE] == before[dvc.FILE]
    old, new = (yaml.safe_load(files[dvc.CODE_FILE]) for files in (before, after))
    assert {name for name in old if old[name] != new[name]} == {"tiny-model"}


def test_installed_packages_are_watched_by_pins_or_else_by_hash(tmp_path: Path) -> None:
    source = {"kind": "sklearn_digits"}
    path = tiny_recipe(tmp_path, modality="image", source=source)
    path.write_text(path.read_text().replace("  path: tiny\n", ""))
    free = rendered(path, root=tmp_path)
    assert yaml.safe_load(free[dvc.FILE])["stages"]["tiny-raw_corpus"]["deps"] == []
    (tmp_path / "constraints.txt").write_text("scikit-learn==1.8.0\n")
    pinned = rendered(path, root=tmp_path)
    assert yaml.safe_load(pinned[dvc.FILE])["stages"]["tiny-raw_corpus"]["deps"] == ["constraints.txt"]
    old, new = (yaml.safe_load(files[dvc.CODE_FILE]) for files in (free, pinned))
    assert {name for name in old if old[name] != new[name]} == {"tiny-raw_corpus"}


def test_paths_outside_and_strange_ones(tmp_path: Path) -> None:
    root, elsewhere = tmp_path / "project", tmp_path / "elsewhere"
    elsewhere.mkdir()
    path = tiny_recipe(root / "it's one")
    (path.parent / "tiny.csv").rename(elsewhere / "tiny.csv")
    path.write_text(path.read_text().replace("path: tiny.csv", "path: ../../elsewhere/tiny.csv"))
    stage = content(path, root=root)["stages"]["tiny-raw_corpus"]
    assert stage["deps"] == [str((elsewhere / "tiny.csv").resolve())]
    assert shlex.split(stage["cmd"]) == ["satiety", "run", "it's one/tiny.yaml", "--stage", "raw_corpus"]
    with pytest.raises(ConfigError, match="DVC needs the recipe below"):
        rendered(path, root=elsewhere)
    with pytest.raises(ConfigError, match="DVC needs the store below"):
        rendered(path, root=root, store=elsewhere)
    with pytest.raises(ConfigError, match="two recipes are called 'tiny'"):
        rendered(path, path, root=root)
    link = tmp_path / "link"
    link.symlink_to(root)
    assert rendered(link / "it's one" / "tiny.yaml", root=root) == rendered(path, root=root)


def test_the_command_writes_and_checks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tiny_recipe(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert cli.invoke(["dvc", "tiny.yaml", "--check"]) == 4
    assert "dvc.yaml does not match the recipes" in capsys.readouterr().err
    assert not (tmp_path / "dvc.yaml").exists()
    assert cli.invoke(["dvc", "tiny.yaml"]) == 0
    assert cli.invoke(["dvc", "tiny.yaml", "--check"]) == 0
    capsys.readouterr()
    assert cli.invoke(["dvc", "tiny.yaml", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"paths": ["dvc.yaml", "dvc.code.yaml"], "changed": []}
    path.write_text(path.read_text().replace("hash: 3", "hash: 4"))
    assert cli.invoke(["dvc", "tiny.yaml", "--check"]) == 4
    (tmp_path / "dvc.code.yaml").unlink()
    with pytest.raises(CheckFailed, match=r"dvc\.code\.yaml"):
        dvc.check({dvc.CODE_FILE: ""}, tmp_path)
    assert cli.invoke(["dvc"]) == 2, "the recipes that ship do not lie in this folder"
    assert "satiety dvc my/recipe.yaml" in capsys.readouterr().err


# DVC at work


@dataclass(frozen=True)
class Project:
    """A folder under git and DVC, with programs of its own, so that no virtual environment need be active."""

    root: Path
    base: Path

    def environment(self) -> dict[str, str]:
        quiet = {name: str(self.base / name) for name in ("DVC_SITE_CACHE_DIR", "DVC_GLOBAL_CONFIG_DIR")}
        git = {
            f"GIT_{who}_{what}": "tests@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
        }
        return {
            **os.environ,
            **quiet,
            **git,
            "GIT_CONFIG_GLOBAL": os.devnull,
            "PATH": f"{self.base / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "SATIETY_TRACKING": "off",
            "SATIETY_WORKERS": "1",
            # One home for all clones: Dagster's databases are made once.
            "SATIETY_HOME": str(self.base / "home"),
            "PYTHONPATH": "",
        }

    def start(self, *words: str) -> subprocess.Popen[str]:
        """A program in a session of its own, errors among its output."""
        return subprocess.Popen(
            words,
            cwd=self.root,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def call(self, *words: str, code: int = 0) -> str:
        process = self.start(*words)
        try:
            output = process.communicate(timeout=240)[0]
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        assert process.returncode == code, f"{shlex.join(words)}\n{output}"
        return output

    def dvc(self, *words: str) -> str:
        return self.call(str(self.base / "bin" / "python"), "-m", "dvc", *words)

    def git(self, *words: str) -> str:
        return self.call("git", *words)

    def commit(self) -> None:
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "state")

    def plan(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.call("satiety", "plan", "tiny.yaml", "--json"))
        return found

    def file(self, stage: str, name: str) -> Path:
        return self.root / "store" / "tiny" / stage / "all" / "current" / name

    def clone(self, name: str) -> Project:
        """A fresh clone with everything that DVC's remote has."""
        self.git("clone", "-q", ".", str(self.base / name))
        clone = Project(self.base / name, self.base)
        clone.dvc("pull", "-q")
        return clone


def ran(output: str) -> list[str]:
    """The stages that `dvc repro` ran, in order."""
    return re.findall(r"Running stage 'tiny-(\w+)'", output)


def versions(root: Path) -> dict[str, bytes]:
    """The manifest of every committed version."""
    found = root.glob("store/tiny/*/*/*/manifest.json")
    return {str(path.relative_to(root)): path.read_bytes() for path in found if path.parent.name != "current"}


def new_project(root: Path, base: Path, ignored: str = "") -> Project:
    """A folder as `git init` and `dvc init` leave it, with the settings of DVC that ship."""
    (base / "bin").mkdir(exist_ok=True)
    for name, words in {"python": [sys.executable], "satiety": [sys.executable, "-m", "pipelines.cli"]}.items():
        path = "" if name == "python" else f"PYTHONPATH={shlex.quote(str(ROOT))} "
        (base / "bin" / name).write_text(f'#!/bin/sh\n{path}exec {shlex.join(words)} "$@"\n')
        (base / "bin" / name).chmod(0o755)
    root.mkdir(exist_ok=True)
    project = Project(root, base)
    project.git("init", "-q")
    (root / ".dvc").mkdir()
    for name in (".dvc/config", ".dvc/.gitignore", ".dvcignore"):
        shutil.copy(ROOT / name, root / name)
    (root / ".gitignore").write_text(f"/store/\n__pycache__/\n{ignored}")
    return project


STAGES = ["raw_corpus", "clean_corpus", "statistics", "shards", "token_cache", "model", "report"]


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project in which `dvc repro` has run for the first time; committed and pushed."""
    base = tmp_path_factory.mktemp("dvc")
    project = new_project(base / "origin", base)
    tiny_recipe(
        project.root,
        modality="image",
        cleaning=[{"kind": "image_decodable"}],
        training={"steps": 24, "checkpoint_every": 10},
    )
    project.call("satiety", "dvc", "tiny.yaml")
    assert ran(project.dvc("repro")) == STAGES
    project.dvc("remote", "add", "-d", "team", str(base / "remote"))
    project.commit()
    project.dvc("push", "-q")
    return project


@pytest.fixture(scope="module")
def clone(origin: Project) -> Project:
    """A clone that each test leaves with the same `current` folders as it found there."""
    return origin.clone("clone")


@pytest.mark.slow
def test_a_second_repro_runs_nothing(origin: Project) -> None:
    before = versions(origin.root)
    output = origin.dvc("repro")
    assert ran(output) == []
    assert "up to date" in output
    assert origin.git("status", "--porcelain") == "", "DVC leaves no files of its own beside the store's"
    assert versions(origin.root) == before
    assert origin.plan()["fresh"]
    # One copy of the bytes: the version, `current` and DVC's cache are links to it.
    assert origin.file("model", "model.safetensors").stat().st_nlink == 3


@pytest.mark.slow
def test_metrics_plots_and_graph(origin: Project) -> None:
    metrics = json.loads(origin.dvc("metrics", "show", "--json"))
    (values,) = metrics[""]["data"].values()
    assert values["data"] == json.loads(origin.file("report", "metrics.json").read_text())
    origin.dvc("plots", "show", "-o", str(origin.base / "plots"))
    page = (origin.base / "plots" / "index.html").read_text()
    for name in ("train_loss", "valid_loss", "valid_accuracy"):
        last = origin.file("report", f"{name}.csv").read_text().split()[-1].split(",")[1]
        assert f'"{name}": "{last}"' in page
    edges = set(re.findall(r'"tiny-(\w+)" -> "tiny-(\w+)"', origin.dvc("dag", "--dot")))
    assert edges == {(read, stage) for stage in STAGES for read in GRAPH[stage] & set(STAGES)}


@pytest.mark.slow
def test_a_fresh_clone_is_whole(origin: Project, clone: Project) -> None:
    plan = clone.plan()
    assert plan["fresh"], plan
    assert {item["stage"] for item in plan["items"]} == set(STAGES)
    assert versions(clone.root) == versions(origin.root), "what DVC restored has been taken into the store"
    assert clone.file("model", "model.safetensors").stat().st_mode & 0o777 == 0o444
    clone.call("satiety", "verify")
    done = json.loads(clone.call("satiety", "run", "tiny.yaml", "--json"))
    assert (done["changed"], done["built"]) == (False, [])
    assert ran(clone.dvc("repro")) == []


@pytest.mark.slow
def test_verify_finds_what_dvc_does_not_see(clone: Project) -> None:
    clone.plan()
    weights = clone.file("model", "model.safetensors")
    (cached,) = [p for p in (clone.root / ".dvc" / "cache").rglob("*") if p.is_file() and p.samefile(weights)]
    content, status = bytearray(cached.read_bytes()), cached.stat()
    content[len(content) // 2] ^= 1
    cached.chmod(0o644)
    cached.write_bytes(content)
    cached.chmod(0o444)
    os.utime(cached, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert "up to date" in clone.dvc("status"), "DVC trusts mode and time; should it look one day, so much the better"
    assert "model.safetensors" in clone.call("satiety", "verify", code=5)
    # The way out that the page on DVC describes.
    shutil.rmtree(clone.root / "store" / "tiny" / "model")
    cached.chmod(0o644)
    cached.unlink()
    clone.dvc("pull", "-q")
    assert clone.plan()["fresh"]
    clone.call("satiety", "verify")


@pytest.mark.slow
def test_a_changed_training_parameter_runs_model_and_report_also_after_a_crash(clone: Project) -> None:
    assert clone.plan()["fresh"]
    before = versions(clone.root)
    recipe = clone.root / "tiny.yaml"
    recipe.write_text(recipe.read_text().replace("steps: 24", "steps: 12"))
    process = clone.start(str(clone.base / "bin" / "python"), "-m", "dvc", "repro")
    wait_until(lambda: any((clone.root / "store" / ".work" / "tiny" / "model").glob("*/*/run.json")))
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    assert not clone.file("model", "model.safetensors").exists()
    assert versions(clone.root) == before, "DVC has deleted current/, the versions are the store's"
    clone.call("satiety", "verify")

    clone.git("checkout", "-q", "tiny.yaml")
    output = clone.dvc("exp", "run", "-S", "tiny.yaml:training.steps=12")
    assert ran(output) == ["model", "report"]
    after = versions(clone.root)
    assert before.items() < after.items()
    assert {path.split("/")[2] for path in after.keys() - before.keys()} == {"model", "report"}
    assert clone.plan()["fresh"]
    changes = json.loads(clone.dvc("metrics", "diff", "--json"))
    (changed,) = changes["diff"].values() if "diff" in changes else changes.values()
    assert changed["flops"]["diff"] < 0
    assert yaml.safe_load(recipe.read_text())["training"]["steps"] == 12

    # Back: DVC puts the old files into current/, and the store knows them.
    clone.git("checkout", "-q", "tiny.yaml", "dvc.lock")
    clone.dvc("checkout", "-q")
    assert clone.plan()["fresh"]
    assert versions(clone.root) == after


def wait_until(happened: Callable[[], bool], seconds: float = 120) -> None:
    until = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.02)


@pytest.mark.slow
def test_a_comment_in_the_code_runs_its_stage_and_nothing_below(tmp_path: Path) -> None:
    project = new_project(tmp_path / "source", tmp_path, ignored="/.pytest_cache/\n")
    for package in ("ops", "assets", "resources", "pipelines"):
        shutil.copytree(ROOT / package, project.root / package)
    path = tiny_recipe(project.root, modality="image", cleaning=[{"kind": "image_decodable"}])
    project.call("python", "-m", "pipelines.cli", "dvc", "tiny.yaml")
    assert not (project.root / dvc.CODE_FILE).exists()
    recipe, store = load(str(path)).recipe, Store(project.root / "store")
    data = [stage for stage in stages(recipe) if stage.name in DATA_STAGES]
    for stage in data:
        for key in partitions_of(stage, recipe):
            build_stage(stage, recipe, key, store)
    project.dvc("commit", "-q", "-f", *(f"tiny-{stage.name}" for stage in data))
    manifest = project.file("statistics", "manifest.json").read_bytes()

    module = project.root / "ops" / "stages" / "statistics.py"
    module.write_text(f"# A comment.\n{module.read_text()}")
    output = project.dvc("repro", "tiny-token_cache")
    assert ran(output) == ["statistics"]
    assert project.file("statistics", "manifest.json").read_bytes() == manifest
    assert len(versions(project.root)) == sum(len(partitions_of(stage, recipe)) for stage in data), "nothing was built"
