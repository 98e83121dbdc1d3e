# ruff: noqa: E501 - markup with its expressions is easier to read unbroken
"""The template of a language model's page; what it shares with a classifier's is in `ops/evaluation/page.py`."""

from __future__ import annotations

from ops.evaluation.page import DATA, END, PARTITIONS, TOP, TRAINING, VERDICT
from ops.evaluation.score_table import score_rows

_KIND = """<p class="kind">{{ r.subject.task|replace("_", " ")|capitalize }}, {{ "{:,d}".format(r.vocabulary) }} tokens, context {{ r.context }}
{%- if r.subject.model %} · {{ user(r.subject.model) }}{% endif %}</p>
"""

_LEGEND = """<ul class="legend"><li><i class="model"></i>model</li>{% if r.costs|length > 1 %}<li><i class="baseline"></i>{{ user(r.costs[1].name) }}</li>{% endif %}<li><i class="majority"></i>token frequencies</li></ul>"""

_RESULT = (
    """<section id="result">
<h2>Result</h2>
<p class="lead">{{ fig("test_tokens", "count") }} tokens of {{ fig("test_rows", "count") }} test texts that training never saw. Intervals hold 95% of
{{ fig("resamples", "count") }} bootstrap resamples of {{ fig("blocks", "count") }} stretches of neighbouring tokens; all systems are judged on the same resamples.
A nat is the loss −ln&nbsp;p of one token; bits a character can be compared between vocabularies.</p>
<div class="card">
<h3>Nats a token with 95% intervals</h3>
<div class="scroll" tabindex="0" role="group" aria-label="Nats chart">{{ charts.scores }}</div>
<h3 class="next">Model minus {{ user(rival.against) }}: below zero the model tells better</h3>
<div class="scroll" tabindex="0" role="group" aria-label="Difference chart">{{ charts.difference }}</div>
</div>
<div class="card scroll" tabindex="0" role="group" aria-label="Scores">
<table>
<caption>What a token and a character cost</caption>
<thead><tr><th scope="col">System</th>{% for name in ("Nats a token", "Bits a character") %}<th scope="col" class="n">{{ name }}</th><th scope="col" class="n">95% interval</th>{% endfor %}</tr></thead>
<tbody>
"""
    + score_rows(("nats", "bits"))
    + """
<p class="note">The model: perplexity {{ fig("perplexity", "score") }}, {{ fig("bits_per_byte", "score") }} bits a byte of {{ fig("test_bytes", "count") }}, and {{ fig("accuracy", "percent") }} of the tokens were thought most likely.</p>
</div>
</section>

<section id="places">
<h2>What was seen</h2>
<p class="lead">How what a token costs falls with the number of tokens that were seen before it.</p>
<div class="card"><figure><h3>Nats by tokens seen, each step twice as many</h3>"""
    + _LEGEND
    + """
<div class="scroll" tabindex="0" role="group" aria-label="Nats by tokens seen">{{ charts.places }}</div></figure></div>
<div class="card"><details><summary>The same as a table</summary><div class="scroll" tabindex="0" role="group" aria-label="Nats by tokens seen">
<table>
<thead><tr><th scope="col">Seen</th><th scope="col" class="n">Tokens told</th><th scope="col" class="n">Model</th>{% if r.costs|length > 1 %}<th scope="col" class="n">{{ user(r.costs[1].name) }}</th>{% endif %}<th scope="col" class="n">Token frequencies</th></tr></thead>
<tbody>
{%- for row in r.places %}{% set at = "places." ~ loop.index0 %}
<tr><th scope="row">{{ row.first }}{% if row.last > row.first %} to {{ row.last }}{% endif %}</th><td class="n">{{ fig(at ~ ".tokens", "count") }}</td><td class="n">{{ fig(at ~ ".model", "score") }}</td>{% if r.costs|length > 1 %}<td class="n">{{ fig(at ~ ".baseline", "score") }}</td>{% endif %}<td class="n">{{ fig(at ~ ".unigram", "score") }}</td></tr>
{%- endfor %}
</tbody></table></div></details></div>
</section>

"""
)

_SPLITS = """<div class="card scroll" tabindex="0" role="group" aria-label="Splits">
<table>
<caption>Splits</caption>
<thead><tr><th scope="col">Split</th><th scope="col" class="n">Texts</th><th scope="col" class="n">Characters</th><th scope="col" class="n">Tokens told</th><th scope="col" class="n">Share</th></tr></thead>
<tbody>
{%- for split in r.splits %}{% set at = "splits." ~ loop.index0 %}
<tr><th scope="row">{{ user(split.split) }}</th>{% for key in ("texts", "characters", "tokens") %}<td class="n">{{ fig(at ~ "." ~ key, "count") }}</td>{% endfor %}
<td class="n">{{ "%.1f%%"|format(100 * split.tokens / total_tokens) }}</td></tr>
{%- endfor %}
</tbody></table>
</div>
"""

_SAMPLES = """{%- if r.samples %}
<section id="samples">
<h2>Samples</h2>
<p class="lead">Beginnings of test texts, as the model goes on with them and as they go on. What it writes is drawn with the recipe's seed.</p>
<div class="card scroll" tabindex="0" role="group" aria-label="Texts that the model wrote">
<table class="texts">
<thead><tr><th scope="col">Beginning</th><th scope="col">The model goes on</th><th scope="col">The text goes on</th></tr></thead>
<tbody>
{%- for row in r.samples %}
<tr><td class="sheet-text" dir="auto">{{ row.prompt }}<br><span class="id">{{ user(row.id) }}</span></td>
<td class="sheet-text" dir="auto">{{ row.written }}</td><td class="sheet-text" dir="auto">{{ row.came }}</td></tr>
{%- endfor %}
</tbody></table></div>
</section>
{%- endif %}

"""

LANGUAGE_TEMPLATE = TOP + _KIND + VERDICT + _RESULT + TRAINING + DATA + _SPLITS + PARTITIONS + _SAMPLES + END
