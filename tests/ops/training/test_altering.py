from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
import torch

from ops.augmentation.config import Augmentation
from ops.errors import ConfigError
from ops.nn.spec import ImageSpec
from ops.steps import Facts
from ops.storage import Counts
from ops.tasks.image_classification import ImageClassification
from ops.training.altering import Altering, alteration
from ops.training.changing.base import changing_of
from ops.training.config import Loader, Mixing
from ops.training.data import Examples, load_examples
from ops.training.distributed import Group
from ops.training.loader import Batch, batches
from ops.training.order import Order
from ops.training.parallel.server_worker import Helper
from ops.training.run import Changes, read_run
from tests.ops.training.runs import hashes, image_run, log, text_run, work, work_together

SPEC = ImageSpec(height=12, width=10, channels=3)
STEPS = [{"kind": "flip"}, {"kind": "rotate"}, {"kind": "colour"}, {"kind": "noise"}, {"kind": "erasing"}]
COUNT = 24
PIXELS = np.random.default_rng(0).integers(0, 256, (COUNT, SPEC.size), dtype=np.uint8)
IDS = [f"part/{row}" for row in range(COUNT)]


def augmentation(**settings: Any) -> Augmentation:
    return Augmentation.model_validate({"steps": STEPS, **settings})


def altering(seed: int = 5) -> Altering:
    offsets = np.arange(COUNT) * SPEC.size
    read = Examples((PIXELS.ravel(),), np.zeros(COUNT, np.int64), offsets, np.full(COUNT, SPEC.size), offsets)
    return Altering(changing_of(Changes(steps=STEPS), SPEC, seed), read, pa.array(IDS, pa.large_string()))


def test_an_epoch_sees_the_copies_that_offline_augmentation_stores() -> None:
    table = pl.DataFrame(
        {"id": IDS, "image": [image.tobytes() for image in PIXELS], "split": ["train"] * COUNT}
    ).with_columns(pl.lit(12).alias("height"), pl.lit(10).alias("width"), pl.lit(3).alias("channels"))
    stored = augmentation(copies=3).apply(table, Facts("p", 5)).kept
    rows = np.array([7, 3, 20, 3])
    for epoch in range(3):
        found, _ = altering()(rows, epoch)
        copies = dict(stored.filter(pl.col("copy") == epoch + 1).select("id", "image").iter_rows())
        assert [image.tobytes() for image in found] == [copies[f"{IDS[row]}+{epoch + 1}"] for row in rows]
    assert not np.array_equal(altering()(rows, 0)[0], altering(6)(rows, 0)[0])


def test_nothing_is_stored_on_the_fly() -> None:
    table = pl.DataFrame({"id": IDS, "image": [image.tobytes() for image in PIXELS], "split": ["train"] * COUNT})
    outcome = augmentation(mode="on_the_fly").apply(table, Facts("p", 5))
    assert outcome.added == 0 and outcome.kept.height == COUNT and set(outcome.kept["copy"]) == {0}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"copies": 2}, "one copy in each epoch"),
        ({"steps": [{"kind": "jitter", "columns": ["a"]}], "balance": True}, "balance adds rows"),
        (
            {"steps": [{"kind": "jitter", "columns": ["a"]}, {"kind": "smote", "columns": ["b", "a"]}]},
            "smote must come before",
        ),
    ],
)
def test_what_cannot_be_on_the_fly_is_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        augmentation(mode="on_the_fly", **settings)


@pytest.mark.parametrize("mode", ["offline", "on_the_fly"])
@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"steps": [{"kind": "jitter", "columns": ["a"]}], "column": "a"}, "column does nothing for tables"),
        ({"steps": [{"kind": "bpe_dropout", "rate": 0.5}, {"kind": "bpe_dropout"}]}, "bpe_dropout is there twice"),
    ],
)
def test_a_setting_that_would_do_nothing_is_refused(settings: dict[str, Any], said: str, mode: str) -> None:
    with pytest.raises(ValueError, match=said):
        augmentation(mode=mode, **settings)


def test_shards_are_made_anew_for_other_neighbours_and_nothing_else() -> None:
    def kept(mode: str = "on_the_fly", **settings: Any) -> dict[str, Any]:
        step = {"kind": "smote", "columns": ["a", "b"], **settings}
        return augmentation(mode=mode, steps=[step, {"kind": "jitter", "columns": ["a"]}]).kept_for

    assert kept() == kept(probability=0.3)
    assert kept() != kept(neighbours=4) and kept() != kept(columns=["b", "a"])


def made(workers: int, rank: int = 0, world: int = 1, mixing: Mixing | None = None) -> list[Batch]:
    offsets, labels = np.arange(COUNT) * SPEC.size, np.arange(COUNT) % 3
    data = Examples((PIXELS.ravel(),), np.zeros(COUNT, np.int64), offsets, np.full(COUNT, SPEC.size), labels)
    source = batches(
        data, Order(data.length, 8, 5), ImageClassification(input="image", label="label"), SPEC, 9,
        Loader(workers=workers, prefetch=8), rank, world, mixing, 5, altering(),
    )  # fmt: skip
    try:
        return [source.get(step) for step in range(9)]
    finally:
        source.close()


