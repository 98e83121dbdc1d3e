"""Rules of thumb for the quality of running text: Gopher's, C4's and FineWeb's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal, NamedTuple

import polars as pl
from pydantic import Field, NonNegativeFloat, NonNegativeInt, model_validator

from ops.columns import TEXT, require
from ops.config import Config
from ops.quality.rules import STOP_WORDS, LineRules
from ops.scoring import Decision, Scoring

Share = Annotated[float, Field(ge=0.0, le=1.0)]


class Check(NamedTuple):
    """One rule: the feature that it looks at, and when a text breaks it; `reason` names it."""

    reason: str
    feature: str
    broken: pl.Expr


class Rules(Config):
    """Limits of features; null leaves one out."""

    limits: ClassVar[tuple[tuple[str, str, str], ...]] = ()
    """(reason, feature, setting) in datatrove's order; `min_...` is a least, any other setting a most."""

    def checks(self) -> Iterator[Check]:
        """The rules that are on, in order."""
        for reason, feature, setting in self.limits:
            limit = getattr(self, setting)
            if limit is not None:
                value = pl.col(feature)
                yield Check(reason, feature, value < limit if setting.startswith("min_") else value > limit)


class GopherRules(Rules):
    """The quality rules of Gopher (Rae et al., 2021, appendix A1.1), in the form of datatrove; null leaves one out."""

    min_words: NonNegativeInt | None = 50
    """Least words, those of nothing but punctuation not counted."""
    max_words: NonNegativeInt | None = 100_000
    """Most words."""
    min_word_length: NonNegativeFloat | None = 3.0
    """Least mean length of words in characters."""
    max_word_length: NonNegativeFloat | None = 10.0
    """Greatest mean length of words."""
    max_symbols: NonNegativeFloat | None = 0.1
    """Most hash signs per word, and most ellipses."""
    max_bullet_lines: Share | None = 0.9
    """Largest share of lines that begin with • or -."""
    max_ellipsis_lines: Share | None = 0.3
    """Largest share of lines that end with an ellipsis."""
    min_alphabetic_words: Share | None = 0.8
    """Least share of words with a letter."""
    min_stop_words: NonNegativeInt | None = 2
    """Least different stop words."""

    limits = (
        ("few_words", "words", "min_words"),
        ("many_words", "words", "max_words"),
        ("short_words", "mean_word_length", "min_word_length"),
        ("long_words", "mean_word_length", "max_word_length"),
        ("hashes", "hashes", "max_symbols"),
        ("ellipses", "ellipses", "max_symbols"),
        ("bullet_lines", "bullet_lines", "max_bullet_lines"),
        ("ellipsis_lines", "ellipsis_lines", "max_ellipsis_lines"),
        ("alphabetic_words", "alphabetic_words", "min_alphabetic_words"),
        ("stop_words", "stop_words", "min_stop_words"),
    )


class RepetitionRules(Rules):
    """The repetition rules of Gopher (Rae et al., 2021, table A1), as shares of the text; null leaves one out."""

    lines: Share | None = 0.3
    """Lines that an earlier one equals."""
    line_characters: Share | None = 0.2
    """Characters in them."""
    paragraphs: Share | None = 0.3
    """Paragraphs that an earlier one equals."""
    paragraph_characters: Share | None = 0.2
    """Characters in them."""
    top_2_grams: Share | None = 0.2
    """Characters in the most frequent run of two words; like datatrove, of the first one where none is repeated."""
    top_3_grams: Share | None = 0.18
    """Of three words."""
    top_4_grams: Share | None = 0.16
    """Of four words."""
    repeated_5_grams: Share | None = 0.15
    """Characters in repeated runs of five words."""
    repeated_6_grams: Share | None = 0.14
    """Of six words."""
    repeated_7_grams: Share | None = 0.13
    """Of seven words."""
    repeated_8_grams: Share | None = 0.12
    """Of eight words."""
    repeated_9_grams: Share | None = 0.11
    """Of nine words."""
    repeated_10_grams: Share | None = 0.10
    """Of ten words."""

    limits = (
        ("paragraphs", "repeated_paragraphs", "paragraphs"),
        ("paragraph_characters", "repeated_paragraph_characters", "paragraph_characters"),
        ("lines", "repeated_lines", "lines"),
        ("line_characters", "repeated_line_characters", "line_characters"),
        *((name, name, name) for name in (f"top_{size}_grams" for size in (2, 3, 4))),
        *((name, name, name) for name in (f"repeated_{size}_grams" for size in range(5, 11))),
    )


