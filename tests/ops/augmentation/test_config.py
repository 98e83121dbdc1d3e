import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from pydantic import ValidationError

from ops.augmentation.config import Augmentation
from ops.errors import BadData, ConfigError
from ops.steps import Facts, Outcome

STEPS: list[dict[str, Any]] = [
    *({"kind": "flip"}, {"kind": "rotate"}, {"kind": "scale"}, {"kind": "crop"}, {"kind": "colour"})
]


def rows(count: int = 12, channels: int = 3) -> pl.DataFrame:
    images = np.random.default_rng(0).integers(0, 256, (count, 8, 6, channels), dtype=np.uint8)
    table = pl.DataFrame(
        {
            "id": [f"p/{k}" for k in range(count)],
            "image": [image.tobytes() for image in images],
            "label": list(range(count)),
            "split": [("train", "train", "valid", "test")[k % 4] for k in range(count)],
        }
    )
    shape = {"height": 8, "width": 6, "channels": channels}
    return table.with_columns(*(pl.lit(size, dtype=pl.Int32).alias(name) for name, size in shape.items()))


def augment(table: pl.DataFrame, seed: int = 0, **settings: Any) -> Outcome:
    return Augmentation.model_validate({"steps": STEPS, **settings}).apply(table, Facts("p", seed))


def digest(table: pl.DataFrame) -> str:
    parts = [f"{row}|{data.hex()}" for row, data in table.select("id", "image").sort("id").iter_rows()]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def test_copies_of_training_rows_only() -> None:
    table = rows()
    outcome = augment(table, copies=2)
    assert outcome.added == 12 and outcome.kept.height == 24 and outcome.dropped.is_empty()
    assert outcome.kept.head(12).drop("copy").equals(table)
    assert outcome.kept["copy"].to_list() == [0] * 12 + [1] * 6 + [2] * 6
    assert outcome.kept["copy"].dtype == pl.Int32
    copies = outcome.kept.filter(pl.col("copy") > 0)
    train = table.filter(pl.col("split") == "train")
    assert set(copies["split"]) == {"train"}
    assert copies["id"].to_list() == [f"{row}+{k}" for k in (1, 2) for row in train["id"]]
    assert copies["label"].to_list() == train["label"].to_list() * 2
    assert copies["image"].n_unique() == 12


def test_every_step_is_applied_in_order_with_its_own_numbers() -> None:
    table = rows()
    flips = augment(table, steps=[{"kind": "flip", "probability": 1.0}]).kept.filter(pl.col("copy") == 1)["image"]
    twice = augment(table, steps=[{"kind": "flip", "probability": 1.0}] * 2).kept.filter(pl.col("copy") == 1)["image"]
    train = table.filter(pl.col("split") == "train")["image"]
    images = [np.frombuffer(data, np.uint8).reshape(8, 6, 3) for data in train]
    assert flips.to_list() == [image[:, ::-1].tobytes() for image in images]
    assert twice.to_list() == train.to_list()
    # Two coins leave about half of many rows as they were; one coin used twice would leave all.
    many = rows(400)
    halves = augment(many, steps=[{"kind": "flip"}] * 2).kept.filter(pl.col("copy") == 1)["image"]
    same = (halves == many.filter(pl.col("split") == "train")["image"]).sum()
    assert 60 < same < 140


def test_partitions_and_order_do_not_matter() -> None:
    table = rows()
    whole = augment(table, copies=2).kept
    parts = [augment(part, copies=2).kept for part in (table[7:], table[:7])]
    assert digest(pl.concat(parts)) == digest(whole)
    assert digest(augment(table.reverse(), copies=2).kept) == digest(whole)
    assert digest(augment(table, seed=1, copies=2).kept) != digest(whole)


def test_another_process_makes_the_same_bytes() -> None:
    code = (
        "import importlib.util as u, sys; s = u.spec_from_file_location('t', sys.argv[1]);"
        "m = u.module_from_spec(s); s.loader.exec_module(m); print(m.digest(m.augment(m.rows(), copies=2).kept))"
    )
    root = Path(__file__).parents[3]
    found = subprocess.run(
        [sys.executable, "-c", code, __file__],
        cwd=root, env={"PYTHONHASHSEED": "5", "PYTHONPATH": str(root), "OMP_NUM_THREADS": "2"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert found.stdout.strip() == digest(augment(rows(), copies=2).kept)


def test_single_channel_images() -> None:
    outcome = augment(rows(channels=1))
    assert set(outcome.kept["image"].bin.size()) == {48}


def test_no_training_rows_and_no_copies() -> None:
    held_out = rows().filter(pl.col("split") != "train")
    assert augment(held_out).added == 0
    assert augment(rows(), copies=0).kept.drop("copy").equals(rows())


def test_tables_that_do_not_fit() -> None:
    with pytest.raises(ConfigError, match="no column 'split'"):
        augment(rows().drop("split"))
    mixed = rows().with_columns(pl.when(pl.col("label") == 0).then(4).otherwise(8).cast(pl.Int32).alias("height"))
    with pytest.raises(BadData, match="differ in shape"):
        augment(mixed)


@pytest.mark.parametrize("settings", [{"steps": []}, {"steps": [{"kind": "blurr"}]}, {"copies": -1}, {"copy": 1}])
def test_settings_that_make_no_sense(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Augmentation.model_validate({"steps": STEPS, **settings})
