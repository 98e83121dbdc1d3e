from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import ops.recipe
from pipelines.component import Recipe

ROOT = Path(__file__).parents[2]
PACKAGES = ("assets", "ops", "pipelines", "resources")


def test_the_schema_is_the_recipes_own_with_its_descriptions() -> None:
    model = Recipe.get_model_cls()
    schema = model.model_json_schema()
    assert schema["properties"].keys() == ops.recipe.Recipe.model_fields.keys()
    assert schema["additionalProperties"] is False
    assert all(key["description"] for key in schema["properties"].values())


def test_any_mapping_gets_as_far_as_our_own_reader() -> None:
    assert Recipe.get_model_cls().model_validate({"sed": 7}) is not None


class Project:
    """A copy of the project, in which recipes may be broken."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        ignore = shutil.ignore_patterns("__pycache__")
        for package in PACKAGES:
            shutil.copytree(ROOT / package, folder / package, ignore=ignore)
        for file in ("pyproject.toml", "params.yaml"):
            shutil.copyfile(ROOT / file, folder / file)
        self.recipe = folder / "pipelines" / "defs" / "digits" / "defs.yaml"
        self.text = self.recipe.read_text()

    def change(self, *changes: tuple[str, str]) -> None:
        """Write the recipe with parts of its text replaced."""
        text = self.text
        for old, new in changes:
            assert old in text
            text = text.replace(old, new, 1)
        self.recipe.write_text(text)

    def line(self, text: str) -> int:
        """The first line of the recipe that has the text."""
        return next(i for i, line in enumerate(self.recipe.read_text().splitlines(), 1) if text in line)

    def dg(self, *words: str) -> tuple[int, str]:
        """Exit code and output of Dagster's command `dg`."""
        environment = {**os.environ, "PYTHONPATH": str(self.folder), "COLUMNS": "200", "NO_COLOR": "1"}
        command = [str(Path(sys.executable).with_name("dg")), *words]
        done = subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(tmp_path_factory.mktemp("project"))


@pytest.mark.slow
def test_dg_check_yaml_names_the_line_of_a_typo(project: Project) -> None:
    project.change(("seed: 7", "sed: 7"), ("bootstrap: 1000", "bootstrap: many"))
    # With a path: without one, Dagster 1.13 checks only the last of several files with the same type.
    code, said = project.dg("check", "yaml", "pipelines/defs/digits")
    assert code == 1
    assert f"digits/defs.yaml:{project.line('sed: 7')} - " in said
    assert "'sed' was unexpected" in said
    assert f"digits/defs.yaml:{project.line('bootstrap')} - " in said
    assert "'many' is not of type 'integer'" in said


@pytest.mark.slow
def test_dg_check_defs_gives_all_problems_with_place_and_nearest_name(project: Project) -> None:
    project.change(("seed: 7", "sed: 7"), ("kind: rotate", "kind: rotat"), ("bootstrap: 1000", "bootstrap: many"))
    code, said = project.dg("check", "defs")
    assert code == 1
    places = re.findall(r"digits/defs\.yaml:(\d+:\d+: .*)", said)
    assert places == [
        f"{project.line('sed: 7')}:3: unknown key 'sed'; did you mean 'seed'?",
        f"{project.line('rotat')}:15: unknown kind 'rotat'; did you mean 'rotate'?",
        f"{project.line('bootstrap')}:16: 'bootstrap' is 'many', not a whole number",
    ]


@pytest.mark.slow
def test_dg_loads_the_project_as_it_ships(project: Project) -> None:
    project.change()
    code, said = project.dg("list", "defs", "--json")
    assert code == 0, said
    for name in ("quickstart/raw_corpus", "digits/report", "quickstart_nightly_data"):
        assert f'"{name}"' in said
