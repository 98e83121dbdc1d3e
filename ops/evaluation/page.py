# ruff: noqa: E501 - markup with its expressions is easier to read unbroken
"""The template of the report's page (Jinja, autoescaped).

`fig(path, kind)` prints the figure at that path of the report as `<data value=… data-path=…>`, so that a program, and a
test, can hold every figure of the page against report.json. `user()` isolates text of either direction,
`unbroken()` keeps intervals in brackets on one line.
"""

from __future__ import annotations

from ops.evaluation.score_table import score_rows

TOP = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{{ policy }}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>{{ r.subject.recipe }}: {{ r.verdict.title }}</title>
<link rel="icon" href="data:,">
<style>{{ style }}</style>
</head>
<body>
<header class="top">
<p class="brand">{{ mark }}<span><b>Satiety</b></span><span>report</span></p>
<h1>{{ user(r.subject.recipe) }}</h1>
<p class="purpose" dir="auto">{{ r.subject.description }}</p>
"""

_KIND = """<p class="kind">{{ r.subject.task|replace("_", " ")|capitalize }} into {{ r.classes|length }} classes
{%- if r.subject.model %} · {{ user(r.subject.model) }}{% endif %}</p>
"""

VERDICT = """<div class="verdict {{ r.verdict.outcome }}" role="region" aria-label="Verdict">
<h2>{{ r.verdict.title }}</h2>
<p class="headline">{{ unbroken(r.verdict.headline) }}</p>
<p class="detail">{{ unbroken(r.verdict.detail) }}</p>
</div>
<dl class="tiles">
{%- for tile in tiles %}
<div class="tile"><dt>{{ tile.name }}</dt><dd class="big">{{ tile.figure }}</dd><dd class="sub">{{ tile.sub }}</dd></div>
{%- endfor %}
</dl>
<nav aria-label="Sections"><ul>
{%- for anchor, name in sections %}<li><a href="#{{ anchor }}">{{ name }}</a></li>{% endfor -%}
</ul></nav>
</header>
<main>

"""

_RESULT = (
    """<section id="result">
<h2>Result</h2>
<p class="lead">On {{ fig("test_rows", "count") }} test rows that training never saw. Intervals hold 95% of
{{ fig("resamples", "count") }} bootstrap resamples of those rows; all classifiers are judged on the same resamples.</p>
<div class="card">
<h3>Accuracy with 95% intervals</h3>
<div class="scroll" tabindex="0" role="group" aria-label="Accuracy chart">{{ charts.scores }}</div>
<h3 class="next">Model minus {{ user(rival.against) }}, row by row</h3>
<div class="scroll" tabindex="0" role="group" aria-label="Difference chart">{{ charts.difference }}</div>
</div>
<div class="card scroll" tabindex="0" role="group" aria-label="Scores">
<table>
<caption>Scores</caption>
<thead><tr><th scope="col">Classifier</th><th scope="col" class="n">Accuracy</th><th scope="col" class="n">95% interval</th>
<th scope="col" class="n">Macro F1</th><th scope="col" class="n">95% interval</th></tr></thead>
<tbody>
"""
    + score_rows(("accuracy", "macro_f1"))
    + """
</div>
</section>

