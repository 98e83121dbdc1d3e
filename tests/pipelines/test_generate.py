"""`satiety generate`: the text of the stored model, the same for one seed, and clear words where there is none."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ops.storage import Store
from pipelines import cli, console
from pipelines.recipe import load
from tests.chain import worlds
from tests.streams import stream_recipe, verse

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = stream_recipe(tmp_path_factory.mktemp("writes"), normalization=[{"kind": "text_case"}])
    names = [name for name in worlds.EVERYTHING if name != "report"] + ["statistics", "tokenizer"]
    worlds.build(load(str(path), ["training.steps=20"]).recipe, Store(path.parent / "store"), names)
    return path.parent


@pytest.fixture
def called(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Call]:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("SATIETY_STORE", str(folder / "store"))

    def call(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(console, "state", console.State(json="--json" in words))
        monkeypatch.setattr(cli, "state", console.state)
        code = cli.invoke(list(words))
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    yield call


def test_it_writes_behind_the_prompt_the_same_for_one_seed(called: Call) -> None:
    first = called("generate", "verse.yaml", "--prompt", "THE Owl", "--length", "40", "--seed", "4")
    assert first[0] == 0 and first[1].startswith("the owl") and len(first[1]) == len("the owl") + 40 + 1
    assert set(first[1]) <= set(verse())
    assert called("generate", "verse.yaml", "-p", "the owl", "-n", "40", "--seed", "4", "--no-cache") == first
    assert called("generate", "verse.yaml", "-p", "the owl", "-n", "40", "--seed", "5")[1] != first[1]
    likeliest = called("generate", "verse.yaml", "-n", "30", "--temperature", "0")[1]
    assert called("generate", "verse.yaml", "-n", "30", "--top-k", "1")[1] == likeliest
    assert called("generate", "verse.yaml", "-n", "30", "--top-p", "0.000001")[1] == likeliest


def test_it_ends_where_it_is_told_to_and_speaks_json(called: Call) -> None:
    text = called("generate", "verse.yaml", "-n", "200")[1].removesuffix("\n")
    stop = text[20:23]
    found = json.loads(called("generate", "verse.yaml", "-n", "200", "--stop", stop, "--json")[1])
    assert found["text"] == text[: text.index(stop)] and found["prompt"] == ""
    assert found["temperature"] == 0.8 and found["stop"] == stop


def test_what_the_model_was_not_trained_with_is_told(called: Call) -> None:
    steps, (_, text, said) = ["--set", "training.steps=20"], called("generate", "verse.yaml", "-n", "9")
    assert "was trained with another training.steps; satiety plan" in said
    assert called("generate", "verse.yaml", "-n", "9", *steps) == (0, text, "")
    _, out, said = called("generate", "verse.yaml", "-n", "9", *steps, "--set", "model.dim=32")
    assert out == text and "was trained with another model.dim;" in said


def test_what_cannot_write_says_why(called: Call, folder: Path) -> None:
    assert "does not know 2 tokens of the prompt" in called("generate", "verse.yaml", "-p", "7 §", "-n", "1")[2]
    assert "does not know 1 token of the prompt" in called("generate", "verse.yaml", "-p", "7", "-n", "1")[2]
    code, out, err = called("generate", "quickstart")
    assert (code, out) == (2, "") and "text_classification writes no text" in err
    assert "0 leaves no token" in called("generate", "verse.yaml", "--top-p", "0")[2]
    for option, value in (("--top-p", "nan"), ("--temperature", "nan"), ("--seed", str(2**63))):
        code, out, err = called("generate", "verse.yaml", option, value)
        assert (code, out) == (2, "") and option in err and "not foreseen" not in err
    other = stream_recipe(folder / "other", name="other")
    code, _, err = called("generate", str(other))
    assert code == 2 and "has no model yet" in err and "satiety run" in err
    path = folder / "store" / "verse" / "model"
    weights = next(path.rglob("model.safetensors"))
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.chmod(0o644)
    weights.write_bytes(data)
    code, out, err = called("generate", "verse.yaml", "-n", "3")
    assert (code, out) == (5, "") and "model.safetensors" in err
