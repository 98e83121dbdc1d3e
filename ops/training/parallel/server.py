"""A parameter server (Li et al., 2014): one process has the weights, the others compute gradients for it."""

from __future__ import annotations

import hmac
import logging
import socket
import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor, nn

from ops.errors import ConfigError, Temporary
from ops.training.distributed import TIMEOUT, Group
from ops.training.loader import Batch
from ops.training.parallel.base import Loss, Strategy
from ops.training.parallel.wire import LostError, listen, receive, send

PLACE = "server.json"
log = logging.getLogger("satiety.training")

Unit = tuple[int, int]
"""What a worker is asked for: the gradients of a part of the batch of a step."""


@dataclass
class _Ledger:
    """What is asked for and what has come, of one stretch of training; a rollback begins another.

    Attributes:
        number: of the stretch.
        following: the next step whose batch is given out, where workers run ahead; -1 before training goes on.
        left_out: steps whose batches are not given out.
        waiting: units that nobody works on.
        arrived: gradients, sums of losses, units of loss and lengths by unit, in the order in which they came.
    """

    number: int = 0
    following: int = -1
    left_out: frozenset[int] = frozenset()
    waiting: list[Unit] = field(default_factory=list)
    arrived: dict[Unit, tuple[dict[str, Tensor], float, int, float]] = field(default_factory=dict)