<section id="classes">
<h2>Classes</h2>
<p class="lead">Where the model is right, and what it takes for what.</p>
<div class="card scroll" tabindex="0" role="group" aria-label="Figures by class">
<table>
<caption>By class{% if r.per_class|length > rows_shown %} (the {{ rows_shown }} weakest of {{ r.per_class|length }}, all in report.json){% endif %}</caption>
<thead><tr><th scope="col">Class</th><th scope="col" class="n">Test rows</th><th scope="col" class="n">Predicted</th>
<th scope="col" class="n">Precision</th><th scope="col" class="n">Recall</th><th scope="col" class="n">F1</th></tr></thead>
<tbody>
{%- for i, row in class_rows %}{% set at = "per_class." ~ i %}
<tr><th scope="row">{{ user(row.name) }}</th><td class="n">{{ fig(at ~ ".support", "count") }}</td>
<td class="n">{{ fig(at ~ ".predicted", "count") }}</td><td class="n">{{ fig(at ~ ".precision", "score") }}</td>
<td class="n">{{ fig(at ~ ".recall", "score") }}</td><td class="n"><span class="bar" aria-hidden="true"><i style="width:{{ "%.1f"|format(100 * row.f1) }}%"></i></span>
{{ fig(at ~ ".f1", "score") }}</td></tr>
{%- endfor %}
</tbody></table>
</div>
{%- if charts.confusion %}
<div class="card"><figure><h3>Confusion matrix</h3>
<ul class="legend"><li><i class="model"></i>right, by share of the true class</li><li><i class="loss"></i>wrong, by square root of the share</li></ul>
<div class="scroll" tabindex="0" role="group" aria-label="Confusion matrix">{{ charts.confusion }}</div>
{%- if r.classes|length > 40 %}<figcaption>The 40 classes with most errors; all are in report.json.</figcaption>{% endif %}
</figure></div>
{%- endif %}
{%- if r.mixups %}
<div class="card scroll" tabindex="0" role="group" aria-label="Most frequent confusions">
<table>
<caption>Most frequent confusions</caption>
<thead><tr><th scope="col">True class</th><th scope="col">Taken for</th><th scope="col" class="n">Rows</th>
<th scope="col" class="n">Of the true class</th></tr></thead>
<tbody>
{%- for pair in r.mixups %}{% set at = "mixups." ~ loop.index0 %}
<tr><th scope="row">{{ user(pair.truth) }}</th><td>{{ user(pair.predicted) }}</td><td class="n">{{ fig(at ~ ".rows", "count") }}</td>
<td class="n">{{ fig(at ~ ".share", "percent") }}</td></tr>
{%- endfor %}
</tbody></table>
</div>
{%- endif %}
</section>

"""
)


def _learned(condition: str) -> str:
    """The part of a template with what was learned, of those tables for which the condition holds."""
    return """{%- for table in r.learned %}{% set at = "learned." ~ loop.index0 ~ ".rows." %}
{%- if CONDITION %}{%- if table.curves %}
<div class="card"><figure><h3>{{ table.curves.of|capitalize }} of each trial</h3>
<ul class="legend"><li><i class="baseline"></i>chosen</li>{% if table.curves.lines|length > 1 %}<li><i class="majority"></i>the others</li>{% endif %}</ul>
{{ learned_charts[loop.index0] }}
<figcaption>The longest training of each trial{% if table.curves.by == "cpu_seconds" %}; its CPU-seconds are spread evenly over its steps{% endif %}. What is higher lies on the upper edge.</figcaption></figure></div>
{% endif %}
<div class="card"><details open><summary>What <b>{{ user(table.step) }}</b> learned from {% if table.source == "training" -%}
the training rows{% else %}short trainings, judged on the validation split{% endif %}</summary>
<div class="scroll" tabindex="0" role="group" aria-label="Learned by {{ table.step }}">
<table>
<thead><tr>{% for name in table.rows[0] %}<th scope="col">{{ name|replace("_", " ")|capitalize|replace("Cpu", "CPU") }}</th>{% endfor %}</tr></thead>
<tbody>
{%- for row in table.rows[:rows_shown] %}{% set place = at ~ loop.index0 ~ "." %}
<tr>{% for name, value in row.items() %}<td>{% if value is none %}&ndash;{% elif value is sameas true %}yes{% elif value is sameas false %}
{%- elif value is number %}{{ fig(place ~ name, "short") }}{% else %}{{ user(value) }}{% endif %}</td>{% endfor %}</tr>
{%- endfor %}
</tbody></table></div></details></div>
{%- endif %}
{%- endfor %}
""".replace("CONDITION", condition)


TRAINING = (
    """{%- if charts.loss or charts.accuracy or r.learned|selectattr("source", "ne", "training")|list %}
