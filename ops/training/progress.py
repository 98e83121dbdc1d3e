"""Where training is, and how far it goes back when a loss is not finite."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Progress:
    """Where training is; what a checkpoint must know beside weights and random states.

    A batch whose loss is not finite is left out, from the last checkpoint on. Where training diverges again before it
    has gone on for a while, that checkpoint may be spoilt already: it goes back to an older one then, or to the same
    where there is none, and leaves out all batches from there on, as Chowdhery et al. (2022) did with PaLM by hand.
    What was made of the same batches again would be the same weights.

    Attributes:
        step: updates made.
        loss_sum: sum of losses since the last line of metrics.
        loss_count: units of loss since then: examples, or what the task counts.
        left_out: steps whose batches are left out.
        micro_batch: most examples that are computed at once; None for all.
        setbacks: how often training went back.
        back: the step of the checkpoint that it went back to last.
        until: updates after which that counts as overcome; until then there are no new checkpoints to go back to.
    """

    step: int = 0
    loss_sum: float = 0.0
    loss_count: int = 0
    left_out: list[int] = field(default_factory=list)
    micro_batch: int | None = None
    setbacks: int = 0
    back: int = 0
    until: int = 0

    @property
    def doubtful(self) -> bool:
        """Whether it is still open if going back has helped."""
        return self.step < self.until

    def older_than(self, step: int) -> int | None:
        """The step before which the checkpoint must be that a bad batch of `step` sends back to; None for any."""
        return self.back if self.setbacks and step < self.until else None

    def follow(self, before: Progress, step: int, good: int, batch: int | None = None) -> None:
        """Take over from where a bad batch was met, having gone back from there to this checkpoint.

        Args:
            before: where training was.
            step: the update that was not made.
            good: good updates after which this counts as overcome.
            batch: the step whose batch was bad, where updates are not made in the order of batches.
        """
        bad = step if batch is None else batch
        between = range(self.step, max(step, bad) + 1) if before.older_than(step) is not None else [bad]
        self.left_out = sorted({*before.left_out, *between})
        self.setbacks, self.back, self.until = before.setbacks + 1, self.step, step + 1 + good
