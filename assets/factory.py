"""From a stage to a Dagster asset: key, group, partitions, dependencies, versions, metadata and checks."""

# No `from __future__ import annotations`: Dagster wants the annotations of an asset's function as classes, not as text.

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import dagster as dg

from assets.look import Look, Versions, column_schema, counts_by_reason
from ops.errors import ConfigError, SatietyError, Temporary
from ops.recipe import Recipe
from ops.stages.code import code_versions
from ops.stages.run import Built
from ops.stages.spec import ALL, Input, Stage
from ops.storage import sha256_json
from ops.torchrun import POOL, failure
from resources.workspace import Workspace

RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"
WHOLE = "satiety/whole"
"""Tag of a run that was asked for over all partitions there were: what has come behind them since is not of it."""


def of_run(recipe: Recipe, tags: Mapping[str, str]) -> Recipe:
    """The recipe with the partitions that a run is of: all by default; of one over the whole, those of its range.

    A run's process may begin some time after the run was asked for, and knows files that have come in between. Folds
    must not look for their partitions, which nobody asked for.
    """
    return recipe.between(tags[RANGE_START], tags[RANGE_END]) if WHOLE in tags else recipe


def asset_key(recipe: Recipe, stage: str) -> dg.AssetKey:
    """`<recipe>/<stage>`."""
    return dg.AssetKey([recipe.name, stage])


def partitions_def(recipe: Recipe) -> dg.StaticPartitionsDefinition:
    """The recipe's partitions; equal for all its assets, so that keys map to themselves."""
    return dg.StaticPartitionsDefinition(recipe.partition_keys())


def code_version(recipe: Recipe, stage: Stage) -> str:
    """What Dagster compares to see that an asset is out of date: the code and the part of the recipe behind it."""
    ingredients = {"code": code_versions([stage.module, *stage.modules(recipe)]), "config": stage.config(recipe)}
    return sha256_json(ingredients)[:16]


def dependency(recipe: Recipe, wanted: Input) -> dg.AssetDep:
    """An input as a Dagster dependency; a fold depends on all partitions."""
    mapping = dg.AllPartitionMapping() if wanted.every else None
    return dg.AssetDep(asset_key(recipe, wanted.stage), partition_mapping=mapping)


def common(recipe: Recipe, stage: Stage, look: Look) -> dict[str, Any]:
    """The arguments that every asset of a recipe has, whether its body is one function or a graph."""
    key = asset_key(recipe, stage.name)
    return {
        "key": key,
        "group_name": recipe.name,
        "description": stage.description,
        "kinds": set(look.kinds),
        "owners": recipe.owners,
        "code_version": code_version(recipe, stage),
        "check_specs": [check.spec(key) for check in look.checks],
    }


After = Callable[[Workspace, Recipe, Versions, Mapping[str, bool]], dict[str, Any]]
"""Called when an asset is done, with the outcome of its checks; what it returns is added to the metadata."""


Train = Callable[[dg.AssetExecutionContext, Workspace, Recipe, Stage], Built]
"""Builds a stage that starts training processes."""


def stage_asset(
    recipe: Recipe, stage: Stage, look: Look, after: After | None = None, *, train: Train | None = None
) -> dg.AssetsDefinition:
    """The asset of a stage that is one function; one that trains does so by `train`, in its turn in the pool."""

    with warnings.catch_warnings():
        # Single-run backfills are beta in Dagster's words; the tests drive them.
        warnings.simplefilter("ignore", dg.BetaWarning)
        define: Callable[[Callable[..., Any]], dg.AssetsDefinition] = dg.asset(
            **common(recipe, stage, look),
            deps=[dependency(recipe, wanted) for wanted in stage.inputs],
            partitions_def=partitions_def(recipe) if stage.partitioned else None,
            backfill_policy=dg.BackfillPolicy.single_run() if stage.partitioned else None,
            pool=POOL if train is not None else None,
        )

    def body(context: dg.AssetExecutionContext, workspace: dg.ResourceParam[Workspace]) -> dg.MaterializeResult:  # type: ignore[type-arg]  # Dagster does not see through a subscript
        with shown_errors():
            now = of_run(recipe, context.run.tags)
            keys = chosen_partitions(context) if stage.partitioned else None
            told = partial(_log, context)
            if train is not None:
                built = [train(context, workspace, now, stage)]
            else:
                built = workspace.build(now, stage, keys, on_built=told)
        versions = {b.partition: b.version for b in built}
        if stage.partitioned:
            for b in built:
                context.add_asset_metadata(partition_metadata(b), partition_key=b.partition)
        checks = [check.result(context.asset_key, now, versions) for check in look.checks]
        metadata = run_metadata(now, look, built)
        if after is not None:
            outcomes = {check.name: result.passed for check, result in zip(look.checks, checks, strict=True)}
            metadata |= after(workspace, now, versions, outcomes)
        return dg.MaterializeResult(
            metadata=metadata,
            data_version=dg.DataVersion(data_version(versions)),
            check_results=checks,
        )

    return define(body)


