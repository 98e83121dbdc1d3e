"""Building the report: one structure from predictions, manifests and history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ops.errors import BadData
from ops.evaluation import metrics
from ops.evaluation.baselines.base import Fitted, Rows
from ops.evaluation.bootstrap import Resampled, interval, resample
from ops.evaluation.curves import learning_curves
from ops.evaluation.given import Given
from ops.evaluation.metrics import Counts, Labels, Scores, check_labels
from ops.evaluation.samples import choose_mistakes, choose_rows, sample
from ops.evaluation.schema import (
    ClassRow,
    Difference,
    Estimate,
    Mixup,
    Report,
    Role,
    Sample,
    Score,
    Split,
)
from ops.evaluation.sheet import ContactSheet
from ops.evaluation.text import clip, line, visible
from ops.evaluation.verdict import judge

LARGEST_CONFUSION = 100
FEW_ROWS = 200


@dataclass(frozen=True)
class TestRows:
    """The test split as the model saw it.

    Attributes:
        ids: ids of the rows.
        inputs: texts, or images as uint8 of shape (rows, height, width, channels).
        truth: class indices of shape (rows,).
        predicted: the model's class indices of shape (rows,).
    """

    __test__ = False  # pytest would take it for a test class

    ids: Sequence[str]
    inputs: Rows
    truth: Labels
    predicted: Labels


def build_report(
    given: Given,
    *,
    classes: Sequence[str],
    test: TestRows,
    balance: Mapping[str, Sequence[int]],
    samples: int = 6,
    mistakes: int = 6,
    notes: Sequence[str] = (),
    contact_sheet: ContactSheet | None = None,
) -> Report:
    """Judge a model on its test rows and gather what a reader needs to know.

    A pure function: equal arguments give equal reports, in whatever order the test rows come apart from the samples.

    Args:
        given: what every report is made from.
        classes: names of the classes by index.
        test: the test rows with the model's predictions.
        balance: rows by class for each split; `train` must be there, its most frequent class is the majority baseline.
        samples: how many test rows to show.
        mistakes: how many wrong test rows to show.
        notes: further remarks for the reader.
        contact_sheet: some training rows and their altered copies.

    Raises:
        BadData: labels, counts or rows that do not fit each other.
        IntegrityError: a flow whose rows do not add up.
    """
    names, seed = [line(name, 60) for name in classes], given.subject.seed
    systems = _systems(test, len(names), balance, given.baseline)
    confusion = metrics.confusion_matrix(test.truth, test.predicted, len(names))
    scores, differences = _scores(test.truth, systems, len(names), given)
    train_rows = int(sum(balance["train"]))
    return Report(
        **given.fields(),
        verdict=judge(scores, differences, given.costs(), test_rows=len(test.truth), train_rows=train_rows),
        classes=names,
        test_rows=len(test.truth),
        scores=scores,
        differences=differences,
        per_class=_per_class(names, confusion),
        confusion=confusion.tolist() if len(names) <= LARGEST_CONFUSION else None,
        mixups=_mixups(names, confusion),
        curves=learning_curves(given.history),
        splits=_splits(balance),
        contact_sheet=contact_sheet,
        samples=_samples(names, test, choose_rows(test.truth, samples, seed)),
        mistakes=_samples(names, test, choose_mistakes(test.truth, test.predicted, mistakes, seed)),
        notes=[*_notes(confusion, scores, names), *(clip(visible(note), 500) for note in notes)],
    )


def _systems(
    test: TestRows, classes: int, balance: Mapping[str, Sequence[int]], baseline: Fitted | None
) -> dict[Role, Labels]:
    rows = len(test.truth)
    if not len(test.ids) == len(test.inputs) == rows:
        raise BadData(f"{len(test.ids)} ids and {len(test.inputs)} inputs for {rows} test rows")
    for split, counts in balance.items():
        if len(counts) != classes:
            raise BadData(f"split {split!r}: {len(counts)} counts for {classes} classes")
    if "train" not in balance:
        raise BadData("class balance has no split 'train'")
    truth = check_labels("truth", test.truth, classes, rows)
    if "test" in balance and np.bincount(truth, minlength=classes).tolist() != [int(n) for n in balance["test"]]:
        raise BadData("the class balance of split 'test' is not that of the test rows")
    systems: dict[Role, Labels] = {"model": check_labels("predictions", test.predicted, classes, rows)}
    if baseline is not None:
        systems["baseline"] = check_labels(baseline.title, baseline.predictions, classes, rows)
    systems["majority"] = np.full(rows, int(np.argmax(np.asarray(balance["train"]))), dtype=np.int64)
    return systems


def _scores(
    truth: Labels, systems: dict[Role, Labels], classes: int, given: Given
) -> tuple[list[Score], list[Difference]]:
    names: dict[Role, str] = {"model": "Model", "baseline": given.rival, "majority": "Majority class"}
    drawn = resample(
        truth,
        {str(role): labels for role, labels in systems.items()},
        classes,
        resamples=given.resamples,
        seed=given.subject.seed,
    )
    matrices = {role: metrics.confusion_matrix(truth, labels, classes) for role, labels in systems.items()}
    exact = {role: (metrics.accuracy(matrix), metrics.macro_f1(matrix)) for role, matrix in matrices.items()}
    scores = [
        Score(
            name=names[role],
            role=role,
            accuracy=estimate(exact[role][0], drawn[role].accuracy),
            macro_f1=estimate(exact[role][1], drawn[role].macro_f1),
            note=given.rival_note if role == "baseline" else "",
        )
        for role in systems
    ]
    own: Resampled = drawn["model"]
    differences = [
        Difference(
            against=names[role],
            role=role,
            accuracy=estimate(exact["model"][0] - exact[role][0], own.accuracy - drawn[role].accuracy),
            macro_f1=estimate(exact["model"][1] - exact[role][1], own.macro_f1 - drawn[role].macro_f1),
        )
        for role in systems
        if role != "model"
    ]
    return scores, differences


def estimate(value: float, drawn: Scores) -> Estimate:
    """A figure with the interval of its resamples."""
    # Six decimals: far below the interval's width, and free of the last bits in which libraries may differ.
    low, high = interval(drawn)
    return Estimate(value=round(value, 6), low=round(low, 6), high=round(high, 6))


def _per_class(names: list[str], confusion: Counts) -> list[ClassRow]:
    scores = metrics.class_scores(confusion)
    return [
        ClassRow(
            name=name,
            support=int(scores.support[i]),
            predicted=int(scores.predicted[i]),
            precision=round(float(scores.precision[i]), 6),
            recall=round(float(scores.recall[i]), 6),
            f1=round(float(scores.f1[i]), 6),
        )
        for i, name in enumerate(names)
    ]


def _mixups(names: list[str], confusion: Counts, limit: int = 8) -> list[Mixup]:
    wrong: NDArray[np.int64] = confusion.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:limit]
    cells = [(int(cell) // len(names), int(cell) % len(names)) for cell in order]
    return [
        Mixup(
            truth=names[truth],
            predicted=names[predicted],
            rows=int(wrong[truth, predicted]),
            share=round(float(wrong[truth, predicted] / confusion[truth].sum()), 6),
        )
        for truth, predicted in cells
        if wrong[truth, predicted]
    ]


def _samples(names: list[str], test: TestRows, rows: list[int]) -> list[Sample]:
    return [
        sample(test.ids[row], test.inputs[row], names[int(test.truth[row])], names[int(test.predicted[row])])
        for row in rows
    ]


def _splits(balance: Mapping[str, Sequence[int]]) -> list[Split]:
    return [
        Split(split=line(name), rows=int(sum(counts)), counts=[int(count) for count in counts])
        for name, counts in balance.items()
    ]


def _notes(confusion: Counts, scores: Sequence[Score], names: list[str]) -> list[str]:
    rows = int(confusion.sum())
    support = confusion.sum(axis=1)
    notes = []
    if rows < FEW_ROWS:
        notes.append(f"The test split has only {rows} rows: the intervals are wide and may still be too narrow.")
    if any(score.role == "model" and score.accuracy.low == score.accuracy.high for score in scores):
        # Hanley and Lippman-Hand, 1983: the rule of three
        notes.append(
            f"No resample changes the model's accuracy, so its interval is a point. With {rows} rows alike, an error "
            f"rate of up to {min(1.0, 3 / rows):.3f} would go unnoticed one time in twenty."
        )
    absent = [name for name, count in zip(names, support, strict=True) if count == 0]
    if absent:
        shown = ", ".join(absent[:5]) + (", and others" if len(absent) > 5 else "")
        notes.append(f"{len(absent)} of {len(names)} classes have no test row: {shown}.")
    if all(score.role != "baseline" for score in scores):
        notes.append("No classical baseline was run, so nothing here shows that a model of this size is needed.")
    return notes
