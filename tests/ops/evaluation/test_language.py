"""The report of a language model: figures and intervals against loops, the verdict's words, and what the page shows."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from ops.errors import BadData
from ops.evaluation.baselines.base import Fitted
from ops.evaluation.cost import Cost
from ops.evaluation.language.build import Told, build_language_report
from ops.evaluation.language.render import language_markdown, language_metadata, places_chart, render_language
from ops.evaluation.language.schema import LanguageReport, SplitTexts, Written
from ops.evaluation.reports import lead, read_report
from ops.evaluation.schema import Subject
from tests.ops.evaluation.given import with_given
from tests.ops.evaluation.page import Page

HOSTILE = "<script>x</script>"
WINDOWS, CONTEXT = 400, 8


def told(level: float = 1.0, seed: int = 0) -> Told:
    """Tokens of two characters each, told at about `level` nats."""
    random = np.random.default_rng(seed)
    targets = random.choice(6, WINDOWS * CONTEXT, p=[0.0, 0.01, 0.09, 0.2, 0.3, 0.4])
    return Told(
        targets=targets,
        nats=random.gamma(4.0, level / 4.0, len(targets)),
        hits=random.random(len(targets)) < 0.4,
        seen=np.tile(np.arange(1, CONTEXT + 1), WINDOWS),
        blocks=np.repeat(np.arange(WINDOWS) // 10, CONTEXT),
        vocabulary=6,
        unknown=1,
        texts=4,
        characters=2 * len(targets),
        bytes=3 * len(targets),
    )


def report(test: Told | None = None, rival: float | None = 1.2, **changes: Any) -> LanguageReport:
    test = test or told()
    nats = np.random.default_rng(9).gamma(4.0, (rival or 1.0) / 4.0, len(test.nats))
    baseline = Fitted("N-grams", nats, Cost(cpu_seconds=2.0), "a note") if rival else None
    subject = Subject(
        recipe="verse", description=f"Writes {HOSTILE}.", task="language_model", modality="text", model="A model",
        seed=1, fingerprint="f", settings="name: verse",
    )  # fmt: skip
    splits = [SplitTexts(split=s, texts=4, characters=100, tokens=90) for s in ("train", "valid", "test")]
    given: dict[str, Any] = {
        "subject": subject, "context": CONTEXT, "test": test, "splits": splits, "flows": [], "inputs": [],
        "history": [{"step": s, "loss": 1 / s, "valid_loss": 2 / s, "valid_accuracy": 0.5} for s in range(1, 9)],
        "model_cost": Cost(cpu_seconds=6.0, parameters=10), "baseline": baseline, "resamples": 300,
        "samples": [Written(id="a", prompt=f"So {HOSTILE}", written="it\nwent", came="it was")],
    }  # fmt: skip
    return with_given(build_language_report, **(given | changes))


def test_the_figures_are_means_over_tokens_and_their_intervals_over_stretches() -> None:
    test = told()
    made = report(test)
    model, rival, naive = made.scores
    assert model.nats.value == pytest.approx(test.nats.mean(), abs=1e-6)
    assert model.bits.value == pytest.approx(test.nats.sum() / math.log(2) / test.characters, abs=1e-6)
    assert made.bits_per_byte == pytest.approx(test.nats.sum() / math.log(2) / test.bytes, abs=1e-6)
    assert made.perplexity == pytest.approx(math.exp(test.nats.mean()), abs=1e-5)
    shares = np.bincount(test.targets) / len(test.targets)
    entropy = -sum(share * math.log(share) for share in shares if share)
    assert naive.nats.value == pytest.approx(entropy, abs=1e-6) and made.accuracy == pytest.approx(
        test.hits.mean(), abs=1e-6
    )
    assert made.unknown == int((test.targets == 1).sum()) > 0 and any("[UNK]" in note for note in made.notes)
    difference = next(d for d in made.differences if d.role == "baseline")
    assert difference.nats.value == pytest.approx(model.nats.value - rival.nats.value, abs=2e-6)
    assert lead(made).value == pytest.approx(naive.nats.value - model.nats.value, abs=2e-6)
    drawn = np.random.default_rng(1).multinomial(40, np.full(40, 1 / 40), size=300)
    parts = [test.nats[test.blocks == block] for block in range(40)]
    means = [
        np.concatenate([part for part, count in zip(parts, row, strict=True) for _ in range(count)]).mean()
        for row in drawn
    ]
    low, high = np.quantile(means, [0.025, 0.975])
    assert (model.nats.low, model.nats.high) == pytest.approx((low, high), abs=1e-6) and made.blocks == 40


def test_what_a_token_costs_by_what_was_seen() -> None:
    test = told()
    rows = report(test).places
    assert [(row.first, row.last) for row in rows] == [(1, 1), (2, 2), (3, 4), (5, 8)]
    for row in rows:
        mine = (test.seen >= row.first) & (test.seen <= row.last)
        assert row.tokens == mine.sum() and row.model == pytest.approx(test.nats[mine].mean(), abs=1e-6)
    drawn = places_chart(rows).body
    assert all(f">{seen}</text>" in drawn for seen in ("1", "2", "4", "8", "tokens seen"))


@pytest.mark.parametrize(
    ("level", "rival", "outcome", "title"),
    [
        (1.0, 1.2, "better", "Better than N-grams"),
        (1.2, 1.2, "even", "No clear difference from N-grams"),
        (1.2, 1.0, "worse", "N-grams"),
        (2.0, 1.2, "useless", "No better than the frequencies of the tokens"),
        (1.0, None, "better", "no classical baseline was run"),
    ],
)
def test_the_verdict_says_no_more_than_the_intervals(
    level: float, rival: float | None, outcome: str, title: str
) -> None:
    made = report(told(level), rival)
    assert made.verdict.outcome == outcome and title in made.verdict.title
    assert (lead(made).low > 0) == (outcome != "useless")


def test_every_figure_of_the_page_is_that_of_the_data() -> None:
    made = report()
    text = render_language(made)
    Page(text).agrees_with(made.model_dump(mode="json"))
    assert HOSTILE not in text and "<script" not in text
    read = read_report(made.model_dump_json().encode())
    assert isinstance(read, LanguageReport) and text == render_language(read)


def test_markdown_and_metadata_have_the_same_figures() -> None:
    made = report()
    shown, figures = language_markdown(made), language_metadata(made)
    assert "<script" not in shown and f"{made.scores[0].nats.value:.3f}" in shown
    assert figures["nats"] == made.scores[0].nats.value and figures["baseline_nats"] == made.scores[1].nats.value
    assert figures["unigram_nats"] == made.scores[2].nats.value and figures["verdict"] == "better"
    assert figures["bits_per_character"] == made.scores[0].bits.value


def test_figures_that_do_not_fit_are_refused() -> None:
    test = told()
    for name, value in {"nats": test.nats * np.inf, "targets": test.targets[1:]}.items():
        with pytest.raises(BadData):
            report(Told(**{**vars(test), name: value}), None)
    with pytest.raises(BadData, match="no token of the test split"):
        report(Told(**{**vars(test), "nats": test.nats[:0]}), None)
