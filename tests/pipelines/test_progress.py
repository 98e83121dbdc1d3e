"""Progress: what is said, how often, and never a silence that is too long."""

from __future__ import annotations

import re

import pytest

from pipelines.console import seconds, size
from pipelines.progress import HEARTBEAT_SECONDS, Bars, Lines, describe_record
from resources.progress import Event


class Clock:
    """A clock that tests turn."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def heard() -> tuple[Lines, Clock, list[str]]:
    clock = Clock()
    said: list[str] = []
    return Lines(clock=clock, write=said.append), clock, said


def test_lines_come_at_the_end_of_a_stage_and_now_and_then(heard: tuple[Lines, Clock, list[str]]) -> None:
    lines, clock, said = heard
    lines.on_event(Event("stage", "raw_corpus", {"partitions": 3}))
    for done, at in ((1, 1.0), (2, 6.0), (3, 7.0)):
        clock.now = at
        lines.on_event(Event("partition", "raw_corpus", {"built": True, "rows": 1000, "done": done, "of": 3}))
    clock.now = 10.0
    lines.on_event(Event("done", "raw_corpus", {}))
    assert said == [
        "raw_corpus 2/3  2 built  2,000 rows  333 rows/s  6.0 s",
        "raw_corpus 3/3  3 built  3,000 rows  300 rows/s  10.0 s",
    ]


def test_what_is_reused_makes_no_rate(heard: tuple[Lines, Clock, list[str]]) -> None:
    lines, clock, said = heard
    lines.on_event(Event("stage", "shards", {"partitions": ["a", "b"]}))
    clock.now = 1.0
    lines.on_event(Event("partition", "shards", {"built": False, "rows": 1000, "done": 2, "of": 2}))
    lines.on_event(Event("done", "shards", {}))
    assert said == ["shards 2/2  0 built, 2 reused  1.0 s"]


def test_rows_that_go_no_further_are_told_with_the_reason(heard: tuple[Lines, Clock, list[str]]) -> None:
    lines, clock, said = heard
    lines.on_event(Event("stage", "raw_corpus", {"partitions": 2}))
    clock.now = 1.0
    for done in (1, 2):
        data = {"built": True, "rows": 0, "rejected": {"bad_utf8": 30}, "dropped": {}, "done": done, "of": 2}
        lines.on_event(Event("partition", "raw_corpus", data))
    lines.on_event(Event("done", "raw_corpus", {}))
    lines.on_event(Event("stage", "clean_corpus", {"partitions": 1}))
    dropped = {"length.too_short": 1, "exact_duplicates.duplicate": 1200, "quality": 5}
    data = {"built": True, "rows": 10, "rejected": {}, "dropped": dropped, "done": 1, "of": 1}
    lines.on_event(Event("partition", "clean_corpus", data))
    lines.on_event(Event("done", "clean_corpus", {}))
    assert said[0] == "raw_corpus 2/2  2 built  0 rows, 60 rejected (bad_utf8 60)  1.0 s"
    assert "10 rows, 1,206 dropped (exact_duplicates.duplicate 1,200, quality 5, …)" in said[1]


def test_a_heartbeat_breaks_every_silence(heard: tuple[Lines, Clock, list[str]]) -> None:
    lines, clock, said = heard
    lines.on_event(Event("stage", "model", {"partitions": 1}))
    lines.on_event(Event("record", "model", {"step": 1, "loss": 2.5}))
    said.clear()
    for second in range(1, 100):
        clock.now = float(second)
        lines.beat()
    assert len(said) == 3
    assert said[0] == f"still at model 0/1  0 built  {HEARTBEAT_SECONDS:.1f} s, step 1, loss 2.5000"


def test_training_is_told_in_few_lines(heard: tuple[Lines, Clock, list[str]]) -> None:
    lines, clock, said = heard
    lines.on_event(Event("stage", "model", {"partitions": 1}))
    for step in range(1, 101):
        clock.now = step / 10
        lines.on_event(Event("record", "model", {"step": step, "loss": 1.0}))
    lines.on_event(Event("record", "model", {"step": 100, "valid_loss": 0.5, "valid_accuracy": 0.75}))
    assert said[0] == "model: training"
    assert said[-1] == "model: step 100, valid loss 0.5000, valid accuracy 0.7500"
    assert len(said) <= 4


def test_bars_take_any_order_of_events() -> None:
    bars = Bars()
    bars.start()
    for event in (
        Event("partition", "early", {}),
        Event("done", "early", {}),
        Event("stage", "raw_corpus", {"partitions": 2}),
        Event("partition", "raw_corpus", {"built": True, "rows": 5, "done": 1, "of": 2}),
        Event("record", "raw_corpus", {"step": 1}),
        Event("done", "raw_corpus", {}),
    ):
        bars.on_event(event)
    bars.stop()
    (task,) = bars.progress.tasks
    assert (task.description, task.completed, task.total) == ("raw_corpus", 2, 2)


def test_bars_keep_their_width_beside_long_notes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    bars = Bars()
    bars.start()
    dropped = {"exact_duplicates.duplicate": 4000, "quality.gopher_few_words": 30, "length": 2}
    bars.on_event(Event("stage", "clean_corpus", {"partitions": 120}))
    data = {"built": True, "rows": 5, "dropped": dropped, "done": 120, "of": 120}
    bars.on_event(Event("partition", "clean_corpus", data))
    bars.on_event(Event("record", "clean_corpus", {"record": {"step": 1234567, "loss": 1.5, "valid_loss": 1.25}}))
    bars.progress.refresh()
    bars.on_event(Event("done", "clean_corpus", {}))
    bars.stop()
    shown = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", capsys.readouterr().err)
    assert "120/120 0:00:0" in shown and "step 1,234" in shown
    assert "clean_corpus: 4,032 dropped (exact_duplicates.duplicate 4,000, quality.gopher_few_words" in " ".join(
        shown.split()
    )


def test_records_in_words() -> None:
    record = {"step": 1200, "loss": 0.12345, "examples_per_s": 1234.5, "lr": 1e-3, "valid_loss": None}
    assert describe_record(record) == "step 1,200, loss 0.1235, 1,234 examples/s"
    assert describe_record({}) == ""
    told = {"step": 1, "valid_loss": 2.5, "valid_accuracy": 0.5, "valid_nats": 2.5}
    assert describe_record(told) == "step 1, valid loss 2.5000, valid accuracy 0.5000", "a loss in nats is said once"
    assert describe_record({**told, "valid_nats": 2.25}).endswith(", valid nats 2.2500")


def test_figures_for_people() -> None:
    assert [size(n) for n in (0, 999, 1500, 2_500_000, 3 * 10**12)] == [
        "0 B",
        "999 B",
        "1.5 kB",
        "2.5 MB",
        "3,000.0 GB",
    ]
    assert [seconds(n) for n in (0.04, 59.9, 61, 7260)] == ["0.0 s", "59.9 s", "1 min 1 s", "2 h 1 min"]
