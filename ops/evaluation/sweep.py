# ruff: noqa: E501 - markup with its expressions is easier to read unbroken
"""The trials of a sweep side by side: as a page, and as Markdown for an asset's metadata.

CPU-seconds differ from run to run, so they are in the Markdown, which is made when it is shown, and in the report of the
model, but not in the page.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ops.config import Config
from ops.evaluation.charts.sweep import Spot, said, sweep_chart
from ops.evaluation.charts.trials import trials_chart
from ops.evaluation.html import page
from ops.evaluation.page import TOP, VERDICT
from ops.evaluation.summary import md, md_table
from ops.evaluation.svg import Chart
from ops.evaluation.trial_curves import Curve, TrialCurves, trial_curves
from ops.evaluation.verdict import DASH
from ops.sweep.config import Range, Sweep

DRAWN = 12
"""Keys that have a chart, at most."""

_ROWS = """<section id="trials">
<h2>Trials</h2>
<p class="lead">The best first; trials with longer trainings stand above. All figures are of the validation split.</p>
<div class="card scroll" tabindex="0" role="group" aria-label="Trials">
<table>
<thead><tr><th scope="col" class="n">Trial</th>{% for key in r.over %}<th scope="col">{{ user(key) }}</th>{% endfor %}
<th scope="col" class="n">Steps</th>{% for name in r.metrics %}<th scope="col" class="n">{{ user(named(name)) }}</th>{% endfor %}<th scope="col">State</th></tr></thead>
<tbody>
{%- for row in r.rows %}{% set at = "rows." ~ loop.index0 %}
<tr{% if row.chosen %} class="model"{% endif %}><th scope="row" class="n">{{ fig(at ~ ".trial", "count") }}</th>
{%- for value in row.values %}<td>{{ user(value) }}</td>{% endfor %}
<td class="n">{% if row.steps is none %}&ndash;{% else %}{{ fig(at ~ ".steps", "count") }}{% endif %}</td>
{%- for figure in row.figures %}<td class="n">{% if figure is none %}&ndash;{% else %}{{ fig(at ~ ".figures." ~ loop.index0, "short") }}{% endif %}</td>{% endfor %}
<td>{{ user(row.state) }}</td></tr>
{%- endfor %}
</tbody></table></div>
</section>
"""

_CURVES = """{%- if charts.curves %}<section id="learning">
<h2>Learning</h2>
<p class="lead">{{ r.curves.of|capitalize }} of each trial by its steps, in its longest training. The chosen trial is orange; what is higher lies on the upper edge.</p>
<div class="card"><figure>{{ charts.curves }}</figure></div>
</section>{% endif %}
"""

_CHARTS = """{%- if charts.dots %}<section id="values">
<h2>Values</h2>
<p class="lead">{{ r.of }} of each trial by the value of each key. The chosen trial is orange{% if r.halved %}; grey ones were stopped early{% endif %}.</p>
{%- for pair in charts.dots|batch(2) %}<div class="pair">{% for chart in pair %}<div class="card"><figure>{{ chart }}</figure></div>{% endfor %}</div>{% endfor %}
</section>{% endif %}
"""

_END = """</main>
<footer><p>Made by Satiety from the same figures as sweep.json beside this file. Nothing is loaded from a network and no
script runs. What each training took is in the report of the model, and in Dagster.</p></footer>
</body>
</html>
"""

TEMPLATE = TOP.replace("<span>report</span>", "<span>sweep</span>") + VERDICT + _CURVES + _CHARTS + _ROWS + _END


class SweepSubject(Config):
    """What was searched for."""

    recipe: str
    """Name of the recipe."""
    description: str
    """What its model is for."""


class SweepVerdict(Config):
    """What came of it, in words."""

    outcome: str
    """How it is coloured."""
    title: str
    """What it is about."""
    headline: str
    """The values that were chosen."""
    detail: str
    """How they were found, and what was left out."""


class SweepRow(Config):
    """The longest training of one trial."""

    trial: int
    """Number of the trial, from 0."""
    values: list[str]
    """Its values, in the order of the keys."""
    steps: int | None
    """Updates of the weights; none where it was not trained."""
    figures: list[float | None]
    """Its figures on the validation split, in the order of their names."""
    state: str
    """`finished`, `diverged`, `refused` or `repeated`."""
    chosen: bool
    """Whether its values are used."""


class SweepReport(Config):
    """Everything that the page shows."""

    subject: SweepSubject
    """What was searched for."""
    verdict: SweepVerdict
    """What came of it."""
    over: list[str]
    """The keys that were searched."""
    metrics: list[str]
    """Names of the figures."""
    of: str
    """The figure that is drawn."""
    halved: bool
    """Whether some trials were stopped early."""
    rows: list[SweepRow]
    """The trials, best first."""
    curves: TrialCurves | None
    """How they learned, by steps."""


def sweep_report(
    recipe: str, description: str, sweep: Sweep, found: Mapping[str, Any], curves: Sequence[Curve]
) -> SweepReport:
    """The page's data, from what `sweep.json` and `curves.json` say."""
    last = {row["trial"]: row for row in found["trials"]}
    metrics = list(dict.fromkeys(name for row in last.values() for name in row if name.startswith("valid_")))
    chosen = found["chosen"]["trial"]
    more = found["more_is_better"]

    def place(row: Mapping[str, Any]) -> tuple[Any, ...]:
        figure = row.get(found["judged"])
        worth = math.inf if figure is None or row["state"] == "diverged" else -figure if more else figure
        return row["trial"] != chosen, -row["rung"], worth, row["trial"]

    rows = [
        SweepRow(
            trial=row["trial"],
            values=[said(row["values"][key]) for key in sweep.over],
            steps=row.get("steps"),
            figures=[row.get(name) for name in metrics],
            state=row["state"] if row["state"] != "repeated" else f"the same as trial {row['repeats']}",
            chosen=row["trial"] == chosen,
        )
        for row in sorted(last.values(), key=place)
    ]
    return SweepReport(
        subject=SweepSubject(recipe=recipe, description=description),
        verdict=_verdict(sweep, found, len(last)),
        over=list(sweep.over),
        metrics=metrics,
        of=named(found["judged"]),
        halved=len({row["rung"] for row in last.values() if "steps" in row}) > 1,
        rows=rows,
        curves=trial_curves(found, curves),
    )


