"""Dagster in use: what the web page shows and what its buttons do, on a live webserver and daemon."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import psutil
import pytest

from pipelines.recipe import load_file
from tests.e2e.browser import look
from tests.e2e.conftest import FIRST_FILE, SECOND_FILE, Live
from tests.e2e.servers import RANGE, REPOSITORY, processes_with, until
from tests.series import MONTHS
from tests.tiny import CLEAN, PARTITIONS, REJECTED, ROWS, write_rows

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

CHAIN = (
    *("raw_corpus", "signatures", "duplicates", "clean_corpus", "statistics", "shards"),
    *("tokenizer", "token_cache", "model", "report"),
)
KEYS = [str(index) for index in range(PARTITIONS)]

LOCATION = """query ($repository: RepositorySelector!) { repositoryOrError(repositorySelector: $repository) {
  ... on Repository { pipelines { name } schedules { name scheduleState { status } } sensors { name }
                      assetGroups { groupName } } ... on PythonError { message } } }"""
ASSETS = """query ($group: AssetGroupSelector!) { assetNodes(group: $group) {
  assetKey { path } description kinds pools owners { ... on TeamAssetOwner { team } }
  dependencyKeys { path } backfillPolicy { policyType } staleStatus partitionStats { numMaterialized numPartitions }
  assetChecksOrError { ... on AssetChecks { checks {
    name blocking executionForLatestMaterialization { runId status } } } }
  assetMaterializations { runId partition tags { key value } metadataEntries {
    label ... on IntMetadataEntry { intValue } ... on TextMetadataEntry { text }
    ... on MarkdownMetadataEntry { mdStr }
    ... on TableSchemaMetadataEntry { schema { columns { name type } } } } }
  assetObservations { runId metadataEntries {
    label ... on FloatMetadataEntry { floatValue } ... on IntMetadataEntry { intValue } } } } }"""
BACKFILL = """query ($id: String!) { partitionBackfillOrError(backfillId: $id) {
  ... on PartitionBackfill { status runs(limit: 10) { runId status tags { key value } } } } }"""
DRY_RUN = """mutation ($selector: ScheduleSelector!, $time: Float) { scheduleDryRun(
  selectorData: $selector, timestamp: $time) { __typename ... on DryRunInstigationTick { evaluationResult {
    skipReason runRequests { tags { key value } } error { message } } } } }"""
START_SCHEDULE = """mutation ($s: ScheduleSelector!) { startSchedule(scheduleSelector: $s) {
  ... on ScheduleStateResult { scheduleState { id status } } } }"""
STOP_SCHEDULE = """mutation ($id: String!) { stopRunningSchedule(id: $id) {
  ... on ScheduleStateResult { scheduleState { status } } } }"""
SENSOR_TICKS = """query ($s: SensorSelector!) { sensorOrError(sensorSelector: $s) { ... on Sensor {
  sensorState { ticks(limit: 20) { status skipReason runIds error { message } } } } } }"""
FAILURES = """query ($run: ID!) { logsForRun(runId: $run) { ... on EventConnection { events {
  ... on ExecutionStepFailureEvent { error { message } failureMetadata { metadataEntries {
    label ... on TextMetadataEntry { text } } } } } } } }"""
DAEMONS = "{ instance { daemonHealth { allDaemonStatuses { daemonType required healthy } } } }"


def assets_of(live: Live, recipe: str) -> dict[str, dict[str, Any]]:
    """What the page knows of a recipe's assets, by stage; the newest materialization of each partition alone."""
    nodes = live.web.ask(ASSETS, group={"groupName": recipe, **REPOSITORY})
    found = {}
    for node in nodes:
        newest: dict[str | None, dict[str, Any]] = {}
        for event in node["assetMaterializations"]:
            newest.setdefault(event["partition"], event)
        node["newest"] = newest
        found[node["assetKey"]["path"][-1]] = node
    return found


def metadata(event: dict[str, Any]) -> dict[str, Any]:
    """Metadata of an event: the value by label, whatever its kind."""
    kinds = ("intValue", "floatValue", "text", "mdStr", "schema")
    return {e["label"]: next((e[k] for k in kinds if k in e), None) for e in event["metadataEntries"]}


def tags(event: dict[str, Any]) -> dict[str, str]:
    return {tag["key"]: tag["value"] for tag in event["tags"]}


