"""A tiny recipe built once through Dagster, and what Dagster remembers of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import dagster as dg
import pytest

from ops.recipe import Recipe
from ops.storage import Store, Version
from pipelines.execute import execute
from pipelines.recipe import load_file
from resources.settings import EngineSettings, TrackingSettings, load_settings
from tests.tiny import tiny_recipe


class Materialized:
    """A recipe with its store, and the events of its last run."""

    def __init__(self, folder: Path, modality: Literal["text", "image"] = "text") -> None:
        self.recipe: Recipe = load_file(tiny_recipe(folder, modality=modality))
        settings = dataclasses.replace(
            load_settings(folder, {}), engine=EngineSettings(workers=1), tracking=TrackingSettings(enabled=False)
        )
        self.store = Store(settings.store)
        self.run_id = execute(self.recipe, settings=settings).run_id
        self.instance = dg.DagsterInstance.from_config(str(settings.dagster_home))

    def version(self, stage: str, partition: str = "all") -> Version:
        """The version in use."""
        found = self.store.slot(self.recipe.name, stage, partition).current()
        assert found is not None
        return found

    def event(self, stage: str, partition: str | None = None) -> dg.AssetMaterialization:
        """The newest materialization of a stage, or of one of its partitions."""
        key = dg.AssetKey([self.recipe.name, stage])
        wanted = dg.AssetRecordsFilter(key, asset_partitions=[partition] if partition is not None else None)
        (record,) = self.instance.fetch_materializations(wanted, limit=1).records
        assert record.asset_materialization is not None
        return record.asset_materialization

    def metadata(self, stage: str, partition: str | None = None) -> dict[str, Any]:
        """The metadata of the newest materialization by name; of a table its rows."""
        shown = self.event(stage, partition).metadata
        return {
            name: [record.data for record in value.records] if isinstance(value, dg.TableMetadataValue) else value.value
            for name, value in shown.items()
        }

    def checks(self) -> dict[tuple[str, str], tuple[bool, dict[str, Any]]]:
        """The outcome and metadata of each check of the run, by stage and name."""
        kind = dg.DagsterEventType.ASSET_CHECK_EVALUATION
        found = {}
        for record in self.instance.get_records_for_run(self.run_id, of_type=kind).records:
            event = record.event_log_entry.dagster_event
            assert event is not None
            data = event.asset_check_evaluation_data
            metadata = {name: value.value for name, value in data.metadata.items()}
            found[data.asset_key.path[1], data.check_name] = (data.passed, metadata)
        return found


@pytest.fixture(scope="session")
def text(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Materialized]:
    """The recipe of texts, from raw corpus to report."""
    made = Materialized(tmp_path_factory.mktemp("text"))
    yield made
    made.instance.dispose()


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Materialized]:
    """The recipe of images, from raw corpus to report."""
    made = Materialized(tmp_path_factory.mktemp("image"), "image")
    yield made
    made.instance.dispose()
