"""The training loop: steps, metrics, evaluations, checkpoints, and going on from where a killed run was."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from ops.errors import CheckFailed, ConfigError
from ops.storage.hashing import canonical_json
from ops.training import random_state
from ops.training.altering import alteration
from ops.training.averaging import Average
from ops.training.champion import Champion
from ops.training.config import TrainingConfig
from ops.training.crew import Crew, hired
from ops.training.data import load_examples
from ops.training.distributed import Group
from ops.training.evaluate import evaluate
from ops.training.heartbeat import Heartbeat
from ops.training.journal import history
from ops.training.loader import Batch, batches
from ops.training.micro_batches import largest
from ops.training.optimizer import Optimizers
from ops.training.order import Order
from ops.training.parallel.choice import strategy_of
from ops.training.peak import counted_flops, peak_flops
from ops.training.precision import PRODUCTS, lower, place
from ops.training.progress import Progress
from ops.training.result import describe, write_result
from ops.training.run import RunSpec
from ops.training.signals import Stop
from ops.training.snapshots import Snapshots
from ops.training.spending import Helpers, Spending, report
from ops.training.update import Update

_TENSORS = ("model", "optimizer", "best", "average")
"""The files of tensors in a checkpoint."""

FORWARD_AND_BACKWARD = 3
"""Operations of a training step in forward passes: a gradient is wanted for the inputs and for the weights."""

log = logging.getLogger("satiety.training")


class Trainer:
    """One process's part of a training run."""

    def __init__(self, run: RunSpec, group: Group, stop: Stop, started: float) -> None:
        """Read the data, build the model and go on from the newest whole checkpoint.

        Args:
            run: the resolved run.
            group: the processes that train together.
            stop: says when to stop early.
            started: `time.perf_counter()` when the process began.
        """
        self._run, self._group, self._stop = run, group, stop
        self._config, self._classes = run.training, len(run.classes)
        self._heart = Heartbeat(run.folder, group.rank)
        self._heart.beat(0)
        self._task, self._kind, self._spec = run.task_value(), run.model_value(), run.input
        self._kind.check(self._spec)
        self._outputs = self._task.outputs(self._classes, self._spec)
        self._data = load_examples(
            run.inputs, self._spec.dtype, self._classes, self._config.loader.memory << 20, self._task.label_shape
        )
        _check_sizes(self._config, len(self._data["train"]), len(self._data["valid"]))
        random_state.seed_everything(run.seed)  # the same weights in every process
        precision = self._config.precision
        self._model = place(self._kind.build(self._spec, self._outputs), group.device, precision)
        self._parameters = sum(weight.numel() for weight in self._model.parameters())  # whole, as they are here
        lower(self._model, group.device, precision)
        self._order = Order(self._data["train"].length, self._config.batch_size, run.seed, self._config.bucketing)
        per_epoch = self._order.steps_per_epoch
        self._total = self._config.steps or per_epoch * (self._config.epochs or 1)
        self._strategy = strategy_of(run, group, self._total)
        self._strategy.share_norms(self._model, self._config.sync_batch_norm)
        random_state.seed_everything(random_state.seed_of_rank(run.seed, self._strategy.stream, 0))
        self._strategy.prepare(self._model)
        if self._config.compile:
            self._strategy.compile()
        self._optimizers = Optimizers(self._model, self._config, self._strategy)
        alter = alteration(run, self._data["train"])
        crew = hired(run, self._data["train"], alter)
        self._batches = batches(
            self._data["train"], self._order, self._task, self._spec, self._total, self._config.loader,
            *self._strategy.part, self._config.mixing, run.seed, alter, crew,
        )  # fmt: skip
        self._update = Update(self._config, self._total, self._task, self._model, self._optimizers, self._strategy)
        self._evaluate_every = self._config.evaluate_every or per_epoch
        self._progress, self._champion = Progress(), Champion(self._config, self._task)
        self._average = Average(self._config.averaging, self._model, self._total, self._strategy.piece)
        self._flops_of: dict[int, int] = {}
        self._snapshots = Snapshots(run, group, self._strategy.stream)
        self._spending = Spending(group, self._resume(), started, self._helpers(crew))
        self._strategy.goes_on(self._progress.step, self._progress.left_out)
        if self._progress.micro_batch is None:
            self._progress.micro_batch = self._micro_batch()

    def _helpers(self, crew: Crew | None) -> Helpers:
        def spent() -> tuple[float, int]:
            each = [self._strategy.spent(), *([crew.spent()] if crew is not None else [])]
            return sum(cpu for cpu, _ in each), sum(peak for _, peak in each)

        return spent

    def _micro_batch(self) -> int | None:
        """How many examples are computed at once; the same in all processes, and from then on in this run."""
        wanted = self._config.micro_batch
        if wanted != "auto":
            return wanted
        most = math.ceil(min(self._config.batch_size, len(self._data["train"])) / self._strategy.part[1])
        found = largest(self._model, self._task, self._spec, self._data["train"], most, self._group.device)
        return min(int(size) for size in self._group.gather(str(found).encode()))

    def train(self) -> int:
        """Train to the end and write the result; or, when asked to stop, write a checkpoint.

        Returns:
            0, or the number of the signal that asked.

        Raises:
            CheckFailed: the loss is not finite.
        """
        try:
            return self._train()
        finally:
            self._strategy.close()
            self._batches.close()

    def _train(self) -> int:
        self._model.train()
        self._clock = (time.perf_counter(), 0)
        while self._progress.step < self._total and not self._champion.given_up:
            stopping = self._step()
            step = self._progress.step
            if stopping is None or (self._is_due(step, self._evaluate_every) and not self._evaluate()):
                continue  # went back to a checkpoint
            if (stopping or step % self._config.checkpoint_every == 0) and not self._save(stopping > 0):
                continue
            if stopping:
                log.info("asked to stop: checkpoint written after step %d", step)
                return stopping
            self._heart.beat(step)
        if self._champion.given_up:
            log.info("ended early after step %d: patience is at its end", self._progress.step)
        self._finish()
        return 0

    def _is_due(self, step: int, every: int) -> bool:
        return step % every == 0 or step == self._total

    def _step(self) -> int | None:
        """Make one update.

        Returns:
            The signal that asked any of the processes to stop, or 0; None where training went back to a checkpoint.
        """
        step, progress = self._progress.step, self._progress
        if step in progress.left_out:
            return self._leave_out()
        with self._spending.timed("waiting"):
            batch = self._batches.get(step)
        with self._spending.timed("computing"):
            found = self._update.gradients(batch, self._stop.signal > 0, progress.micro_batch)
        operations = self._operations(batch)
        seen = int((batch.weights > 0).sum()) if self._strategy.speaks else 0
        self._spending.count(seen, operations, operations)
        # Gradients and sums are those of all processes: each comes to the same decision.
        if not found.usable:
            self._roll_back("loss", step, self._strategy.taken(step))
            return None
        with self._spending.timed("computing"):
            learning_rate = self._update.step(step, found.overflow)
        self._spending.count(0, self._optimizers.flops)
        progress.step += 1
        self._average.follow(progress.step)
        progress.loss_sum += found.loss
        progress.loss_count += batch.count
        self._spending.started()
        self._clock = (self._clock[0], self._clock[1] + batch.examples)
        if self._is_due(progress.step, self._config.log_every):
            self._note(learning_rate, found.norm)
        return (self._stop.signal or 15) if found.stopping else 0

    def _leave_out(self) -> int:
        """Go on to the next step without an update; returns 0: who asks to stop is heard in that one."""
        self._progress.step += 1
        self._strategy.stepped(self._model, self._progress.step)
        self._average.follow(self._progress.step)
        self._write({"left_out": 1})
        return 0

    def _roll_back(self, what: str, step: int, batch: int | None = None) -> None:
        """Go back to a checkpoint, from where a bad batch is left out, or all up to it; see `Progress`.

        Args:
            what: what is not finite.
            step: the update that was not made, or the last one that was.
            batch: the step whose batch was bad, where that is another.

        Raises:
            CheckFailed: there is none, or it was done too often.
        """
        before, often = self._progress, self._config.rollbacks
        older = before.older_than(step)
        if before.setbacks >= often:
            raise _not_finite(what, step, f", and training went back {often} times already" if often else "")
        # Without an older one that checkpoint may be good all the same: what spoilt the weights may lie behind it.
        if self._resume(older) is None and (older is None or self._resume() is None):
            raise _not_finite(what, step, ", and there is no checkpoint to go back to")
        self._progress.follow(before, step, self._config.checkpoint_every, batch)
        self._strategy.goes_on(self._progress.step, self._progress.left_out)
        self._model.train()
        self._clock = (time.perf_counter(), 0)
        left = "that batch is" if older is None else "all batches in between are"
        log.warning(
            "the %s is not finite at step %d: back to step %d, %s left out", what, step + 1, self._progress.step, left
        )

    def _note(self, learning_rate: float, norm: float) -> None:
        """Write a line of metrics: the mean loss since the last one."""
        progress = self._progress
        if not progress.loss_count:  # all batches since the last line were left out
            return
        began, seen = self._clock
        now = time.perf_counter()
        record = {
            "loss": progress.loss_sum / progress.loss_count,
            "lr": learning_rate,
            **({"grad_norm": norm} if math.isfinite(norm) else {}),  # it overflowed
            "examples_per_s": round(seen / max(now - began, 1e-9), 1),
        }
        progress.loss_sum, progress.loss_count, self._clock = 0.0, 0, (now, 0)
        self._write(record)

    def _evaluate(self) -> bool:
        """Judge the weights, or their average, on the validation split, and keep them if they are the best so far.

        Returns:
            Whether training goes on from here; False where it went back to a checkpoint.
        """
        if not len(self._data["valid"]):
            return True
        step, began = self._progress.step, time.perf_counter()

        def seen(rows: int, width: int) -> None:
            self._heart.beat(step)
            self._spending.count(0, rows * self._flops(width) // self._strategy.sharers)

        self._settle()
        with self._average.in_place(), self._spending.timed("evaluating"):
            verdict = evaluate(
                self._model, self._task, self._spec, self._data["valid"], self._outputs, self._strategy, on_batch=seen
            )
            if math.isfinite(verdict.loss):
                self._champion.judge(step, verdict, self._strategy.whole(self._model.state_dict()))
        if not math.isfinite(verdict.loss):
            self._roll_back("validation loss", step - 1)
            return False
        self._write({"valid_loss": verdict.loss, **{f"valid_{k}": v for k, v in verdict.metrics.items()}})
        self._clock = (self._clock[0] + time.perf_counter() - began, self._clock[1])
        return True

    def _write(self, record: Mapping[str, Any]) -> None:
        step = self._progress.step
        epoch = round(step / self._order.steps_per_epoch, 4)
        full = {"step": step, "epoch": epoch, "time_ms": time.time_ns() // 1_000_000, **record}
        self._snapshots.write(full)
        shown = ", ".join(f"{k} {v:.4g}" for k, v in record.items())
        log.info("step %d of %d: %s", step, self._total, shown)

    def _operations(self, batch: Batch) -> int:
        """Of the forward and backward pass of this process's part of a batch, padding included."""
        return FORWARD_AND_BACKWARD * len(batch.labels) * self._flops(batch.width) // self._strategy.sharers

    def _flops(self, width: int) -> int:
        if width not in self._flops_of:
            self._flops_of[width] = self._kind.flops(self._spec, self._outputs, self._task.width(width))
        return self._flops_of[width]

    def _save(self, stopping: bool) -> bool:
        """Write a checkpoint, unless the weights are no numbers; what it took counts from the next one on.

        Where it is still open if going back has helped, only who asks to stop gets one.

        Returns:
            Whether training goes on from here; False where it went back to the checkpoint before.
        """
        wanted = stopping or not self._progress.doubtful
        with self._spending.timed("saving"):
            if wanted:
                self._settle()  # first: nobody may change what was looked at
            whole = self._strategy.finite(self._model)
            if whole and wanted:
                self._write_checkpoint()
        if not whole:
            self._roll_back("largest weight", self._progress.step - 1)
        return whole

    def _settle(self) -> None:
        self._strategy.settle(self._model.state_dict(), self._optimizers.state(), self._average.tensors)

    def _write_checkpoint(self) -> None:
        weights, average = (self._strategy.whole(each) for each in (self._model.state_dict(), self._average.tensors))
        optimizer = self._strategy.whole_state(self._optimizers.state())
        tensors = dict(zip(_TENSORS, (weights, optimizer, self._champion.weights, average), strict=True))
        state = {
            **asdict(self._progress),
            "champion": self._champion.state(),
            "scale": self._update.scale.state(),
            "cost": self._spending.lap(),
        }
        # What may still be gone back to stays.
        keep = None if self._progress.doubtful else self._config.keep_checkpoints
        self._snapshots.save(self._progress.step, tensors, state, keep)

    def _resume(self, before: int | None = None) -> dict[str, Any] | None:
        """Go on from the newest whole checkpoint (before a step), if there is one; returns the cost until then."""
        found = self._snapshots.newest(before)
        if found is None:
            return None
        weights, optimizer, best, average = (load_tensors(found.files[f"{name}.safetensors"]) for name in _TENSORS)
        self._strategy.load(self._model, weights)
        self._optimizers.load(optimizer, self._strategy.share)
        state = found.state
        self._champion.restore(state["champion"], best)
        self._average.restore(average, self._strategy.share)
        self._update.scale.restore(state["scale"])
        self._progress = Progress(**{name: state[name] for name in asdict(self._progress)})
        self._snapshots.restore_random(found)
        log.info("going on after step %d", found.step)
        cost: dict[str, Any] = state["cost"]
        return cost

    def _finish(self) -> None:
        """Write the result: the chosen weights, their description, the history, the verdict and the cost."""
        total, best = self._spending.lap(), self._champion.found
        chosen = best is not None
        if not chosen:
            self._settle()
        with self._average.in_place():
            weights = self._champion.weights if chosen else self._strategy.whole(self._model.state_dict())
            weights = {name: value.clone() for name, value in weights.items()}
        if not self._group.first:
            return
        description = describe(self._run, best["step"] if best else self._progress.step, self._parameters)
        files = {
            "model.safetensors": save_tensors(weights),
            "model.json": canonical_json(description).encode(),
            "history.jsonl": history(self._snapshots.close()),
            "valid.json": canonical_json(best or {}).encode(),
            "cost.json": canonical_json(self._cost(total, description["parameters"])).encode(),
        }
        write_result(self._run.folder / "result", files)
        log.info("done after step %d", self._progress.step)

    def _cost(self, total: dict[str, Any], parameters: int) -> dict[str, Any]:
        """The cost record: what was measured, beside what the machine could do and what torch counts."""
        batch = self._batches.get(self._total - 1)
        inputs, labels = tuple(value[:1] for value in batch.inputs), batch.labels[:1]  # one example: large models
        counted = counted_flops(self._kind, self._spec, self._outputs, self._task, inputs, labels)
        relation = None if counted is None else counted / (FORWARD_AND_BACKWARD * self._flops(batch.width))
        peak = peak_flops(self._group.device, PRODUCTS[self._config.precision])
        return report(total, parameters, self._run.world_size, peak, relation)


def _check_sizes(config: TrainingConfig, train: int, valid: int) -> None:
    """Whether there are as many examples to train and to judge on as the settings count on.

    Raises:
        ConfigError: there are fewer.
    """
    if config.patience is not None and not valid:
        raise ConfigError(
            "the validation split has no examples, by which patience is measured",
            where="training.patience",
            hint="leave patience out, or give split.valid a share",
        )
    if config.batch_size > max(train, TrainingConfig.model_fields["batch_size"].default):
        raise ConfigError(
            f"{config.batch_size} examples in a batch are more than there are to train on: {train}",
            where="training.batch_size",
            hint=f"say {train} to take all of them in each step, or fewer",
        )


def _not_finite(what: str, step: int, why: str) -> CheckFailed:
    hint = "lower training.learning_rate, or raise training.rollbacks and training.keep_checkpoints"
    return CheckFailed(f"the {what} is not finite at step {step + 1}{why}", where="training", hint=hint)