def sensor_runs(live: Live) -> list[str]:
    """The runs that the sensor of `mailbox` has started, newest first."""
    selector = {**REPOSITORY, "sensorName": "mailbox_folder"}
    ticks = live.web.ask(SENSOR_TICKS, s=selector)["sensorState"]["ticks"]
    assert not [tick["error"] for tick in ticks if tick["error"]]
    return [run for tick in ticks for run in tick["runIds"]]


@pytest.fixture(scope="module")
def finished(live: Live) -> Live:
    """The servers when the job over all partitions has succeeded, and a second file has come to `mailbox`."""
    run = live.web.ended(live.job)
    assert run["status"] == "SUCCESS"
    until(lambda: sensor_runs(live), 90, "the first file's run")
    write_rows(live.recipes / "inbox" / SECOND_FILE, seed=1)
    return live


def test_everything_is_loaded(live: Live) -> None:
    found = live.web.ask(LOCATION, repository=REPOSITORY)
    recipes = {"quickstart", "digits", "air_quality", "shakespeare", "tiny", "other", "slow", "mailbox", "dust"}
    assert {group["groupName"] for group in found["assetGroups"]} == recipes
    jobs = {job["name"] for job in found["pipelines"] if not job["name"].startswith("__")}
    assert jobs == {f"{recipe}{half}" for recipe in recipes for half in ("", "_data", "_training")}
    assert {schedule["name"] for schedule in found["schedules"]} == {
        f"{recipe}_{name}" for recipe in recipes for name in ("nightly_data", "weekly_training")
    }
    assert {schedule["scheduleState"]["status"] for schedule in found["schedules"]} == {"STOPPED"}
    assert "mailbox_folder" in {sensor["name"] for sensor in found["sensors"]}
    assert "tiny_folder" not in {sensor["name"] for sensor in found["sensors"]}


def test_a_job_maps_folds_and_maps_in_one_run(finished: Live) -> None:
    run = finished.web.run(finished.job)
    assert [step["status"] for step in run["stepStats"]] == ["SUCCESS"] * len(CHAIN)
    found = assets_of(finished, "tiny")
    assert set(found) == set(CHAIN)
    for name, node in found.items():
        assert {event["runId"] for event in node["newest"].values()} == {finished.job}, name
        assert node["staleStatus"] == "FRESH", name


def test_digests_and_counts_are_those_of_the_manifests(finished: Live) -> None:
    for name, node in assets_of(finished, "tiny").items():
        for key, event in node["newest"].items():
            version = finished.web.store.slot("tiny", name, key or "all").current()
            assert version is not None, (name, key)
            shown = metadata(event)
            assert shown["digest"] == version.digest, (name, key)
            counts = version.manifest.counts
            if key is None:
                assert tags(event)["dagster/data_version"] == version.digest, name
            elif counts is not None:
                assert shown["dagster/partition_row_count"] == counts.rows_out, (name, key)


def test_the_page_knows_rows_schema_owners_kinds_and_checks(finished: Live) -> None:
    found = assets_of(finished, "tiny")
    raw, clean = (metadata(found[name]["newest"]["0"]) for name in ("raw_corpus", "clean_corpus"))
    assert (raw["dagster/row_count"], clean["dagster/row_count"]) == (ROWS - REJECTED, CLEAN)
    columns = {column["name"]: column["type"] for column in clean["dagster/column_schema"]["columns"]}
    assert {"id": "String", "text": "String", "label": "String", "stars": "Int64"}.items() <= columns.items()
    assert metadata(found["report"]["newest"][None])["summary"].startswith("#")
    for name, node in found.items():
        assert node["owners"] == [{"team": "tests"}], name
        assert node["description"], name
        assert node["kinds"], name
        partitioned = set(node["newest"]) != {None}
        assert (node["backfillPolicy"] or {}).get("policyType") == ("SINGLE_RUN" if partitioned else None), name
        if partitioned:
            assert node["partitionStats"] == {"numMaterialized": PARTITIONS, "numPartitions": PARTITIONS}, name
        for check in node["assetChecksOrError"].get("checks", []):
            assert check["blocking"], (name, check)
            assert check["executionForLatestMaterialization"] == {"runId": finished.job, "status": "SUCCEEDED"}
    assert found["model"]["pools"] == ["gpu"]
    assert [key["path"] for key in found["duplicates"]["dependencyKeys"]] == [["tiny", "signatures"]]