def chosen_partitions(context: dg.AssetExecutionContext) -> list[str]:
    """The partitions that a run is over.

    Raises:
        ConfigError: it is over none, as when a job was launched over the interface without any.
    """
    if not (context.has_partition_key or context.has_partition_key_range):
        raise ConfigError(
            "the run names no partitions",
            where=context.asset_key.to_user_string(),
            hint="choose partitions, or all of them with the button All",
        )
    return list(context.partition_keys)


@contextmanager
def shown_errors() -> Iterator[None]:
    """Show our errors as Dagster's failures: the message, where, what to do, and whether to try again."""
    try:
        yield
    except Temporary as error:
        raise dg.RetryRequested(max_retries=1, seconds_to_wait=5) from error
    except SatietyError as error:
        raise failure(error) from error


def data_version(versions: Versions) -> str:
    """The digest of the one version; for a run over several partitions the digest of their digests."""
    digests = {key: version.digest for key, version in versions.items()}
    if len(digests) == 1:
        return next(iter(digests.values()))
    return sha256_json(digests)[:32]


def partition_metadata(built: Built) -> dict[str, Any]:
    """What the web page shows for one partition."""
    manifest = built.version.manifest
    found: dict[str, Any] = {"digest": manifest.digest, "fingerprint": manifest.fingerprint, "reused": not built.built}
    if manifest.counts is not None:
        found["dagster/partition_row_count"] = manifest.counts.rows_out
    return found


def run_metadata(recipe: Recipe, look: Look, built: Iterable[Built]) -> dict[str, Any]:
    """What the web page shows for the run: totals, schema, reasons, cost, where it lies, and the asset's own."""
    built = list(built)
    versions = {b.partition: b.version for b in built}
    first = built[0].version
    found: dict[str, Any] = {
        "digest": data_version(versions),
        "dagster/uri": dg.MetadataValue.path(str(first.path if len(built) == 1 else first.path.parent.parent)),
        "partitions_built": sum(b.built for b in built),
        "partitions_reused": sum(not b.built for b in built),
        "bytes": sum(entry.bytes for v in versions.values() for entry in v.manifest.files),
    }
    counts = [v.manifest.counts for v in versions.values() if v.manifest.counts is not None]
    if counts:
        found["rows_in"] = sum(c.rows_in for c in counts)
        found["rows_out"] = sum(c.rows_out for c in counts)
        # Dagster's word for the rows of the whole asset, which a run over some partitions does not know.
        if versions.keys() >= {ALL} or len(versions) == len(recipe.partition_keys()):
            found["dagster/row_count"] = found["rows_out"]
    if any(entry.name == "data.parquet" for entry in first.manifest.files):
        found["dagster/column_schema"] = column_schema(first)
    reasons = counts_by_reason(versions)
    if reasons is not None:
        found["rows_by_reason"] = reasons
    costs = [v.cost for v in versions.values() if v.cost]
    if costs:
        found["cpu_seconds"] = round(sum(float(c.get("cpu_s", 0.0)) for c in costs), 3)
        found["peak_memory_bytes"] = max(int(c.get("peak_rss_bytes", 0)) for c in costs)
    return found | look.metadata(recipe, versions)


def _log(context: dg.AssetExecutionContext, built: Built, done: int, of: int) -> None:
    word = "built" if built.built else "fresh"
    context.log.info(f"{built.stage}[{built.partition}] {word} ({done} of {of}), digest {built.version.digest}")