<section id="training">
<h2>Training</h2>
<p class="lead">What the validation split said while the model learned. No curve uses test rows.</p>
<div class="pair">
{%- if charts.loss %}
<div class="card"><figure><h3>Loss</h3><ul class="legend">
{%- if r.curves.train_loss %}<li><i class="majority"></i>training</li>{% endif %}
{%- if r.curves.valid_loss %}<li><i class="loss"></i>validation</li>{% endif %}</ul>{{ charts.loss }}</figure></div>
{%- endif %}
{%- if charts.accuracy %}
<div class="card"><figure><h3>Accuracy</h3><ul class="legend"><li><i class="model"></i>validation</li></ul>{{ charts.accuracy }}</figure></div>
{%- endif %}
</div>
"""
    + _learned('table.source != "training"')
    + """</section>
{%- endif %}

"""
)

DATA = """<section id="data">
<h2>Data</h2>
<p class="lead">Every row that came in is accounted for: it went on, was rejected as unreadable, or was dropped by a named rule.</p>
{%- if r.stages %}
<div class="card"><figure><h3>Rows by stage</h3>
<ul class="legend"><li><i class="model"></i>went on</li>{% if any_added %}<li><i class="second"></i>added</li>{% endif -%}
{% if any_lost %}<li><i class="loss"></i>rejected or dropped</li>{% endif %}</ul>
<div class="scroll" tabindex="0" role="group" aria-label="Rows by stage">{{ charts.funnel }}</div></figure></div>
<div class="card scroll" tabindex="0" role="group" aria-label="Stages">
<table>
<caption>What each stage did</caption>
<thead><tr><th scope="col">Stage</th><th scope="col" class="n">In</th><th scope="col">Rejected</th><th scope="col">Dropped</th>
<th scope="col">Changed</th><th scope="col" class="n">Added</th><th scope="col" class="n">Out</th></tr></thead>
<tbody>
{%- for flow in r.stages %}{% set at = "stages." ~ loop.index0 %}
<tr><th scope="row">{{ user(flow.stage) }}</th><td class="n">{{ fig(at ~ ".rows_in", "count") }}</td>
<td>{{ reasons(flow.rejected) }}</td><td>{{ reasons(flow.dropped) }}</td><td>{{ reasons(flow.changed) }}</td>
<td class="n">{{ fig(at ~ ".added", "count") }}</td><td class="n">{{ fig(at ~ ".rows_out", "count") }}</td></tr>
{%- endfor %}
</tbody></table>
</div>
{%- endif %}
""" + _learned('table.source == "training"')

_BALANCE = """<div class="pair">
<div class="card"><figure><h3>Class balance</h3>
<ul class="legend">{% for split in r.splits %}<li><i class="{{ styles[loop.index0 if loop.index0 < 3 else 2] }}"></i>{{ user(split.split) }}</li>{% endfor %}</ul>
{{ charts.balance }}</figure></div>
<div class="card scroll" tabindex="0" role="group" aria-label="Splits">
<table>
<caption>Splits</caption>
<thead><tr><th scope="col">Split</th><th scope="col" class="n">Rows</th><th scope="col" class="n">Share</th>
<th scope="col" class="n">Smallest class</th><th scope="col" class="n">Largest class</th></tr></thead>
<tbody>
{%- for split in r.splits %}
<tr><th scope="row">{{ user(split.split) }}</th><td class="n">{{ fig("splits." ~ loop.index0 ~ ".rows", "count") }}</td>
<td class="n">{{ "%.1f%%"|format(100 * split.rows / total_rows) }}</td>
<td class="n">{{ "{:,d}".format(split.counts|min) }}</td><td class="n">{{ "{:,d}".format(split.counts|max) }}</td></tr>
{%- endfor %}
</tbody></table>
</div>
</div>
"""

PARTITIONS = """{%- if r.partitions %}
<div class="card"><details{% if r.partitions|length <= 16 %} open{% endif %}><summary>Partitions ({{ r.partitions|length }}
{%- if r.partitions|length > rows_shown %}, the first {{ rows_shown }} shown{% endif %})</summary>
<div class="scroll" tabindex="0" role="group" aria-label="Partitions">
<table>
<thead><tr><th scope="col">Partition</th><th scope="col" class="n">In</th><th scope="col" class="n">Rejected</th>
<th scope="col" class="n">Dropped</th><th scope="col" class="n">Added</th><th scope="col" class="n">Out</th></tr></thead>
<tbody>
{%- for row in r.partitions[:rows_shown] %}{% set at = "partitions." ~ loop.index0 %}
<tr><th scope="row">{{ user(row.partition) }}</th>
{%- for key in ("rows_in", "rejected", "dropped", "added", "rows_out") %}<td class="n">{{ fig(at ~ "." ~ key, "count") }}</td>{% endfor %}</tr>
{%- endfor %}
</tbody></table></div></details></div>
{%- endif %}
</section>

