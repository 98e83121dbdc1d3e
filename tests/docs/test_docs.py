"""Every code block of the README and of docs/ is run: files are written, commands and programs executed, in order.

A comment before a block says what it is: `<!-- file: NAME -->` writes it, `<!-- exit: N -->` expects that exit code,
`<!-- skip: REASON -->` names the test that covers it. Blocks of `text`, and `yaml` or `json` without a file, are output
or fragments; fragments of YAML must be keys and values that a recipe may have.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import TypeAdapter

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
COMMENT = r"(?:<!-- (?P<word>file|exit|skip): (?P<value>[^\n]*?) -->\n)?"
BLOCK = re.compile(COMMENT + r"```(?P<language>\w+)\n(?P<body>.*?)```", re.S)
RUN = ("bash", "python")


@dataclass(frozen=True)
class Block:
    """One fenced block with the comment before it."""

    language: str
    body: str
    word: str = ""
    value: str = ""


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    found = BLOCK.finditer(text)
    return [Block(m["language"], m["body"], m["word"] or "", m["value"] or "") for m in found]


def does_something(block: Block) -> bool:
    return block.word == "file" or (block.language in RUN and block.word != "skip")


RUNNABLE = [page for page in PAGES if any(map(does_something, blocks(page)))]


@pytest.mark.slow
@pytest.mark.parametrize("page", RUNNABLE, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_blocks_of_a_page_run(page: Path, tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(tmp_path)]),
        "SATIETY_TRACKING": "off",
    }
    (tmp_path / "pictures").mkdir()
    for block in blocks(page):
        if block.word == "file":
            (tmp_path / block.value).write_text(block.body, encoding="utf-8")
        elif block.language in RUN and block.word != "skip":
            command = ["bash", "-euc", block.body] if block.language == "bash" else [sys.executable, "-c", block.body]
            done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
            expected = int(block.value) if block.word == "exit" else 0
            assert done.returncode == expected, f"{block.body}\n{done.stdout}\n{done.stderr}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_fragments_of_recipes_name_keys_that_there_are(page: Path) -> None:
    from ops.recipe import Recipe

    for block in blocks(page):
        if block.language == "yaml" and not block.word:
            content = yaml.safe_load(block.body)
            assert set(content) <= set(Recipe.model_fields), block.body
            for key, value in content.items():
                annotation: Any = Recipe.model_fields[key].annotation
                TypeAdapter(annotation).validate_python(value)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_a_skipped_block_says_why() -> None:
    skipped = [b for page in PAGES for b in blocks(page) if b.word == "skip"]
    assert skipped
    assert all(len(block.value.split()) >= 3 for block in skipped)


def test_the_reference_pages_match_the_code() -> None:
    from pipelines.reference import check

    check()
