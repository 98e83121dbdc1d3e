"""What every report is made from, whatever its model does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ops.evaluation.baselines.base import Fitted
from ops.evaluation.cost import Cost
from ops.evaluation.flows import by_partition, by_stage
from ops.evaluation.schema import CostRow, Flow, Learned, Origin, Subject
from ops.evaluation.text import clip, line, visible


@dataclass(frozen=True, kw_only=True, eq=False)
class Given:
    """What every report is made from.

    Attributes:
        subject: what was trained.
        flows: what each stage did to each partition, in the order of the stages.
        history: records of history.jsonl.
        inputs: digests of everything the report rests on.
        model_cost: what training took.
        baseline: the fitted classical baseline on the same test rows, or nothing.
        resamples: bootstrap resamples; their seed is the subject's.
        learned: what steps learned from the training rows.
    """

    subject: Subject
    flows: Sequence[Flow]
    history: Iterable[Mapping[str, Any]]
    inputs: Sequence[Origin]
    model_cost: Cost
    baseline: Fitted | None = None
    resamples: int = 1000
    learned: Sequence[Learned] = ()

    @property
    def rival(self) -> str:
        """The baseline's name, fit to be shown; empty without one."""
        return "" if self.baseline is None else line(self.baseline.title)

    @property
    def rival_note(self) -> str:
        """What a reader must know about the baseline, fit to be shown."""
        return "" if self.baseline is None else line(self.baseline.note, 200)

    def costs(self) -> list[CostRow]:
        """What the model took, and the baseline where there is one."""
        rows = [CostRow(name="Model", role="model", cost=self.model_cost)]
        more = [] if self.baseline is None else [CostRow(name=self.rival, role="baseline", cost=self.baseline.cost)]
        return [*rows, *more]

    def fields(self) -> dict[str, Any]:
        """The fields that all reports have of it.

        Raises:
            IntegrityError: a flow whose rows do not add up.
        """
        return {
            "subject": shown_subject(self.subject),
            "resamples": self.resamples,
            "stages": by_stage(self.flows),
            "partitions": by_partition(self.flows),
            "learned": list(self.learned),
            "costs": self.costs(),
            "inputs": shown_origins(self.inputs),
        }


def shown_origins(inputs: Sequence[Origin]) -> list[Origin]:
    """The origins, fit to be shown."""
    return [Origin(stage=line(one.stage), partition=line(one.partition), digest=line(one.digest)) for one in inputs]


def shown_subject(subject: Subject) -> Subject:
    """The subject, fit to be shown."""
    return subject.model_copy(
        update={
            "recipe": line(subject.recipe),
            "description": clip(visible(subject.description), 2000),
            "task": line(subject.task),
            "model": line(subject.model, 200),
            "fingerprint": line(subject.fingerprint),
            "settings": clip(visible(subject.settings), 20_000),
        }
    )