def test_the_loss_was_shown_while_it_fell(finished: Live) -> None:
    node = assets_of(finished, "tiny")["model"]
    shown = [metadata(o) for o in node["assetObservations"] if o["runId"] == finished.job]
    losses = {m["step"]: m["loss"] for m in shown if m.get("loss") is not None}
    assert len(losses) >= 2
    assert losses[min(losses)] > losses[max(losses)] > 0
    assert any(m.get("valid_accuracy") is not None for m in shown)


@pytest.fixture(scope="module")
def alone(finished: Live) -> dict[str, str]:
    """Runs of less than a job, started together for they wait for each other's processes: one asset, one partition of
    one asset, and a fold whose inputs have not been built.
    """
    web = finished.web
    return {
        "asset": web.launch("tiny", assets=["tiny/statistics"]),
        "partition": web.launch("tiny", {"dagster/partition": "1"}, assets=["tiny/raw_corpus"]),
        "fold": web.launch("slow", assets=["slow/statistics"]),
    }


def test_one_asset_can_be_materialized_alone(finished: Live, alone: dict[str, str]) -> None:
    assert finished.web.ended(alone["asset"])["status"] == "SUCCESS"
    event = assets_of(finished, "tiny")["statistics"]["newest"][None]
    assert event["runId"] == alone["asset"]
    version = finished.web.store.slot("tiny", "statistics").current()
    assert version is not None
    shown = metadata(event)
    assert (shown["digest"], shown["partitions_reused"]) == (version.digest, 1)


def test_one_partition_can_be_materialized_alone(finished: Live, alone: dict[str, str]) -> None:
    assert finished.web.ended(alone["partition"])["status"] == "SUCCESS"
    newest = assets_of(finished, "tiny")["raw_corpus"]["newest"]
    assert [newest[key]["runId"] == alone["partition"] for key in KEYS] == [False, True, False]
    version = finished.web.store.slot("tiny", "raw_corpus", "1").current()
    assert version is not None
    assert tags(newest["1"])["dagster/data_version"] == version.digest


def test_a_fold_without_its_inputs_fails_and_says_what_to_do(finished: Live, alone: dict[str, str]) -> None:
    assert finished.web.ended(alone["fold"])["status"] == "FAILURE"
    (event,) = [e for e in finished.web.ask(FAILURES, run=alone["fold"])["events"] if e.get("failureMetadata")]
    assert "clean_corpus[0] has not been built" in event["error"]["message"]
    shown = {entry["label"]: entry.get("text") for entry in event["failureMetadata"]["metadataEntries"]}
    assert shown["what to do"] == "build clean_corpus first"


def test_a_schedule_can_be_switched_on_and_off(live: Live) -> None:
    selector = {**REPOSITORY, "scheduleName": "quickstart_weekly_training"}
    started = live.web.ask(START_SCHEDULE, s=selector)["scheduleState"]
    assert started["status"] == "RUNNING"
    stopped = live.web.ask(STOP_SCHEDULE, id=started["id"])["scheduleState"]
    assert stopped["status"] == "STOPPED"


def test_a_tick_skips_what_is_fresh_and_runs_what_is_not(finished: Live) -> None:
    def tick(name: str) -> dict[str, Any]:
        answer = finished.web.ask(DRY_RUN, selector={**REPOSITORY, "scheduleName": name}, time=1_700_000_000.0)
        result = dict(answer["evaluationResult"])
        assert result["error"] is None
        return result

    for name in ("tiny_nightly_data", "tiny_weekly_training"):
        assert tick(name)["skipReason"].endswith("of tiny: everything is fresh")
        assert not tick(name)["runRequests"]
    (request,) = tick("slow_nightly_data")["runRequests"]
    assert RANGE.items() <= tags(request).items()
    assert tags(request)["satiety/reason"] == "raw_corpus[0]: never built"
    assert "run slow_data first" in tick("slow_weekly_training")["skipReason"]


def test_a_backfill_over_partitions_is_one_run(finished: Live) -> None:
    def look() -> dict[str, Any] | None:
        found = finished.web.ask(BACKFILL, id=finished.backfill)
        return found if found["status"].startswith(("COMPLETED", "FAILED", "CANCELED")) else None

    done = until(look, 240, "the backfill")
    assert done["status"] == "COMPLETED_SUCCESS"
    (run,) = done["runs"]
    assert run["status"] == "SUCCESS"
    assert RANGE.items() <= tags(run).items()
    for name in ("raw_corpus", "signatures"):
        newest = assets_of(finished, "other")[name]["newest"]
        assert sorted(key for key in newest if key) == KEYS
        for key in KEYS:
            version = finished.web.store.slot("other", name, key).current()
            assert version is not None
            assert metadata(newest[key])["digest"] == version.digest