def named(metric: str) -> str:
    """A figure's name for the reader: `valid_loss` is the validation loss."""
    return metric.replace("valid_", "validation_", 1).replace("_", " ").capitalize()


def _verdict(sweep: Sweep, found: Mapping[str, Any], trials: int) -> SweepVerdict:
    values = ", ".join(f"{key} {said(value)}" for key, value in found["chosen"]["values"].items())
    trainings = sum("steps" in row for row in found["trials"])
    how = {"tpe": "by Parzen estimators", "random": "at random", "grid": "in a grid"}[sweep.search]
    detail = f"{trials} trials chosen {how}, {trainings} trainings, judged by {named(found['judged']).lower()}."
    if found["cut"] is not None:
        detail += f" The {cut_said(found['cut'])}."
    return SweepVerdict(outcome="even" if found["cut"] else "better", title="Chosen", headline=values, detail=detail)


def cut_said(cut: Mapping[str, Any]) -> str:
    """What a budget that was spent left out."""
    untried = cut["untried"]
    trials = "1 trial was" if untried == 1 else f"{untried} trials were"
    what = f"{trials} not begun" if untried else "longer trainings were left out"
    return f"budget of {cut['budget_cpu_s']:g} CPU-seconds was spent: {what}"


def charts(report: SweepReport, sweep: Sweep, found: Mapping[str, Any]) -> list[Chart]:
    """A chart for each key of which trials had several values."""
    last = {row["trial"]: row for row in found["trials"]}
    shown = [row for row in last.values() if row.get(found["judged"]) is not None]
    longest = max((row["rung"] for row in shown), default=0)
    chosen = found["chosen"]["trial"]
    shown.sort(key=lambda row: (row["trial"] == chosen, row["rung"]))
    drawn = []
    for number, (key, values) in enumerate(list(sweep.over.items())[:DRAWN]):
        spots = [
            Spot(
                row["values"][key],
                row[found["judged"]],
                "baseline" if row["trial"] == chosen else "model" if row["rung"] == longest else "majority",
                f"trial {row['trial']}: {said(row['values'][key])}, {row[found['judged']]:.4g}",
            )
            for row in shown
        ]
        listed: Sequence[Any] | None = None if isinstance(values, Range) else values
        log = isinstance(values, Range) and values.log
        if len({said(spot.value) for spot in spots}) > 1:
            drawn.append(sweep_chart(number, key, spots, listed, log, report.of))
    return drawn


def render_sweep(report: SweepReport, drawn: list[Chart]) -> str:
    """The page; see `ops.evaluation.html.page`."""
    sections = [*([("values", "Values")] if drawn else []), ("trials", "Trials")]
    learned = report.curves and trials_chart(report.curves)
    sections = [*([("learning", "Learning")] if learned else []), *sections]
    context = {"tiles": [], "sections": sections, "named": named}
    return page(report, TEMPLATE, {"dots": drawn, "curves": learned}, lambda fig: context)


def sweep_markdown(report: SweepReport, drawn: Sequence[Chart], cpu_s: Mapping[int, float]) -> str:
    """Markdown with what was chosen, the trials, what each took in all, and the charts as SVG data URIs."""
    head = ("Trial", *report.over, "Steps", *map(named, report.metrics), "CPU-seconds", "State")
    rows = [
        (
            str(row.trial),
            *row.values,
            DASH if row.steps is None else f"{row.steps:,}",
            *(DASH if figure is None else f"{figure:.4g}" for figure in row.figures),
            f"{cpu_s[row.trial]:.1f}" if row.trial in cpu_s else DASH,
            f"{row.state}, chosen" if row.chosen else row.state,
        )
        for row in report.rows
    ]
    parts = [f"**{md(report.verdict.headline)}**", md(report.verdict.detail), md_table(head, rows)]
    return "\n\n".join([*parts, *(f"![{md(chart.title)}]({chart.data_uri()})" for chart in drawn)]) + "\n"
