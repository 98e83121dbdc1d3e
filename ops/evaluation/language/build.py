"""Building the report of a language model: one structure from what tokens cost, manifests and history."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ops.errors import BadData
from ops.evaluation.baselines.base import Fitted
from ops.evaluation.curves import curves_of
from ops.evaluation.given import Given
from ops.evaluation.language.schema import (
    LanguageCurves,
    LanguageDifference,
    LanguageReport,
    LanguageScore,
    PlaceRow,
    Role,
    SplitTexts,
    Written,
)
from ops.evaluation.language.verdict import judge
from ops.evaluation.report import estimate
from ops.evaluation.text import clip, line, visible

FEW_BLOCKS = 12
LONGEST_TEXT = 1000

Numbers = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Told:
    """The tokens of the test split as they were told.

    Attributes:
        targets: (W,) the tokens.
        nats: (W,) what each cost the model.
        hits: (W,) whether it was thought most likely.
        seen: (W,) tokens seen before it.
        blocks: (W,) number of the stretch that it is in.
        vocabulary: tokens that there are.
        unknown: the token that stands for what is outside of the vocabulary.
        texts: number of texts.
        characters: their characters.
        bytes: their bytes in UTF-8.
    """

    targets: NDArray[np.int64]
    nats: Numbers
    hits: NDArray[np.bool_]
    seen: NDArray[np.int64]
    blocks: NDArray[np.int64]
    vocabulary: int
    unknown: int
    texts: int
    characters: int
    bytes: int


def build_language_report(
    given: Given, *, context: int, test: Told, splits: Sequence[SplitTexts], samples: Sequence[Written] = ()
) -> LanguageReport:
    """Judge a model on its test tokens and gather what a reader needs to know.

    Args:
        given: what every report is made from.
        context: tokens that the model looks back on.
        test: the test tokens with what they cost the model.
        splits: what each split has.
        samples: text that the model wrote.

    Raises:
        BadData: no tokens, or figures that do not fit each other.
        IntegrityError: a flow whose rows do not add up.
    """
    systems = _systems(test, given.baseline)
    scores, differences, blocks = _scores(test, systems, given)
    tokens, unknown = len(test.nats), int((test.targets == test.unknown).sum())
    train = next(split.tokens for split in splits if split.split == "train")
    return LanguageReport(
        **given.fields(),
        verdict=judge(scores, differences, given.costs(), test_tokens=tokens, train_tokens=train),
        vocabulary=test.vocabulary,
        context=context,
        test_rows=test.texts,
        test_tokens=tokens,
        test_characters=test.characters,
        test_bytes=test.bytes,
        unknown=unknown,
        perplexity=round(math.exp(min(float(test.nats.mean()), 700.0)), 6),
        accuracy=round(float(test.hits.mean()), 6),
        bits_per_byte=round(float(test.nats.sum()) / math.log(2) / max(test.bytes, 1), 6),
        scores=scores,
        differences=differences,
        blocks=blocks,
        places=_places(test.seen, systems, context),
        curves=_curves(given.history),
        splits=list(splits),
        samples=[_shown(sample) for sample in samples],
        notes=_notes(context, blocks, unknown, tokens, given.baseline),
    )


def _scores(
    test: Told, systems: Mapping[Role, Numbers], given: Given
) -> tuple[list[LanguageScore], list[LanguageDifference], int]:
    """Scores, differences, and the number of blocks behind their intervals."""
    names: dict[Role, str] = {"model": "Model", "baseline": given.rival, "unigram": "Token frequencies"}
    notes: dict[Role, str] = {"baseline": given.rival_note}
    drawn, blocks = _resampled(systems, test.blocks, given.resamples, given.subject.seed)
    # Tokens of one vocabulary are as long in every resample as in the whole test split.
    bits = len(test.nats) / max(test.characters, 1) / math.log(2)
    scores = [_score(role, names[role], systems[role], drawn[role], bits, notes.get(role, "")) for role in systems]
    differences = [_difference(role, names[role], systems, drawn, bits) for role in systems if role != "model"]
    return scores, differences, blocks


def _systems(test: Told, baseline: Fitted | None) -> dict[Role, Numbers]:
    """What each token cost each system, in nats."""
    if not len(test.nats):
        raise BadData("no token of the test split is told", where="report", hint="raise split.test")
    systems: dict[Role, Numbers] = {"model": test.nats}
    if baseline is not None:
        systems["baseline"] = np.asarray(baseline.predictions, np.float64)
    counts = np.bincount(test.targets, minlength=test.vocabulary)
    systems["unigram"] = -np.log(counts[test.targets] / len(test.targets))
    for role, nats in systems.items():
        if nats.shape != test.targets.shape:
            raise BadData(f"{role}: {nats.shape} figures for {len(test.targets)} tokens")
        if not np.isfinite(nats).all():
            raise BadData(f"{role}: what a token costs is no finite number")
    return systems


def _curves(history: Iterable[Mapping[str, Any]]) -> LanguageCurves:
    found = curves_of(history, ("loss", "valid_loss", "valid_accuracy"))
    return LanguageCurves(
        train_loss=found["loss"], valid_loss=found["valid_loss"], valid_accuracy=found["valid_accuracy"]
    )


def _resampled(
    systems: Mapping[Role, Numbers], blocks: NDArray[np.int64], resamples: int, seed: int
) -> tuple[dict[Role, Numbers], int]:
    """Nats a token of each system in each resample of whole blocks (Künsch, 1989), and the number of blocks."""
    _, place = np.unique(blocks, return_inverse=True)
    count = int(place.max()) + 1
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=resamples)
    tokens = drawn @ np.bincount(place, minlength=count)
    return {role: drawn @ np.bincount(place, nats, count) / tokens for role, nats in systems.items()}, count


def _score(role: Role, name: str, nats: Numbers, drawn: Numbers, bits: float, note: str) -> LanguageScore:
    mean = float(nats.mean())
    return LanguageScore(
        name=name, role=role, nats=estimate(mean, drawn), bits=estimate(bits * mean, bits * drawn), note=note
    )


def _difference(
    role: Role, name: str, systems: Mapping[Role, Numbers], drawn: Mapping[Role, Numbers], bits: float
) -> LanguageDifference:
    mean = float(systems["model"].mean() - systems[role].mean())
    between = drawn["model"] - drawn[role]
    return LanguageDifference(
        against=name, role=role, nats=estimate(mean, between), bits=estimate(bits * mean, bits * between)
    )


def _places(seen: NDArray[np.int64], systems: Mapping[Role, Numbers], context: int) -> list[PlaceRow]:
    """Nats by tokens seen: 1, 2, 3 to 4, 5 to 8, and so on."""
    group = np.ceil(np.log2(seen)).astype(np.int64)
    rows = []
    for number in np.unique(group).tolist():
        mine = group == number
        means = {role: round(float(nats[mine].mean()), 6) for role, nats in systems.items()}
        rows.append(
            PlaceRow(
                first=1 if number == 0 else 2 ** (number - 1) + 1,
                last=min(2**number, context),
                tokens=int(mine.sum()),
                model=means["model"],
                baseline=means.get("baseline"),
                unigram=means["unigram"],
            )
        )
    return rows


def _shown(sample: Written) -> Written:
    texts = {name: clip(visible(getattr(sample, name)), LONGEST_TEXT) for name in ("prompt", "written", "came")}
    return Written(id=line(sample.id), **texts)


def _notes(context: int, blocks: int, unknown: int, tokens: int, baseline: Fitted | None) -> list[str]:
    notes = [
        f"Each window of {context} tokens is told from its own beginning, by all systems alike. Windows that overlap "
        "would let each token be told from more, and all figures would be lower."
    ]
    if blocks < FEW_BLOCKS:
        notes.append(f"The test split has only {blocks} stretches of tokens: the intervals may be too narrow.")
    if unknown:
        notes.append(
            f"Of {tokens:,} tokens told {unknown:,} are [UNK]: that they are unknown is told, not what they are."
        )
    if baseline is None:
        notes.append("No classical baseline was run, so nothing here shows that a model of this size is needed.")
    return notes
