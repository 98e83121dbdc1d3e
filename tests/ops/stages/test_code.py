"""Code versions: what counts as a change, what is covered, and that what is remembered decides nothing."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.stages import code
from ops.stages.chain import stages
from ops.stages.code import code_versions, normalized
from tests.chain.worlds import World

ROOT = Path(__file__).parents[3]

SOURCE = '''
"""A module."""

from __future__ import annotations

import os

LIMIT = 3
"""How many."""


class Thing:
    """A thing."""

    size: int = 4
    """Its size."""

    def grow(self, by: int = 1) -> int:
        """Make it larger."""
        # A comment.
        text = "no docstring"
        return self.size + by  # another


async def wait() -> None:
    """Only a docstring."""
'''

SAME = [
    ("# A comment.", "# Said otherwise."),
    ("# A comment.\n", "\n\n"),
    ('"""A module."""', '"""Another module, longer.\n\nWith more."""'),
    ('    """Its size."""\n', ""),
    ('"""How many."""', '"""So many."""'),
    ('        """Make it larger."""\n', ""),
    ('    """Only a docstring."""', "    pass"),
    ("self.size + by", "(self.size\n            + by)"),
    ("\n\n\nclass Thing", "\n\n\n\n\n\nclass Thing"),
    ('"no docstring"', "'no docstring'"),
]

OTHER = [
    ("LIMIT = 3", "LIMIT = 4"),
    ("LIMIT = 3", "LIMIT = 3.0"),
    ("LIMIT = 3", "LIMIT = True"),
    ("LIMIT = 3", "LIMIT = '3'"),
    ("LIMIT = 3", "LIMIT = b'3'"),
    ("LIMIT = 3", "LIMIT = None"),
    ("by: int = 1", "by: int = 2"),
    ("by: int = 1", "*, by: int = 1"),
    ("+ by", "- by"),
    ("self.size + by", "by + self.size"),
    ('"no docstring"', '"other text"'),
    ("import os\n", "import sys\n"),
    ("async def", "def"),
    ("return self.size + by", "return"),
    ("return self.size + by", "return None"),
    ("class Thing:", "class Thing(dict):"),
]


@pytest.mark.parametrize(("old", "new"), SAME)
def test_words_for_readers_do_not_count(old: str, new: str) -> None:
    assert old in SOURCE
    assert normalized(SOURCE.replace(old, new)) == normalized(SOURCE)


@pytest.mark.parametrize(("old", "new"), OTHER)
def test_what_can_change_a_result_counts(old: str, new: str) -> None:
    assert old in SOURCE
    assert normalized(SOURCE.replace(old, new)) != normalized(SOURCE)


@given(st.lists(st.integers(0, 30), min_size=1, max_size=4), st.sampled_from(["", "# note", "#"]))
def test_blank_lines_and_comments_anywhere_between_statements(places: list[int], note: str) -> None:
    lines = SOURCE.splitlines()
    for place in places:
        lines.insert(min(place, len(lines)), note)
    changed = "\n".join(lines)
    try:
        ast.parse(changed)
    except SyntaxError:
        return
    assert normalized(changed) == normalized(SOURCE)


def test_the_form_is_that_of_no_version_of_python() -> None:
    # Fixed for ever, byte by byte: with another form every store would be out of date.
    source = 'x: int = f"{y!r:>3}é"  # note\ndef f(a, /, *b, c=None, **d): return lambda: [a, *b, {**d}], -1.5e300'
    assert normalized(source) == (
        "Module(body=[AnnAssign(target=Name(id='x', ctx=Store()), annotation=Name(id='int', ctx=Load()), "
        "value=JoinedStr(values=[FormattedValue(value=Name(id='y', ctx=Load()), conversion=114, "
        "format_spec=JoinedStr(values=[Constant(value='>3')])), Constant(value='\\xe9')]), simple=1), "
        "FunctionDef(name='f', args=arguments(posonlyargs=[arg(arg='a')], vararg=arg(arg='b'), "
        "kwonlyargs=[arg(arg='c')], kw_defaults=[Constant()], kwarg=arg(arg='d')), "
        "body=[Return(value=Tuple(elts=[Lambda(args=arguments(), body=List(elts=[Name(id='a', ctx=Load()), "
        "Starred(value=Name(id='b', ctx=Load()), ctx=Load()), Dict(keys=[None], values=[Name(id='d', ctx=Load())])], "
        "ctx=Load())), UnaryOp(op=USub(), operand=Constant(value=1.5e+300))], ctx=Load()))])])"
    )


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A small `ops` of its own: a imports b (in a function), b imports the package c, and all import carriers."""
    modules = {
        "a": "from ops.errors import BadData\ndef f():\n    from ops.b import g\n    return g()\n",
        "b": "import ops.c.inner\nfrom ops.storage.files import rename\ndef g(): return 1\n",
        "c/__init__": "",
        "c/inner": "from ops.c import other\n",
        "c/other": "X = 1\n",
        "d": "Y = 1\n",
        "errors": "Z = 1\n",
        "storage/__init__": "",
        "storage/files": "W = 1\n",
    }
    for name, source in modules.items():
        path = tmp_path / "ops" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    monkeypatch.setattr(code, "ROOT", tmp_path)
    monkeypatch.setattr(code, "REMEMBERED", tmp_path / "cache" / "remembered.json")
    forget()
    yield tmp_path / "ops"
    forget()


