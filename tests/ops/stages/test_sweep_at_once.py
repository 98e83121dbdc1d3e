"""Trials side by side: the same result as one after the other, and nothing left running."""

from __future__ import annotations

import json
import math
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from ops.abreast import given_up
from ops.errors import CheckFailed, TrainingFailed
from ops.evaluation.cost import Cost, Energy
from ops.launch import SPENT
from ops.recipe import Recipe
from ops.stages.chain import stage_named
from ops.stages.report import with_search
from ops.stages.run import build_stage
from ops.stages.spec import ALL, Services
from ops.storage.files import remove_tree
from ops.training.result import write_result
from tests.chain import worlds
from tests.chain.worlds import World
from tests.ops.stages.test_sweep import DIM, RATE, Planted, Run, far, made

SPREAD = {"low": 0.0001, "high": 1.0, "log": True}
RATES = [round(0.001 * 1.8**place, 6) for place in range(9)]


@pytest.fixture(autouse=True)
def eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ops.training.parallel.checks.cores_here", lambda: 8)


LONGEST = 60
"""Steps of a training to the end; earlier rounds of halving are shorter."""


class Slow(Planted):
    """Those that are begun first wait for one another and end the last first; who was given up, and how many ran."""

    def __init__(self, loss: Callable[[Run], float], together: int = 0, **settings: Any) -> None:
        """Nothing is trained.

        Args:
            loss: of a run.
            together: how many wait for one another.
            settings: see `Planted`.
        """
        super().__init__(loss, **settings)
        self.most, self.ended = 0, list[float]()
        self.begun, self._together, self._over, self._changed = 0, together, set[int](), threading.Condition()

    def may_end(self, number: int, run: Run) -> bool:
        """Whether a training, begun as that one, may end by now."""
        later = range(number + 1, self._together)
        return self.begun >= self._together and self._over.issuperset(later)

    def __call__(self, run_file: Path, recipe: Recipe, on_record: Any) -> None:
        run, limit = json.loads(run_file.read_text()), time.monotonic() + 120
        with self._changed:
            number, self.begun = self.begun, self.begun + 1
            self.most = max(self.most, self.begun - len(self._over))
            self._changed.notify_all()
            while not self.may_end(number, run):
                assert time.monotonic() < limit, "those that it waits for did not come"
                if given_up():
                    (run_file.parent / SPENT).write_text("0.5\n0.25\n")
                    self.ended.append(run["training"]["learning_rate"])
                    raise TrainingFailed("as it was asked to")
                self._changed.wait(0.01)
        try:
            super().__call__(run_file, recipe, on_record)
        finally:
            with self._changed:
                self._over.add(number)
                self._changed.notify_all()


class Caught(Slow):
    """When so many have begun, of the longest the second ends, then the first; the others go on until they are ended.

    Attributes:
        rates: learning rates of the longest, in their order.
        wanted: how many, of all lengths, have begun then.
    """

    rates: list[float]
    wanted: int

    def may_end(self, number: int, run: Run) -> bool:
        """As said above; those of earlier rounds whenever they like."""
        if run["training"]["steps"] < LONGEST:
            return True
        place = self.rates.index(run["training"]["learning_rate"])
        second = (self.rates[1], LONGEST) in self.tried
        return self.begun >= self.wanted and (place == 1 or (place == 0 and second))


def files(world: World) -> dict[str, bytes]:
    version = world.version("sweep")
    return {entry.name: version.file(entry.name).read_bytes() for entry in version.manifest.files}


def bad(run: Run) -> float:
    return math.inf if run["training"]["learning_rate"] > 0.1 else far(run)


