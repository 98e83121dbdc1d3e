"""Finding kinds: every module of a package, once, and nothing that only passed through it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

from ops.config import Config
from ops.registry import PLANNED, discover, kind_of, union
from ops.steps import Step
from ops.tasks.base import Task

HEAD = "from typing import Literal\nfrom ops.steps import Step\n"


def kind(name: str, cls: str) -> str:
    return f'class {cls}(Step):\n    """A kind."""\n    kind: Literal["{name}"] = "{name}"\n    size: int = 1\n'


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "kinds_of_a_test"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    discover.cache_clear()
    yield folder
    discover.cache_clear()
    for name in [name for name in sys.modules if name.startswith(folder.name)]:
        del sys.modules[name]


def test_a_new_module_is_all_that_a_new_kind_takes(package: Path) -> None:
    (package / "second.py").write_text(HEAD + kind("zebra", "Zebra"))
    (package / "first.py").write_text(HEAD + kind("ape", "Ape") + kind("bee", "Bee"))
    found = discover(package.name, base=Step)
    assert list(found) == ["ape", "bee", "zebra"]
    assert [cls.__name__ for cls in found.values()] == ["Ape", "Bee", "Zebra"]
    assert kind_of(found["ape"]) == "ape"
    adapter = TypeAdapter(union(package.name, base=Step))
    assert type(adapter.validate_python({"kind": "bee", "size": 3})) is found["bee"]
    with pytest.raises(ValidationError, match="'ape', 'bee', 'zebra'"):
        adapter.validate_python({"kind": "cow"})


def test_bases_imports_and_other_families_are_passed_over(package: Path) -> None:
    (package / "first.py").write_text(HEAD + kind("ape", "Ape"))
    (package / "second.py").write_text(
        HEAD
        + f"from {package.name}.first import Ape\nfrom ops.config import Config\nfrom ops.tasks.base import Task\n"
        + "class Base(Step):\n    pass\n"
        + 'class Job(Task):\n    kind: Literal["job"] = "job"\n'
        + kind("bee", "Bee").replace("(Step)", "(Base)")
    )
    assert list(discover(package.name, base=Step)) == ["ape", "bee"]
    assert list(discover(package.name, base=Task)) == ["job"]


def test_two_modules_cannot_claim_one_kind(package: Path) -> None:
    for name in ("first", "second"):
        (package / f"{name}.py").write_text(HEAD + kind("ape", name.capitalize()))
    with pytest.raises(TypeError, match=r"kind 'ape' is defined by kinds_of_a_test.first and kinds_of_a_test.second"):
        discover(package.name, base=Step)


def test_a_family_of_one_is_that_one(package: Path) -> None:
    (package / "first.py").write_text(HEAD + kind("ape", "Ape"))
    assert union(package.name, base=Step) is discover(package.name, base=Step)["ape"]


def test_what_is_planned_is_not_there_yet() -> None:
    from ops.evaluation.baselines.base import Baseline
    from ops.nn.models.base import Model
    from ops.sources.base import Source
    from ops.tokenization.base import Tokenizer

    there: set[str] = set()
    families: list[tuple[tuple[str, ...], type[Config]]] = [
        (("ops.cleaning", "ops.deduplication", "ops.normalization"), Step),
        (("ops.sources",), Source),
        (("ops.tasks",), Task),
        (("ops.nn.models",), Model),
        (("ops.tokenization",), Tokenizer),
        (("ops.evaluation.baselines",), Baseline),
    ]
    for packages, base in families:
        there |= discover(*packages, base=base).keys()
    assert not there & PLANNED.keys()
