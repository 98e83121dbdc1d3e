from __future__ import annotations

import csv
from pathlib import Path

import polars as pl
import pytest
from py3langid.langid import LanguageIdentifier
from pydantic import ValidationError

from ops.cleaning.language import Language
from ops.errors import ConfigError, IntegrityError
from ops.steps import Facts

TEXTS = [
    "The quick brown fox jumps over the lazy dog and runs into the forest.",
    "Der schnelle braune Fuchs springt über den faulen Hund und läuft in den Wald.",
    "Le renard brun saute par-dessus le chien paresseux et court dans la forêt.",
    "敏捷的棕色狐狸跳过懒狗，跑进森林里去了。",
    "for (i=0; i<n; i++) { a[i] = b[i]; }",
    "   ",
    "",
    None,
]


def table(texts: list[str | None]) -> pl.DataFrame:
    return pl.DataFrame(
        {"id": [f"p/{i}" for i in range(len(texts))], "text": texts}, schema={"id": pl.String, "text": pl.String}
    )


def test_the_languages_that_are_asked_for_are_kept() -> None:
    outcome = Language(languages=["en", "zh"]).apply(table(TEXTS), Facts("p"))
    assert outcome.kept["text"].to_list() == [TEXTS[0], TEXTS[3]]
    reasons = dict(zip(outcome.dropped["id"], outcome.dropped["reason"], strict=True))
    assert reasons["p/1"] == reasons["p/2"] == "other"
    assert {reasons[f"p/{i}"] for i in (5, 6, 7)} == {"uncertain"}
    assert set(outcome.dropped["step"]) == {"language"}


def test_the_scores_are_the_librarys() -> None:
    oracle = LanguageIdentifier.from_model_file("data/model.npz.xz", norm_probs=True)
    scores = Language(languages=["en"], characters=20).score(table(TEXTS))
    for text, (language, confidence) in zip(TEXTS, scores.iter_rows(), strict=True):
        if not (text or "").strip():
            assert (language, confidence) == (None, 0.0)
        else:
            name, sure = oracle.classify((text or "")[:20])
            assert language == name and confidence == pytest.approx(sure, abs=1e-6)


def test_the_floor_is_inclusive() -> None:
    step = Language(languages=["en"])
    scores = pl.DataFrame({"language": ["en", "en", "de"], "confidence": pl.Series([0.5, 0.49, 0.9], dtype=pl.Float32)})
    assert step.decide(scores).reasons.to_list() == [None, "uncertain", "other"]


def test_thresholds_are_no_part_of_the_scores() -> None:
    one, other = Language(languages=["en"]), Language(languages=["de"], confidence=0.9)
    assert one.score_key == other.score_key
    assert one.score_key != Language(languages=["en"], characters=100).score_key


def test_stored_scores_are_what_decides() -> None:
    step, rows = Language(languages=["en"]), table(["one", "two", "three"])
    stored = pl.DataFrame(
        {
            "id": ["p/2", "p/1", "p/0"],
            "language": ["en", "de", "en"],
            "confidence": pl.Series([1, 1, 0.1], dtype=pl.Float32),
        }
    )
    outcome = step.apply(rows, Facts("p", scores={step.score_key: stored}))
    assert outcome.kept["id"].to_list() == ["p/2"]
    assert outcome.dropped.select("id", "reason").rows() == [("p/0", "uncertain"), ("p/1", "other")]
    for scores in ({}, {step.score_key: stored.head(2)}):
        with pytest.raises(IntegrityError, match="do not cover"):
            step.apply(rows, Facts("p", scores=scores))


def test_what_cannot_be_asked() -> None:
    for languages in ([], ["english"], ["EN"]):
        with pytest.raises(ValidationError):
            Language(languages=languages)
    with pytest.raises(ConfigError, match="no column 'body'"):
        Language(languages=["en"], column="body").apply(table(TEXTS), Facts("p"))


@pytest.mark.mirror
def test_both_sides_of_a_parallel_corpus(mirror: Path) -> None:
    with (mirror / "tatoeba_en_zh" / "cmn.txt").open(encoding="utf-8", newline="") as file:
        pairs = [row[:2] for row in list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))[-1000:]]
    english, chinese = (table([pair[side] for pair in pairs]) for side in (0, 1))
    assert Language(languages=["en"]).apply(english, Facts("p")).kept.height > 900
    assert Language(languages=["zh"]).apply(chinese, Facts("p")).kept.height > 900
