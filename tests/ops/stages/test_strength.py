"""The search of the strength of augmentation: rounds by losses that are planted, and real trainings."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import yaml
from PIL import Image

from ops.cleaning.split import Split
from ops.errors import CheckFailed, TrainingFailed
from ops.launch import LaunchConfig
from ops.recipe import Recipe
from ops.stages.chain import stages
from ops.tasks.image_classification import ImageClassification
from tests.chain import worlds
from tests.chain.worlds import World

AUTO: dict[str, Any] = {"copies": 1, "strength": "auto", "steps": [{"kind": "rotate", "degrees": 80.0}]}
DEGREES, RATE = 80.0, 0.4


class Planted:
    """A launcher that trains nothing: the loss is the distance of the strength from where it is best."""

    def __init__(self, best: float, fails: int = 0, diverging: tuple[float, ...] = ()) -> None:
        self.best, self.fails, self.diverging = best, fails, diverging
        self.runs: list[tuple[float, int, int]] = []

    def __call__(self, run_file: Path, recipe: Recipe, on_record: Any) -> None:
        from ops.training.result import write_result

        run, augmentation = json.loads(run_file.read_text()), recipe.augmentation
        assert augmentation is not None and augmentation.strength == 1.0
        (step,) = augmentation.steps
        said = step.model_dump()
        strength = 0.0 if step.probability == 0.0 else said.get("degrees", 0.0) / DEGREES + said.get("rate", 0.0) / RATE
        self.runs.append((round(strength, 4), run["training"]["steps"], run["seed"]))
        if self.fails == len(self.runs):
            raise TrainingFailed("as planted")
        if strength in self.diverging:
            raise CheckFailed("the loss is not finite, as planted")
        loss = 0.1 + abs(strength - self.best)
        valid = {
            "step": 1,
            "loss": loss,
            "metrics": {"accuracy": 1 - loss / 2},
            "tally": [[8, 1], [1, 8]],
            "examples": 18,
        }
        cost = {"cpu_s": 2.0, "wall_s": 3.0, "flops": 7, "examples": 5, "energy": {"joules": 11.0}}
        files = {name: json.dumps(value).encode() for name, value in (("valid.json", valid), ("cost.json", cost))}
        write_result(
            run_file.parent / "result", {"model.safetensors": b"", "model.json": b"{}", "history.jsonl": b"", **files}
        )


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Images in one partition, with what does not depend on augmentation built; read only."""
    world = worlds.make(tmp_path_factory.mktemp("clean"), "image", partitions={"hash": None, "single": True})
    worlds.build(world.recipe(), world.store, ["raw_corpus", "signatures", "duplicates", "clean_corpus", "statistics"])
    return world


def made(clean: World, folder: Path, **augmentation: Any) -> World:
    """A copy of it with a search, for which everything is built."""
    world = worlds.copied(clean, folder / "world")
    data = yaml.safe_load(world.path.read_text()) | {"augmentation": {**AUTO, **augmentation}}
    world.path.write_text(yaml.safe_dump(data | {"training": {**data["training"], "steps": 40}}, sort_keys=False))
    worlds.build(world.recipe(), world.store, names(world)[: names(world).index("strength")])
    return world


def names(world: World) -> list[str]:
    return [stage.name for stage in stages(world.recipe())]


@pytest.mark.parametrize("mode", ["offline", "on_the_fly"])
def test_rounds_find_the_planted_strength(mode: str, clean: World, tmp_path: Path) -> None:
    world, launch = made(clean, tmp_path, mode=mode, search={"repeats": 2}), Planted(0.6)
    worlds.build(world.recipe(), world.store, ["strength"], launch)
    seed = world.recipe().seed
    rounds = [([0.0, 0.25, 0.5, 0.75, 1.0], 10), ([0.25, 0.5, 0.75], 20), ([0.5, 0.75], 40)]
    wanted = [(s, steps, seed + repeat) for strengths, steps in rounds for s in strengths for repeat in (0, 1)]
    assert launch.runs == wanted
    version = world.version("strength")
    found = version.json("strength.json")
    assert found["chosen"] == 0.5 == version.manifest.facts["chosen"]
    assert [(t["strength"], t["steps"]) for t in found["trials"]] == [(s, steps) for s, steps, _ in wanted]
    assert found["trials"][0]["valid_loss"] == pytest.approx(0.7)
    cost = version.cost or {}
    assert (cost["cpu_s"], cost["flops"], cost["joules"], len(cost["trials"])) == (40.0, 140, 220.0, 20)


