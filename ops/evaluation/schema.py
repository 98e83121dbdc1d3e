"""The report as data: everything that report.html, report.json, Dagster's metadata and the terminal show.

There is one `Report` and several renderings; no rendering computes a metric of its own.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ops.config import Config
from ops.evaluation.cost import Cost
from ops.evaluation.sheet import ContactSheet
from ops.evaluation.trial_curves import TrialCurves

Outcome = Literal["better", "even", "worse", "useless"]
Role = Literal["model", "baseline", "majority"]


class Subject(Config):
    """What was trained, from what, and how to do it again."""

    recipe: str
    """Name of the recipe."""

    description: str
    """What the model is for, in the recipe's words."""

    task: str
    """Kind of the task, as `text_classification`."""

    modality: Literal["text", "image", "table", "sound"]
    """What one input is."""

    model: str
    """The architecture in a few words, as `Transformer encoder, 2 layers, width 128`."""

    seed: int
    """The recipe's seed."""

    fingerprint: str
    """Fingerprint of the model's version: code, configuration, inputs and seed."""

    settings: str
    """The recipe with all its values, as YAML: `satiety run` on it makes this report again."""


class Flow(Config):
    """What one stage did to the rows of one partition; rows_in + added = rows_out + rejected + dropped."""

    stage: str
    """Name of the stage."""

    partition: str = "all"
    """Key of the partition, `all` where the stage has none."""

    rows_in: int = Field(ge=0)
    """Rows that came in."""

    rows_out: int = Field(ge=0)
    """Rows that went on."""

    added: int = Field(default=0, ge=0)
    """Rows that the stage made, as copies of augmentation."""

    rejected: dict[str, int] = Field(default_factory=dict)
    """Rows that could not be read, by reason."""

    dropped: dict[str, int] = Field(default_factory=dict)
    """Rows that a step took out, by reason."""

    changed: dict[str, int] = Field(default_factory=dict)
    """Rows that a step altered and kept, by reason."""


class PartitionFlow(Config):
    """What became of one partition's rows over all stages."""

    partition: str
    """Key of the partition."""

    rows_in: int
    """Rows into its first stage."""

    rejected: int
    """Rows rejected by all stages."""

    dropped: int
    """Rows dropped by all stages."""

    added: int
    """Rows added by all stages."""

    rows_out: int
    """Rows out of its last stage."""


class Split(Config):
    """Rows of one split by class."""

    split: str
    """Name of the split: train, valid, test."""

    rows: int
    """Its rows."""

    counts: list[int]
    """Rows by class, in the order of the report's `classes`."""


class Sample(Config):
    """One row of the test split with what the model said."""

    id: str
    """The row's id."""

    text: str | None = None
    """Beginning of the text, where the input is text."""

    image: str | None = None
    """A PNG as a data URI, where the input is an image, or a sound by its spectrogram."""

    truth: str
    """Its class."""

    predicted: str
    """The class that the model gave it."""


class Point(Config):
    """One point of a curve."""

    step: int
    """Optimiser step."""

    value: float = Field(allow_inf_nan=False)
    """Value at that step."""


class LossCurves(Config):
    """The losses while the model was trained; a long curve is thinned to means over equal runs of points."""

    train_loss: list[Point] = Field(default_factory=list)
    """Loss on training batches."""

    valid_loss: list[Point] = Field(default_factory=list)
    """Loss on the validation split."""


class Curves(LossCurves):
    """Learning curves of a classifier."""

    valid_accuracy: list[Point] = Field(default_factory=list)
    """Accuracy on the validation split."""


class Estimate(Config):
    """A figure with its 95% interval."""

    value: float
    """The figure on the test rows."""

    low: float
    """Lower end of the interval."""

    high: float
    """Upper end of the interval."""


class Score(Config):
    """How good one classifier is on the test split."""

    name: str
    """Its name."""

    role: Role
    """Whether it is the model or something to beat."""

    accuracy: Estimate
    """Share of rows predicted right."""

    macro_f1: Estimate
    """Mean F1 over the classes."""

    note: str = ""
    """What a reader must know about it."""


