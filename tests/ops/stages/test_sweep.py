"""The sweep: what is tried and chosen by figures that are planted, and real trainings."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from ops.errors import CheckFailed, TrainingFailed
from ops.evaluation.sweep import charts, render_sweep, sweep_report
from ops.recipe import Recipe
from ops.stages.chain import stages
from ops.stages.settled import swept
from ops.sweep.config import Sweep
from ops.sweep.proposals import Sampled
from tests.chain import worlds
from tests.chain.worlds import World

RATE, DIM, DECAY = "training.learning_rate", "model.dim", "training.weight_decay"
Run = dict[str, Any]


class Planted:
    """A launcher that trains nothing: the loss is what a function says of the run."""

    def __init__(self, loss: Callable[[Run], float], fails: int = 0, cpu_s: float = 2.0) -> None:
        self.loss, self.fails, self.cpu_s = loss, fails, cpu_s
        self.runs: list[Run] = []

    def __call__(self, run_file: Path, recipe: Recipe, on_record: Any) -> None:
        from ops.training.result import write_result

        run = json.loads(run_file.read_text())
        assert recipe.sweep is None or run["training"]["steps"] == 60
        self.runs.append(run)
        if self.fails == len(self.runs):
            raise TrainingFailed("as planted")
        loss = self.loss(run)
        if not math.isfinite(loss):
            raise CheckFailed("the loss is not finite, as planted")
        metrics = {"accuracy": 1 - loss / 100, "macro_f1": 0.5}
        valid = {
            "step": 1,
            "loss": loss,
            "metrics": metrics,
            "tally": [[8, 1, 0], [1, 8, 0], [0, 0, 9]],
            "examples": 27,
        }
        cost = {"cpu_s": self.cpu_s, "wall_s": 3.0, "flops": 7, "examples": 5, "energy": {"joules": 11.0}}
        files = {name: json.dumps(value).encode() for name, value in (("valid.json", valid), ("cost.json", cost))}
        steps = [{"step": step, "loss": loss + 9 / step} for step in range(1, run["training"]["steps"] + 1)]
        history = "".join(f"{json.dumps(line)}\n" for line in steps).encode()
        files |= {"model.safetensors": b"", "model.json": b"{}", "history.jsonl": history}
        write_result(run_file.parent / "result", files)

    @property
    def tried(self) -> list[tuple[float, int]]:
        return [(run["training"]["learning_rate"], run["training"]["steps"]) for run in self.runs]


def far(run: Run) -> float:
    """Best at a learning rate of 0.01."""
    return 1 + abs(math.log10(run["training"]["learning_rate"] / 0.01))


def made(text: World, folder: Path, **sweep: Any) -> World:
    world = worlds.copied(text, folder / "world")
    world.path.write_text(yaml.safe_dump(yaml.safe_load(world.path.read_text()) | {"sweep": sweep}, sort_keys=False))
    return world


def search(world: World, launch: Planted) -> dict[str, Any]:
    worlds.build(world.recipe(), world.store, ["sweep"], launch)
    found: dict[str, Any] = world.version("sweep").json("sweep.json")
    return found


def test_a_grid_tries_all_and_the_model_is_trained_with_the_best(text: World, tmp_path: Path) -> None:
    over = {RATE: [0.001, 0.02, 0.1], DIM: {"low": 16, "high": 32, "step": 16}}
    world, launch = made(text, tmp_path, over=over, search="grid"), Planted(far)
    found = search(world, launch)
    every = [(rate, dim) for rate in over[RATE] for dim in (16, 32)]
    assert [(run["training"]["learning_rate"], run["model"]["dim"]) for run in launch.runs] == every
    assert found["chosen"] == {"trial": 2, "values": {RATE: 0.02, DIM: 16}} and found["cut"] is None
    assert found["trials"][2]["valid_loss"] == pytest.approx(1 + math.log10(2)) and found["judged"] == "valid_loss"
    cost = world.version("sweep").cost or {}
    assert (cost["cpu_s"], cost["flops"], len(cost["trials"])) == (12.0, 42, 6)
    last = Planted(far)
    worlds.build(world.recipe(), world.store, ["model"], last)
    (run,) = last.runs
    assert (run["training"]["learning_rate"], run["model"]["dim"]) == (0.02, 16)
    assert run["training"]["batch_size"] == 16 and "sweep" not in run
    assert [row["chosen"] for row in swept(world.version("sweep"))] == [False, False, True, False, False, False]
    page = world.version("sweep").file("sweep.html").read_text()
    assert "training.learning_rate 0.02, model.dim 16" in page and page.count("<circle") >= 12
    assert page.count('class="line-chosen"') == 1 and page.count('class="line-thin"') == 5
    assert "sweep" in [stage.name for stage in stages(world.recipe())]


@pytest.mark.parametrize("kind", ["tpe", "random"])
def test_the_same_seed_proposes_the_same_and_another_one_does_not(kind: str, text: World, tmp_path: Path) -> None:
    over = {RATE: {"low": 0.0001, "high": 1.0, "log": True}, DECAY: {"low": 0, "high": 1}, "model.depth": [1, 2]}
    world, launch = made(text, tmp_path, over=over, search=kind, trials=14), Planted(far)
    found = search(world, launch)
    again = Planted(far)
    other = made(text, tmp_path / "other", over=over, search=kind, trials=14)
    assert search(other, again) == found and again.runs != []
    assert other.version("sweep").digest == world.version("sweep").digest
    rates = [row["values"][RATE] for row in found["trials"]]
    assert len(set(rates)) == 14 and all(0.0001 <= rate <= 1.0 for rate in rates)
    # Of a key that takes any number a range between whole ones has those between them.
    assert all(row["values"][DECAY] % 1 for row in found["trials"])
    worlds.build(other.recipe("seed=4"), other.store, ["sweep"], Planted(far))
    assert [row["values"][RATE] for row in other.version("sweep").json("sweep.json")["trials"]] != rates
    best = min(launch.runs, key=far)["training"]["learning_rate"]
    assert found["chosen"]["values"][RATE] == best


def test_parzen_estimators_come_nearer_than_chance(text: World, tmp_path: Path) -> None:
    over = {RATE: {"low": 0.0001, "high": 10.0, "log": True}}
    near = {}
    for kind in ("tpe", "random"):
        found = search(made(text, tmp_path / kind, over=over, search=kind, trials=30), Planted(far))
        near[kind] = sum(row["valid_loss"] < 1.5 for row in found["trials"])
    assert near["tpe"] > 1.5 * near["random"]


def test_of_values_that_come_again_the_sampler_hears_the_figure_a_second_time(text: World, tmp_path: Path) -> None:
    over: dict[str, Any] = {RATE: [0.0001, 0.001, 0.01, 0.1, 1.0], DIM: [16, 32]}
    world, launch = made(text, tmp_path, over=over, trials=24), Planted(far)
    found = search(world, launch)
    alone, expected = Sampled(Sweep.model_validate({"over": over, "trials": 24}), set(), world.recipe().seed), []
    while asked := alone.ask():
        for values in asked:
            expected.append(values)
            alone.tell(far({"training": {"learning_rate": values[RATE]}}))
    assert [row["values"] for row in found["trials"]] == expected
    assert [row["state"] for row in found["trials"]].count("repeated") == 24 - len(launch.runs) >= 14


def test_halving_keeps_those_that_did_best(text: World, tmp_path: Path) -> None:
    rates = [round(0.001 * 1.8**place, 6) for place in range(9)]
    halving = {"factor": 3, "first": 0.1}
    world, launch = made(text, tmp_path, over={RATE: rates}, search="grid", halving=halving), Planted(far)
    found = search(world, launch)
    best = sorted(rates, key=lambda rate: abs(math.log10(rate / 0.01)))[:3]
    assert launch.tried == [(rate, 7) for rate in rates] + [(rate, 20) for rate in best]
    assert found["chosen"]["values"] == {RATE: best[0]}
    assert [row["rung"] for row in found["trials"]] == [0] * 9 + [1] * 3

    # One that does well at first and badly later is not chosen.
    def late(run: Run) -> float:
        return far(run) + (9 if run["training"]["steps"] > 7 and run["training"]["learning_rate"] == best[0] else 0)

    other = made(text, tmp_path / "late", over={RATE: rates}, search="grid", halving=halving)
    found = search(other, Planted(late))
    assert found["chosen"]["values"] == {RATE: best[1]}
    recipe = other.recipe()
    assert recipe.sweep is not None
    report = sweep_report(recipe.name, recipe.description, recipe.sweep, found, [{}] * 12)
    rows = report.rows
    assert "grey ones were stopped early" in render_sweep(report, charts(report, recipe.sweep, found))
    assert (report.of, report.halved) == ("Validation loss", True)
    alike = {**found, "trials": [{**row, "rung": 0} for row in found["trials"]]}
    whole = sweep_report(recipe.name, recipe.description, recipe.sweep, alike, [{}] * 12)
    page = render_sweep(whole, charts(whole, recipe.sweep, alike))
    assert "stopped early" not in page and "judged by validation loss" in page
    assert [row.steps for row in rows] == [20] * 3 + [7] * 6 and rows[0].chosen


def test_what_was_stopped_early_is_not_chosen_by_the_figure_of_its_short_training(text: World, tmp_path: Path) -> None:
    """Longer trainings do worse here, all of them: figures of different lengths are not compared."""

    def worse(run: Run) -> float:
        return far(run) + (9 if run["training"]["steps"] > 7 else 0)

    settings: dict[str, Any] = {"over": {RATE: [0.001, 0.012, 1.0, 0.1, 10.0]}, "search": "grid"}
    world = made(text, tmp_path, **settings, halving={"factor": 3, "first": 0.1})
    found = search(world, launch := Planted(worse))
    assert [steps for _, steps in launch.tried] == [7] * 5 + [20] * 2
    assert found["chosen"]["values"] == {RATE: 0.012}
    assert found["trials"][1]["valid_loss"] < 2 < 9 < found["trials"][5]["valid_loss"]


@pytest.mark.parametrize(("diverge", "chosen"), [([0.01], 0.02), ([0.01, 0.02], 0.1)])
def test_what_did_well_in_a_short_training_and_diverges_in_a_longer_one_is_not_chosen(
    diverge: list[float], chosen: float, text: World, tmp_path: Path
) -> None:
    def late(run: Run) -> float:
        rate, steps = run["training"]["learning_rate"], run["training"]["steps"]
        return math.inf if steps == 60 and rate in diverge else far(run)

    settings: dict[str, Any] = {"over": {RATE: [0.01, 0.02, 0.1, 1.0]}, "search": "grid"}
    world, launch = made(text, tmp_path, **settings, halving={"factor": 2, "first": 0.5}), Planted(late)
    found = search(world, launch)
    assert launch.tried[4:] == [(0.01, 60), (0.02, 60)]
    assert found["chosen"]["values"] == {RATE: chosen}
    assert [row["state"] for row in found["trials"]][4:].count("diverged") == len(diverge)


def test_the_score_is_compared_where_it_is_asked_for(text: World, tmp_path: Path) -> None:
    world = made(text, tmp_path, over={RATE: [0.001, 0.01]}, search="grid", judged="score")
    found = search(world, Planted(far))
    assert found["judged"] == "valid_accuracy" and found["more_is_better"]
    assert found["chosen"]["values"] == {RATE: 0.01}


def page(world: World) -> str:
    return world.version("sweep").file("sweep.html").read_text()


def test_no_training_begins_when_the_budget_is_spent(text: World, tmp_path: Path) -> None:
    rates = [0.1, 0.02, 0.01, 0.001]
    world, launch = made(text, tmp_path, over={RATE: rates}, search="grid", budget_cpu_s=3.9), Planted(far)
    found = search(world, launch)
    assert [rate for rate, _ in launch.tried] == rates[:2] and found["chosen"]["values"] == {RATE: 0.02}
    assert found["cut"] == {"budget_cpu_s": 3.9, "untried": 2}
    assert "The budget of 3.9 CPU-seconds was spent: 2 trials were not begun." in page(world)
    # Within a round it is those that did best before that are trained longer.
    halving = {"factor": 2, "first": 0.5}
    other = made(text, tmp_path / "b", over={RATE: rates}, search="grid", budget_cpu_s=9, halving=halving)
    launch = Planted(far)
    assert search(other, launch)["chosen"]["values"] == {RATE: 0.01}
    assert launch.tried[4:] == [(0.01, 60)]


def test_a_sweep_that_was_stopped_goes_on_where_it_was(text: World, tmp_path: Path) -> None:
    settings: dict[str, Any] = {
        "over": {RATE: {"low": 0.0001, "high": 1.0, "log": True}},
        "trials": 8,
        "halving": {"factor": 2, "first": 0.25},
    }

    def hurt(run: Run) -> float:
        return math.inf if run["training"]["learning_rate"] > 0.1 else far(run)

    whole = made(text, tmp_path / "whole", **settings)
    found, launch = search(whole, first := Planted(hurt)), first
    assert any(row["state"] == "diverged" for row in found["trials"])
    for stop in (3, 10):
        world, broken = made(text, tmp_path / str(stop), **settings), Planted(hurt, fails=stop)
        with pytest.raises(TrainingFailed):
            search(world, broken)
        again = Planted(hurt)
        assert search(world, again) == found
        # What had diverged has not to diverge once more.
        assert broken.tried[:-1] + again.tried == launch.tried
        assert world.version("sweep").digest == whole.version("sweep").digest


def test_values_between_the_ends_that_do_not_go_together_are_refused_and_the_rest_goes_on(
    text: World, tmp_path: Path
) -> None:
    over = {DIM: {"low": 16, "high": 18}, "training.clip_norm": [0.9, 0.9]}
    world, launch = made(text, tmp_path, over=over, search="grid"), Planted(lambda run: run["model"]["dim"])
    found = search(world, launch)
    states = [row["state"] for row in found["trials"]]
    assert states == ["finished", "repeated", "refused", "repeated", "finished", "repeated"]
    assert [run["model"]["dim"] for run in launch.runs] == [16, 18] and found["chosen"]["trial"] == 0
    assert "17" in found["trials"][2]["reason"]
    assert "the same as trial 0" in world.version("sweep").file("sweep.html").read_text()


def test_it_goes_by_the_strength_that_was_searched_before(tmp_path: Path) -> None:
    """Changes on the fly: the strength is searched first, the trials have it, and so has the model."""
    steps = [{"kind": "rotate", "degrees": 80.0}]
    augmentation = {"mode": "on_the_fly", "strength": "auto", "steps": steps, "search": {"strengths": [0.5, 1.0]}}
    single = {"hash": None, "single": True}
    sweep = {"over": {RATE: [0.001, 0.02]}, "search": "grid"}
    world = worlds.make(tmp_path, "image", augmentation=augmentation, partitions=single, sweep=sweep)
    launch = Planted(far)
    names = [stage.name for stage in stages(world.recipe())]
    assert names[names.index("token_cache") :] == ["token_cache", "strength", "sweep", "model", "report"]
    worlds.build(world.recipe(), world.store, names[:-1], launch)
    assert world.version("strength").json("strength.json")["chosen"] == 0.5
    assert [run["training"]["learning_rate"] for run in launch.runs] == [0.005, 0.005, 0.001, 0.02, 0.02]
    degrees = [run["changes"]["steps"][0]["degrees"] for run in launch.runs]
    assert degrees == [40.0, 80.0, 40.0, 40.0, 40.0]


def test_without_a_finite_loss_nothing_is_chosen(text: World, tmp_path: Path) -> None:
    world = made(text, tmp_path, over={RATE: [0.1, 0.2]}, search="grid")
    with pytest.raises(CheckFailed, match="no trial of the sweep kept a finite loss"):
        search(world, Planted(lambda run: math.inf))


@pytest.mark.parametrize(
    ("sweep", "place", "said"),
    [
        (
            {"over": {"training.learning_rat": [0.1]}},
            ["training.learning_rat"],
            "did you mean 'training.learning_rate'",
        ),
        ({"over": {"learning_rate": [0.1]}}, ["learning_rate"], "did you mean 'training.learning_rate'"),
        ({"over": {"task.input": ["a"]}}, ["task.input"], "no key of model or training"),
        ({"over": {"training.mixing.alpha": [1.0]}}, ["training.mixing.alpha"], "write training.mixing there first"),
        ({"over": {"training.steps.x": [1]}}, ["training.steps.x"], "a single value"),
        ({"over": {RATE: [0.1, -1.0]}}, [RATE, 1], "cannot be -1.0: it should be greater than 0"),
        ({"over": {RATE: ["fast"]}}, [RATE, 0], "cannot be fast"),
        ({"over": {RATE: {"low": 0.1, "high": 1000.0}}}, [RATE, "high"], "less than or equal to 100"),
        ({"over": {DIM: {"low": 16, "high": 32.5}}}, [DIM, "high"], "integer"),
        ({"over": {RATE: {"low": 0.1, "high": 1.0}}, "search": "grid"}, [RATE], "a grid needs values"),
        ({"over": {DIM: [16, 32], "model.heads": [2, 3]}}, [], "with model.dim 16, model.heads 3:"),
        ({"over": {"training.steps": [5]}, "halving": {}}, ["training.steps"], "halving says how long"),
        ({"over": {"training.strategy": ["ddp", "pipeline"]}}, [], "with training.strategy pipeline:"),
    ],
)
def test_what_cannot_be_is_said_before_anything_runs(
    sweep: dict[str, Any], place: list[Any], said: str, text: World
) -> None:
    recipe = Recipe.model_validate_json(
        json.dumps({**text.recipe().model_dump(mode="json", exclude_unset=True), "sweep": sweep})
    )
    problems = recipe.problems()
    assert [path for path, _ in problems] == [("sweep", "over", *place)]
    assert said in problems[0][1], problems


@pytest.mark.parametrize(
    ("sweep", "said"),
    [
        ({"over": {}}, "at least 1"),
        ({"over": {RATE: []}}, "has 0 values"),
        ({"over": {RATE: {"low": 2, "high": 1}}}, "2 is not below 1"),
        ({"over": {RATE: {"low": 0, "high": 1, "log": True}}}, "begins above 0"),
        ({"over": {RATE: {"low": 1, "high": 2, "log": True, "step": 1}}}, "have no step"),
        ({"over": {RATE: {"low": 1, "high": 2, "step": 3}}}, "at most 1"),
        ({"over": {RATE: [1.0]}, "search": "grid", "trials": 3}, "leave trials out"),
        ({"over": {RATE: [1.0]}, "search": "random", "batch": 3}, "batch is for search: tpe"),
    ],
)
def test_settings_that_say_nothing(sweep: dict[str, Any], said: str) -> None:
    from ops.sweep.config import Sweep

    with pytest.raises(ValueError, match=said):
        Sweep.model_validate_json(json.dumps(sweep))


@pytest.mark.slow
def test_real_trainings_from_the_sweep_to_the_report(text: World, tmp_path: Path) -> None:
    over = {RATE: [0.00001, 0.01], "training.optimizer": ["adamw"]}
    world = made(text, tmp_path, over=over, search="grid")
    worlds.build(world.recipe(), world.store, ["sweep", "model", "report"])
    assert world.version("sweep").json("sweep.json")["chosen"]["values"][RATE] == 0.01
    plain = worlds.copied(text, tmp_path / "plain")
    worlds.build(plain.recipe(f"{RATE}=0.01"), plain.store, ["model"])
    assert plain.version("model").digest == world.version("model").digest
    report = world.version("report").json("report.json")
    (table,) = [learned for learned in report["learned"] if learned["step"] == "sweep"]
    assert [row["chosen"] for row in table["rows"]] == [False, True]
    assert all(row["cpu_seconds"] > 0 for row in table["rows"])
    curves = table["curves"]
    assert curves["by"] == "cpu_seconds" and [line["chosen"] for line in curves["lines"]] == [False, True]
    # The last of a trial's points is what its training took in all.
    for line, row in zip(curves["lines"], table["rows"], strict=True):
        assert line["points"][-1][0] == pytest.approx(row["cpu_seconds"], rel=1e-3)
    settings = yaml.safe_load(report["subject"]["settings"])
    assert settings["training"]["learning_rate"] == 0.01 and settings["sweep"] is None
    spent = [(world.version(stage).cost or {})["cpu_s"] for stage in ("model", "sweep")]
    assert report["costs"][0]["cost"]["cpu_seconds"] == pytest.approx(sum(spent))
