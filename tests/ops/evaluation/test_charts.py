from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree

import pytest

from ops.evaluation.charts.balance import balance_chart
from ops.evaluation.charts.confusion import confusion_chart
from ops.evaluation.charts.curves import accuracy_chart, loss_chart
from ops.evaluation.charts.frame import Frame
from ops.evaluation.charts.funnel import funnel_chart
from ops.evaluation.charts.scores import scores_chart
from ops.evaluation.schema import Curves, Flow, Point, Split
from ops.evaluation.svg import Chart
from tests.ops.evaluation.example import text_report


def rects(chart: Chart, style: str) -> list[float]:
    """Widths of the rectangles of a style, in order."""
    root = ElementTree.fromstring(chart.inline())
    return [float(r.attrib["width"]) for r in root.iter("rect") if r.attrib["class"] == style]


def test_bars_are_as_long_as_their_rows() -> None:
    flows = [
        Flow(stage="raw", rows_in=100, rows_out=100),
        Flow(stage="clean", rows_in=100, rows_out=60, dropped={"short": 30}, rejected={"bad": 10}),
        Flow(stage="shards", rows_in=60, rows_out=90, added=30),
    ]
    chart = funnel_chart(flows)
    whole, kept, old = rects(chart, "model")
    (lost,), (added,) = rects(chart, "loss"), rects(chart, "second")
    assert (kept / whole, lost / whole, old / whole, added / whole) == pytest.approx((0.6, 0.4, 0.6, 0.3), abs=1e-3)


def test_balance_puts_the_largest_first_and_gathers_the_rest() -> None:
    chart = balance_chart(["a", "b"], [Split(split="train", rows=30, counts=[10, 20])])
    first, second = rects(chart, "model")
    assert second / first == pytest.approx(0.5, abs=1e-3)
    many = balance_chart([f"c{i}" for i in range(90)], [Split(split="train", rows=90, counts=[1] * 90)])
    assert len(rects(many, "model")) == 40
    assert ">51 others<" in many.inline()
    empty = balance_chart(["a"], [Split(split="train", rows=0, counts=[0])])
    assert rects(empty, "model") == [0]


def test_heat_is_the_share_of_the_true_class() -> None:
    chart = confusion_chart(["a", "b"], [[75, 25], [0, 8]])
    root = ElementTree.fromstring(chart.inline())
    heat = {
        r.findtext("title"): float(r.attrib["fill-opacity"]) for r in root.iter("rect") if "fill-opacity" in r.attrib
    }
    assert heat == {"a taken for a: 75 of 100": 0.75, "a taken for b: 25 of 100": 0.5, "b taken for b: 8 of 8": 1.0}
    assert chart.description == "83 of 108 test rows lie on the diagonal."


def test_of_many_classes_the_most_wrong_are_drawn() -> None:
    size = 60
    confusion = [[10 if i == j else 0 for j in range(size)] for i in range(size)]
    confusion[50][55] = 9
    drawn = confusion_chart([f"c{i}" for i in range(size)], confusion).inline()
    assert ">c50<" in drawn and ">c55<" in drawn and ">c49<" not in drawn


def test_curves_go_through_their_points() -> None:
    points = [Point(step=0, value=0.0), Point(step=50, value=1.0), Point(step=100, value=0.5)]
    chart = accuracy_chart(Curves(valid_accuracy=points))
    assert chart is not None
    (drawn,) = re.findall(r'd="M([^"]+)"', chart.inline())
    xy = [tuple(map(float, point.split())) for point in drawn.split(" L")]
    assert [x for x, _ in xy] == [48, 257, 466]
    assert [y for _, y in xy] == [226, 14, 120]
    assert loss_chart(Curves()) is None
    single = loss_chart(Curves(train_loss=[Point(step=0, value=2.0)]))
    assert single is not None and "nan" not in single.inline()


def test_what_is_counted_has_whole_marks_each_once() -> None:
    for last in (1, 3, 4, 24, 1000):
        found = re.findall(r'text-anchor="middle"[^>]*>([^<]*)</text>', Frame(960, 300, 0, last, 0, 1).grid(""))
        marks = [mark for mark in found if mark]
        assert marks == sorted(set(marks), key=float) and all(mark.isdigit() for mark in marks), last


def test_interval_plot_marks_value_and_interval() -> None:
    report = text_report(rows=500)
    root = ElementTree.fromstring(scores_chart(report.scores).inline())
    dots = [float(c.attrib["cx"]) for c in root.iter("circle")]
    assert dots == pytest.approx([190 + 510 * s.accuracy.value for s in report.scores], abs=0.01)
    whiskers = [line.attrib for line in root.iter("line") if line.attrib["class"] == "whisker-model"]
    model = report.scores[0].accuracy
    assert float(whiskers[0]["x1"]) == pytest.approx(190 + 510 * model.low, abs=0.01)
    assert float(whiskers[0]["x2"]) == pytest.approx(190 + 510 * model.high, abs=0.01)
