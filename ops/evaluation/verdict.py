"""The verdict: what the figures say, in words that do not say more than they do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ops.evaluation.cost import Cost, si, whole
from ops.evaluation.schema import CostRow, Difference, Estimate, Outcome, Role, Score, Verdict

DASH = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"


def figure(value: float) -> str:
    """A score with three decimals."""
    return f"{value:.3f}"


def signed(value: float) -> str:
    """A difference with its sign and three decimals."""
    shown = f"{abs(value):.3f}"
    return shown if float(shown) == 0 else f"{'+' if value > 0 else MINUS}{shown}"


def span(estimate: Estimate) -> str:
    """The interval of a score."""
    return f"[{figure(estimate.low)}{DASH}{figure(estimate.high)}]"


def signed_span(estimate: Estimate) -> str:
    """The interval of a difference."""
    return f"[{signed(estimate.low)}, {signed(estimate.high)}]"


def judge(
    scores: Sequence[Score],
    differences: Sequence[Difference],
    costs: Sequence[CostRow],
    *,
    test_rows: int,
    train_rows: int,
) -> Verdict:
    """The verdict on accuracy.

    The model counts as better or worse than the baseline only when the interval of the paired difference leaves out
    zero, and as useful only when it is above the majority class in the same sense.
    """
    by_role = {score.role: score for score in scores}
    against = {difference.role: difference for difference in differences}
    baseline = by_role.get("baseline")
    outcome = _outcome(against)
    return Verdict(
        outcome=outcome,
        title=title_of(
            outcome,
            baseline.name if baseline else None,
            "No better than always guessing the most frequent class",
            "the majority class",
        ),
        headline=_headline(outcome, by_role["model"], baseline, by_role["majority"])
        + f" on {whole(test_rows)} test rows; trained on {whole(train_rows)} rows{spent(costs)}.",
        detail=_detail(against, costs),
    )


def _outcome(against: Mapping[Role, Difference]) -> Outcome:
    if against["majority"].accuracy.low <= 0:
        return "useless"
    if "baseline" not in against:
        return "better"
    difference = against["baseline"].accuracy
    if difference.low > 0:
        return "better"
    return "worse" if difference.high < 0 else "even"


def title_of(outcome: Outcome, baseline: str | None, useless: str, naive: str, verb: str = "is") -> str:
    """The outcome in a few words.

    Args:
        outcome: the outcome.
        baseline: name of the baseline, or nothing.
        useless: what to say of a model that is.
        naive: the rival of a model that has no baseline.
        verb: what a baseline does that is better.
    """
    if outcome == "useless":
        return useless
    if baseline is None:
        return f"Better than {naive}; no classical baseline was run"
    return {
        "better": f"Better than {baseline}",
        "even": f"No clear difference from {baseline}",
        "worse": f"{baseline} {verb} better than this model",
    }[outcome]


def _headline(outcome: Outcome, model: Score, baseline: Score | None, majority: Score) -> str:
    own = f"{figure(model.accuracy.value)} {span(model.accuracy)}"
    floor = f"{figure(majority.accuracy.value)} for the majority class"
    if baseline is None:
        return f"Accuracy {own} against {floor}"
    other = f"{figure(baseline.accuracy.value)} {span(baseline.accuracy)}"
    if outcome == "worse":
        return f"{baseline.name} wins: accuracy {other} against {own} for the model and {floor}"
    return f"Accuracy {own} against {other} for {baseline.name} and {floor}"


def outcome_of_less(naive: Estimate, baseline: Estimate | None) -> Outcome:
    """The outcome of a figure of which less is better, from the model's minus the naive rival's and the baseline's."""
    if naive.high >= 0:
        return "useless"
    if baseline is None or baseline.high < 0:
        return "better"
    return "worse" if baseline.low > 0 else "even"


def spent(costs: Sequence[CostRow]) -> str:
    """What the model took, as the end of a sentence."""
    cost = next((row.cost for row in costs if row.role == "model"), Cost())
    parts = []
    if cost.cpu_seconds is not None:
        parts.append(f" in {si(cost.cpu_seconds)} CPU-seconds")
    if cost.energy is not None:
        parts.append(f" with {si(cost.energy.joules, 'J')} ({cost.energy.method})")
    return "".join(parts)


def _detail(against: Mapping[Role, Difference], costs: Sequence[CostRow]) -> str:
    other = against.get("baseline") or against["majority"]
    accuracy = f"{signed(other.accuracy.value)} {signed_span(other.accuracy)} in accuracy"
    macro_f1 = f"{signed(other.macro_f1.value)} {signed_span(other.macro_f1)} in macro F1"
    sentences = [f"Paired difference from {other.against}: {accuracy}, {macro_f1} (95% intervals over the test rows)."]
    return " ".join([*sentences, *cost_relation(costs)])


def cost_relation(costs: Sequence[CostRow]) -> list[str]:
    """How many times the CPU time of the one that of the other is, as a sentence, where both are known."""
    seconds = {row.role: row.cost.cpu_seconds for row in costs}
    own, theirs = seconds.get("model"), seconds.get("baseline")
    if not own or not theirs:
        return []
    more, less = ("model", "baseline") if own >= theirs else ("baseline", "model")
    ratio = max(own, theirs) / min(own, theirs)
    times = whole(round(ratio)) if ratio >= 10 else f"{ratio:.1f}"
    return [f"The {more} took {times} times the CPU time of the {less}."]
