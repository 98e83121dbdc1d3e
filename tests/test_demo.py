"""What `make demo` runs, as a newcomer does: real text, from installed packages to the report, then once more."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_the_demo_ends_in_a_report_and_a_second_one_does_nothing(tmp_path: Path) -> None:
    places = {"SATIETY_STORE": str(tmp_path / "store"), "SATIETY_HOME": str(tmp_path / "home")}

    def demo(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "pipelines.cli", "run", "quickstart", *words]
        env = {**os.environ, **places}
        return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=True)

    first = demo()
    assert "65 built" in first.stderr + first.stdout
    page = tmp_path / "store" / "quickstart" / "report" / "all" / "current" / "report.html"
    assert str(page) in first.stderr + first.stdout
    html = page.read_text(encoding="utf-8")
    assert len(html.encode()) < 2_000_000
    assert not re.search(r"""(?:src|href)=["']https?:""", html), "the page needs no network"
    report = json.loads((page.parent / "report.json").read_text(encoding="utf-8"))
    accuracy = {score["role"]: score["accuracy"]["value"] for score in report["scores"]}
    assert accuracy["majority"] < 0.2 and min(accuracy["model"], accuracy["baseline"]) > 0.7

    second = json.loads(demo("--json").stdout)
    assert second["changed"] is False and second["built"] == []