"""

_AUGMENTATION = """{%- if r.contact_sheet %}
<section id="augmentation">
<h2>Augmentation</h2>
<p class="lead">Training rows beside their altered copies ({% for step in r.contact_sheet.steps %}{{ ", " if not loop.first }}{{ step|replace("_", " ") }}{% endfor %}),
{{ fig("contact_sheet.copies", "count") }} of each
{%- if r.contact_sheet.strength == 0 %}. Their strength is {{ fig("contact_sheet.strength", "short") }}: the copies are as the rows are.
{%- elif r.contact_sheet.strength < 1 %}, at a strength of {{ fig("contact_sheet.strength", "short") }}: a copy that you would not give the same class hurts.
{%- else %}: a copy that you would not give the same class hurts.{% endif %}</p>
{%- if r.contact_sheet.image %}
<div class="card"><img class="sheet" src="{{ r.contact_sheet.image }}" alt="Contact sheet: originals on the left, then their copies"
 width="{{ r.contact_sheet.width }}" height="{{ r.contact_sheet.height }}">
<details><summary>Ids of the originals, from top to bottom</summary>
<ol>{% for row in r.contact_sheet.rows %}<li>{{ user(row.id) }}</li>{% endfor %}</ol></details></div>
{%- elif r.contact_sheet.columns %}
<div class="card scroll" tabindex="0" role="group" aria-label="Rows and their copies">
<table class="sheet-rows">
<thead><tr><th scope="col">Row</th>{% for name in r.contact_sheet.columns %}<th scope="col" class="n">{{ user(name) }}</th>{% endfor %}</tr></thead>
{%- for row in r.contact_sheet.rows %}
<tbody>
<tr><th scope="row">{{ user(row.id) }}</th>{% for cell in row.cells[0] %}<td class="n">{{ cell }}</td>{% endfor %}</tr>
{%- for copy in row.cells[1:] %}{% set marks = row.changed[loop.index0] %}
<tr><th scope="row">copy {{ loop.index }}</th>{% for cell in copy %}<td class="n">{% if marks[loop.index0] %}<mark>{{ cell }}</mark>{% else %}{{ cell }}{% endif %}</td>{% endfor %}</tr>
{%- endfor %}
</tbody>
{%- endfor %}
</table></div>
<p class="note">Numbers as normalisation leaves them; what a copy has changed is marked.</p>
{%- else %}
<div class="card scroll" tabindex="0" role="group" aria-label="Texts and their copies">
<table>
<thead><tr><th scope="col">Original</th>{% for _ in range(r.contact_sheet.copies) %}<th scope="col">Copy {{ loop.index }}</th>{% endfor %}</tr></thead>
<tbody>
{%- for row in r.contact_sheet.rows %}
<tr><td class="sheet-text" dir="auto">{{ row.text }}<br><span class="id">{{ user(row.id) }}</span></td>
{%- for copy in row.copies %}<td class="sheet-text" dir="auto">{{ copy }}</td>{% endfor %}</tr>
{%- endfor %}
</tbody></table></div>
{%- if "bpe_dropout" in r.contact_sheet.steps %}<p class="note">Where a copy reads like its text, its tokens are others (bpe_dropout).</p>{% endif %}
{%- endif %}
</section>
{%- endif %}

