"""The report of a language model as data: what its page, report.json, Dagster's metadata and the terminal show."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ops.config import Config
from ops.evaluation.schema import Common, Estimate, LossCurves, Point

Role = Literal["model", "baseline", "unigram"]


class LanguageCurves(LossCurves):
    """Learning curves of a language model, in nats a token."""

    valid_accuracy: list[Point] = Field(default_factory=list)
    """Share of the validation split's tokens that were thought most likely."""


class LanguageScore(Config):
    """How well one system tells the tokens of the test split; less is better."""

    name: str
    """Its name."""

    role: Role
    """Whether it is the model or something to beat."""

    nats: Estimate
    """Nats a token: the mean of -ln p(token)."""

    bits: Estimate
    """Bits a character: the same sum in bits over the characters told, which vocabularies do not change."""

    note: str = ""
    """What a reader must know about it."""


class LanguageDifference(Config):
    """The model's figures minus another's, on the same resamples: below zero the model tells better."""

    against: str
    """Name of the other system."""

    role: Role
    """Its role."""

    nats: Estimate
    """Difference in nats a token."""

    bits: Estimate
    """Difference in bits a character."""


class PlaceRow(Config):
    """Nats a token where so many tokens were seen before."""

    first: int
    """Fewest tokens seen."""

    last: int
    """Most tokens seen."""

    tokens: int
    """Test tokens told there."""

    model: float
    """Of the model."""

    baseline: float | None
    """Of the baseline, where there is one."""

    unigram: float
    """Of the tokens' frequencies."""


class SplitTexts(Config):
    """What one split has."""

    split: str
    """Its name."""

    texts: int
    """Its texts."""

    characters: int
    """Their characters."""

    tokens: int
    """Tokens that are told of them."""


class Written(Config):
    """How the model goes on with a beginning."""

    id: str
    """Id of the text that begins so."""

    prompt: str
    """The beginning."""

    written: str
    """What the model wrote."""

    came: str
    """How the text goes on."""


class LanguageReport(Common):
    """Everything about one language model that a reader needs to judge it."""

    format: Literal[1] = 1
    """Version of this structure."""

    kind: Literal["language"] = "language"
    """What is reported on."""

    vocabulary: int
    """Tokens that there are."""

    context: int
    """Tokens that the model looks back on, at most."""

    test_rows: int
    """Texts of the test split."""

    test_tokens: int
    """Tokens told of them."""

    test_characters: int
    """Their characters."""

    test_bytes: int
    """Their bytes in UTF-8."""

    unknown: int
    """Tokens told that stand for characters or words outside of the vocabulary."""

    perplexity: float
    """exp of the model's nats a token."""

    accuracy: float
    """Share of the test tokens that the model thought most likely."""

    bits_per_byte: float
    """The model's bits over the bytes of the test texts."""

    scores: list[LanguageScore]
    """The model, the baseline where there is one, the tokens' frequencies."""

    differences: list[LanguageDifference]
    """The model against each of the others."""

    blocks: int
    """Stretches of neighbouring tokens that the resamples are drawn from."""

    places: list[PlaceRow]
    """Nats by how much was seen before."""

    curves: LanguageCurves
    """Learning curves."""

    splits: list[SplitTexts]
    """What each split has."""

    samples: list[Written]
    """Beginnings of test texts as the model goes on with them."""
