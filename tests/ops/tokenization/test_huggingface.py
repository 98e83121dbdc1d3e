"""What holds for every kind that is built on the `tokenizers` library."""

import multiprocessing
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tokenizers
from hypothesis import given
from hypothesis import strategies as st

from ops.tokenization import huggingface
from ops.tokenization.base import SPECIAL, Tokenizer
from ops.tokenization.bpe import Bpe
from ops.tokenization.character import Character
from ops.tokenization.unigram import Unigram
from ops.tokenization.word import Word
from ops.tokenization.wordpiece import WordPiece

CORPUS = [
    *["the cat sat on the mat", "the dog saw the cat", "a cat and a dog, on a mat!", "häuser und mäuse 123 4567"] * 5,
    *[f"text number {k} of many, with words like w{k % 7}" for k in range(60)],
]
KINDS: list[Tokenizer] = [
    Bpe(vocabulary=400, max_length=8),
    Character(vocabulary=30, max_length=8),
    Unigram(vocabulary=60, max_length=8),
    Word(vocabulary=60, max_length=8),
    WordPiece(vocabulary=90, max_length=8),
]
MODELS = {tokenizer.kind: tokenizer.train(iter(CORPUS)) for tokenizer in KINDS}  # type: ignore[attr-defined]
TEXTS = st.lists(
    st.sampled_from(["the", "cat", " ", "  ", "\n", "\x1c", "\u3000", "123", "xyz", "!?", "ä"]), max_size=60
)


def model(tokenizer: Any) -> str:
    return MODELS[tokenizer.kind]


def rows_of(tokenizer: Any, texts: list[str | None]) -> list[list[int]]:
    tokens, lengths = tokenizer.encoder(model(tokenizer)).encode(texts)
    assert tokens.dtype == np.uint16 and lengths.dtype == np.int32 and len(lengths) == len(texts)
    assert lengths.sum() == len(tokens)
    return [row.tolist() for row in np.split(tokens, np.cumsum(lengths))[:-1]]


def plainly(tokenizer: Any, text: str) -> list[int]:
    """One text at a time by the library alone, whole, cut off by hand."""
    library = tokenizers.Tokenizer.from_str(model(tokenizer))
    library.encode_special_tokens = True
    library.no_truncation()
    return list(library.encode(text).ids)[: tokenizer.max_length]


@pytest.mark.parametrize("tokenizer", KINDS, ids=lambda t: str(t.kind))
@given(texts=st.lists(TEXTS.map("".join), max_size=4))
def test_the_start_of_a_long_text_gives_the_tokens_of_all_of_it(tokenizer: Any, texts: list[str]) -> None:
    assert rows_of(tokenizer, list(texts)) == [plainly(tokenizer, text) for text in texts]


@pytest.mark.parametrize("tokenizer", KINDS, ids=lambda t: str(t.kind))
def test_long_texts_of_few_tokens_are_read_on(tokenizer: Any) -> None:
    gaps = "the" + " " * 500 + "cat " + "\n" * 300 + " dog"
    assert rows_of(tokenizer, [gaps, "the " * 500]) == [plainly(tokenizer, gaps), plainly(tokenizer, "the " * 500)]


def test_a_start_never_ends_within_a_run_of_spaces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface, "CHARACTERS", 2)
    tokenizer = Bpe(vocabulary=300, max_length=3)
    trained, text = tokenizer.train(["they    cat"] * 9), "they    cat"
    library = tokenizers.Tokenizer.from_str(trained)
    library.no_truncation()
    # Three of the spaces are one token, the fourth goes with the word behind; two would be another token.
    assert tokenizer.encoder(trained).encode([text])[0].tolist() == library.encode(text).ids[:3]


@pytest.mark.parametrize("tokenizer", KINDS, ids=lambda t: str(t.kind))
def test_every_row_begins_with_cls_and_is_cut(tokenizer: Any) -> None:
    rows = rows_of(tokenizer, ["", None, "a cat", "the cat " * 50])
    cls = SPECIAL.index("[CLS]")
    assert rows[0] == rows[1] == [cls]
    assert all(row[0] == cls for row in rows)
    assert len(rows[3]) == 8 and 1 < len(rows[2]) < 8


@pytest.mark.parametrize("tokenizer", KINDS, ids=lambda t: str(t.kind))
def test_no_texts_no_tokens(tokenizer: Any) -> None:
    tokens, lengths = tokenizer.encoder(model(tokenizer)).encode([])
    assert (len(tokens), len(lengths), tokens.dtype, lengths.dtype) == (0, 0, np.uint16, np.int32)


@pytest.mark.parametrize("tokenizer", KINDS, ids=lambda t: str(t.kind))
def test_a_text_cannot_place_special_tokens(tokenizer: Any) -> None:
    (row,) = rows_of(tokenizer, ["[PAD] [MASK] [SEP]"])
    assert not set(row[1:]) & {SPECIAL.index(name) for name in ("[PAD]", "[CLS]", "[MASK]", "[SEP]")}


@pytest.mark.parametrize("tokenizer", KINDS, ids=lambda t: str(t.kind))
def test_special_tokens_have_the_first_numbers(tokenizer: Any) -> None:
    vocabulary = tokenizers.Tokenizer.from_str(model(tokenizer)).get_vocab()
    assert [vocabulary[name] for name in SPECIAL] == [0, 1, 2, 3, 4]
    assert tokenizer.pad == 0
    assert tokenizer.size(model(tokenizer)) == len(vocabulary) <= tokenizer.vocabulary


@pytest.mark.parametrize("tokenizer", KINDS, ids=lambda t: str(t.kind))
def test_an_empty_corpus_has_a_vocabulary(tokenizer: Any) -> None:
    assert tokenizer.size(tokenizer.train([])) in (5, 5 + 256)


@pytest.mark.parametrize("threads", ["true", "false"])
def test_another_process_learns_the_same(threads: str) -> None:
    code = (
        "import importlib.util as u, sys; s = u.spec_from_file_location('t', sys.argv[1]);"
        "m = u.module_from_spec(s); s.loader.exec_module(m); sys.stdout.write(''.join(m.MODELS.values()))"
    )
    root = Path(__file__).parents[3]
    found = subprocess.run(
        [sys.executable, "-c", code, __file__],
        cwd=root, env={"PYTHONHASHSEED": "5", "PYTHONPATH": str(root), "TOKENIZERS_PARALLELISM": threads},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert found.stdout == "".join(MODELS.values())
    assert found.stderr == ""


def test_the_order_of_texts_does_not_matter() -> None:
    for tokenizer in KINDS:
        assert tokenizer.train(CORPUS[::-1]) == model(tokenizer)


def in_a_fork() -> list[list[int]]:
    return rows_of(KINDS[0], ["the cat", "a dog"] * 500)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_process_neither_hangs_nor_warns(capfd: pytest.CaptureFixture[str]) -> None:
    expected = in_a_fork()
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.apply_async(in_a_fork).get(timeout=30) == expected
    assert "tokenizers" not in capfd.readouterr().err


def test_the_environment_is_left_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TOKENIZERS_PARALLELISM", raising=False)
    in_a_fork()
    assert "TOKENIZERS_PARALLELISM" not in os.environ
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "false")
    in_a_fork()
    assert os.environ["TOKENIZERS_PARALLELISM"] == "false"