@pytest.mark.parametrize(
    "settings",
    [
        {"over": {RATE: RATES, DIM: [16, 32]}, "search": "grid"},
        {"over": {RATE: SPREAD}, "search": "random", "trials": 9, "halving": {"factor": 2, "first": 0.25}},
        {"over": {RATE: SPREAD, "model.depth": [1, 2]}, "trials": 14, "batch": 5, "halving": {}},
        {"over": {RATE: RATES}, "search": "grid", "budget_cpu_s": 8.5, "halving": {"factor": 2, "first": 0.5}},
        {"over": {RATE: RATES}, "search": "grid", "budget_cpu_s": 21, "halving": {"factor": 2, "first": 0.5}},
        {"over": {DIM: {"low": 16, "high": 20}, "training.clip_norm": [0.9, 0.9]}, "search": "grid"},
    ],
    ids=["grid", "random", "tpe", "cut", "cut later", "refused"],
)
def test_the_result_is_the_same_bytes_however_many_run_at_once(
    settings: dict[str, Any], text: World, tmp_path: Path
) -> None:
    found, told = {}, {}
    waiting = "clip_norm" not in str(settings)  # some of those are refused, and no training waits for them
    for at_once in (1, 2, 5):
        world, launch = made(text, tmp_path / str(at_once), **settings, at_once=at_once), Slow(bad, waiting * at_once)
        said: list[dict[str, Any]] = []
        recipe = world.recipe()
        build_stage(stage_named(recipe, "sweep"), recipe, ALL, world.store, Services(launch, said.append))
        found[at_once] = files(world), world.version("sweep").manifest.fingerprint
        told[at_once] = [record for record in said if "state" in record]
        assert launch.most == at_once or "clip_norm" in str(settings)
    assert found[1] == found[2] == found[5]
    assert told[1] == told[2] == told[5]
    assert set(found[1][0]) == {"sweep.json", "curves.json", "sweep.html"}


def test_what_was_begun_before_the_budget_was_spent_is_ended_and_counted(text: World, tmp_path: Path) -> None:
    """Each takes 2 CPU-seconds but nobody knows before one has ended; four have begun by then."""
    settings: dict[str, Any] = {"over": {RATE: RATES}, "search": "grid", "budget_cpu_s": 1.5}
    world, launch = made(text, tmp_path, **settings, at_once=4), Caught(far)
    launch.rates, launch.wanted = RATES, 4
    worlds.build(world.recipe(), world.store, ["sweep"], launch)
    found, cost = world.version("sweep").json("sweep.json"), world.version("sweep").cost or {}
    assert [row["trial"] for row in found["trials"]] == [0] and found["cut"]["untried"] == 8
    assert [rate for rate, _ in launch.tried] == [RATES[1], RATES[0]] and sorted(launch.ended) == RATES[2:4]
    assert cost["in_vain_cpu_s"] == pytest.approx(2 + 2 * 0.75)
    assert cost["cpu_s"] == pytest.approx(2 + cost["in_vain_cpu_s"]) and len(cost["trials"]) == 1


class Dearer(Planted):
    """A training of the second round takes three times what one of the first took."""

    def __call__(self, run_file: Path, recipe: Recipe, on_record: Any) -> None:
        self.cpu_s = 6.0 if recipe.training.steps == LONGEST else 2.0
        super().__call__(run_file, recipe, on_record)


class DearerCaught(Caught, Dearer):
    """Both."""


class DearerSlow(Slow, Dearer):
    """Both."""


def test_what_is_ended_in_a_later_round_is_counted_too(text: World, tmp_path: Path) -> None:
    """The first round lets expect too little: three have begun when the budget is spent."""
    settings: dict[str, Any] = {"over": {RATE: RATES}, "search": "grid", "halving": {"factor": 2, "first": 0.5}}
    world, launch = made(text, tmp_path, **settings, budget_cpu_s=23.0, at_once=4), DearerCaught(far)
    launch.rates, launch.wanted = sorted(RATES, key=lambda rate: abs(math.log10(rate / 0.01))), 9 + 3
    worlds.build(world.recipe(), world.store, ["sweep"], launch)
    cost = world.version("sweep").cost or {}
    assert [rate for rate, _ in launch.tried[9:]] == [launch.rates[1], launch.rates[0]]
    assert launch.ended == [launch.rates[2]]
    assert cost["in_vain_cpu_s"] == pytest.approx(6 + 0.75)
    assert cost["cpu_s"] == pytest.approx(24 + cost["in_vain_cpu_s"])


def test_what_a_training_takes_is_expected_of_its_own_round(text: World, tmp_path: Path) -> None:
    """After 24 of 29 CPU-seconds one of 6 is on its way: there is no room for a third of this round."""
    settings: dict[str, Any] = {"over": {RATE: RATES}, "search": "grid", "halving": {"factor": 2, "first": 0.5}}
    world, launch = made(text, tmp_path, **settings, budget_cpu_s=29.0, at_once=2), DearerSlow(far, 2)
    worlds.build(world.recipe(), world.store, ["sweep"], launch)
    assert (len(launch.runs), launch.ended) == (9 + 2, [])


