# ruff: noqa: E501 - markup with its expressions is easier to read unbroken
"""The rows that every table of scores has: each system's figures with their intervals, then the model's differences."""

from __future__ import annotations

from collections.abc import Sequence


def score_rows(metrics: Sequence[str], compared: Sequence[str] | None = None) -> str:
    """A part of a template, from the first row to the end of the table's body.

    Args:
        metrics: names of the figures, each with value, low and high.
        compared: those of them that differences have; all by default. For the others stand empty cells.
    """
    compared = metrics if compared is None else compared
    named, same = (", ".join(f'"{name}"' for name in names) for names in (metrics, compared))
    empty = "<td></td><td></td>" * (len(metrics) - len(compared))
    return f"""{{%- for score in r.scores %}}{{% set at = "scores." ~ loop.index0 %}}
<tr class="{{{{ score.role }}}}"><th scope="row">{{{{ user(score.name) }}}}{{% if score.note %}} <span class="note">{{{{ score.note }}}}</span>{{% endif %}}</th>
{{%- for metric in ({named}) %}}
<td class="n">{{{{ fig(at ~ "." ~ metric ~ ".value", "score") }}}}</td>
<td class="n">{{{{ fig(at ~ "." ~ metric ~ ".low", "score") }}}}&ndash;{{{{ fig(at ~ "." ~ metric ~ ".high", "score") }}}}</td>
{{%- endfor %}}</tr>
{{%- endfor %}}
{{%- for difference in r.differences %}}{{% set at = "differences." ~ loop.index0 %}}
<tr><th scope="row">Model minus {{{{ user(difference.against) }}}}</th>
{{%- for metric in ({same}) %}}
<td class="n">{{{{ fig(at ~ "." ~ metric ~ ".value", "signed") }}}}</td>
<td class="n">{{{{ fig(at ~ "." ~ metric ~ ".low", "signed") }}}} to {{{{ fig(at ~ "." ~ metric ~ ".high", "signed") }}}}</td>
{{%- endfor %}}{empty}</tr>
{{%- endfor %}}
</tbody></table>"""
