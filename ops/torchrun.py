"""The Dagster op that trains: live metrics as observations, and retries by what went wrong.

The one module of `ops` that knows Dagster. What it runs is handed in: building the model stage, which starts torchrun
through the launcher; that ends all ranks when Dagster interrupts the op, on the web page's "Terminate" as on a Ctrl-C.
"""

# No `from __future__ import annotations`: Dagster wants the annotation of an op's context as a class, not as text.
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import dagster as dg

from ops.errors import SatietyError, Temporary

OBSERVE_S = 1.0
"""Least seconds between two observations of training metrics; each is a row in Dagster's event log."""
POOL = "gpu"

Record = Mapping[str, Any]
Train = Callable[[dg.OpExecutionContext, Callable[[Record], None]], dg.MaterializeResult[None]]


def train_op(
    name: str,
    train: Train,
    *,
    key: dg.AssetKey,
    checks: Sequence[dg.AssetCheckSpec] = (),
    ins: Mapping[str, dg.In] | None = None,
    resources: Sequence[str] = (),
    retries: int = 1,
    wait_s: float = 5.0,
) -> dg.OpDefinition:
    """The op of a graph asset that trains a model; it runs in the pool `gpu`, by default one at a time.

    Its outputs are `result`, the asset, and one for each check, named `check.get_python_identifier()`.

    Args:
        name: name of the op.
        train: does the work; gets the op's context and a listener for the metrics records, and returns what an asset's
            function would, check results included.
        key: key of the asset, which the observations are of.
        checks: the asset's check specs.
        ins: inputs, as a rule of kind `dg.Nothing`.
        resources: keys of the resources that `train` reads from the context.
        retries: how often Dagster starts the op again after a `Temporary`, beside the launcher's own attempts.
        wait_s: seconds before it does.
    """
    outs = {"result": dg.Out(dg.Nothing), **{check.get_python_identifier(): dg.Out(dg.Nothing) for check in checks}}

    @dg.op(name=name, ins=dict(ins or {}), out=outs, pool=POOL, required_resource_keys=set(resources))
    def body(context: dg.OpExecutionContext) -> Iterator[Any]:
        live = LiveMetrics(context, key)
        try:
            result = train(context, live)
        except Temporary as error:
            context.log.warning(str(error))
            raise dg.RetryRequested(max_retries=retries, seconds_to_wait=wait_s) from error
        except SatietyError as error:
            raise failure(error) from error
        finally:
            live.flush()
        yield result._replace(asset_key=key)

    return body


def failure(error: SatietyError) -> dg.Failure:
    """The error as Dagster shows it, not to be tried again: settings, data or code have to change first."""
    metadata: dict[str, Any] = {"exit_code": type(error).exit_code}
    metadata |= {name: text for name, text in (("where", error.where), ("what to do", error.hint)) if text}
    return dg.Failure(str(error), metadata=metadata, allow_retries=False)


class LiveMetrics:
    """A listener that shows training metrics in Dagster while they appear, at most one observation a second.

    The first record, each one with validation metrics, and the last are always shown.

    Args:
        context: the running op's.
        key: the asset that is observed.
        clock: seconds, for the throttle.
    """

    def __init__(
        self, context: dg.OpExecutionContext, key: dg.AssetKey, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._context = context
        self._key = key
        self._clock = clock
        self._shown = -float("inf")
        self._held: Record | None = None

    def __call__(self, record: Record) -> None:
        """Take a metrics record."""
        if any(name.startswith("valid_") for name in record):
            # Beside the throttle: however often it is validated, the loss is shown too.
            self._show(record)
        elif self._clock() - self._shown >= OBSERVE_S:
            self._held = None
            self._shown = self._clock()
            self._show(record)
        else:
            self._held = record

    def flush(self) -> None:
        """Show the last record, if it was held back."""
        if self._held is not None:
            self._show(self._held)
            self._held = None

    def _show(self, record: Record) -> None:
        numbers = {
            name: value
            for name, value in record.items()
            if name != "time_ms" and isinstance(value, int | float) and not isinstance(value, bool)
        }
        if not numbers:
            return
        self._context.log_event(dg.AssetObservation(self._key, metadata=numbers))
        self._context.log.info(", ".join(f"{name} {_short(value)}" for name, value in numbers.items()))


def _short(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.5g}"
