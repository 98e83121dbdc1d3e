"""sweep: which settings of model and training do best, by trainings that are judged on the validation split.

Each trial is the recipe's own training with other values, from the same token caches and by the same launcher, in a
store of its own in the work folder. With halving, short trainings of all trials come first, and longer ones of those
that did best. Trials come one after the other, so that the same seed gives the same values, and a killed sweep goes on
behind the last training that had ended.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import ValidationError

from ops.errors import CheckFailed
from ops.evaluation.sweep import charts, render_sweep, sweep_report
from ops.recipe import Recipe
from ops.stages.model import model_stage
from ops.stages.settled import FOUND, STRENGTH, SWEEP
from ops.stages.spec import Build, Input, Stage
from ops.stages.trials import SPENT, shortened, total, trained
from ops.storage import Store, sha256_json
from ops.sweep.config import Sweep
from ops.sweep.halving import shares, survivors
from ops.sweep.proposals import proposals
from ops.sweep.values import listed, with_values

PAGE = "sweep.html"
"""The trials side by side, as a page."""
NOTHING = dict.fromkeys(SPENT, 0.0)

Row = dict[str, Any]


def _sweep(recipe: Recipe) -> Sweep:
    if recipe.sweep is None:
        raise TypeError("a recipe without a sweep has nothing to search")
    return recipe.sweep


def _model(recipe: Recipe) -> Stage:
    """The stage of which each trial is one version."""
    augmentation = recipe.augmentation
    fly = augmentation is not None and augmentation.mode == "on_the_fly"
    searched = augmentation is not None and augmentation.strength == "auto"
    return model_stage(recipe.tokenizer is not None, fly and searched)


def _config(recipe: Recipe) -> dict[str, Any]:
    return {**_model(recipe).config(recipe), **recipe.part("sweep")}


def _modules(recipe: Recipe) -> list[str]:
    model = _model(recipe)
    return [model.module, *model.modules(recipe)]


@dataclass
class _Hunt:
    """A sweep on its way: what was trained, how it did, and what it took."""

    build: Build
    sweep: Sweep
    rows: list[Row] = field(default_factory=list)
    costs: list[Row] = field(default_factory=list)
    figures: dict[int, float] = field(default_factory=dict)
    """Of each trial the figure of its longest training; less is better."""
    values: dict[int, Row] = field(default_factory=dict)
    cut: bool = False

    @property
    def spent(self) -> bool:
        """Whether the budget is used up, so that no training begins any more."""
        budget = self.sweep.budget_cpu_s
        return budget is not None and sum(cost["cpu_s"] for cost in self.costs) >= budget

    def first(self, share: float) -> list[int]:
        """Try what is proposed; returns the trials that trained, the best first."""
        asked, seen = proposals(self.build.recipe, self.sweep), dict[str, int]()
        while (values := asked.ask()) is not None:
            number, same = len(self.values), seen.get(sha256_json(values))
            if same is None and self.spent:
                self.cut = True
                break
            self.values[number] = values
            if same is not None:
                # A sampler may come back to values; they would do no better a second time.
                self._note({**self._row(number, 0), "state": "repeated", "repeats": same}, NOTHING)
                asked.tell(self.figures.get(same))
                continue
            seen[sha256_json(values)] = number
            self.train(number, 0, share)
            asked.tell(self.figures.get(number))
        return self.ranked(list(seen.values()))

    def further(self, trials: list[int], rung: int, share: float) -> list[int]:
        """Train those longer, best first; returns those that did, the best first."""
        done = []
        for number in trials:
            if self.spent:
                self.cut = True
                break
            self.figures.pop(number)
            self.train(number, rung, share)
            done.append(number)
        return self.ranked(done)

    def ranked(self, trials: list[int]) -> list[int]:
        """Those of the trials that have a figure, the best first; of two alike the earlier one."""
        return sorted((n for n in trials if n in self.figures), key=lambda number: (self.figures[number], number))

    def train(self, number: int, rung: int, share: float) -> None:
        """One training."""
        values = self.values[number]
        row = self._row(number, rung)
        try:
            recipe = with_values(self.build.recipe, values)
        except ValidationError as error:
            # Between the ends of ranges, which were looked at before anything ran, two values may not go together.
            reason = error.errors(include_url=False)[0]["msg"]
            self._note({**row, "state": "refused", "reason": reason}, NOTHING)
            return
        recipe = shortened(recipe, share, self.build.inputs["token_cache"])
        row |= {"steps": recipe.training.steps}
        self.build.services.on_record({**row, "name": self._name(number)})
        store = Store(self.build.work() / "trials" / sha256_json(values)[:16])
        found = trained(replace(self.build, recipe=recipe), _model(recipe), store, self.build.inputs)
        figure = math.inf
        if found.valid is not None:
            score = self.sweep.judged == "score"
            figure = -recipe.task.score(found.valid) if score else found.valid["loss"]
        good = math.isfinite(figure)
        if good:
            self.figures[number] = figure
        self._note({**row, "state": "finished" if good else "diverged", **found.figures}, found.cost)

    def _row(self, number: int, rung: int) -> Row:
        return {"trial": number, "rung": rung, "values": self.values[number]}

    def _note(self, row: Row, cost: Row) -> None:
        self.rows.append(row)
        self.costs.append(cost)
        self.build.services.on_record({**row, "name": self._name(row["trial"]), "cost": cost})

    def _name(self, number: int) -> str:
        return sha256_json(self.values[number])[:16]


def _build(build: Build) -> None:
    sweep = _sweep(build.recipe)
    halving = sweep.halving
    lengths = shares(halving.factor, halving.first) if halving is not None else [1.0]
    hunt = _Hunt(build, sweep)
    ranked = best = hunt.first(lengths[0])
    for rung, share in enumerate(lengths[1:], 1):
        # One that is left alone is trained to the end as the model.
        going = survivors(len(ranked), halving.factor, least=1)[1:2] if halving is not None else []
        if going <= [1]:
            break
        ranked = hunt.further(ranked[: going[0]], rung, share)
        best = ranked or hunt.ranked(best)
    if not best:
        said = (
            "the budget was spent before a trial had ended" if hunt.cut else "no trial of the sweep kept a finite loss"
        )
        raise CheckFailed(said, hint="look at the ranges of sweep.over, and at sweep.budget_cpu_s")
    _write(build, hunt, best[0])


def _write(build: Build, hunt: _Hunt, best: int) -> None:
    sweep = hunt.sweep
    wanted = sweep.trials
    if sweep.search == "grid":
        wanted = math.prod(map(len, listed(build.recipe, sweep).values()))
    judged = build.recipe.task.judged[0] if sweep.judged == "score" else "loss"
    found: Row = {
        "judged": f"valid_{judged}",
        "more_is_better": sweep.judged == "score" and build.recipe.task.score({judged: 1.0}) > 0,
        "chosen": {"trial": best, "values": hunt.values[best]},
        "trials": hunt.rows,
        "cut": {"budget_cpu_s": sweep.budget_cpu_s, "untried": wanted - len(hunt.values)} if hunt.cut else None,
    }
    build.output.json(FOUND, found)
    page = sweep_report(build.recipe.name, build.recipe.description, sweep, found)
    build.output.text(PAGE, render_sweep(page, charts(page, sweep, found)))
    build.output.facts({"chosen": hunt.values[best], "trials": len(hunt.values), "cut": hunt.cut})
    # Not in the result: what a training takes differs from run to run.
    build.output.cost(total(hunt.costs))


def sweep_stage(vocabulary: bool, strength: bool = False) -> Stage:
    """The stage, with the inputs of the model that it trains."""
    return Stage(
        name=SWEEP,
        description="Which settings of model and training do best: trainings, judged on the validation split.",
        partitioned=False,
        inputs=(
            Input("token_cache", every=True),
            Input("statistics"),
            *((Input("tokenizer"),) if vocabulary else ()),
            *((Input(STRENGTH),) if strength else ()),
        ),
        config=_config,
        keys=("task", "model", "training", "augmentation", "seed", "launch", "sweep"),
        build=_build,
        modules=_modules,
    )
