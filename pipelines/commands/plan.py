"""`satiety plan`: what would be built, and why."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import TYPE_CHECKING, Any

from pipelines.commands.options import JsonOption, PartitionOption, RecipeArgument, SetOption, StageOption

if TYPE_CHECKING:
    from pipelines.plan import Item, Plan

STYLES = {"fresh": "green", "reuse": "cyan", "build": "yellow", "pending": "blue"}
REASONS_SHOWN = 4


def plan(
    recipe: RecipeArgument,
    overrides: SetOption = None,
    stage: StageOption = None,
    partition: PartitionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show every stage and partition: fresh or to build, and why.

    Builds nothing. fresh: the version in use is what would be built. reuse: a version that is there comes into use.
    build: will be built. pending: depends on how an input comes out; skipped if that comes out as before.
    """
    from ops.storage import Store
    from pipelines.console import give
    from pipelines.plan import make_plan
    from pipelines.recipe import load
    from resources.settings import load_settings

    loaded = load(recipe, overrides or ())
    made = make_plan(loaded.recipe, Store(load_settings().store), stage, partition)
    if as_json:
        give(document(made, recipe))
    else:
        show(made)


def document(plan: Plan, reference: str) -> dict[str, Any]:
    """The plan as the JSON that `plan` and `run --dry-run` print."""
    return {**plan.data(), "reference": reference}


def show(plan: Plan) -> None:
    """Print the plan, equal partitions of a stage in one line."""
    from pipelines.console import coloured, table, tell

    rows = []
    for name, group in groupby(plan.items, key=lambda item: item.stage):
        items = list(group)
        for status, reasons, same in collapse(items):
            keys = "" if len(same) == len(items) else _keys([item.partition for item in same])
            why = "; ".join(reasons[:REASONS_SHOWN])
            more = f"; and {len(reasons) - REASONS_SHOWN} more" if len(reasons) > REASONS_SHOWN else ""
            part = f"{len(same)}/{len(items)}"
            rows.append(
                (name, part, coloured(status, STYLES[status]), keys + (": " if keys and why else "") + why + more)
            )
            name = ""
    table(("stage", "parts", "status", "why"), rows, right=("parts",))
    tell(summary(plan))


def collapse(items: Iterable[Item]) -> list[tuple[str, list[str], list[Item]]]:
    """Items of one stage by status and reasons; in a reason, the item's own partition counts as the same for all."""
    found: dict[tuple[str, tuple[str, ...]], list[Item]] = {}
    for item in items:
        reasons = tuple(reason.replace(f"[{item.partition}]", "[…]") for reason in item.reasons)
        found.setdefault((item.status, reasons), []).append(item)
    return [
        (status, list(reasons) if len(same) > 1 else same[0].reasons, same) for (status, reasons), same in found.items()
    ]


def summary(plan: Plan) -> str:
    """The plan in a sentence."""
    if plan.fresh:
        return f"{plan.recipe}: nothing to do, all {len(plan.items)} results are fresh"
    counts = [f"{count} {status}" for status, count in plan.counts.items() if count]
    return f"{plan.recipe}: {', '.join(counts)}"


def _keys(keys: list[str]) -> str:
    return ", ".join(keys) if len(keys) <= 3 else f"{', '.join(keys[:3])} and {len(keys) - 3} more"
