"""dvc.yaml, generated from the stages of the shipped recipes: one DVC stage for each asset.

DVC wants fixed paths, so what it names is each partition's `current` folder; older versions are the store's own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from ops.errors import CheckFailed, ConfigError
from ops.recipe import Recipe
from ops.stages.chain import stage_named, stages
from ops.stages.code import code_versions
from ops.stages.run import partitions_of
from ops.stages.spec import Stage
from ops.storage import partition_slug

HEADER = """\
# Generated from the recipes in pipelines/defs by `satiety dvc`; a test fails when it is out of date.
# Each stage runs one asset of one recipe; `dvc repro` therefore shows up in Dagster's web page too.
"""


def render(recipes: dict[Path, Recipe], root: Path, store: Path) -> str:
    """The text of dvc.yaml for recipes by the path of their file.

    Args:
        recipes: recipe by its `defs.yaml`.
        root: the folder of dvc.yaml; all paths are relative to it.
        store: the store's folder, below `root`.

    Raises:
        ConfigError: the store lies outside of `root`, where DVC cannot follow it.
    """
    try:
        where = store.resolve().relative_to(root.resolve()).as_posix()
    except ValueError as error:
        raise ConfigError(f"DVC needs the store below {root}", where=str(store), hint="unset SATIETY_STORE") from error
    content: dict[str, Any] = {"stages": {}, "metrics": [], "plots": []}
    for path, recipe in recipes.items():
        file = path.resolve().relative_to(root.resolve()).as_posix()
        for stage in stages(recipe):
            content["stages"][f"{recipe.name}-{stage.name}"] = _stage(recipe, stage, file, root, where)
        report = f"{where}/{recipe.name}/report/all/current"
        content["metrics"].append(f"{report}/metrics.json")
        content["plots"].append({f"{report}/curves.csv": {"x": "step", "y": ["train_loss", "valid_loss"]}})
    return HEADER + yaml.safe_dump(content, sort_keys=False, width=120)


def _stage(recipe: Recipe, stage: Stage, file: str, root: Path, store: str) -> dict[str, Any]:
    found: dict[str, Any] = {
        "desc": stage.description,
        "cmd": f"satiety run {recipe.name} --stage {stage.name}",
        "deps": [*_code(recipe, stage, root), *_outside(recipe, stage, root), *_inputs(recipe, stage, store)],
        "params": [{file: [f"attributes.{key}" for key in sorted(stage.keys) if _given(recipe, key)]}],
        "outs": [_current(recipe, stage.name, key, store) for key in partitions_of(stage, recipe)],
    }
    return found


def _given(recipe: Recipe, key: str) -> bool:
    # DVC refuses a parameter that the file does not name; a default lives in the code, which is a dependency.
    return key in recipe.model_fields_set


def _code(recipe: Recipe, stage: Stage, root: Path) -> list[str]:
    names = code_versions([stage.module, *stage.modules(recipe)])
    paths = (Path(*name.split(".")) for name in names)
    files = (p.with_suffix(".py") if (root / p).with_suffix(".py").is_file() else p / "__init__.py" for p in paths)
    return sorted(file.as_posix() for file in files)


def _outside(recipe: Recipe, stage: Stage, root: Path) -> list[str]:
    """What a stage reads from outside the store: the source's files, or the pins of the installed packages."""
    if stage.external is None:
        return []
    files = [Path(file) for file in recipe.source.paths()]
    if not files:
        return ["constraints.txt"]
    return [file.relative_to(root.resolve()).as_posix() if file.is_relative_to(root) else str(file) for file in files]


def _inputs(recipe: Recipe, stage: Stage, store: str) -> list[str]:
    return [
        _current(recipe, wanted.stage, key, store)
        for wanted in stage.inputs
        for key in partitions_of(stage_named(recipe, wanted.stage), recipe)
    ]


def _current(recipe: Recipe, stage: str, partition: str, store: str) -> str:
    return f"{store}/{recipe.name}/{stage}/{partition_slug(partition)}/current"


def write(text: str, path: Path) -> bool:
    """Write dvc.yaml; returns whether it changed."""
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return False
    path.write_text(text, encoding="utf-8")
    return True


def check(text: str, path: Path) -> None:
    """Compare with the file that is there.

    Raises:
        CheckFailed: it is missing or differs.
    """
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        raise CheckFailed("dvc.yaml does not match the recipes", where=str(path), hint="run satiety dvc and commit it")
