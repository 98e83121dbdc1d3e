"""Characters of Shakespeare with nanoGPT's budget: what our recipe, nanoGPT's configuration and the article's reach.

All three are built of this project's modules and trained by its code on the same windows in the same order, with one
thread: 1,003,854 characters to train on, and the 111,540 behind them to be judged on, in windows of 64 that do not
overlap, as nanoGPT cuts the text. CPU-seconds are those of the steps alone, batches and optimisers counted, evaluations
not. What is compared with nanoGPT's whole run is a short run of the recipe with half the width and a schedule of its
own, which were chosen on the last tenth of the training text, with other seeds.

`python -m benchmarks.shakespeare --steps N [--only NAME ...]` is a quick look at shorter runs.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.data import mirror
from benchmarks.measure import ROOT, Figure, median

TEXT = "tinyshakespeare/input.txt"
CONTEXT, BATCH, STEPS = 64, 12, 2000
TARGET = 1.88
"""Nats a character that nanoGPT's README gives for this configuration."""

SIZE = {"kind": "transformer_decoder", "dim": 128, "depth": 4, "heads": 4}
COSINE = {
    "batch_size": BATCH, "optimizer": "adamw", "learning_rate": 1e-3, "betas": [0.9, 0.99], "weight_decay": 0.1,
    "warmup": 100 / STEPS, "schedule": "cosine", "final_rate": 0.1, "clip_norm": 1.0,
}  # fmt: skip
SHORT: dict[str, dict[str, Any]] = {
    "model": {"dim": 64, "heads": 2},
    "training": {"steps": 440, "batch_size": 8, "cooldown": 0.7, "muon_learning_rate": 0.02, "momentum": 0.9},
}
"""How the recipe is trained to pass the target soon: a smaller model in small steps, of which there are more."""


def configurations() -> dict[str, dict[str, Any]]:
    """Model and training by name."""
    from pipelines.recipe import load_recipe

    recipe = load_recipe("shakespeare").part("model", "training")
    short = {part: {**recipe[part], **changes} for part, changes in SHORT.items()}
    return {
        "recipe": recipe,
        "nanogpt": {"model": {**SIZE, "block": "gpt2"}, "training": {**COSINE, "steps": STEPS}},
        "article": {
            "model": {**SIZE, "block": "article"},
            "training": {**COSINE, "steps": STEPS, "betas": [0.9, 0.98], "weight_decay": 0.0},
        },
        "short": short,
    }


@dataclass(frozen=True)
class Curve:
    """What a run came to.

    Attributes:
        parameters: of the model.
        tokens: characters that were learned from, repetitions counted.
        points: (step, CPU-seconds of the steps so far, nats a character of the whole validation text).
    """

    parameters: int
    tokens: int
    points: list[tuple[int, float, float]]

    @property
    def last(self) -> tuple[int, float, float]:
        """At the end."""
        return self.points[-1]

    def seconds_to(self, nats: float) -> float | None:
        """CPU-seconds at the first evaluation that is as good."""
        return next((seconds for _, seconds, found in self.points if found <= nats), None)


def train(configuration: dict[str, Any], seed: int, every: int) -> Curve:
    """Train one configuration in this process."""
    import torch

    from ops.nn.models.transformer_decoder import TransformerDecoder
    from ops.nn.spec import TextSpec
    from ops.tasks.language_model import LanguageModel
    from ops.training import random_state
    from ops.training.config import TrainingConfig
    from ops.training.distributed import Group
    from ops.training.evaluate import evaluate
    from ops.training.loader import batches
    from ops.training.optimizer import Optimizers
    from ops.training.order import Order
    from ops.training.parallel.base import Strategy
    from ops.training.update import Update

    torch.set_num_threads(1)
    vocabulary, learned, judged = examples()
    config = TrainingConfig.model_validate_json(json.dumps(configuration["training"]))
    kind = TransformerDecoder.model_validate_json(json.dumps(configuration["model"]))
    task = LanguageModel.model_validate({"input": "text", "context": CONTEXT})
    spec, total = TextSpec(vocabulary=vocabulary, max_length=CONTEXT), config.steps or STEPS
    random_state.seed_everything(seed)
    model = kind.build(spec, vocabulary)
    strategy = Strategy(Group())
    strategy.prepare(model)
    update = Update(config, total, task, model, Optimizers(model, config), strategy)
    order = Order(learned.length, config.batch_size, seed)
    loader = batches(learned, order, task, spec, total, config.loader, seed=seed)
    points, spent, tokens = [], 0.0, 0
    model.train()
    for step in range(total):
        started = time.process_time()
        batch = loader.get(step)
        update.gradients(batch, False)
        update.step(step)
        spent += time.process_time() - started
        tokens += batch.count
        if (step + 1) % every == 0 or step + 1 == total:
            nats = evaluate(model, task, spec, judged, vocabulary).loss
            points.append((step + 1, round(spent, 2), round(nats, 4)))
    loader.close()
    return Curve(kind.parameters(spec, vocabulary), tokens, points)


