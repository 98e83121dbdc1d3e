import unicodedata
from typing import Any

import ftfy
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ops.cleaning.unicode_repair import UnicodeRepair
from ops.steps import Facts, Outcome

PIECES = [
    *(
        "sÃ³",
        "â€œquotedâ€\x9d",
        "&amp;",
        "&lt;b&gt;",
        "<",
        "plain text",
        "\r\n",
        "\r",
        "\t",
        "\n",
        "\f",
        "\x0b",
        "\x00",
        "\x7f",
    ),
    *(
        "\x1b[31mred\x1b[0m",
        "ﬁne",
        "ＬＯＵＤ",
        "e\u0301",
        "\ufeff",
        "\u2028",
        "\x85",
        "“",
        "’",
        "ä",
        "中文，",
        "&",
        "&#233;",
        "~",
    ),
]
TEXTS = st.lists(st.sampled_from(PIECES) | st.text(st.characters(exclude_categories=["Cs"]), max_size=5), max_size=6)


def repair(texts: list[str | None], **settings: Any) -> Outcome:
    table = pl.DataFrame({"id": [str(k) for k in range(len(texts))], "text": texts}, schema={"id": str, "text": str})
    return UnicodeRepair(**settings).apply(table, Facts("p"))


@settings(max_examples=500)
@given(st.lists(TEXTS.map("".join), max_size=8), st.sampled_from(["auto", "always", "never"]), st.booleans())
def test_the_result_is_that_of_ftfy_on_every_row(texts: list[str], entities: Any, typography: bool) -> None:
    outcome = repair(list(texts), entities=entities, quotes=typography, width=typography, ligatures=typography)
    unescape: Any = {"auto": "auto", "always": True, "never": False}[entities]
    config = ftfy.TextFixerConfig(
        unescape_html=unescape, uncurl_quotes=typography, fix_character_width=typography, fix_latin_ligatures=typography
    )
    expected = [ftfy.fix_text(text, config) for text in texts]
    assert outcome.kept["text"].to_list() == expected
    assert outcome.changed.get("unicode_repair", 0) == sum(a != b for a, b in zip(texts, expected, strict=True))


@pytest.mark.parametrize("code", [*range(0x20), *range(0x7F, 0xA1)])
def test_every_control_gets_to_ftfy(code: int) -> None:
    text = f"a{chr(code)}b"
    assert repair([text]).kept["text"].item() == ftfy.fix_text(text, uncurl_quotes=False, fix_character_width=False)


def test_what_is_only_typography_stays_unless_asked_for() -> None:
    assert repair(["中文，“对”"]).changed == {}
    assert repair(["，“x”"], quotes=True, width=True).kept["text"].item() == ',"x"'


def test_parts_can_be_switched_off() -> None:
    texts: list[str | None] = ["sÃ³", "a\x00b", "ﬁ", "e\u0301"]
    outcome = repair(texts, encoding=False, controls=False, ligatures=False, form="none")
    assert outcome.kept["text"].to_list() == texts
    assert outcome.changed == {}


@given(st.text(st.characters(exclude_categories=["Cs", "Cn"], min_codepoint=0x300), max_size=10))
def test_the_result_is_in_normal_form(text: str) -> None:
    assert unicodedata.is_normalized("NFKC", repair([text], form="NFKC").kept["text"].item())


def test_nulls_stay_null_and_clean_rows_are_not_touched() -> None:
    outcome = repair([None, "clean", "sÃ³"])
    assert outcome.kept["text"].to_list() == [None, "clean", "só"]
    assert outcome.changed == {"unicode_repair": 1}


def test_ftfy_sees_only_lines_that_it_may_change(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    real = ftfy.fix_text

    def spy(text: str, config: ftfy.TextFixerConfig) -> str:
        seen.append(text)
        return real(text, config)

    monkeypatch.setattr(ftfy, "fix_text", spy)
    repair(["plain (ASCII), 100% & more;\n\tof it", "one\ntwo é\nthree", "a &amp; b"])
    assert seen == ["two é\n", "a &amp; b"]


def test_entities_stay_from_the_first_line_with_a_bracket_on() -> None:
    text = "&amp;\nplain\n&lt; sÃ³\na < b &amp;\n&amp; sÃ³"
    assert repair([text]).kept["text"].item() == ftfy.fix_text(text) == "&\nplain\n< só\na < b &amp;\n&amp; só"