def test_a_budget_that_is_foreseen_is_not_overspent(text: World, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"over": {RATE: RATES}, "search": "grid", "budget_cpu_s": 11.0}
    world, launch = made(text, tmp_path, **settings, at_once=2), Slow(far, 2)
    worlds.build(world.recipe(), world.store, ["sweep"], launch)
    assert len(launch.runs) == 6 and launch.ended == []
    assert (world.version("sweep").cost or {})["cpu_s"] == 12.0


def test_values_that_come_again_do_not_make_trainings_look_cheap(text: World, tmp_path: Path) -> None:
    """With 4 of 5.5 CPU-seconds spent and one of 2 on its way there is no room for another."""
    settings: dict[str, Any] = {"over": {RATE: [RATES[0]] * 6 + RATES[1:]}, "search": "grid", "budget_cpu_s": 5.5}
    world, launch = made(text, tmp_path, **settings, at_once=2), Slow(far, 2)
    worlds.build(world.recipe(), world.store, ["sweep"], launch)
    states = [row["state"] for row in world.version("sweep").json("sweep.json")["trials"]]
    assert states == ["finished"] + ["repeated"] * 5 + ["finished"] * 2
    assert (len(launch.runs), launch.ended) == (3, [])


def test_where_one_fails_the_others_are_ended_and_what_had_ended_is_not_trained_again(
    text: World, tmp_path: Path
) -> None:
    settings: dict[str, Any] = {"over": {RATE: RATES}, "search": "grid", "at_once": 3}
    world, launch = made(text, tmp_path, **settings), Slow(far, 3, fails=4)
    with pytest.raises(TrainingFailed, match="as planted"):
        worlds.build(world.recipe(), world.store, ["sweep"], launch)
    again = Slow(far)
    worlds.build(world.recipe(), world.store, ["sweep"], again)
    first, second = [rate for rate, _ in launch.tried], [rate for rate, _ in again.tried]
    failed = first.pop(3)
    assert sorted([*first, *second]) == RATES and failed in second


def test_what_a_training_took_that_diverged_is_its_own(text: World, tmp_path: Path) -> None:
    """Beside it another one works hard, which must not be counted twice."""
    worked = threading.Event()

    class Working(Planted):
        def __call__(self, run_file: Path, recipe: Recipe, on_record: Any) -> None:
            rate = json.loads(run_file.read_text())["training"]["learning_rate"]
            if rate > 0.1:
                assert worked.wait(120)
                (run_file.parent / SPENT).write_text("1.500\n")
                (run_file.parent / "metrics.jsonl").write_text('{"step": 2, "loss": 4.0}\n{"step": 4, "loss": 90.0}\n')
                raise CheckFailed("as planted")
            # More than the ranks say of themselves in one training, less in another.
            (run_file.parent / SPENT).write_text("1.0\n2.5\n" if rate == 0.01 else "1.0\n")
            program = "import time\nwhile time.process_time() < 0.4: pass"
            subprocess.run([sys.executable, "-S", "-c", program], check=True)
            worked.set()
            super().__call__(run_file, recipe, on_record)

    world = made(text, tmp_path, over={RATE: [0.2, 0.01, 0.02]}, search="grid", at_once=2)
    worlds.build(world.recipe(), world.store, ["sweep"], Working(far))
    version = world.version("sweep")
    assert [cost["cpu_s"] for cost in (version.cost or {})["trials"]] == [1.5, 3.5, 2.0]
    assert version.json("curves.json")[0] == {"loss": [[2, 4.0], [4, 90.0]], "valid_loss": []}


@pytest.mark.parametrize(("at_once", "joules", "estimated"), [(1, 340.0, 40.0), (2, 880.0, 880.0)])
def test_what_counters_of_a_whole_machine_told_is_taken_of_trainings_that_had_it_for_themselves(
    at_once: int, joules: float, estimated: float, text: World, tmp_path: Path
) -> None:
    """Two end, with 150 J each by counters; the other one diverges, and nobody counts its energy."""

    class Counted(Planted):
        def __call__(self, run_file: Path, recipe: Recipe, on_record: Any) -> None:
            if json.loads(run_file.read_text())["training"]["learning_rate"] > 0.1:
                (run_file.parent / SPENT).write_text("3.33333333\n")
            super().__call__(run_file, recipe, on_record)
            result = run_file.parent / "result"
            files = {path.name: path.read_bytes() for path in result.iterdir() if path.name != "done.json"}
            energy = {"joules": 150.0, "method": "measured", "how": "planted"}
            cost = {"cpu_s": 10.0, "wall_s": 3.0, "gpu_s": 1.5, "peak_rss_bytes": 0, "energy": energy}
            remove_tree(result)
            write_result(result, files | {"cost.json": json.dumps(cost).encode()})

    world = made(text, tmp_path, over={RATE: [0.01, 0.2, 0.02]}, search="grid", at_once=at_once)
    worlds.build(world.recipe(), world.store, ["sweep"], Counted(bad))
    cost = world.version("sweep").cost or {}
    assert (cost["joules"], cost["estimated_joules"], cost["gpu_s"]) == (joules, estimated, 3.0)
    measured = Cost(energy=Energy(joules=60.0, method="measured", how="planted"))
    energy = with_search(measured, cost).energy
    assert energy is not None and (energy.joules, energy.method) == (60.0 + joules, "estimated")
    counted = with_search(measured, {**cost, "estimated_joules": 0.0}).energy
    assert counted is not None and (counted.joules, counted.method) == (60.0 + joules, "measured")


