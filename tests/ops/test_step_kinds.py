"""What holds for every kind of step, change and tokenizer, found as recipes find them."""

from typing import Any

import polars as pl
import pytest

from ops.augmentation.base import Change
from ops.cleaning.spans import ANSWERS
from ops.deduplication.base import WholeCorpus
from ops.registry import discover
from ops.sources.boxes import BOX
from ops.steps import Facts, Step
from ops.tokenization.base import Tokenizer

STEPS = discover("ops.cleaning", "ops.deduplication", base=Step) | discover("ops.normalization", base=Step)
CHANGES = discover("ops.augmentation", base=Change)
TOKENIZERS = discover("ops.tokenization", base=Tokenizer)
SETTINGS: dict[str, dict[str, object]] = {
    "consistency": {"columns": {"text": {"required": True}}},
    "impute": {"columns": ["text"]},
    "language": {"languages": ["en"]},
    "length": {"minimum": 1},
    "mask": {"words": ["x"]},
    "outliers": {"columns": ["number"]},
    "passages": {"parts": 2},
    "rescale": {"columns": ["number"]},
    "timestamps": {"columns": ["text"], "format": "%Y-%m-%d", "zone": "UTC"},
    "resize": {"height": 4, "width": 4},
}


def test_the_kinds_are_found() -> None:
    # Beside others: a new kind is found, whoever adds it.
    assert set(STEPS) >= {
        "consistency",
        "control_characters",
        "boxes",
        "exact_duplicates",
        "html_to_text",
        "image_duplicates",
        "image_form",
        "image_quality",
        "image_decodable",
        "language",
        "length",
        "mask",
        "c4_lines",
        "personal_data",
        "quality",
        "chinese_script",
        "digits",
        "resize",
        "text_case",
        "unicode_form",
        "unicode_repair",
        "whitespace",
    }
    assert set(CHANGES) >= {"colour", "crop", "flip", "rotate", "scale"}
    assert set(TOKENIZERS) >= {"bpe", "word"}


@pytest.mark.parametrize(
    "kind", sorted({k for k, s in STEPS.items() if not issubclass(s, WholeCorpus)} - {"references"})
)
def test_an_empty_table_stays_empty_and_keeps_its_columns(kind: str) -> None:
    columns: dict[str, Any] = {
        "text": pl.String,
        "image": pl.Binary,
        "sound": pl.Binary,
        "number": pl.Float64,
        "context": pl.String,
        "answers": ANSWERS,
        "boxes": pl.List(BOX),
    }
    table = pl.DataFrame(schema={"id": pl.String, **columns})
    outcome = STEPS[kind].model_validate({"kind": kind, **SETTINGS.get(kind, {})}).apply(table, Facts("p"))  # type: ignore[attr-defined]
    assert outcome.kept.is_empty() and outcome.dropped.is_empty() and not outcome.changed
    assert {name: outcome.kept.schema[name] for name in table.columns} == dict(table.schema)