def forget() -> None:
    for found in (code._code, code._memory, code._exists):
        found.cache_clear()


def test_imports_are_followed_and_carriers_are_not(project: Path) -> None:
    assert list(code_versions(["ops.a"])) == ["ops.a", "ops.b", "ops.c", "ops.c.inner", "ops.c.other"]


@pytest.mark.parametrize(
    ("module", "changed"),
    [
        ("a", ["ops.a"]),
        ("b", ["ops.b"]),
        ("c/other", ["ops.c.other"]),
        ("d", []),
        ("errors", []),
        ("storage/files", []),
    ],
)
def test_a_change_is_seen_where_it_is(project: Path, module: str, changed: list[str]) -> None:
    before = code_versions(["ops.a"])
    path = project / f"{module}.py"
    path.write_text(path.read_text() + "NEW = 1\n")
    forget()
    after = code_versions(["ops.a"])
    assert [name for name in before if before[name] != after[name]] == changed
    path.write_text(path.read_text() + "# and a comment\n")
    forget()
    assert code_versions(["ops.a"]) == after


def remember() -> None:
    code._remember()
    forget()


BROKEN = ["", "[]", "{", '{"k": 1}', '{"k": [1]}', '{"k": [1, 2]}', '"x"', "null", '{"k": ["v", {"a": 1}, 3]}']


@pytest.mark.parametrize("content", BROKEN)
def test_a_broken_memory_is_no_memory(project: Path, content: str) -> None:
    before = code_versions(["ops.a"])
    code.REMEMBERED.parent.mkdir()
    code.REMEMBERED.write_text(content)
    forget()
    assert code_versions(["ops.a"]) == before


def test_what_is_remembered_is_of_a_content_and_of_a_method(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = code_versions(["ops.a"])
    remember()
    assert len(json.loads(code.REMEMBERED.read_text())) == len(
        {p.read_bytes() for p in project.rglob("*.py")} - {b"Y = 1\n", b"Z = 1\n", b"W = 1\n"}
    )
    assert code_versions(["ops.a"]) == before
    (project / "b.py").write_text((project / "b.py").read_text().replace("return 1", "return 2"))
    forget()
    assert code_versions(["ops.a"])["ops.b"] != before["ops.b"]
    # What another version of this module has worked out is not taken.
    poisoned = {key: ["0" * 16, []] for key in json.loads(code.REMEMBERED.read_text())}
    code.REMEMBERED.write_text(json.dumps(poisoned))
    monkeypatch.setattr(code, "_method", lambda: b"another")
    forget()
    assert "0" * 16 not in code_versions(["ops.a"]).values()


def test_a_folder_that_cannot_be_written_is_no_matter(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = project / "d.py" / "remembered.json"
    monkeypatch.setattr(code, "REMEMBERED", blocked)
    before = code_versions(["ops.a"])
    remember()
    assert code_versions(["ops.a"]) == before and not blocked.exists()


def test_versions_are_the_same_in_every_process(text: World) -> None:
    modules = sorted({m for stage in stages(text.recipe()) for m in (stage.module, *stage.modules(text.recipe()))})
    script = (
        "import sys, json; from ops.stages.code import code_versions; print(json.dumps(code_versions(sys.argv[1:])))"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", script, *modules]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == code_versions(modules)


def test_a_module_that_is_not_there_is_an_error() -> None:
    with pytest.raises(ModuleNotFoundError):
        code_versions(["ops.none_such"])


def test_no_package_of_ops_has_code_that_is_not_counted() -> None:
    # Importing a module runs the `__init__` of its packages, which no import names.
    for path in (ROOT / "ops").rglob("__init__.py"):
        module = ".".join(path.relative_to(ROOT).parent.parts)
        if not code._is_carrier(module):
            assert normalized(path.read_text()) == "Module(body=[Pass()])", path
