from __future__ import annotations

from pathlib import Path

import dagster as dg

from ops.stages.chain import stages
from pipelines.jobs import jobs
from pipelines.recipe import load_file
from tests.tiny import DATA, tiny_recipe


def selected(job: dg.JobDefinition) -> set[str]:
    """The stages that a job builds."""
    return {key.path[1] for key in job.asset_layer.selected_asset_keys}


def test_the_halves_make_up_the_whole(tmp_path: Path) -> None:
    from pipelines.build import recipe_definitions, shared_definitions
    from resources.settings import load_settings

    recipe, settings = load_file(tiny_recipe(tmp_path)), load_settings(tmp_path, {})
    made = dg.Definitions.merge(recipe_definitions(recipe, settings), shared_definitions(settings))
    whole, data, training = (selected(made.resolve_job_def(name)) for name in ("tiny", "tiny_data", "tiny_training"))
    assert whole == {stage.name for stage in stages(recipe)}
    assert data == set(DATA)
    assert training == {"model", "report"} == whole - data


def test_one_run_covers_all_partitions_in_their_order(tmp_path: Path) -> None:
    made = jobs(load_file(tiny_recipe(tmp_path, partitions={"hash": 12})))
    assert made.all_partitions == {
        "dagster/asset_partition_range_start": "00",
        "dagster/asset_partition_range_end": "11",
        "satiety/whole": "yes",
    }


def test_partitions_of_a_fixed_number_are_never_out_of_date(tmp_path: Path) -> None:
    recipe = load_file(tiny_recipe(tmp_path))
    assert jobs(recipe).outdated(recipe) is None
