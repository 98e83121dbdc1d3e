from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ops.evaluation.svg import Scale, element, log_ticks, number, text, tick_label, ticks

finite = st.floats(-1e6, 1e6)


@given(finite, st.floats(1e-3, 1e6))
def test_ticks_are_round_and_cover_the_range(low: float, width: float) -> None:
    high = low + width
    marks = ticks(low, high)
    step = marks[1] - marks[0]
    slack = 1e-6 * max(step, abs(low), abs(high))
    assert marks[0] <= low + slack and marks[-1] >= high - slack
    assert 2 <= len(marks) <= 8
    labels = [tick_label(mark, step) for mark in marks]
    assert len(set(labels)) == len(labels)


@given(st.floats(1e-12, 1e12), st.floats(1.0, 1e20))
def test_marks_of_a_logarithmic_scale_are_round_and_cover_the_range(low: float, ratio: float) -> None:
    marks = log_ticks(low, low * ratio)
    assert marks[0] <= low * (1 + 1e-9) and marks[-1] >= low * ratio * (1 - 1e-9)
    assert 2 <= len(marks) <= 8
    assert all(f"{mark:e}".split("e")[0] in {"1.000000", "2.000000", "3.000000", "5.000000"} for mark in marks)
    assert marks == sorted(set(marks))


def test_marks_of_learning_rates() -> None:
    assert log_ticks(0.00045, 0.0041) == [0.0002, 0.0005, 0.001, 0.002, 0.005]
    assert log_ticks(0.001, 0.001) == [0.001, 0.01]
    assert log_ticks(1e-5, 3.0) == [1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0]


def test_labels() -> None:
    assert [tick_label(v, 0.25) for v in (0.0, 0.25, -0.5)] == ["0.00", "0.25", "\N{MINUS SIGN}0.50"]
    assert [tick_label(v, 2.5) for v in (0, 2.5)] == ["0.0", "2.5"]
    assert [tick_label(v, 2500) for v in (0, 2500, 5000)] == ["0", "2.5k", "5k"]
    assert (ticks(3, 3)[0], ticks(3, 3)[-1]) == (0, 3)
    assert (ticks(-3, -3)[0], ticks(-3, -3)[-1]) == (-3, 0)
    assert (ticks(1.0, 1.0)[-1], ticks(0, 0)) == (1.0, [0, 0.25, 0.5, 0.75, 1]), "no accuracy is above 1"


def test_coordinates_are_short() -> None:
    assert [number(v) for v in (0, -0.001, 1 / 3, 20, 1e3)] == ["0", "0", "0.33", "20", "1000"]
    assert Scale(0, 10, 100, 200)(5) == 150
    assert Scale(3, 3, 100, 200)(3) == 100


def test_everything_is_escaped() -> None:
    assert text(1, 2, "<b>&") == '<text x="1" y="2" text-anchor="start">&lt;b&gt;&amp;</text>'
    assert element("rect", class_='a" onload="x') == '<rect class="a&quot; onload=&quot;x"/>'
    assert element("rect", fill_opacity=0.5) == '<rect fill-opacity="0.5"/>'