@pytest.mark.parametrize("mixing", [None, Mixing(kind="mixup")])
def test_threads_and_processes_see_the_same_images(mixing: Mixing | None) -> None:
    whole = made(0, mixing=mixing)
    for batch, other in zip(whole, made(6, mixing=mixing), strict=True):
        assert batch.inputs[0].equal(other.inputs[0])
    for rank in range(3):
        for batch, other in zip(whole, made(2, rank, 3, mixing), strict=True):
            assert batch.inputs[0][rank::3].equal(other.inputs[0])
    assert not whole[0].inputs[0].equal(whole[3].inputs[0])


def changes() -> dict[str, Any]:
    return {"changes": {"steps": [{"kind": "rotate"}, {"kind": "scale"}, {"kind": "crop"}]}}


def test_a_killed_run_ends_with_the_same_bytes(tmp_path: Path) -> None:
    whole, killed = image_run(tmp_path / "whole", **changes()), image_run(tmp_path / "killed", **changes())
    plain = image_run(tmp_path / "plain")
    assert work(whole) == 0 and work(plain) == 0
    assert work(killed, SATIETY_FAULT="kill@60") == -signal.SIGKILL
    assert work(killed) == 0 and "going on after step" in log(killed)
    assert hashes(killed) == hashes(whole)
    assert hashes(whole)["model.safetensors"] != hashes(plain)["model.safetensors"]


def test_two_processes_train_on_the_fly(tmp_path: Path) -> None:
    run = image_run(tmp_path, **changes(), world_size=2)
    assert work_together(run) == [0, 0]


def test_workers_of_a_parameter_server_change_what_one_process_changes(tmp_path: Path) -> None:
    served = read_run(
        image_run(tmp_path / "served", {"strategy": "parameter_server", "precision": "float64"}, **changes())
    )
    plain = read_run(image_run(tmp_path / "plain", {"strategy": "parameter_server", "precision": "float64"}))
    examples = load_examples(served.inputs, served.input.dtype, len(served.classes))["train"]
    alter = alteration(served, examples)
    assert alter is not None
    for run in (served, plain):
        helper = Helper(run, Group(device=torch.device("cpu")))
        order = Order(examples.length, run.training.batch_size, run.seed, run.training.bucketing)
        for step in (0, order.steps_per_epoch):
            rows = order.rows(step)
            epoch = step // order.steps_per_epoch
            values = alter(rows, epoch)[0] if run is served else examples.values(rows)
            expected = run.task_value().collate(values, examples.length[rows], run.input)[0]
            assert helper._loader(0, 1).get(step).inputs[0].equal(expected)


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"steps": [{"kind": "flip"}]}, "flip cannot change what the model reads: text"),
        ({"steps": [{"kind": "eda"}]}, "there is no tokenizer"),
        ({"steps": [{"kind": "eda"}], "form": {"kind": "row", "columns": ["a"]}}, "row are changed"),
        ({"steps": [{"kind": "edda"}]}, "there is no changes.steps"),
    ],
)
def test_changes_that_are_not_for_what_the_model_reads_are_refused(
    told: dict[str, Any], said: str, tmp_path: Path
) -> None:
    run = read_run(text_run(tmp_path, changes=told))
    examples = load_examples(run.inputs, run.input.dtype, len(run.classes))["train"]
    with pytest.raises(ConfigError, match=said):
        alteration(run, examples)


def test_a_recipe_hands_its_changes_to_the_processes(tmp_path: Path) -> None:
    from tests.chain import worlds

    steps = [{"kind": "scale", "low": 0.9, "high": 1.1}]
    world = worlds.make(tmp_path, "image", augmentation={"mode": "on_the_fly", "steps": steps}, training={"steps": 20})
    runs: list[dict[str, Any]] = []

    def launch(run_file: Path, recipe: Any, on_record: Any) -> None:
        runs.append(json.loads(run_file.read_text()))
        worlds.forked(run_file, recipe, on_record)

    worlds.build(world.recipe(), world.store, launch=launch)
    assert [step["kind"] for step in runs[0]["changes"]["steps"]] == ["scale"]
    assert all((version.manifest.counts or Counts(0, 0)).added == 0 for version in world.every("shards").values())
    sheet = world.version("report").json("report.json")["contact_sheet"]
    assert sheet["steps"] == ["scale"] and sheet["image"]
    of_model, of_shards = (
        [name for name in version.manifest.inputs if name.startswith("config.augmentation")]
        for version in (world.version("model"), world.every("shards")["0"])
    )
    assert any("steps" in name for name in of_model)
    assert of_shards == ["config.augmentation.mode"]  # other changes touch no shard
