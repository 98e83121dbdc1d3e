"""The registry's view of the sources, and what rejects look like."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import polars as pl

from ops.config import describe
from ops.registry import discover
from ops.sources.base import Source
from ops.sources.rejects import REJECTS_SCHEMA, Reject, reject_frame
from ops.sources.values import first_faults, parse_text

KINDS = {"csv", "image_folder", "installed_docstrings", "ndjson", "parquet", "sklearn_digits", "text", "tsv"}


def test_all_kinds_are_found_and_every_setting_is_described() -> None:
    kinds = discover("ops.sources", base=Source)
    assert set(kinds) >= KINDS
    describe(*kinds.values())
    for kind in kinds.values():
        for name, field in kind.model_fields.items():
            assert field.description, f"{kind.__name__}.{name}"


def test_finding_them_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom ops.registry import discover\nfrom ops.sources.base import Source\n"
        "discover('ops.sources', base=Source)\n"
        "assert not {'pyarrow', 'sklearn', 'PIL', 'cv2', 'torch', 'pandas'} & set(sys.modules), sorted(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[3], timeout=60)


def test_rejects_are_cut_and_printable() -> None:
    frame = reject_frame([Reject("f", 1, 0, "r", "\ud800" + "d" * 500, b"x" * 1000)])
    assert frame.schema == pl.Schema(REJECTS_SCHEMA)
    assert len(frame["excerpt"][0]) == 256
    assert frame["detail"][0].startswith("\\ud800d")


def test_the_first_faulty_column_names_the_row() -> None:
    before = {"a": pl.Series(["1", "x", "y"]), "b": pl.Series(["1", "2", "z"])}
    after = {name: parse_text(values, "int64") for name, values in before.items()}
    faults = first_faults(before, after, {"b": "int64", "a": "int64"}, keep_non_finite=False)
    assert faults == [(1, "not_int64", "a: 'x'"), (2, "not_int64", "b: 'z'")]