@pytest.mark.parametrize(
    ("sweep", "launch", "said"),
    [
        ({"search": "random", "at_once": 9}, {}, "9 trainings at once, 1 processes of 1 threads want 9 cores"),
        ({"search": "random", "at_once": 5}, {"processes": 2}, "want 10 cores, this machine has 8"),
        ({"at_once": 4}, {}, "tpe proposes one trial at once; say batch: 4 too, or search: random"),
        ({"at_once": 4, "batch": 2}, {}, "tpe proposes 2 trials at once"),
        ({"search": "random", "at_once": 9}, {"oversubscribe": True}, None),
        ({"at_once": 4, "batch": 4}, {"processes": 2}, None),
    ],
)
def test_too_many_at_once_is_said_before_anything_runs(
    sweep: dict[str, Any], launch: dict[str, Any], said: str | None, text: World
) -> None:
    told = text.recipe().model_dump(mode="json", exclude_unset=True)
    told |= {"sweep": {"over": {RATE: SPREAD}, **sweep}, "launch": launch}
    problems = Recipe.model_validate_json(json.dumps(told)).problems()
    if said is None:
        assert problems == []
    else:
        ((path, text_),) = problems
        assert path == ("sweep", "at_once") and said in text_


SEARCH = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs are deaf to it
from pathlib import Path
from ops.storage import Store
from pipelines.recipe import load
from resources.settings import load_settings
from resources.workspace import Workspace
from ops.stages.chain import stage_named
import dataclasses
path = Path(sys.argv[1])
settings = dataclasses.replace(load_settings(path.parent, {}), store=path.parent / "store")
recipe = load(str(path)).recipe
said = lambda record: print(record.get("trial"), record.get("state"), flush=True)
Workspace(settings).train(recipe, stage_named(recipe, "sweep"), said)
"""


def below(process: psutil.Process) -> list[psutil.Process]:
    return [one for one in process.children(recursive=True) if one.status() != psutil.STATUS_ZOMBIE]


def until(condition: Callable[[], bool]) -> None:
    limit = time.monotonic() + 180
    while not condition():
        assert time.monotonic() < limit, "it did not happen"
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_an_end_ends_all_and_the_rest_goes_on(number: int, text: World, tmp_path: Path) -> None:
    """Three real trainings, two at once: after the first has ended the sweep is interrupted, or killed."""
    world = made(text, tmp_path, over={"training.steps": [40, 50_000, 50_001]}, search="grid", at_once=2)
    told = yaml.safe_load(world.path.read_text())
    told["launch"] = {"oversubscribe": True, "grace_s": 2}
    world.path.write_text(yaml.safe_dump(told, sort_keys=False))
    command = [sys.executable, "-c", SEARCH, str(world.path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[3]) as process:
        assert process.stdout is not None
        seen = [process.stdout.readline() for _ in range(2)]
        assert seen == ["0 None\n", "1 None\n"]
        while seen[-1] != "0 finished\n":
            seen.append(process.stdout.readline())
            assert seen[-1] in ("0 finished\n", "2 None\n")
        until(lambda: len(below(psutil.Process(process.pid))) >= 3)  # the second one's guard, torchrun and rank
        family = below(psutil.Process(process.pid))
        process.send_signal(number)
        try:
            process.wait(180)
        finally:
            process.kill()
        until(lambda: not any(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in family))
    rest = Planted(far)
    worlds.build(world.recipe("sweep.at_once=1"), world.store, ["sweep"], rest)
    assert [steps for _, steps in rest.tried] == [50_000, 50_001]
    assert world.version("sweep").json("sweep.json")["trials"][0]["steps"] == 40