"""

_SAMPLES = """{%- if r.samples or r.mistakes %}
<section id="samples">
<h2>Samples</h2>
<p class="lead">Rows of the test split as the model saw them{% if r.mistakes %}, then rows that it got wrong, one of each frequent confusion{% endif %}.</p>
{%- for heading, rows in (("Some test rows", r.samples), ("Mistakes", r.mistakes)) if rows %}
<h3>{{ heading }}</h3>
<ul class="samples{% if rows[0].image %} images{% endif %}">
{%- for row in rows %}
<li class="sample">{% if row.image %}<img src="{{ row.image }}" alt="{{ "Spectrogram" if r.subject.modality == "sound" else "Image" }} of {{ row.truth }}" width="96" height="96">
{%- else %}<p dir="auto">{{ row.text }}</p>{% endif %}
<div class="labels"><span>is <b>{{ user(row.truth) }}</b></span>
<span>predicted <b class="{{ "right" if row.predicted == row.truth else "wrong" }}">{{ user(row.predicted) }}{{ "" if row.predicted == row.truth else " ✗" }}</b></span></div>
<span class="id">{{ user(row.id) }}</span></li>
{%- endfor %}
</ul>
{%- endfor %}
</section>
{%- endif %}

"""

END = """<section id="cost">
<h2>Cost</h2>
<p class="lead">What the model took to train, beside the baseline. A figure that nobody counted is left open.</p>
<div class="card scroll" tabindex="0" role="group" aria-label="Cost">
<table>
<thead><tr><th scope="col">Figure</th>{% for row in r.costs %}<th scope="col" class="n">{{ user(row.name) }}</th>{% endfor %}</tr></thead>
<tbody>
{%- for name, cells in costs %}
<tr><th scope="row">{{ name }}</th>{% for cell, note in cells %}<td class="n">{{ cell }}{% if note %} <span class="note">{{ note }}</span>{% endif %}</td>{% endfor %}</tr>
{%- endfor %}
</tbody></table>
{%- for line in cost_notes %}<p class="note">{{ line }}</p>{% endfor %}
</div>
</section>

<section id="provenance">
<h2>Provenance</h2>
<p class="lead">Equal inputs, code and seed give an equal model.</p>
<div class="card"><dl class="facts">
<dt>Seed</dt><dd>{{ fig("subject.seed", "plain") }}</dd>
<dt>Fingerprint of the model</dt><dd><code>{{ r.subject.fingerprint }}</code></dd>
</dl>
{%- if r.subject.settings %}
<details><summary>The recipe with all its values: <code>satiety run</code> on it makes this report again</summary>
<pre class="scroll" tabindex="0">{{ r.subject.settings }}</pre></details>
{%- endif %}
</div>
{%- if r.inputs %}
<div class="card"><details{% if r.inputs|length <= 12 %} open{% endif %}><summary>Digests of all inputs ({{ r.inputs|length }}
{%- if r.inputs|length > rows_shown %}, the first {{ rows_shown }} shown{% endif %})</summary>
<div class="scroll" tabindex="0" role="group" aria-label="Digests">
<table>
<thead><tr><th scope="col">Stage</th><th scope="col">Partition</th><th scope="col">Digest (SHA-256 over the manifest's files)</th></tr></thead>
<tbody>
{%- for row in r.inputs[:rows_shown] %}
<tr><th scope="row">{{ user(row.stage) }}</th><td>{{ user(row.partition) }}</td><td><code>{{ row.digest }}</code></td></tr>
{%- endfor %}
</tbody></table></div></details></div>
{%- endif %}
</section>

<section id="limits">
<h2>What this does not show</h2>
<ul class="notes">
{%- for note in r.notes %}<li>{{ user(note) }}</li>{% endfor %}
<li>The intervals are about drawing other test rows from the same source. They do not cover another training seed,
another source, or a change of the data over time.</li>
<li>The baseline was fitted once with fixed settings and not tuned.</li>
</ul>
</section>
</main>
<footer><p>Made by Satiety from the same figures as report.json beside this file. Nothing is loaded from a network and no
script runs. Every figure marked up as data names its place in report.json.</p></footer>
</body>
</html>
"""

TEMPLATE = TOP + _KIND + VERDICT + _RESULT + TRAINING + DATA + _BALANCE + PARTITIONS + _AUGMENTATION + _SAMPLES + END
