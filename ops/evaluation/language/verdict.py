"""The verdict on a language model: what the figures say, in words that do not say more than they do."""

from __future__ import annotations

from collections.abc import Sequence

from ops.evaluation.cost import whole
from ops.evaluation.language.schema import LanguageDifference, LanguageScore
from ops.evaluation.schema import CostRow, Verdict
from ops.evaluation.verdict import cost_relation, figure, outcome_of_less, signed, signed_span, span, spent, title_of


def judge(
    scores: Sequence[LanguageScore],
    differences: Sequence[LanguageDifference],
    costs: Sequence[CostRow],
    *,
    test_tokens: int,
    train_tokens: int,
) -> Verdict:
    """The verdict on the nats a token.

    The model counts as better or worse than the baseline only when the interval of the paired difference leaves out
    zero, and as useful only when it needs less than the tokens' frequencies in the same sense.
    """
    by_role = {score.role: score for score in scores}
    against = {difference.role: difference for difference in differences}
    outcome = outcome_of_less(against["unigram"].nats, against["baseline"].nats if "baseline" in against else None)
    baseline, model, naive = by_role.get("baseline"), by_role["model"], by_role["unigram"]
    other = against.get("baseline") or against["unigram"]
    rival = f"{figure(baseline.nats.value)} {span(baseline.nats)} for {baseline.name} and " if baseline else ""
    return Verdict(
        outcome=outcome,
        title=title_of(
            outcome,
            baseline.name if baseline else None,
            "No better than the frequencies of the tokens",
            "the tokens' frequencies",
            "are",
        ),
        headline=f"{figure(model.nats.value)} {span(model.nats)} nats a token against {rival}"
        f"{figure(naive.nats.value)} for the tokens' frequencies, that is {figure(model.bits.value)} bits a character, "
        f"on {whole(test_tokens)} test tokens; trained on {whole(train_tokens)} tokens{spent(costs)}.",
        detail=" ".join(
            [
                f"Paired difference from {other.against}: {signed(other.nats.value)} {signed_span(other.nats)} nats a "
                f"token, {signed(other.bits.value)} {signed_span(other.bits)} bits a character; less is better "
                "(95% intervals over stretches of the test split).",
                *cost_relation(costs),
            ]
        ),
    )
