"""sweep: which settings of model and training do best, by trainings that are judged on the validation split.

Each trial is the recipe's own training with other values, from the same token caches and by the same launcher, in a
store of its own in the work folder. With halving, short trainings of all trials come first, and longer ones of those
that did best. Several may run at once; what they find is taken in their order and never in that in which they end, so
that the same seed gives the same values and the same result. A killed sweep goes on behind the trainings that had
ended.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from pydantic import ValidationError

from ops.abreast import Abreast
from ops.errors import CheckFailed
from ops.evaluation.sweep import charts, cut_said, render_sweep, sweep_report
from ops.recipe import Recipe
from ops.stages.model import model_stage
from ops.stages.settled import FOUND, LEARNED, STRENGTH, SWEEP
from ops.stages.spec import Build, Input, Stage
from ops.stages.trials import NOTHING, Trained, ended, shortened, total, trained
from ops.storage import Store, sha256_json
from ops.sweep.config import Sweep
from ops.sweep.halving import shares, survivors
from ops.sweep.proposals import proposals
from ops.sweep.values import listed, with_values

PAGE = "sweep.html"
"""The trials side by side, as a page."""
TRAINED = ("finished", "diverged")
"""States of rows that took time: repeated and refused values are not trained."""
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
    parts = {**_model(recipe).config(recipe), **recipe.part("sweep")}
    del parts["sweep"]["at_once"]  # changes no bit of the result
    return parts


def _modules(recipe: Recipe) -> list[str]:
    model = _model(recipe)
    return [model.module, *model.modules(recipe)]


@dataclass(frozen=True)
class _Piece:
    """One training of a trial, as it was begun: its row so far, and what it came to.

    Attributes:
        row: what is known of it before it has ended.
        found: what it found; nothing where its values do not go together, as the row says.
        figure: what it is judged by, less is better; not finite where there is none.
    """

    row: Row
    found: Trained | None = None
    figure: float = math.inf


@dataclass
class _Hunt:
    """A sweep on its way: what was trained, how it did, and what it took."""

    build: Build
    sweep: Sweep
    rows: list[Row] = field(default_factory=list)
    costs: list[Row] = field(default_factory=list)
    curves: list[Row] = field(default_factory=list)
    figures: dict[int, float] = field(default_factory=dict)
    """Of each trial the figure of its longest training; less is better."""
    values: dict[int, Row] = field(default_factory=dict)
    in_vain: float = 0.0
    """CPU-seconds of trainings that had begun before it was known that the budget was spent."""
    cut: bool = False

    @property
    def spent(self) -> bool:
        """Whether the budget is used up, so that no training begins any more."""
        return not self._leaves_room(0, [])

    def _leaves_room(self, rung: int, begun: list[_Piece | None]) -> bool:
        """Whether the budget is likely to last for one more training of a round, besides those that have begun."""
        budget = self.sweep.budget_cpu_s
        if budget is None:
            return True
        ended: list[float] = [piece.found.cost["cpu_s"] for piece in begun if piece is not None and piece.found]
        # Before one of this round has ended, those of the round before are all that is known.
        known = [*self._took(rung), *ended] or self._took(rung - 1)
        likely = begun.count(None) * sum(known) / len(known) if known else 0.0
        return float(sum(cost["cpu_s"] for cost in self.costs)) + sum(ended) + likely < budget

    def _took(self, rung: int) -> list[float]:
        """CPU-seconds of the trainings of a round."""
        rows = zip(self.rows, self.costs, strict=True)
        return [cost["cpu_s"] for row, cost in rows if row["rung"] == rung and row["state"] in TRAINED]

    def first(self, share: float) -> list[int]:
        """Try what is proposed; returns the trials that trained, the best first."""
        asked, seen, number = proposals(self.build.recipe, self.sweep), dict[str, int](), 0
        while not self.cut and (batch := asked.ask()):
            proposed = dict(enumerate(batch, number))
            number += len(batch)
            for trial, values in proposed.items():
                seen.setdefault(sha256_json(values), trial)
            same = {trial: seen[sha256_json(values)] for trial, values in proposed.items()}
            with self._training({n: v for n, v in proposed.items() if same[n] == n}, 0, share) as training:
                for trial, values in proposed.items():
                    if same[trial] == trial and self.spent:
                        self.cut = True
                        break
                    self.values[trial] = values
                    if same[trial] == trial:
                        self._take(training)
                    else:
                        # A sampler may come back to values; they would do no better a second time.
                        repeated = {**_row(trial, 0, values), "state": "repeated", "repeats": same[trial]}
                        self._note(repeated, NOTHING)
                    asked.tell(self.figures.get(same[trial]))
            self._left(training)
        return self.ranked(list(self.values))

    def further(self, trials: list[int], rung: int, share: float) -> list[int]:
        """Train those longer, best first; returns those that did, the best first."""
        done = []
        with self._training({number: self.values[number] for number in trials}, rung, share) as training:
            for number in trials:
                if self.spent:
                    self.cut = True
                    break
                self.figures.pop(number)
                self._take(training)
                done.append(number)
        self._left(training)
        return self.ranked(done)

    def ranked(self, trials: list[int]) -> list[int]:
        """Those of the trials that have a figure, the best first; of two alike the earlier one."""
        return sorted((n for n in trials if n in self.figures), key=lambda number: (self.figures[number], number))

    def _training(self, trials: Mapping[int, Row], rung: int, share: float) -> Abreast[_Piece]:
        """Trainings of those values, as many at once as the sweep says; their results come in order."""
        pieces = (self._begun(_row(number, rung, values), share) for number, values in trials.items())
        return Abreast(pieces, self.sweep.at_once, partial(self._leaves_room, rung))

    def _begun(self, row: Row, share: float) -> Callable[[], _Piece]:
        """What does one training, in any thread."""
        values, services = row["values"], self.build.services
        try:
            recipe = with_values(self.build.recipe, values)
        except ValidationError as error:
            # Between the ends of ranges, which were looked at before anything ran, two values may not go together.
            reason = error.errors(include_url=False)[0]["msg"]
            return partial(_Piece, {**row, "state": "refused", "reason": reason})
        recipe = shortened(recipe, share, self.build.inputs["token_cache"])
        row |= {"steps": recipe.training.steps}
        services.on_record({**row, "name": _name(values)})
        return partial(self._train, row, replace(self.build, recipe=recipe))

    def _train(self, row: Row, build: Build) -> _Piece:
        """One training."""
        store, alone = self._store(row["values"]), self.sweep.at_once == 1
        found = trained(build, _model(build.recipe), store, build.inputs, alone=alone)
        figure = math.inf
        if found.valid is not None:
            score = self.sweep.judged == "score"
            figure = -build.recipe.task.score(found.valid) if score else found.valid["loss"]
        return _Piece(row, found, figure)

    def _store(self, values: Row) -> Store:
        return Store(self.build.work() / "trials" / _name(values))

    def _take(self, training: Abreast[_Piece]) -> None:
        """Note the next result."""
        piece = training.take()
        if piece.found is None:
            self._note(piece.row, NOTHING)
            return
        good = math.isfinite(piece.figure)
        if good:
            self.figures[piece.row["trial"]] = piece.figure
        row = {**piece.row, "state": "finished" if good else "diverged", **piece.found.figures}
        self._note(row, piece.found.cost, piece.found.curves)

    def _left(self, training: Abreast[_Piece]) -> None:
        """Count what was trained in vain."""
        for piece in training.left():
            if piece is not None and piece.found is not None:
                self.in_vain += piece.found.cost["cpu_s"]

    def _note(self, row: Row, cost: Row, curves: Row | None = None) -> None:
        self.rows.append(row)
        self.costs.append(cost)
        self.curves.append(curves or {})
        self.build.services.on_record({**row, "name": _name(row["values"]), "cost": cost})


def _row(number: int, rung: int, values: Row) -> Row:
    return {"trial": number, "rung": rung, "values": values}


def _name(values: Row) -> str:
    return sha256_json(values)[:16]


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
    if found["cut"] is not None:
        build.services.on_record({"cut": cut_said(found["cut"])})
    build.output.json(FOUND, found)
    build.output.json(LEARNED, hunt.curves)
    page = sweep_report(build.recipe.name, build.recipe.description, sweep, found, hunt.curves)
    build.output.text(PAGE, render_sweep(page, charts(page, sweep, found)))
    build.output.facts({"chosen": hunt.values[best], "trials": len(hunt.values), "cut": hunt.cut})
    # Not in the result: what a training takes differs from run to run.
    vain = ended(hunt.in_vain)
    cost = {**total([*hunt.costs, vain]), "trials": hunt.costs}
    build.output.cost({**cost, "in_vain_cpu_s": round(hunt.in_vain, 3)})


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
