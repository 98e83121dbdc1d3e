from __future__ import annotations

import re

import polars as pl
import pytest
from hypothesis import given, settings
from pydantic import ValidationError

from ops.cleaning.quality import Quality
from ops.errors import ConfigError
from ops.steps import Facts
from tests.ops.quality import naive
from tests.ops.quality.test_features import TEXTS

PROSE = """\
The old harbour had been closed for years, and nobody who lived near it could say with certainty why.
Some of them blamed a storm that broke the outer wall; others remembered how fishermen moved north.
When we asked at the library, a young clerk brought us three boxes full of letters and maps.
Most were written by one captain, whose handwriting looked like waves on a windy afternoon.
He complained about taxes, praised his crew, and drew small birds beside every date.
None of that explained anything, yet we stayed until evening to read it all."""
PLAIN = re.sub(r" (the|be|to|of|and|that|have|with)\b", "", PROSE)

DOTTED = re.sub(r"\b (?=[a-z])", "... ", PROSE)


def table(texts: list[str | None]) -> pl.DataFrame:
    return pl.DataFrame(
        {"id": [f"p/{i}" for i in range(len(texts))], "text": texts}, schema={"id": pl.String, "text": pl.String}
    )


@pytest.mark.parametrize(
    ("text", "reason", "evidence"),
    [
        ("too short", "gopher_few_words", "words 2.0"),
        (None, "gopher_few_words", "words 0.0"),
        (PROSE.replace(" ", " ## "), "gopher_hashes", "hashes 0.9"),
        ("\n".join(f"- {line}" for line in PROSE.split("\n")), "gopher_bullet_lines", "bullet_lines 1.0"),
        (PROSE.replace(".", "..."), "gopher_ellipsis_lines", "ellipsis_lines 1.0"),
        (PLAIN, "gopher_stop_words", "stop_words 0.0"),
        (f"{PROSE}\n\n{PROSE}", "repetition_paragraphs", "repeated_paragraphs 0.5"),
        (f"{PROSE}\n{PROSE}", "repetition_lines", "repeated_lines 0.5"),
        (PROSE.replace("maps", "{maps}"), "c4_curly_bracket", "curly_bracket 1.0"),
        (PROSE.replace("letters", "Lorem Ipsum"), "c4_lorem_ipsum", "lorem_ipsum 1.0"),
        (PROSE.replace(".", ""), "c4_sentences", "sentences 0.0"),
        (re.sub(r"((?:\S+ ){4})", r"\1\n", PROSE), "fineweb_short_lines", "short_lines"),
        (PROSE, None, None),
    ],
)  # fmt: skip
def test_each_rule_names_itself(text: str | None, reason: str | None, evidence: str | None) -> None:
    texts = table([text])
    step = Quality() if reason is None or not reason.startswith("fineweb") else Quality(c4=None, repetition=None)
    outcome = step.apply(texts, Facts("p"))
    assert outcome.dropped["reason"].to_list() == ([reason] if reason else [])
    if evidence is not None:
        (found,) = outcome.dropped["evidence"]
        assert found == evidence or found.startswith(evidence)
    assert outcome.kept.height == (reason is None)


@pytest.mark.parametrize(
    ("limits", "text", "dropped"),
    [
        ({"max_words": len(PROSE.split())}, PROSE, []),
        ({"max_words": len(PROSE.split()) - 1}, PROSE, [("gopher_many_words", f"words {len(PROSE.split())}.0")]),
        ({}, DOTTED, [("gopher_ellipses", f"ellipses {round(DOTTED.count('...') / len(DOTTED.split()), 4)}")]),
        ({"max_symbols": None, "min_stop_words": None}, DOTTED, []),
    ],
)
def test_too_many_words_and_ellipses(limits: dict[str, int | None], text: str, dropped: list[tuple[str, str]]) -> None:
    step = Quality.model_validate({"gopher": limits, "repetition": None, "c4": None, "fineweb": None})
    rows = step.apply(table([text]), Facts("p")).dropped.select("reason", "evidence").rows()
    assert rows == dropped


@settings(max_examples=60)
@given(TEXTS)
def test_decisions_follow_the_features(text: str) -> None:
    features = naive.features(text)
    step = Quality.model_validate(
        {"gopher": {"min_words": 3, "min_word_length": None, "min_stop_words": None}, "repetition": None, "c4": None}
    )
    dropped = step.apply(table([text]), Facts("p")).dropped
    broken = (
        not 3 <= features["words"] <= 100_000
        or features["mean_word_length"] > 10
        or features["hashes"] > 0.1
        or features["ellipses"] > 0.1
        or features["bullet_lines"] > 0.9
        or features["ellipsis_lines"] > 0.3
        or features["alphabetic_words"] < 0.8
        or features["lines"] == 0
        or features["punctuated_lines"] < 0.12
        or features["short_lines"] > 0.67
        or features["repeated_characters"] > 0.01
        or features["newlines"] > 0.3
    )
    assert dropped.height == broken


def test_limits_and_sets_of_rules_are_no_part_of_the_scores() -> None:
    one = Quality()
    other = Quality.model_validate({"gopher": {"min_words": 5}, "repetition": None, "c4": {"min_sentences": 1}})
    assert one.score_key == other.score_key
    assert one.score_key != Quality(short_line=20).score_key
    assert one.score_key != Quality.model_validate({"lines": {"min_words": 1}}).score_key


def test_null_leaves_a_rule_out() -> None:
    rules = {"repetition": None, "c4": None, "fineweb": None}
    assert Quality.model_validate(rules).apply(table(["two words"]), Facts("p")).kept.is_empty()
    loose = {"min_words": None, "min_stop_words": None}
    assert Quality.model_validate({**rules, "gopher": loose}).apply(table(["two words"]), Facts("p")).kept.height == 1


def test_what_cannot_be_asked() -> None:
    with pytest.raises(ValidationError, match="at least one"):
        Quality(gopher=None, repetition=None, c4=None, fineweb=None)
    with pytest.raises(ValidationError):
        Quality(stop_words=["two words"])
    with pytest.raises(ConfigError, match="no column 'body'"):
        Quality(column="body").apply(table(["x"]), Facts("p"))
