"""The language of a text, and how sure that is."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, ClassVar, Literal

import polars as pl
from pydantic import Field

from ops.columns import TEXT, require
from ops.scoring import Decision, Scoring

Code = Annotated[str, Field(pattern=r"^[a-z]{2,3}$")]


class Language(Scoring):
    """Drop texts that are in none of the languages, or of which that cannot be said with confidence.

    py3langid's naive Bayes over byte n-grams (Lui and Baldwin, 2012), whose model is part of the package, names one of
    about 100 languages, and a confidence between 0 and 1 that it has calibrated by length. It knows no "none of them":
    program code and numbers get some language too, mostly with little confidence, hence the floor. A null or blank text
    has no language. Scores: `language` and `confidence`.
    """

    thresholds: ClassVar[frozenset[str]] = frozenset({"languages", "confidence"})

    kind: Literal["language"] = "language"
    """Texts in other languages dropped."""
    column: str = "text"
    """The text column."""
    languages: Annotated[list[Code], Field(min_length=1)]
    """The languages that are kept, as ISO 639 codes: en, de, zh."""
    confidence: Annotated[float, Field(ge=0.0, le=1.0)] = 0.5
    """Least confidence; below it a text is dropped as `uncertain`, whatever its language."""
    characters: Annotated[int, Field(ge=20, le=1_000_000)] = 2000
    """Characters at the beginning of a text that are looked at: more costs time and seldom changes the answer."""

    applies_to: ClassVar[frozenset[str]] = frozenset({"text", "table"})

    def score(self, table: pl.DataFrame) -> pl.DataFrame:
        """Language and confidence of each text."""
        require(table, [self.column], step=self.kind, types=TEXT)
        text = table[self.column].str.head(self.characters)
        said = text.is_not_null() & (text.str.strip_chars().str.len_bytes() > 0)
        classify = _identifier().classify
        # A loop over rows: the library has no batches, and each call walks the text's bytes.
        found = [classify(value) for value in text.filter(said)]
        places = said.arg_true()
        language = pl.Series("language", [None] * len(text), pl.String)
        confidence = pl.Series("confidence", [0.0] * len(text), pl.Float32)
        if found:
            language = language.scatter(places, [name for name, _ in found])
            confidence = confidence.scatter(places, pl.Series([sure for _, sure in found], dtype=pl.Float32))
        return pl.DataFrame([language, confidence])

    def decide(self, scores: pl.DataFrame) -> Decision:
        """Reason `uncertain` or `other`; the evidence is the language with its confidence."""
        language, confidence = pl.col("language"), pl.col("confidence")
        reason = (
            pl.when(language.is_null() | (confidence < self.confidence))
            .then(pl.lit("uncertain"))
            .when(~language.is_in(self.languages))
            .then(pl.lit("other"))
        )
        evidence = pl.format("{} {}", language.fill_null("none"), confidence.round(3).cast(pl.String))
        found = scores.select(reason.alias("reason"), evidence.alias("evidence"))
        return Decision(found["reason"], found["evidence"])


@cache
def _identifier() -> Any:
    from py3langid.langid import LanguageIdentifier

    # Of its own: the module's shared one may be restricted to some languages by whoever else uses it.
    return LanguageIdentifier.from_model_file("data/model.npz.xz", norm_probs=True)
