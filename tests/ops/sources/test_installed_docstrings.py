"""Docstrings of installed packages against what Python itself says they are."""

from __future__ import annotations

import ast
import importlib
import importlib.metadata
import inspect
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from ops.errors import ConfigError
from ops.sources.distributions import Distribution, SourceFile, find_distribution, is_test
from ops.sources.installed_docstrings import InstalledDocstrings, docstrings_of
from tests.ops.sources.reading import whole


def test_names_and_texts_are_those_of_the_imported_objects() -> None:
    (batch,) = InstalledDocstrings(packages=["networkx"], min_characters=1, max_per_package=300).read()
    checked = 0
    for row in batch.table.iter_rows(named=True):
        module, _, qualname = row["name"].partition(":")
        found: Any = importlib.import_module(module)
        for part in qualname.split(".") if qualname else []:
            found = getattr(found, part, None)
        if not (inspect.ismodule(found) or inspect.isclass(found) or inspect.isfunction(found)):
            continue  # nested functions, properties and what decorators hide
        if getattr(found, "__module__", module) == module and found.__doc__ is not None:
            assert inspect.cleandoc(found.__doc__) == row["text"]
            checked += 1
    assert checked > 50


def test_lines_point_at_the_docstring() -> None:
    (batch,) = InstalledDocstrings(packages=["networkx"], max_per_package=50).read()
    root = Path(str(importlib.metadata.distribution("networkx").locate_file("")))
    for row in batch.table.iter_rows(named=True):
        line = (root / row["file"]).read_text(encoding="utf-8").splitlines()[row["line"] - 1]
        assert line.lstrip().lstrip("rRuUbB").startswith(('"', "'"))


def test_nested_definitions_have_pythons_qualified_names() -> None:
    source = '''
"""Module."""
if True:
    class A:
        """A."""
        def f(self):
            """f."""
            async def g():
                """g."""
        class B:
            """B."""
try:
    pass
except ValueError:
    def h():
        """h."""
match 1:
    case 1:
        def m():
            """m."""
def bare(): pass
'''
    found = [(d.qualname, d.line, d.text) for d in docstrings_of(ast.parse(source))]
    assert found == [
        ("", 2, "Module."),
        ("A", 5, "A."),
        ("A.f", 7, "f."),
        ("A.f.<locals>.g", 9, "g."),
        ("A.B", 11, "B."),
        ("h", 16, "h."),
        ("m", 20, "m."),
    ]


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A distribution `sample` with one broken file and one lone surrogate, found by importlib.metadata."""
    files: dict[str, str | bytes] = {
        "sample/__init__.py": f'"""{"Module text. " * 5}"""\n',
        "sample/broken.py": "x = 1\ndef f(:\n    pass\n",
        "sample/odd.py": 'def f():\n    "\\ud800' + "x" * 50 + '"\n',
        "sample/latin.py": b"# -*- coding: latin-1 -*-\ndef f():\n    '" + b"caf\xe9 " * 20 + b"'\n",
        "sample/nul.py": b"x = 1\0\n",
        "sample/tests/test_x.py": f'"""{"Test text. " * 5}"""\n',
        "sample-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: sample\nVersion: 1.0\n",
    }
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    record = "".join(f"{name},sha256=abc{i},10\n" for i, name in enumerate(files))
    record += "sample/gone.py,sha256=x,1\n../../bin/tool.py,sha256=x,1\n"
    (tmp_path / "sample-1.0.dist-info/RECORD").write_text(record)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_what_does_not_parse_is_rejected_with_its_line(package: Path) -> None:
    (batch,) = InstalledDocstrings(packages=["sample"]).read()
    assert batch.table.select("name", "file").rows() == [
        ("sample", "sample/__init__.py"),
        ("sample.latin:f", "sample/latin.py"),
    ]
    assert batch.table["text"][1].startswith("café café")
    assert batch.rejects.select("file", "line", "reason").rows() == [
        ("sample/broken.py", 2, "syntax_error"),
        ("sample/gone.py", None, "unreadable"),
        ("sample/nul.py", 1, "syntax_error"),
        ("sample/odd.py", 2, "lone_surrogate"),
    ]


def test_the_digest_follows_version_and_recorded_hashes(package: Path) -> None:
    source = InstalledDocstrings(packages=["sample"])
    one = source.external("sample")
    record = package / "sample-1.0.dist-info/RECORD"
    record.write_text(record.read_text().replace("abc1", "abd1"))
    two = source.external("sample")
    record.write_text(record.read_text().replace("sample/__init__.py,sha256=abc0,10", "sample/__init__.py,,"))
    three = source.external("sample")
    (package / "sample/__init__.py").write_text("changed = 1\n")
    four = source.external("sample")
    assert len({one, two, three, four}) == 4
    (package / "sample/tests/test_x.py").write_text("")
    assert source.external("sample") == four


def test_editable_installs_are_found_through_the_import_system(package: Path) -> None:
    (package / "sample-1.0.dist-info/RECORD").write_text("__editable__.sample.pth,,\n")
    found = find_distribution("sample")
    assert [file.name for file in found.files if file.module == "sample"] == ["sample/__init__.py"]
    assert {file.sha256 for file in found.files} == {None}


def test_the_cap_takes_whole_files_in_the_order_of_their_hashes() -> None:
    def read(cap: int) -> set[tuple[str, str]]:
        (batch,) = InstalledDocstrings(packages=["networkx"], max_per_package=cap).read()
        assert batch.table.height == cap
        return set(batch.table.select("name", "text").rows())

    assert read(20) < read(60)
    (one,), (two,) = (
        InstalledDocstrings(packages=["networkx"], max_per_package=60).read(),
        InstalledDocstrings(packages=["networkx"], max_per_package=60).read(),
    )
    assert one.table.equals(two.table)


def test_packages_are_not_imported() -> None:
    code = (
        "import sys\n"
        "from ops.sources.installed_docstrings import InstalledDocstrings\n"
        "list(InstalledDocstrings(packages=['networkx', 'python'], max_per_package=5).read())\n"
        "assert not {'networkx', 'pyarrow', 'sklearn', 'PIL'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[3], timeout=60)


def test_the_standard_library() -> None:
    source = InstalledDocstrings(packages=["python"], max_per_package=200)
    batch = whole(source.read())
    assert batch.table["package"].unique().to_list() == ["python"]
    assert not batch.table["file"].str.contains(r"site-packages|(^|/)tests?/").any()
    source.external("python")
    begin = time.process_time()
    source.external("python")
    assert time.process_time() - begin < 0.5  # 35 ms on an idle machine
    distribution = find_distribution("python")
    changed = [SourceFile(file.name, file.path, "0" * 64) for file in distribution.files]
    assert Distribution(distribution.name, distribution.version, changed).digest() != distribution.digest()


def test_a_package_that_is_not_installed() -> None:
    with pytest.raises(ConfigError, match="'networks' is not installed, did you mean 'networkx'"):
        InstalledDocstrings(packages=["networks"]).check()
    with pytest.raises(ConfigError, match="no package 'polar', did you mean 'polars'"):
        InstalledDocstrings().external("polar")


@pytest.mark.parametrize(
    ("name", "test"),
    [
        ("a/tests/x.py", True),
        ("a/test_x.py", True),
        ("a/conftest.py", True),
        ("a/testing.py", False),
        ("a/contest.py", False),
    ],
)
def test_what_counts_as_tests(name: str, test: bool) -> None:
    assert is_test(name) is test