def test_the_stages_behind_it_use_what_it_found(clean: World, tmp_path: Path) -> None:
    offline, fly = made(clean, tmp_path / "a"), made(clean, tmp_path / "b", mode="on_the_fly")
    assert names(offline).index("strength") < names(offline).index("shards")
    assert names(fly).index("strength") > names(fly).index("token_cache")
    worlds.build(offline.recipe(), offline.store, ["strength", "shards"], Planted(0.26))
    fixed = worlds.copied(offline, tmp_path / "fixed")
    worlds.build(fixed.recipe("augmentation.strength=0.25"), fixed.store, ["shards"])
    assert all(
        version.digest == fixed.version("shards", key).digest for key, version in offline.every("shards").items()
    )
    last = Planted(0.26)
    worlds.build(fly.recipe(), fly.store, ["strength"], last)
    run: list[Any] = []

    def launch(run_file: Path, recipe: Recipe, on_record: Any) -> None:
        run.append(json.loads(run_file.read_text()))
        last(run_file, recipe, on_record)

    worlds.build(fly.recipe(), fly.store, ["model"], launch)
    assert run[0]["changes"]["steps"][0]["degrees"] == 20.0


def test_texts_are_cut_into_tokens_for_each_strength(text: World, tmp_path: Path) -> None:
    world = worlds.copied(text, tmp_path / "world")
    data = yaml.safe_load(world.path.read_text())
    data["augmentation"] = {
        "strength": "auto",
        "steps": [{"kind": "word_dropout", "rate": RATE}],
        "search": {"strengths": [0.0, 1.0]},
    }
    world.path.write_text(yaml.safe_dump(data, sort_keys=False))
    worlds.build(world.recipe(), world.store, ["strength", "shards"], Planted(1.0))
    assert world.version("strength").json("strength.json")["chosen"] == 1.0
    (work,) = (world.store.root / ".work" / "tiny" / "strength" / "all").iterdir()
    vocabularies = sorted(work.glob("trials/*/tiny/tokenizer/all/current/tokenizer.json"))
    assert len(vocabularies) == 2 and vocabularies[0].read_bytes() != vocabularies[1].read_bytes()


def test_texts_on_the_fly_are_tokenised_by_one_vocabulary(text: World, tmp_path: Path) -> None:
    world = worlds.copied(text, tmp_path / "world")
    data = yaml.safe_load(world.path.read_text())
    data["augmentation"] = {
        "mode": "on_the_fly",
        "strength": "auto",
        "steps": [{"kind": "word_dropout", "rate": RATE}],
        "search": {"strengths": [0.0, 0.5]},
    }
    world.path.write_text(yaml.safe_dump(data, sort_keys=False))
    launch = Planted(0.5)
    worlds.build(world.recipe(), world.store, ["shards", "tokenizer", "token_cache", "strength"], launch)
    assert [strength for strength, _, _ in launch.runs] == [0.0, 0.5]
    assert "tokenizer" in {
        name.partition("[")[0].removeprefix("input.") for name in world.version("strength").manifest.inputs
    }
    runs: list[Any] = []

    def last(run_file: Path, recipe: Recipe, on_record: Any) -> None:
        runs.append(json.loads(run_file.read_text()))
        launch(run_file, recipe, on_record)

    worlds.build(world.recipe(), world.store, ["model"], last)
    (run,) = runs
    assert run["changes"]["steps"][0]["rate"] == RATE / 2
    assert run["changes"]["vocabulary"]["path"] == str(world.version("tokenizer").path / "tokenizer.json")
    assert run["input"]["max_length"] == data["tokenizer"]["max_length"]


def test_a_search_that_was_stopped_goes_on_where_it_was(clean: World, tmp_path: Path) -> None:
    world, launch = made(clean, tmp_path), Planted(0.0, fails=7)
    with pytest.raises(TrainingFailed):
        worlds.build(world.recipe(), world.store, ["strength"], launch)
    again = Planted(0.0)
    worlds.build(world.recipe(), world.store, ["strength"], again)
    assert again.runs == launch.runs[6:] + again.runs[1:] and len(again.runs) == 4
    other = made(clean, tmp_path / "other")
    worlds.build(other.recipe(), other.store, ["strength"], Planted(0.0))
    assert other.version("strength").digest == world.version("strength").digest


