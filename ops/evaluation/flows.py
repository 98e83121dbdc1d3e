"""Adding up what the stages did to the rows, by stage and by partition."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ops.errors import IntegrityError
from ops.evaluation.schema import Flow, PartitionFlow
from ops.evaluation.text import line


def check(flow: Flow) -> None:
    """Every row is accounted for.

    Raises:
        IntegrityError: rows do not add up.
    """
    came = flow.rows_in + flow.added
    went = flow.rows_out + sum(flow.rejected.values()) + sum(flow.dropped.values())
    if came != went:
        raise IntegrityError(
            f"{came} rows came in or were added, {went} are accounted for",
            where=f"{flow.stage}[{flow.partition}]",
            hint="rebuild the stage",
        )


def by_stage(flows: Iterable[Flow]) -> list[Flow]:
    """One flow a stage, in order of first appearance, reasons sorted by falling count."""
    grouped: dict[str, list[Flow]] = {}
    for flow in flows:
        check(flow)
        grouped.setdefault(flow.stage, []).append(flow)
    return [
        Flow(
            stage=line(stage),
            rows_in=sum(part.rows_in for part in parts),
            rows_out=sum(part.rows_out for part in parts),
            added=sum(part.added for part in parts),
            rejected=_total(part.rejected for part in parts),
            dropped=_total(part.dropped for part in parts),
            changed=_total(part.changed for part in parts),
        )
        for stage, parts in grouped.items()
    ]


def by_partition(flows: Sequence[Flow]) -> list[PartitionFlow]:
    """One line a partition in order of its key; empty where there is only one partition."""
    grouped: dict[str, list[Flow]] = {}
    for flow in flows:
        grouped.setdefault(flow.partition, []).append(flow)
    if len(grouped) > 1:  # stages that fold over the corpus belong to no partition
        grouped.pop("all", None)
    if len(grouped) < 2:
        return []
    return [
        PartitionFlow(
            partition=line(key),
            rows_in=parts[0].rows_in,
            rejected=sum(sum(part.rejected.values()) for part in parts),
            dropped=sum(sum(part.dropped.values()) for part in parts),
            added=sum(part.added for part in parts),
            rows_out=parts[-1].rows_out,
        )
        for key, parts in sorted(grouped.items())
    ]


def _total(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    summed: dict[str, int] = {}
    for part in counts:
        for reason, rows in part.items():
            name = line(reason)
            summed[name] = summed.get(name, 0) + rows
    return dict(sorted(((k, v) for k, v in summed.items() if v), key=lambda item: (-item[1], item[0])))
