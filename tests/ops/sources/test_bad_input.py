"""The input rows of the fault catalogue: each case in a process under limits, and the tests that each row has beside.

`python -m tests.ops.sources.bad_input FOLDER` shows what came of each case.
"""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ops.errors import BadData
from ops.stages.chain import stage_named
from ops.stages.run import build_stage
from tests.chain import worlds
from tests.ops.sources.bad_input import GIGABYTE, GROUPS, Case
from tests.ops.sources.packing import PACK

ROOT = Path(__file__).parents[3]
SECONDS = 5.0

BESIDE: dict[str, list[str]] = {
    "C1": ["ops/sources/test_compression.py::test_cut_off_is_an_error_with_file_and_offset"],
    "C2": [
        "ops/sources/test_encodings.py::test_undecodable_lines_are_rejects_with_offset",
        "ops/sources/test_csv.py::test_bytes_that_are_not_in_the_encoding_cost_their_record",
    ],
    "C3": ["ops/sources/test_ndjson.py::test_a_giant_line", "ops/sources/test_text.py::test_what_is_too_large"],
    "C4": [
        "ops/sources/test_compression.py::test_a_bomb_is_left_before_twice_the_cap",
        "ops/sources/test_containers.py::test_zip_bombs",
    ],
    "C5": ["ops/sources/test_image_folder.py::test_damaged_images_are_rejects_not_errors"],
    "C6": ["ops/sources/test_parquet.py::test_no_flipped_byte_raises_anything_else"],
    "C7": ["ops/sources/test_csv.py::test_headers_that_do_not_fit"],
    "C8": ["ops/sources/test_csv.py::test_types_are_strict", "ops/sources/test_csv.py::test_times_become_utc"],
    "C9": ["ops/sources/test_csv.py::test_integers_never_pass_through_floats"],
    "C10": [
        "ops/sources/test_csv.py::test_damage_loses_no_record_and_raises_nothing_unexpected",
        "ops/sources/test_ndjson.py::test_what_is_rejected",
    ],
    "C11": [
        "ops/stages/test_edges.py::test_one_class_is_not_enough",
        "ops/stages/test_edges.py::test_a_class_that_training_has_not_is_dropped",
    ],
    "G1": ["ops/sources/test_containers.py::test_unsafe_members_are_rejects_and_nothing_is_written"],
    "G3": [
        "pipelines/test_yaml_strict.py::test_bombs_are_refused_or_read_at_once",
        "pipelines/test_yaml_strict.py::test_what_is_refused_is_named_with_its_place",
    ],
}
"""For each row of the catalogue the tests outside of this module that try it more closely."""


@pytest.fixture(scope="module")
def came(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What came of each case, in one process of its own."""
    folder = tmp_path_factory.mktemp("bad")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "tests.ops.sources.bad_input", str(folder)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    return {found["case"]: found for found in map(json.loads, done.stdout.splitlines())}


def row_of(group: Any) -> str:
    return str(group.__doc__).split(".")[0].split(":")[0].split(";")[0].split(",")[0]


@pytest.mark.slow
@pytest.mark.parametrize("group", GROUPS, ids=row_of)
def test_a_row(group: Any, came: dict[str, dict[str, Any]]) -> None:
    for case in group():
        found = came[f"{case.row} {case.name}"]
        judge(case, found)


def judge(case: Case, found: dict[str, Any]) -> None:
    """A named error with file and place, or every record a row or a counted reject; in bounds; nothing written."""
    label = f"{case.row} {case.name}: {found}"
    if case.error is None:
        assert found["error"] is None, label
        assert (found["rows"], found["rejects"]) == (case.rows, case.rejects), label
        assert found["placed"], label
    else:
        assert found["error"] is not None, label
        kind, pattern = case.error
        assert not kind or found["error"][0] == kind, label
        assert re.search(pattern, found["error"][1]), label
    assert found["seconds"] < SECONDS, label
    assert found["peak"] < GIGABYTE, label
    assert found["written"] == [], label


def test_every_row_has_cases_and_the_tests_beside_it_exist() -> None:
    assert [row_of(group) for group in GROUPS] == list(BESIDE)
    for tests in BESIDE.values():
        for name in tests:
            path, function = name.split("::")
            tree = ast.parse((ROOT / "tests" / path).read_text(encoding="utf-8"))
            assert function in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, name


def test_a_file_that_is_cut_off_gives_no_row_and_exit_code_65(tmp_path: Path) -> None:
    """C1 through the stage: batches before the cut are not committed."""
    world = worlds.make(tmp_path)
    recipe = world.recipe()
    (file, *_) = recipe.source.files()  # type: ignore[attr-defined]
    file.path.write_bytes(PACK["gz"](file.path.read_bytes() * 50)[:-9])
    stage = stage_named(recipe, "raw_corpus")
    key = recipe.partition_keys()[0]
    with pytest.raises(BadData, match=r"input_truncated: the gzip data is cut off at byte \d+") as caught:
        build_stage(stage, recipe, key, world.store)
    assert caught.value.exit_code == 65
    slot = world.store.slot(recipe.name, stage.name, key)
    assert slot.current() is None and slot.fingerprints() == []