def examples() -> tuple[int, Any, Any]:
    """Size of the vocabulary, and the windows that are learned from and judged on."""
    from ops.tokenization.base import SPECIAL
    from ops.training.data import Examples

    text = mirror(TEXT).read_text(encoding="utf-8")
    points = np.frombuffer(text.encode("utf-32-le"), "<u4")
    known, numbers = np.unique(points, return_inverse=True)
    tokens = (numbers + len(SPECIAL)).astype("<u2")
    border = int(0.9 * len(tokens))
    return len(known) + len(SPECIAL), *(_windows(part, Examples) for part in (tokens[:border], tokens[border:]))


def _windows(tokens: Any, kind: Any) -> Any:
    offset = np.arange(0, len(tokens) - 1, CONTEXT)
    length = np.minimum(CONTEXT + 1, len(tokens) - offset)
    return kind((tokens,), np.zeros_like(offset), offset, length, np.zeros((len(offset), 0), np.int64))


def run(name: str, seed: int, every: int) -> Curve:
    """Train one configuration in a process of its own, with one thread."""
    command = [sys.executable, "-m", "benchmarks.shakespeare", "--worker", name, str(seed), str(every)]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    return Curve(found["parameters"], found["tokens"], [tuple(point) for point in found["points"]])


def shakespeare(repeats: int) -> list[Figure]:
    """The bars, medians over seeds 1, 2 and 3; with fewer than the usual five repeats, of seed 1 alone."""
    curves: dict[str, list[Curve]] = {name: [] for name in configurations()}
    for names in (("nanogpt", "short"), ("recipe",), ("article",)):  # what is compared by time soon after each other
        for seed in range(1, (3 if repeats >= 5 else 1) + 1):
            for name in names:
                curve = run(name, seed, 250 if name == "nanogpt" else STEPS)
                curves[name].append(curve)
                print(f"shakespeare: {name}, seed {seed}: {curve.points}", file=sys.stderr, flush=True)
    nats = {name: median([curve.last[2] for curve in found]) for name, found in curves.items()}
    seconds = {name: median([curve.last[1] for curve in found]) for name, found in curves.items()}
    soon = [curve.seconds_to(TARGET) or float("inf") for curve in curves["short"]]
    pairs = list(zip(soon, curves["nanogpt"], strict=True))
    share = 100 * median([reached / other.last[1] for reached, other in pairs])
    alike = 100 * median([reached / (other.seconds_to(TARGET) or float("inf")) for reached, other in pairs])
    ours, short = curves["recipe"][0], curves["short"]
    detail = {name: [curve.points for curve in found] for name, found in curves.items()}
    worst = max(curve.last[2] for curve in short)
    return [
        Figure(
            "shakespeare: the recipe, nats a character", nats["recipe"], "", "<= 1.56", nats["recipe"] <= 1.56, detail
        ),
        Figure(
            "shakespeare: million characters learned from", ours.tokens / 1e6, "", "<= 1.54", ours.tokens <= 1_540_000
        ),
        Figure("shakespeare: million parameters", ours.parameters / 1e6, "", "~ 0.8", ours.parameters < 850_000),
        Figure("shakespeare: the recipe, CPU-seconds", seconds["recipe"], "s"),
        Figure("shakespeare: nanoGPT's configuration, nats", nats["nanogpt"], ""),
        Figure("shakespeare: nanoGPT's configuration, CPU-seconds", seconds["nanogpt"], "s"),
        Figure("shakespeare: the article's Transformer, nats", nats["article"], ""),
        Figure("shakespeare: the article's Transformer, CPU-seconds", seconds["article"], "s"),
        Figure(f"shakespeare: CPU-seconds to {TARGET} of nanoGPT's run", share, "%", "<= 15", share <= 15.0),
        Figure(f"shakespeare: the same of nanoGPT's to {TARGET}", alike, "%"),
        Figure("shakespeare: the short run, the worst seed's nats", worst, "", f"<= {TARGET}", worst <= TARGET),
        Figure("shakespeare: the short run, million parameters", short[0].parameters / 1e6, ""),
    ]


def main() -> None:
    """One run as JSON for `run`, or a quick look."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.shakespeare")
    parser.add_argument("--worker", nargs=3, metavar=("NAME", "SEED", "EVERY"))
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--every", type=int, default=50)
    parser.add_argument("--only", nargs="+", default=["short", "nanogpt"])
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="change model or training")
    options = parser.parse_args()
    if options.worker:
        name, seed, every = options.worker
        found = train(configurations()[name], int(seed), int(every))
        print(json.dumps({"parameters": found.parameters, "tokens": found.tokens, "points": found.points}))
        return
    for name in options.only:
        chosen = configurations()[name]
        chosen["training"]["steps"] = options.steps
        for change in options.set:
            key, _, value = change.partition("=")
            part = chosen["model" if key in chosen["model"] else "training"]
            part[key] = json.loads(value)
        found = train(chosen, 1, options.every)
        print(name, *options.set, found.parameters, found.points, flush=True)


if __name__ == "__main__":
    main()