class Server(Strategy):
    """Rank 0, which trains as if it were alone, but for gradients that it is sent.

    With `staleness` 0 each batch is divided among the workers, their gradients are added in the order of the parts, and
    the result is that of one process but for rounding. Above 0 each worker has a whole batch for itself, up to so many
    updates behind the weights; updates are made in the order of the batches. Without a bound they are made as they
    come. Then two runs are not alike. A worker that dies is not waited for: what it was asked for, another one is. It
    may come back, under any rank, whenever it likes.
    """

    def __init__(self, folder: Path, workers: int, total: int, staleness: int | None, device: torch.device) -> None:
        """Nobody is listened to before `prepare`.

        Args:
            folder: of the run, where workers find the address.
            workers: how many are expected; so many parts a batch has with `staleness` 0.
            total: number of updates of the whole run.
            staleness: updates that a gradient may be behind; None for any.
            device: where the weights are.
        """
        super().__init__(Group(device=device))
        self._folder, self._workers, self._total, self._staleness = folder, workers, total, staleness
        self._changed = threading.Condition()
        self._ledger, self._version, self._weights, self._over = _Ledger(), 0, b"", False
        self._taken = 0
        self._cpu: dict[str, float] = {}
        self._working = 0
        self._listening: socket.socket | None = None
        self._threads: list[threading.Thread] = []

    def prepare(self, model: nn.Module) -> None:
        """Take the model and begin to listen.

        Raises:
            ConfigError: the model keeps running values, which only workers would see.
        """
        stored = model.state_dict()
        if any(name in stored and value.is_floating_point() for name, value in model.named_buffers()):
            raise ConfigError(
                "BatchNorm's running values would stay with the workers",
                where="training.strategy",
                hint="take a model without BatchNorm, or strategy: ddp",
            )
        super().prepare(model)
        self._publish(0)
        self._listening, word = listen(self._folder / PLACE)
        threading.Thread(target=self._accept, args=(self._listening, word), daemon=True).start()

    def load(self, model: nn.Module, weights: Mapping[str, Tensor]) -> None:
        """Put weights into the model, and forget what was asked for before."""
        super().load(model, weights)
        with self._changed:
            self._ledger = _Ledger(self._ledger.number + 1)
        self._publish(0)

    def goes_on(self, step: int, left_out: Collection[int] = ()) -> None:
        """Take note that training goes on after so many steps, and let workers begin."""
        with self._changed:
            self._version, self._ledger.following, self._ledger.left_out = step, step, frozenset(left_out)
            self._changed.notify_all()

    def taken(self, step: int) -> int:
        """Without a bound, what had come first."""
        return step if self._staleness is not None else self._taken

    def backward(self, batch: Batch, loss: Loss, scale: float) -> Tensor:
        """Wait for the gradients of the next update; those of `batch` itself where updates are in order."""
        with self._changed:
            if self._staleness == 0:
                units = [(self._version, part) for part in range(self._workers)]
                self._ledger.waiting = list(units)
                self._changed.notify_all()
                self._wait_for(lambda: all(unit in self._ledger.arrived for unit in units))
            else:
                self._changed.notify_all()
                self._wait_for(lambda: self._ready() is not None)
                ready = self._ready()
                units = [ready] if ready is not None else []
            found = [self._ledger.arrived.pop(unit) for unit in units]
            self._taken = units[0][0]
        for name, weight in self._module.named_parameters():
            pieces = [gradients[name] for gradients, *_ in found if name in gradients]
            if pieces:
                total = torch.stack(pieces).sum(dim=0) if len(pieces) > 1 else pieces[0]
                weight.grad = total.to(weight.device) * (scale * batch.count)
        losses = sum(value / count for _, value, count, _ in found)
        return torch.tensor(losses * batch.count, dtype=torch.float64)

    def stepped(self, model: nn.Module, step: int) -> None:
        """Let workers see the new weights."""
        self._publish(step)

    def close(self) -> None:
        """Tell the workers that it is over."""
        with self._changed:
            self._over = True
            self._changed.notify_all()
        if self._listening is not None:
            self._listening.close()
            (self._folder / PLACE).unlink(missing_ok=True)
        for thread in self._threads:  # those that compute will not be waited for
            thread.join(timeout=1.0)

    def spent(self) -> tuple[float, int]:
        """CPU-seconds of the workers, as far as they have told; what memory they took is not known."""
        return sum(self._cpu.values()), 0

    def _publish(self, step: int) -> None:
        weights = save({name: weight.detach().contiguous().cpu() for name, weight in self._module.named_parameters()})
        with self._changed:
            self._weights = weights
            if step:
                self._version = step
            self._changed.notify_all()

    def _wait_for(self, condition: Callable[[], bool]) -> None:
        """Wait for what workers send.

        Raises:
            Temporary: nobody has sent it for a long time.
        """
        if not self._changed.wait_for(condition, TIMEOUT.total_seconds()):
            raise Temporary("no worker has sent gradients", where=f"{TIMEOUT.total_seconds():g} s")

    def _ready(self) -> Unit | None:
        """The unit whose gradients make the next update, if they are there."""
        if self._staleness is None:
            return next(iter(self._ledger.arrived), None)
        return (self._version, 0) if (self._version, 0) in self._ledger.arrived else None

    def _next(self) -> Unit | None:
        """A unit that somebody should work on, if there is one."""
        ledger = self._ledger
        if ledger.waiting:
            return ledger.waiting.pop(0)
        while ledger.following in ledger.left_out:
            ledger.following += 1
        ahead = ledger.following - self._version
        bounded = self._staleness is not None and ahead > self._staleness
        if self._staleness == 0 or bounded or not 0 <= ledger.following < self._total:
            return None
        ledger.following += 1
        return ledger.following - 1, 0

    def _accept(self, listening: socket.socket, word: str) -> None:
        while True:
            try:
                line, _ = listening.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(line, word), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, line: socket.socket, word: str) -> None:
        """Give one worker work until it is gone or all is over."""
        try:
            with line:
                head, _ = receive(line)
                if not hmac.compare_digest(str(head.get("word")), word):
                    return
                while self._give(line):
                    pass
        except (LostError, ValueError, KeyError) as error:
            log.warning("a worker is gone: %s", error)

    def _give(self, line: socket.socket) -> bool:
        """One unit of work, from asking to answer; returns whether there is more."""
        with self._changed:
            unit: Unit | None = None

            def found() -> bool:
                nonlocal unit
                unit = None if self._over else self._next()
                return self._over or unit is not None

            self._changed.wait_for(found)
            stretch, weights = self._ledger.number, self._weights
            self._working += unit is not None
        if unit is None:
            send(line, {"over": True})
            return False
        try:
            parts = self._workers if self._staleness == 0 else 1
            send(line, {"step": unit[0], "part": unit[1], "parts": parts}, weights)
            head, gradients = receive(line)
        except BaseException:
            with self._changed:
                self._working -= 1
                if self._ledger.number == stretch:
                    self._ledger.waiting.insert(0, unit)
                self._changed.notify_all()
            raise
        self._take(head, unit, stretch, gradients)
        return True

    def _take(self, head: Mapping[str, Any], unit: Unit, stretch: int, gradients: dict[str, Tensor]) -> None:
        with self._changed:
            self._working -= 1
            self._cpu[str(head["who"])] = float(head["cpu_s"])
            if self._ledger.number == stretch:
                figures = float(head["loss"]), int(head["count"]), float(head.get("norm", 0.0))
                self._ledger.arrived[unit] = (gradients, *figures)
            self._changed.notify_all()
