"""The training op, run by Dagster in this process on an instance that lives in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dagster as dg
import pytest

from ops.errors import CheckFailed, ConfigError, Temporary
from ops.torchrun import OBSERVE_S, LiveMetrics, Record, train_op

KEY = dg.AssetKey(["recipe", "model"])
FINITE = dg.AssetCheckSpec("loss_finite", asset=KEY, blocking=True)


def run(train: Any, **options: Any) -> tuple[dg.ExecuteInProcessResult, dg.DagsterInstance]:
    op = train_op("torchrun", train, key=KEY, checks=[FINITE], ins={"data": dg.In(dg.Nothing)}, **options)

    @dg.asset
    def data() -> None: ...

    @dg.graph_asset(
        name="model",
        key_prefix="recipe",
        ins={"data": dg.AssetIn("data", dagster_type=dg.Nothing)},
        check_specs=[FINITE],
    )
    def model(data: Any) -> Any:
        outputs = op(data=data)
        return {
            "result": outputs.result,
            FINITE.get_python_identifier(): getattr(outputs, FINITE.get_python_identifier()),
        }

    @dg.asset(deps=[KEY])
    def downstream() -> None: ...

    instance = dg.DagsterInstance.ephemeral()
    return dg.materialize([data, model, downstream], instance=instance, raise_on_error=False), instance


def trained(passed: bool = True) -> dg.MaterializeResult[None]:
    check = dg.AssetCheckResult(passed=passed, check_name="loss_finite", asset_key=KEY)
    return dg.MaterializeResult(metadata={"steps": 3}, data_version=dg.DataVersion("d" * 32), check_results=[check])


def observations(instance: dg.DagsterInstance) -> list[dict[str, Any]]:
    records = instance.fetch_observations(KEY, limit=100).records
    found = [record.asset_observation for record in records if record.asset_observation]
    return [{k: v.value for k, v in o.metadata.items()} for o in reversed(found)]


def test_asset_has_data_version_metadata_and_check() -> None:
    result, instance = run(lambda context, on_record: trained())
    assert result.success
    (event,) = result.asset_materializations_for_node("recipe__model")
    assert event.metadata["steps"].value == 3
    assert event.tags is not None and event.tags["dagster/data_version"] == "d" * 32
    (check,) = result.get_asset_check_evaluations()
    assert check.passed and check.check_name == "loss_finite"
    assert instance.get_latest_materialization_event(dg.AssetKey("downstream")) is not None


def test_failed_check_blocks_what_comes_after() -> None:
    result, instance = run(lambda context, on_record: trained(passed=False))
    assert not result.success
    assert instance.get_latest_materialization_event(KEY) is not None
    assert instance.get_latest_materialization_event(dg.AssetKey("downstream")) is None


def test_loss_is_observed_while_training_runs() -> None:
    seen: list[int] = []

    def train(context: dg.OpExecutionContext, on_record: Callable[[Record], None]) -> dg.MaterializeResult[None]:
        on_record({"step": 1, "loss": 2.0, "time_ms": 5, "note": "text"})
        seen.append(len(context.instance.fetch_observations(KEY, limit=10).records))
        on_record({"step": 2, "loss": 1.5})
        on_record({"step": 3, "loss": 1.25})
        return trained()

    _, instance = run(train)
    assert seen == [1]
    # The second is held back by the throttle and overtaken; the last one is shown at the end.
    assert observations(instance) == [{"step": 1, "loss": 2.0}, {"step": 3, "loss": 1.25}]


def test_temporary_is_tried_again_and_others_are_not() -> None:
    calls: list[str] = []

    def flaky(context: dg.OpExecutionContext, on_record: Any) -> dg.MaterializeResult[None]:
        calls.append("flaky")
        if len(calls) == 1:
            raise Temporary("rank 0 was killed")
        return trained()

    result, _ = run(flaky, retries=1, wait_s=0)
    assert result.success and calls == ["flaky", "flaky"]

    calls.clear()

    def hopeless(context: dg.OpExecutionContext, on_record: Any) -> dg.MaterializeResult[None]:
        calls.append("hopeless")
        raise Temporary("rank 0 was killed")

    result, _ = run(hopeless, retries=2, wait_s=0)
    assert not result.success and len(calls) == 3


@pytest.mark.parametrize("error", [ConfigError("bad", where="run.json", hint="mend it"), CheckFailed("loss is nan")])
def test_permanent_errors_fail_at_once_with_their_exit_code(error: Any) -> None:
    calls: list[int] = []

    def train(context: dg.OpExecutionContext, on_record: Any) -> dg.MaterializeResult[None]:
        calls.append(1)
        raise error

    result, _ = run(train, retries=3, wait_s=0)
    assert not result.success and calls == [1]
    (failed,) = [event for event in result.all_node_events if event.is_step_failure]
    told = failed.step_failure_data.user_failure_data
    assert told is not None and told.metadata["exit_code"].value == error.exit_code
    assert told.description == str(error)


def test_op_waits_for_the_pool() -> None:
    op = train_op("torchrun", lambda context, on_record: trained(), key=KEY)
    assert op.pool == "gpu"


class Log:
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.events: list[Any] = []
        self.log = self

    def info(self, line: str) -> None:
        self.lines.append(line)

    def log_event(self, event: Any) -> None:
        self.events.append({k: v.value for k, v in event.metadata.items()})


def test_throttle_shows_the_first_the_due_the_validated_and_the_last() -> None:
    now = [0.0]
    log = Log()
    live = LiveMetrics(log, KEY, clock=lambda: now[0])  # type: ignore[arg-type]
    for step in range(10):
        now[0] = step * OBSERVE_S * 0.4
        live({"step": step, "loss": 1.0} if step != 4 else {"step": 4, "valid_loss": 2.0})
    live.flush()
    live.flush()
    # Steps 0.4 s apart: 0, then 3 (1.2 s later), 4 for its validation, 6 (1.2 s after 3), and 9 as the last.
    assert [event["step"] for event in log.events] == [0, 3, 4, 6, 9]
    assert log.lines[0] == "step 0, loss 1"