def test_a_backfill_over_a_range_of_months_builds_these_and_no_others(live: Live) -> None:
    def look() -> dict[str, Any] | None:
        found = live.web.ask(BACKFILL, id=live.months)
        return found if found["status"].startswith(("COMPLETED", "FAILED", "CANCELED")) else None

    done = until(look, 240, "the backfill of months")
    assert done["status"] == "COMPLETED_SUCCESS"
    (run,) = done["runs"]
    ends = [tags(run)[f"dagster/asset_partition_range_{end}"] for end in ("start", "end")]
    assert run["status"] == "SUCCESS" and ends == ["2020-02", "2020-03"]
    versions = [live.web.store.slot("dust", "raw_corpus", month).current() for month in MONTHS]
    assert [version is not None for version in versions] == [False, True, True, False]


def test_terminate_ends_all_ranks_and_the_next_run_resumes(finished: Live) -> None:
    web = finished.web
    scratch = Path(web.environment["SATIETY_STORE"]) / ".work" / "slow"

    def train(assets: list[str] | None = None) -> tuple[str, list[psutil.Process]]:
        run = web.launch("slow", RANGE if assets is None else {}, assets)
        until(lambda: list(scratch.rglob("checkpoints/step-*/manifest.json")), 120, "a checkpoint")
        until(lambda: len(processes_with(str(scratch))) >= 4, 120, "guard, torchrun and two ranks")
        return run, processes_with(str(scratch))

    first, processes = train()
    web.terminate(first)
    _, alive = psutil.wait_procs(processes, timeout=20)
    assert not alive
    assert not processes_with(str(scratch))
    assert web.ended(first)["status"] == "CANCELED"
    (newest, *_) = sorted((int(path.name[5:]) for path in scratch.rglob("step-*")), reverse=True)

    second, _ = train(["slow/model"])
    log = next(scratch.rglob("rank0.log"))
    until(lambda: f"step {newest}" in log.read_text(), 60, "the resumed training to say so")
    web.terminate(second)
    assert web.ended(second)["status"] == "CANCELED"
    until(lambda: not processes_with(str(scratch)), 20, "the end of all ranks")


def test_a_new_file_in_the_watched_folder_starts_a_run(finished: Live) -> None:
    """The second file came while the servers ran, so that the run covers a partition which they had not known."""
    web = finished.web
    runs = until(lambda: found if len(found := sensor_runs(finished)) > 1 else None, 150, "the second file's run")
    assert [web.ended(run)["status"] for run in runs] == ["SUCCESS", "SUCCESS"]
    newest = tags(web.run(runs[0]))
    assert newest["dagster/asset_partition_range_end"] == "inbox/second.csv"
    for key in (FIRST_FILE, SECOND_FILE):
        assert web.store.slot("mailbox", "token_cache", f"inbox/{key}").current() is not None


def test_all_daemons_are_well(finished: Live) -> None:
    found = finished.web.ask(DAEMONS)["daemonHealth"]["allDaemonStatuses"]
    required = {daemon["daemonType"]: daemon["healthy"] for daemon in found if daemon["required"]}
    assert {"SCHEDULER", "SENSOR", "BACKFILL", "MONITORING"} <= required.keys()
    assert all(required.values()), required


@pytest.mark.browser
def test_the_browser_shows_the_whole_graph(finished: Live, tmp_path: Path) -> None:
    url = f"{finished.web.url}/assets/tiny/report?view=lineage&lineageScope=upstream&lineageDepth=9"
    shown = look(url, tmp_path / "graph.png")
    assert [name for name in CHAIN if f">{name}<" not in shown] == []
    assert (tmp_path / "graph.png").stat().st_size > 50_000, "an empty page"


@pytest.mark.browser
def test_the_browser_shows_the_report(finished: Live, tmp_path: Path) -> None:
    version = finished.web.store.slot("tiny", "report").current()
    assert version is not None
    page = tmp_path / "report.html"
    shutil.copyfile(version.file("report.html"), page)
    shown = look(page.as_uri(), tmp_path / "report.png")
    assert load_file(finished.recipes / "tiny.yaml").description in shown
    assert "TF-IDF" in shown
    assert "majority" in shown
    assert (tmp_path / "report.png").stat().st_size > 50_000, "an empty page"
