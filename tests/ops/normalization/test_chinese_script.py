import json
from pathlib import Path

import polars as pl
import pytest
from opencc import OpenCC
from pydantic import ValidationError

from ops.normalization.chinese_script import ChineseScript
from ops.steps import Facts

TEXTS = ["頭髮與發展", "plain text", "", None, "已经是简体", "a\n漢字\0b"]


def table(texts: list[str | None]) -> pl.DataFrame:
    return pl.DataFrame({"id": [str(k) for k in range(len(texts))], "text": texts}, schema={"id": str, "text": str})


def test_phrases_decide() -> None:
    outcome = ChineseScript().apply(table(TEXTS), Facts("p"))
    assert outcome.kept["text"].to_list() == ["头发与发展", "plain text", "", None, "已经是简体", "a\n汉字\0b"]
    assert outcome.changed == {"chinese_script": 2}


def test_the_other_way() -> None:
    step = ChineseScript(source="simplified", target="taiwan")
    assert step.apply(table(["头发与发展"]), Facts("p")).kept["text"].item() == "頭髮與發展"


@pytest.mark.parametrize("region", ["taiwan", "hong_kong"])
def test_regions_have_their_own_characters(region: str) -> None:
    step = ChineseScript.model_validate({"source": "simplified", "target": region})
    expected = {"taiwan": "裡面，鋪床", "hong_kong": "裏面，鋪牀"}[region]
    assert step.apply(table(["里面，铺床"]), Facts("p")).kept["text"].item() == expected
    back = ChineseScript.model_validate({"source": region, "target": "simplified"})
    assert back.apply(table([expected]), Facts("p")).kept["text"].item() == "里面，铺床"


def test_a_text_without_han_loads_no_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ops.normalization.chinese_script._converter", None)
    assert not ChineseScript().apply(table(["text", None]), Facts("p")).changed


@pytest.mark.parametrize(("source", "target"), [("simplified", "simplified"), ("taiwan", "hong_kong")])
def test_pairs_without_a_table(source: str, target: str) -> None:
    with pytest.raises(ValidationError, match="must be simplified"):
        ChineseScript.model_validate({"source": source, "target": target})


@pytest.mark.mirror
def test_poems(mirror: Path) -> None:
    (file, *_) = sorted((mirror / "tang_poetry").rglob("*.json"))
    poems = ["\n".join(poem["paragraphs"]) for poem in json.loads(file.read_text(encoding="utf-8"))]
    outcome = ChineseScript().apply(table(list(poems)), Facts("p"))
    assert outcome.changed["chinese_script"] > 0.9 * len(poems)
    oracle = OpenCC("t2s")
    assert outcome.kept["text"].to_list() == [oracle.convert(poem) for poem in poems]
