# ruff: noqa: E501 - markup with its expressions is easier to read unbroken
"""The template of a forecast's page; what it shares with a classifier's is in `ops/evaluation/page.py`."""

from __future__ import annotations

from ops.evaluation.page import DATA, END, PARTITIONS, TOP, TRAINING, VERDICT
from ops.evaluation.score_table import score_rows

_KIND = """<p class="kind">{{ r.subject.task|replace("_", " ")|capitalize }} of {{ user(r.label) }}, {{ r.horizon }} steps of {{ r.minutes }} minutes ahead
{%- if r.subject.model %} · {{ user(r.subject.model) }}{% endif %}</p>
"""

_LEGEND = """<ul class="legend"><li><i class="model"></i>model</li>{% if r.costs|length > 1 %}<li><i class="baseline"></i>{{ user(r.costs[1].name) }}</li>{% endif %}<li><i class="majority"></i>persistence</li></ul>"""

_RESULT = (
    """<section id="result">
<h2>Result</h2>
<p class="lead">{{ fig("test_rows", "count") }} forecasts of the test split, whose {{ fig("known_steps", "count") }} known steps training never saw. Intervals hold 95% of
{{ fig("resamples", "count") }} bootstrap resamples of {{ fig("blocks", "count") }} weeks; all forecasts are judged on the same resamples. Persistence: each step will be as the one {{ r.horizon }} steps earlier.</p>
<div class="card">
<h3>Mean absolute error with 95% intervals</h3>
<div class="scroll" tabindex="0" role="group" aria-label="Error chart">{{ charts.scores }}</div>
<h3 class="next">Model minus {{ user(rival.against) }}: below zero the model is nearer</h3>
<div class="scroll" tabindex="0" role="group" aria-label="Difference chart">{{ charts.difference }}</div>
</div>
<div class="card scroll" tabindex="0" role="group" aria-label="Errors">
<table>
<caption>Errors, in the unit of {{ user(r.label) }}</caption>
<thead><tr><th scope="col">Forecast</th>{% for name in ("Mean absolute error", "Root mean squared error", "Skill") %}<th scope="col" class="n">{{ name }}</th><th scope="col" class="n">95% interval</th>{% endfor %}</tr></thead>
<tbody>
"""
    + score_rows(("mae", "rmse", "skill"), ("mae", "rmse"))
    + """
</div>
</section>

<section id="steps">
<h2>Steps ahead</h2>
<p class="lead">How the error grows with the distance of what is forecast.</p>
<div class="card"><figure><h3>Mean absolute error by step ahead</h3>"""
    + _LEGEND
    + """
<div class="scroll" tabindex="0" role="group" aria-label="Error by step ahead">{{ charts.steps }}</div></figure></div>
<div class="card"><details><summary>The same as a table</summary><div class="scroll" tabindex="0" role="group" aria-label="Errors by step ahead">
<table>
<thead><tr><th scope="col">Ahead</th><th scope="col" class="n">Known rows</th><th scope="col" class="n">Model</th>{% if r.costs|length > 1 %}<th scope="col" class="n">{{ user(r.costs[1].name) }}</th>{% endif %}<th scope="col" class="n">Persistence</th></tr></thead>
<tbody>
{%- for row in r.steps[:rows_shown] %}{% set at = "steps." ~ loop.index0 %}
<tr><th scope="row">{{ row.ahead }}</th><td class="n">{{ fig(at ~ ".rows", "count") }}</td><td class="n">{{ fig(at ~ ".model", "score") }}</td>{% if r.costs|length > 1 %}<td class="n">{{ fig(at ~ ".baseline", "score") }}</td>{% endif %}<td class="n">{{ fig(at ~ ".persistence", "score") }}</td></tr>
{%- endfor %}
</tbody></table></div></details></div>
</section>

"""
)

_SPLITS = """<div class="card scroll" tabindex="0" role="group" aria-label="Splits">
<table>
<caption>Examples by split</caption>
<thead><tr><th scope="col">Split</th><th scope="col" class="n">Examples</th><th scope="col" class="n">Share</th></tr></thead>
<tbody>
{%- for split in r.splits %}
<tr><th scope="row">{{ user(split.split) }}</th><td class="n">{{ fig("splits." ~ loop.index0 ~ ".rows", "count") }}</td>
<td class="n">{{ "%.1f%%"|format(100 * split.rows / total_rows) }}</td></tr>
{%- endfor %}
</tbody></table>
</div>
"""

_SAMPLES = (
    """{%- if r.samples %}
<section id="samples">
<h2>Samples</h2>
<p class="lead">Forecasts of the test split beside what came (the dark line, which ends or has gaps where it is not known).</p>
"""
    + _LEGEND
    + """
<div class="pair">
{%- for drawn in charts.samples %}
<div class="card"><figure><h3>{{ user(r.samples[loop.index0].moment) }}</h3>{{ drawn }}<figcaption>{{ user(r.samples[loop.index0].id) }}</figcaption></figure></div>
{%- endfor %}
</div>
</section>
{%- endif %}

"""
)

_TRAINING = TRAINING.replace("charts.accuracy", "charts.mae").replace(
    "<h3>Accuracy</h3>", "<h3>Mean absolute error</h3>"
)

FORECAST_TEMPLATE = TOP + _KIND + VERDICT + _RESULT + _TRAINING + DATA + _SPLITS + PARTITIONS + _SAMPLES + END
