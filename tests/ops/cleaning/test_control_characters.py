import unicodedata

import polars as pl
import pytest

from ops.cleaning.control_characters import CLASSES, ControlCharacters
from ops.steps import Facts

CODES = [code for code in range(0x110000) if not 0xD800 <= code <= 0xDFFF]
FORMATTING = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
DIRECTION_MARKS = {"LEFT-TO-RIGHT MARK", "RIGHT-TO-LEFT MARK", "ARABIC LETTER MARK"}
ZERO_WIDTH_NAMES = {
    *("ZERO WIDTH SPACE", "WORD JOINER", "FUNCTION APPLICATION", "INVISIBLE TIMES", "INVISIBLE SEPARATOR"),
    *("INVISIBLE PLUS", "ZERO WIDTH NO-BREAK SPACE", "SOFT HYPHEN"),
}


def classes_of(code: int) -> set[str]:
    """By the character database, not by ranges."""
    character, found = chr(code), set()
    name = unicodedata.name(character, "")
    if unicodedata.category(character) == "Cc" and character not in "\t\n\r\x85":
        found.add("controls")
    if unicodedata.bidirectional(character) in FORMATTING or name in DIRECTION_MARKS:
        found.add("bidi")
    if name in ZERO_WIDTH_NAMES:
        found.add("zero_width")
    if name in {"ZERO WIDTH JOINER", "ZERO WIDTH NON-JOINER"}:
        found.add("joiners")
    if code & 0xFFFE == 0xFFFE or 0xFDD0 <= code <= 0xFDEF or "INTERLINEAR ANNOTATION" in name:
        found.add("noncharacters")
    if name == "OBJECT REPLACEMENT CHARACTER":
        found.add("noncharacters")
    return found


def test_every_code_point_against_the_character_database() -> None:
    expected = {code: classes_of(code) for code in CODES}
    table = pl.DataFrame({"id": [str(code) for code in CODES], "text": [f"a{chr(code)}b" for code in CODES]})
    for name in CLASSES:
        step = ControlCharacters(**{other: other == name for other in CLASSES})  # type: ignore[arg-type]
        outcome = step.apply(table, Facts("p"))
        removed = set(outcome.kept.filter(pl.col("text") == "ab")["id"].cast(pl.Int64))
        assert removed == {code for code in CODES if name in expected[code]}, name
        assert outcome.changed == {name: len(removed)}
        assert outcome.kept.filter(pl.col("text") != "ab").height == len(CODES) - len(removed)


def test_all_classes_together_count_rows_by_class() -> None:
    table = pl.DataFrame({"id": ["1", "2", "3"], "text": ["\x00a\x07\u200b", None, "tab\tline\nend\r\x85"]})
    outcome = ControlCharacters().apply(table, Facts("p"))
    assert outcome.kept["text"].to_list() == ["a", None, "tab\tline\nend\r\x85"]
    assert outcome.changed == {"controls": 1, "zero_width": 1}


@pytest.mark.parametrize("text", ["👨\u200d👩\u200d👧", "می\u200cخواهم"])
def test_joiners_stay_unless_asked_for(text: str) -> None:
    table = pl.DataFrame({"id": ["1"], "text": [text]})
    assert ControlCharacters().apply(table, Facts("p")).kept["text"].item() == text
    gone = ControlCharacters(joiners=True).apply(table, Facts("p")).kept["text"].item()
    assert gone == text.replace("\u200d", "").replace("\u200c", "")


def test_no_class_chosen_changes_nothing() -> None:
    table = pl.DataFrame({"id": ["1"], "text": ["\x00"]})
    outcome = ControlCharacters(**dict.fromkeys(CLASSES, False)).apply(table, Facts("p"))  # type: ignore[arg-type]
    assert outcome.kept.equals(table) and outcome.changed == {}
