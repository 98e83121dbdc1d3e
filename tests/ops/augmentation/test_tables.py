from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.stats import kstest

from ops.augmentation.config import Augmentation
from ops.augmentation.tables import row_seeds, uniform
from ops.errors import BadData, ConfigError
from ops.steps import Facts, Outcome


def rows(count: int = 60, small: int = 10) -> pl.DataFrame:
    """Two classes, of which the second has `small` training rows."""
    random = np.random.default_rng(0)
    labels = [0] * (count - small) + [1] * small
    data = random.normal(size=(count, 2)) + np.array(labels)[:, None] * 5
    columns = {"id": [f"p/{k}" for k in range(count)], "x": data[:, 0], "y": data[:, 1], "n": range(count)}
    table = pl.DataFrame({**columns, "label": labels, "split": ["train"] * count})
    spare = pl.DataFrame({"id": ["t"], "x": [99.0], "y": [99.0], "n": [7], "label": [1], "split": ["test"]})
    return pl.concat([table, spare])


def augment(table: pl.DataFrame, *steps: dict[str, Any], seed: int = 0, **settings: Any) -> Outcome:
    steps = tuple({"columns": ["x", "y"], **step} for step in steps)
    return Augmentation.model_validate({"steps": list(steps), **settings}).apply(table, Facts("p", seed))


def copies(outcome: Outcome) -> pl.DataFrame:
    return outcome.kept.filter(pl.col("copy") > 0)


def test_noise_is_normal_and_of_the_strength() -> None:
    table = rows(4000)
    made = copies(augment(table, {"kind": "jitter", "strength": 0.3}))
    both = made.with_columns(pl.col("id").str.strip_suffix("+1")).join(table, on="id")
    noise = {name: (both[name] - both[f"{name}_right"]).to_numpy() / 0.3 for name in ("x", "y")}
    assert all(kstest(each, "norm").pvalue > 0.01 for each in noise.values())
    assert abs(np.corrcoef(noise["x"], noise["y"])[0, 1]) < 0.05
    assert (both["n"] == both["n_right"]).all() and set(made["split"]) == {"train"}


def test_some_copies_are_spared() -> None:
    table = rows(1000)
    made = copies(augment(table, {"kind": "jitter", "probability": 0.3}))
    same = (made["x"] == table.filter(split="train")["x"]).sum()
    assert 620 < same < 780


def between(row: np.ndarray[Any, Any], known: np.ndarray[Any, Any], made: np.ndarray[Any, Any], count: int) -> bool:
    """Whether a point lies between a row and one of its nearest, written out."""
    distances = np.sqrt(((known - row) ** 2).sum(axis=1))
    nearest = known[np.argsort(distances)][1 : count + 1]
    whole = np.sqrt(((nearest - row) ** 2).sum(axis=1))
    there, on = np.sqrt(((made - row) ** 2).sum()), np.sqrt(((nearest - made) ** 2).sum(axis=1))
    return bool((np.abs(there + on - whole) < 1e-9).any())


@given(st.integers(1, 6), st.integers(0, 3))
def test_rows_are_made_between_neighbours_of_one_class(neighbours: int, seed: int) -> None:
    table = rows(30, 8)
    made = copies(augment(table, {"kind": "smote", "neighbours": neighbours}, seed=seed))
    train = table.filter(split="train")
    assert made.height == 30 and made["label"].to_list() == train["label"].to_list()
    for old, new, label in zip(
        train.select("x", "y").rows(), made.select("x", "y").rows(), train["label"], strict=True
    ):
        known = train.filter(pl.col("label") == label).select("x", "y").to_numpy()
        assert between(np.array(old), known, np.array(new), neighbours)


def test_no_neighbour_is_the_row_itself() -> None:
    table = rows(60, 20)
    for count in (1, 5):
        made = copies(augment(table, {"kind": "smote", "neighbours": count}))
        assert (made["x"] != table.filter(split="train")["x"]).all(), count


def test_smaller_classes_are_filled_up() -> None:
    table = rows(60, 13)
    outcome = augment(table, {"kind": "smote"}, copies=10, balance=True)
    made = copies(outcome)
    assert set(made["label"]) == {1} and outcome.added == made.height == 47 - 13
    assert made["id"].is_unique().all()
    counts = made.group_by(pl.col("id").str.replace(r"\+\d+$", "")).len()["len"]
    assert set(counts) <= {2, 3} and counts.sum() == 34
    assert augment(table, {"kind": "smote"}, copies=1, balance=True).added == 13


def test_the_order_of_rows_does_not_matter() -> None:
    table = rows()
    for step in ({"kind": "smote"}, {"kind": "jitter"}):
        whole = augment(table, step, copies=3, balance=True).kept.sort("id")
        assert augment(table.reverse(), step, copies=3, balance=True).kept.sort("id").equals(whole)
        assert not augment(table, step, copies=3, balance=True, seed=1).kept.sort("id").equals(whole)


def test_noise_does_not_depend_on_partitions() -> None:
    table = rows()
    parts = pl.concat([augment(part, {"kind": "jitter"}).kept for part in (table[:20], table[20:])])
    assert parts.sort("id").equals(augment(table, {"kind": "jitter"}).kept.sort("id"))


def test_a_row_alone_in_its_class_is_copied() -> None:
    table = rows(20, 1)
    made = copies(augment(table, {"kind": "smote"}, copies=1, balance=True))
    assert made.select("x", "y").rows() == table[19].select("x", "y").rows()


def test_without_training_rows_there_are_no_copies() -> None:
    assert augment(rows().filter(split="test"), {"kind": "smote"}, balance=True).added == 0


def test_what_cannot_be_copied() -> None:
    table = rows()
    with pytest.raises(BadData, match="a training row lacks a value"):
        augment(table.with_columns(pl.when(pl.col("n") == 3).then(None).otherwise("x").alias("x")), {"kind": "jitter"})
    for kind in ("jitter", "smote"):
        for odd in (float("nan"), float("inf")):
            strange = table.with_columns(pl.when(pl.col("n") == 3).then(odd).otherwise("x").alias("x"))
            with pytest.raises(BadData, match=f"{kind}: column 'x' has a value that is no finite number"):
                augment(strange, {"kind": kind})
    with pytest.raises(BadData, match="smote: a training row has no label"):
        augment(table.with_columns(pl.when(pl.col("n") != 3).then("label").alias("label")), {"kind": "smote"})
    with pytest.raises(ConfigError, match="no column 'z'"):
        augment(table, {"kind": "jitter", "columns": ["z"]})
    with pytest.raises(ConfigError, match="column 'w' is String, which is no number"):
        augment(table.with_columns(pl.col("x").cast(pl.String).alias("w") + "a"), {"kind": "jitter", "columns": ["w"]})
    with pytest.raises(ConfigError, match="no column 'label'"):
        augment(table.drop("label"), {"kind": "smote"})
    with pytest.raises(ValidationError, match="balance is for tables"):
        Augmentation.model_validate({"steps": [{"kind": "flip"}], "balance": True})
    with pytest.raises(ValidationError, match="different kinds of data"):
        Augmentation.model_validate({"steps": [{"kind": "flip"}, {"kind": "jitter", "columns": ["x"]}]})


def test_draws_are_even_and_of_their_own() -> None:
    seeds = row_seeds(pl.Series([str(k) for k in range(5000)]), 0, 1, 0)
    draws = [uniform(seeds, number) for number in range(4)]
    assert all(kstest(each, "uniform").pvalue > 0.001 for each in draws)
    assert np.abs(np.corrcoef(draws) - np.eye(4)).max() < 0.06
