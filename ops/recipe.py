"""The recipe: everything about one pipeline from source to report, as one frozen value.

It is pure data that every layer reads; finding, reading and checking recipe files is `pipelines/recipe.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, Field, PrivateAttr, model_validator

from ops.augmentation.config import Augmentation
from ops.cleaning.split import Split
from ops.config import Config
from ops.cron import check_cron
from ops.deduplication.base import WholeCorpus
from ops.errors import ConfigError
from ops.evaluation.baselines.base import Baseline
from ops.fitting import FittedStep
from ops.launch import LaunchConfig
from ops.nn.models.base import Model
from ops.recipe_checks import Problem, problems
from ops.registry import union
from ops.scoring import Scoring
from ops.sources.base import Source
from ops.steps import Step
from ops.sweep.config import Sweep
from ops.tasks.base import Task
from ops.tokenization.base import Tokenizer
from ops.training.config import TrainingConfig

if TYPE_CHECKING:
    # A type checker does not see what the registry finds, only what all of a sort have in common.
    AnySource = Source
    CleaningStep = Step
    NormalizationStep = Step
    AnyTokenizer = Tokenizer
    AnyTask = Task
    AnyModel = Model
    AnyBaseline = Baseline
else:
    AnySource = union("ops.sources", base=Source)
    CleaningStep = union("ops.cleaning", "ops.deduplication", base=Step)
    NormalizationStep = union("ops.normalization", base=Step)
    AnyTokenizer = union("ops.tokenization", base=Tokenizer)
    AnyTask = union("ops.tasks", base=Task)
    AnyModel = union("ops.nn.models", base=Model)
    AnyBaseline = union("ops.evaluation.baselines", base=Baseline)

Cron = Annotated[str, AfterValidator(check_cron)]
Month = Annotated[str, Field(pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])$")]

LARGEST_PARTITIONS = 1000
"""Partitions of a corpus, at most."""


class Monthly(Config):
    """One partition for each month of a stretch of time, whether it has rows or not."""

    column: str
    """The column of dates or moments (in UTC) that says in which month a row is."""
    start: Month
    """The first month, as `2010-01`."""
    end: Month
    """The last month; months ahead of the data are empty until their rows come."""

    @model_validator(mode="after")
    def _in_order(self) -> Monthly:
        if not 1 <= len(self.keys()) <= LARGEST_PARTITIONS:
            raise ValueError(f"{self.start} to {self.end} are {len(self.keys())} months, not 1 to {LARGEST_PARTITIONS}")
        return self

    def keys(self) -> list[str]:
        """The months in order, as `2010-01`."""
        first, last = (12 * int(month[:4]) + int(month[5:]) - 1 for month in (self.start, self.end))
        return [f"{number // 12:04d}-{number % 12 + 1:02d}" for number in range(first, last + 1)]


class Partitions(Config):
    """How a corpus is cut into parts that are built, backfilled and retried on their own; exactly one key."""

    by: Literal["package", "file"] | None = None
    """One partition for each natural part of the source: each package, or each file."""
    hash: Annotated[int, Field(ge=1, le=LARGEST_PARTITIONS)] | None = None
    """This many partitions, by a hash of the row's content."""
    monthly: Monthly | None = None
    """One partition for each month, by a column of the row."""
    single: Literal[True] | None = None
    """One partition that holds everything."""

    @model_validator(mode="after")
    def _exactly_one(self) -> Partitions:
        if sum(value is not None for value in (self.by, self.hash, self.monthly, self.single)) != 1:
            raise ValueError("give exactly one of by, hash, monthly, single")
        return self


class Evaluation(Config):
    """How the trained model is judged on the test split."""

    bootstrap: Annotated[int, Field(ge=100, le=100_000)] = 1000
    """Number of bootstrap resamples behind each 95% interval."""
    baseline: AnyBaseline
    """The classical model that is fitted and judged on the same split."""
    samples: Annotated[int, Field(ge=0, le=50)] = 8
    """Number of samples, and of wrong predictions, that the report shows."""


class Automation(Config):
    """What starts the recipe by itself; schedules and sensors are switched on in the web page."""

    data: Cron = "0 2 * * *"
    """Cron expression of the data schedule (default: every night at 2)."""
    training: Cron = "0 4 * * 0"
    """Cron expression of the training schedule (default: Sundays at 4)."""
    watch: str | None = None
    """A folder, relative to the recipe's: when files appear or change in it, the data part is run."""