class C4Rules(Rules):
    """C4's rules for whole texts (Raffel et al., 2020), counted in the lines that it keeps; null leaves one out."""

    min_sentences: NonNegativeInt | None = 5
    """Least sentences."""
    lorem_ipsum: bool = True
    """Drop texts with lorem ipsum."""
    curly_bracket: bool = True
    """Drop texts with a curly bracket, which prose has not."""

    limits = (("sentences", "sentences", "min_sentences"),)

    def checks(self) -> Iterator[Check]:
        """In datatrove's order, but that here lorem ipsum comes first wherever it stands."""
        for name in ("lorem_ipsum", "curly_bracket"):
            if getattr(self, name):
                yield Check(name, name, pl.col(name) > 0.0)
        yield from super().checks()


class FineWebRules(Rules):
    """The rules that FineWeb added (Penedo et al., 2024); null leaves one out. A text without a word is dropped."""

    min_punctuated_lines: Share | None = 0.12
    """Least share of lines that end with a mark that ends sentences."""
    max_short_lines: Share | None = 0.67
    """Largest share of short lines."""
    max_repeated_characters: Share | None = 0.01
    """Largest share of characters in lines that an earlier one equals."""
    max_newlines: NonNegativeFloat | None = 0.3
    """Most newlines per word."""

    limits = (
        ("punctuated_lines", "punctuated_lines", "min_punctuated_lines"),
        ("short_lines", "short_lines", "max_short_lines"),
        ("repeated_characters", "repeated_characters", "max_repeated_characters"),
        ("newlines", "newlines", "max_newlines"),
    )

    def checks(self) -> Iterator[Check]:
        """A text without a word first."""
        yield Check("empty", "lines", pl.col("lines") < 1)
        yield from super().checks()


class Quality(Scoring):
    """Drop texts that are not running prose by the rules of Gopher, C4 and FineWeb.

    All features are scores, from one pass over the bytes of the texts: another limit, or a set of rules turned on or
    off, reads no text again. Words are what white space parts. The decisions are those of datatrove 0.10 with such a
    splitter. C4's rules count in the lines that `lines` keeps, and change no text: `c4_lines` does. A null is an empty
    text.
    """

    thresholds: ClassVar[frozenset[str]] = frozenset({"gopher", "repetition", "c4", "fineweb"})

    kind: Literal["quality"] = "quality"
    """Texts that are not running prose dropped."""
    column: str = "text"
    """The text column."""
    gopher: GopherRules | None = GopherRules()
    """Lengths, symbols, bullets, stop words; null for none of them."""
    repetition: RepetitionRules | None = RepetitionRules()
    """Repeated lines, paragraphs and runs of words; null for none of them."""
    c4: C4Rules | None = C4Rules()
    """Sentences, lorem ipsum, curly brackets; null for none of them."""
    fineweb: FineWebRules | None = FineWebRules()
    """How lines end, how short they are, repeated characters; null for none of them."""
    lines: LineRules = LineRules()
    """Which lines C4's rules look at."""
    stop_words: Annotated[list[Annotated[str, Field(pattern=r"^\S+$")]], Field(min_length=1)] = STOP_WORDS
    """Words of which running text has some; in another language others."""
    short_line: NonNegativeInt = 30
    """Most characters of a short line."""

    applies_to: ClassVar[frozenset[str]] = frozenset({"text", "table"})

    @model_validator(mode="after")
    def _some(self) -> Quality:
        if not any((self.gopher, self.repetition, self.c4, self.fineweb)):
            raise ValueError("leave at least one of gopher, repetition, c4 and fineweb")
        return self

    def score(self, table: pl.DataFrame) -> pl.DataFrame:
        """All features of each text."""
        from ops.quality.features import text_features

        require(table, [self.column], step=self.kind, types=TEXT)
        return text_features(
            table[self.column], stop_words=self.stop_words, short_line=self.short_line, lines=self.lines
        )

    def decide(self, scores: pl.DataFrame) -> Decision:
        """The first rule that is broken, as `gopher_few_words`; the evidence is the feature with its value."""
        checks = [
            check._replace(reason=f"{name}_{check.reason}")
            for name in ("gopher", "repetition", "c4", "fineweb")
            if (rules := getattr(self, name)) is not None
            for check in rules.checks()
        ]
        none = pl.lit(None, dtype=pl.String)
        reason = [pl.when(check.broken).then(pl.lit(check.reason)) for check in checks]
        value = [
            pl.when(check.broken).then(pl.format("{} {}", pl.lit(check.feature), pl.col(check.feature).round(4)))
            for check in checks
        ]
        found = scores.select(pl.coalesce(*reason, none).alias("reason"), pl.coalesce(*value, none).alias("evidence"))
        return Decision(found["reason"], found["evidence"])