class Difference(Config):
    """The model's score minus another's, on the same resamples of the same rows."""

    against: str
    """Name of the other classifier."""

    role: Role
    """Its role."""

    accuracy: Estimate
    """Difference in accuracy."""

    macro_f1: Estimate
    """Difference in macro-averaged F1."""


class ClassRow(Config):
    """The model's figures for one class."""

    name: str
    """The class."""

    support: int
    """Test rows of the class."""

    predicted: int
    """Test rows taken for the class."""

    precision: float
    """Right ones among the predicted."""

    recall: float
    """Right ones among the true."""

    f1: float
    """Harmonic mean of precision and recall."""


class Mixup(Config):
    """Two classes that the model mixes up."""

    truth: str
    """The true class."""

    predicted: str
    """The class given instead."""

    rows: int
    """Test rows."""

    share: float
    """Share of the true class's test rows."""


class CostRow(Config):
    """What one classifier took."""

    name: str
    """Its name."""

    role: Role
    """Its role."""

    cost: Cost
    """What it took."""


class Origin(Config):
    """One result that the report rests on."""

    stage: str
    """Name of the stage."""

    partition: str
    """Key of the partition."""

    digest: str
    """Digest over the manifest's files."""


class Verdict(Config):
    """What the figures say, in words that do not say more."""

    outcome: Outcome
    """`better` or `worse` than the strongest baseline (the interval of the paired difference is on one side of zero),
    `even` (it holds zero), or `useless` (not better than always guessing the most frequent class)."""

    title: str
    """The outcome in a few words."""

    headline: str
    """The main figures in one sentence."""

    detail: str
    """The paired difference and the relation of costs."""


class Learned(Config):
    """What one step learned from the training rows and why: for imputation the errors of all methods."""

    step: str
    """Kind of the step, numbered where the recipe has several of one kind."""
    source: Literal["training", "validation"] = "training"
    """The rows that it learned from: those of training, or of the validation split, as judged short trainings."""
    rows: list[dict[str, str | bool | float | int | None]]
    """A small table, each row by the names of its columns."""
    curves: TrialCurves | None = None
    """Of a sweep, how its trials learned."""


class Common(Config):
    """What every report has, whatever its model does."""

    subject: Subject
    """What was trained, from what, and how to do it again."""

    verdict: Verdict
    """What the figures say."""

    resamples: int
    """Bootstrap resamples behind the intervals."""

    stages: list[Flow]
    """Rows by stage, summed over its partitions."""

    partitions: list[PartitionFlow]
    """Rows by partition, where there are several."""

    learned: list[Learned] = Field(default_factory=list)
    """What steps of cleaning and normalisation learned from the training rows."""

    costs: list[CostRow]
    """What the model and the baseline took."""

    inputs: list[Origin]
    """Digests of all results that this report rests on."""

    notes: list[str]
    """What the figures do not show."""


class Report(Common):
    """Everything about one trained model that a reader needs to judge it."""

    format: Literal[1] = 1
    """Version of this structure."""

    classes: list[str]
    """Names of the classes; their order is that of every per-class list."""

    test_rows: int
    """Rows of the test split that were judged."""

    scores: list[Score]
    """The model, the classical baseline where there is one, the majority class."""

    differences: list[Difference]
    """The model against each of the others."""

    per_class: list[ClassRow]
    """Precision, recall and F1 by class."""

    confusion: list[list[int]] | None
    """Test rows by true class (outer) and predicted class (inner); null above 100 classes."""

    mixups: list[Mixup]
    """The most frequent confusions."""

    curves: Curves
    """Learning curves."""

    splits: list[Split]
    """Class balance by split."""

    contact_sheet: ContactSheet | None = None
    """Some training rows and their altered copies, where there are copies."""

    samples: list[Sample]
    """Some rows of the test split."""

    mistakes: list[Sample]
    """Some rows that the model gets wrong, of different confusions where there are."""