class Recipe(Config):
    """One pipeline from source to report."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
    """Name of the recipe: prefix of its assets and its folder in the store."""
    description: Annotated[str, Field(min_length=1)]
    """What the model is for, in a sentence; the report opens with it."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    """Seed of everything random: augmentation, initial weights, order of examples, bootstrap."""
    owners: list[Annotated[str, Field(pattern=r"^(team:[A-Za-z0-9_-]+|[^@\s]+@[^@\s]+\.[^@\s]+)$")]] = []
    """Owners shown on each asset: an e-mail address, or `team:name`."""
    source: AnySource
    """Where the raw corpus comes from."""
    partitions: Partitions
    """How the corpus is cut into partitions."""
    cleaning: list[CleaningStep] = []
    """Steps from the raw to the clean corpus, in order."""
    split: Split = Split()
    """How rows are divided into train, valid and test."""
    normalization: list[NormalizationStep] = []
    """Steps that bring clean rows into the form that the model reads, in order."""
    augmentation: Augmentation | None = None
    """Altered copies of training rows."""
    tokenizer: AnyTokenizer | None = None
    """How text becomes tokens; required for text, not allowed for images."""
    task: AnyTask
    """What the model is for."""
    model: AnyModel
    """The model."""
    training: TrainingConfig
    """How the model is trained."""
    sweep: Sweep | None = None
    """Settings that are searched before the model is trained."""
    launch: LaunchConfig = LaunchConfig()
    """On how many nodes and processes training runs."""
    evaluation: Evaluation
    """How the model is judged."""
    automation: Automation = Automation()
    """Schedules and the watched folder."""

    _keys: tuple[str, ...] | None = PrivateAttr(None)

    def as_of_now(self) -> Recipe:
        """This recipe with the partitions that it has now: a run is of one moment, whatever files come meanwhile."""
        found = self.model_copy()
        found._keys = tuple(self.partition_keys())
        return found

    def between(self, first: str, last: str) -> Recipe:
        """This recipe with the partitions from one to another of those that it has.

        Raises:
            ConfigError: it has not both.
        """
        keys = self.partition_keys()
        for key in (first, last):
            if key not in keys:
                raise ConfigError(f"{self.name} has no partition {key} any more", hint="start the run anew")
        found = self.model_copy()
        found._keys = tuple(keys[keys.index(first) : keys.index(last) + 1])
        return found

    def partition_keys(self) -> list[str]:
        """The keys of the corpus's partitions, in order."""
        if self._keys is not None:
            return list(self._keys)
        if self.partitions.hash is not None:
            width = len(str(self.partitions.hash - 1))
            return [f"{index:0{width}d}" for index in range(self.partitions.hash)]
        if self.partitions.monthly is not None:
            return self.partitions.monthly.keys()
        if self.partitions.single:
            return ["all"]
        # In one order however the recipe lists them: a fold goes by it, and its fingerprint knows only their names.
        return sorted(self.source.natural_partitions() or [])

    def part(self, *names: str) -> dict[str, Any]:
        """The named keys as JSON-able data, defaults filled in: what a stage's fingerprint covers."""
        return self.model_dump(mode="json", include=set(names))

    @property
    def known_by(self) -> list[str]:
        """The columns by whose content a row gets its partition and split: the task's input, or all it reads."""
        if self.task.input:
            return [self.task.input]
        return [name for key in ("features", "categories") for name in getattr(self.task, key)]

    @property
    def deduplication(self) -> dict[int, WholeCorpus]:
        """The cleaning steps that compare the rows of the whole corpus, by their place in `cleaning`."""
        return {place: step for place, step in enumerate(self.cleaning) if isinstance(step, WholeCorpus)}

    @property
    def scoring(self) -> dict[int, Scoring]:
        """The cleaning steps that decide by scores, by their place in `cleaning`."""
        return {place: step for place, step in enumerate(self.cleaning) if isinstance(step, Scoring)}

    @property
    def fitting(self) -> dict[int, FittedStep]:
        """The cleaning steps that are fitted on training rows, by their place in `cleaning`."""
        return {place: step for place, step in enumerate(self.cleaning) if isinstance(step, FittedStep)}

    def problems(self, *, partial: bool = False) -> list[Problem]:
        """What is wrong between keys that are each right alone: (path of the key, message); see `problems`."""
        return problems(self, partial=partial)