def test_a_strength_at_which_training_diverges_is_not_chosen(clean: World, tmp_path: Path) -> None:
    world = made(clean, tmp_path)
    worlds.build(world.recipe(), world.store, ["strength"], Planted(1.0, diverging=(1.0,)))
    found = world.version("strength").json("strength.json")
    assert found["chosen"] == 0.75 and found["trials"][4]["valid_loss"] is None
    with pytest.raises(CheckFailed, match="no training of the search kept a finite loss"):
        worlds.build(
            world.recipe("seed=9"), world.store, ["strength"], Planted(1.0, diverging=(0.0, 0.25, 0.5, 0.75, 1.0))
        )


class Finds(ImageClassification):
    """Stands in for a task that reads boxes, of which there is none."""

    @property
    def reads(self) -> list[str]:
        return [self.input, "boxes"]


def test_what_cannot_be_is_said_before_anything_runs(clean: World) -> None:
    recipe = clean.recipe("augmentation.strength=auto")
    assert recipe.problems() == []
    two = LaunchConfig.model_validate({"nodes": 2, "endpoint": "10.0.0.1:29500"})
    said = dict(recipe.model_copy(update={"launch": two}).problems())
    assert "auto trains on one node" in said["augmentation", "strength"]
    boxes = Finds(input="image", label="label")
    assert not any(path[0] == "augmentation" for path, _ in recipe.model_copy(update={"task": boxes}).problems())
    fly = clean.recipe("augmentation.mode=on_the_fly").model_copy(update={"task": boxes})
    assert "leaves boxes where they are" in dict(fly.problems())["augmentation", "mode"]


def write_slashes(folder: Path, split: Split) -> None:
    """Images with a bar at the top or at the bottom, which is the class, and a slash that leans by the class.

    In others than training images it leans the wrong way. Mirrored images show that it says nothing.
    """
    draw = np.random.default_rng(0)
    splits = split.assign(pl.DataFrame({"number": [str(number) for number in range(160)]}))["split"]
    for number, where in enumerate(splits):
        pixels = draw.integers(0, 60, (8, 8), dtype=np.uint8)
        pixels[7 * (number % 2)] += 90
        pixels[range(1, 7), range(1, 7)] += 180
        path = folder / ("top", "foot")[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        mirrored = number % 2 == int(where == "train")
        Image.fromarray(pixels[:, ::-1].copy() if mirrored else pixels).save(path)


@pytest.mark.slow
def test_changes_that_take_the_class_away_are_left_out_and_those_that_keep_it_are_not(tmp_path: Path) -> None:
    search = {"strengths": [0.0, 1.0]}
    # Bars lie and posts stand: what is turned by up to a right angle may be either.
    hurt = worlds.make(
        tmp_path / "hurt", "image", training={"steps": 60},
        augmentation={**AUTO, "mode": "on_the_fly", "steps": [{"kind": "rotate", "degrees": 90.0}], "search": search},
    )  # fmt: skip
    worlds.build(hurt.recipe(), hurt.store, names(hurt))
    assert hurt.version("strength").json("strength.json")["chosen"] == 0.0
    report = hurt.version("report").json("report.json")
    (table,) = [learned for learned in report["learned"] if learned["step"] == "augmentation.strength"]
    assert [row["chosen"] for row in table["rows"]] == [True, False] and table["source"] == "validation"
    assert report["contact_sheet"]["strength"] == 0.0
    spent = [(hurt.version(stage).cost or {})["cpu_s"] for stage in ("model", "strength")]
    assert report["costs"][0]["cost"]["cpu_seconds"] == pytest.approx(sum(spent)) and min(spent) > 0

    split = {"valid": 0.3, "test": 0.1, "columns": ["number"]}
    helps = worlds.make(
        tmp_path / "helps", "image", training={"steps": 60}, split=split, partitions={"hash": None, "single": True},
        source={"pattern": r"^(?P<label>[a-z]+)/(?P<number>[0-9]+)\.png$"},
        augmentation={**AUTO, "mode": "on_the_fly", "steps": [{"kind": "flip"}], "search": search},
    )  # fmt: skip
    shutil.rmtree(tmp_path / "helps" / "tiny")
    write_slashes(tmp_path / "helps" / "tiny", Split.model_validate(split))
    worlds.build(helps.recipe(), helps.store, [name for name in names(helps) if name not in ("model", "report")])
    weak, strong = helps.version("strength").json("strength.json")["trials"]
    assert helps.version("strength").json("strength.json")["chosen"] == 1.0
    assert strong["valid_loss"] < weak["valid_loss"] / 2
