"""How a model is trained: every setting of a recipe's `training`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from ops.config import Config
from ops.training.parallel.settings import OWNERS, SERVED, Parallel, StrategyName

READERS: dict[str, tuple[str, tuple[str, ...]]] = {
    "momentum": ("optimizer", ("sgd", "muon")),
    "momentum_warmup": ("optimizer", ("sgd", "muon")),
    "betas": ("optimizer", ("adam", "adamw", "muon")),
    "cooldown": ("schedule", ("trapezoid",)),
}
"""Settings that only some choices of another one look at: beside the others they would do nothing, and are refused."""


class Loader(Config):
    """How training gets at its examples. None of it changes what is learned, only how long it waits for batches."""

    kind: Literal["threads", "processes"] = "threads"
    """What makes batches ready while the model computes. Threads wait for each other and for the model where much is
    done to each example, as with many changes on the fly. Processes do not; each takes a second and memory to start."""
    workers: Annotated[int, Field(ge=0, le=64)] = 1
    """How many of them; 0 makes each batch when it is wanted."""
    prefetch: Annotated[int, Field(ge=1, le=1024)] = 4
    """Batches that are made ready before they are wanted, with at least one thread."""
    memory: Annotated[int, Field(ge=0, le=1 << 24)] = 0
    """Mebibytes of the token cache that each process reads into memory; partitions that do not fit are mapped."""

    @model_validator(mode="after")
    def _some_processes(self) -> Loader:
        if self.kind == "processes" and not self.workers:
            raise ValueError("no processes would make no batch: workers must be at least 1")
        return self


class Mixing(Config):
    """Pairs of images of a batch in one, with both labels: Mixup (Zhang et al., 2018) or CutMix (Yun et al., 2019).

    A share s is drawn from Beta(alpha, alpha) for each batch, and a partner for each of its images. Mixup blends the
    pixels, s of the image and 1 - s of its partner; CutMix pastes a window with 1 - s of the partner's pixels. The loss
    is s times that of the image's label and 1 - s times that of its partner's. What is drawn depends on seed and step
    alone.
    """

    kind: Literal["mixup", "cutmix"]
    """Blend pixels, or paste a window."""
    alpha: Annotated[float, Field(gt=0.0, le=100.0)] = 1.0
    """With 1 all shares are equally likely; below 1 most images stay nearly as they are, above 1 most are halved."""
    probability: Annotated[float, Field(ge=0.0, le=1.0)] = 1.0
    """Share of the batches that are mixed."""


class Averaging(Config):
    """An average of the weights over the last steps, which does better than the last of them where data is scarce.

    `ema` is the exponential moving average A <- d A + (1 - d) W after each step, with d the lesser of `decay` and
    n / (9 + n) at the n-th, so that the first weights are soon forgotten (Polyak and Juditsky, 1992). `swa` is the
    plain mean of the weights after every `every` steps (Izmailov et al., 2018). Until `start` it is the weights
    themselves that are judged.
    """

    kind: Literal["ema", "swa"]
    """A moving average, or a plain mean."""
    decay: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.99
    """What is left of a moving average after a step."""
    start: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    """Share of all steps after which averaging begins."""
    every: Annotated[int, Field(ge=1)] = 1
    """Steps between two weights of a plain mean."""

    @model_validator(mode="after")
    def _settings_of_the_kind(self) -> Averaging:
        if self.kind == "ema" and self.every != 1:
            raise ValueError("every is for swa; ema takes in each step")
        if self.kind == "swa" and self.decay != 0.99:
            raise ValueError("decay is for ema; swa is a plain mean")
        return self


class TrainingConfig(Config):
    """How a model is trained."""

    epochs: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """Passes over the training examples; give this or `steps`."""
    steps: Annotated[int, Field(ge=1, le=1_000_000_000)] | None = None
    """Updates of the weights; give this or `epochs`."""
    batch_size: Annotated[int, Field(ge=1, le=1_000_000)] = 64
    """Examples in one update, over all processes together. More than there are to train on are refused, but for the
    default, which then takes all of them."""
    bucketing: bool = True
    """Put texts of like length into one batch, which spares padding."""
    optimizer: Literal["adamw", "adam", "sgd", "muon"] = "adamw"
    """AdamW; Adam, whose decay goes through the running means; SGD with Nesterov momentum; or Muon for the blocks'
    matrices and AdamW for the rest."""
    learning_rate: Annotated[float, Field(gt=0.0, le=100.0)] = 0.002
    """Learning rate after the warm-up (with Muon: that of AdamW's share)."""
    muon_learning_rate: Annotated[float, Field(gt=0.0, le=100.0)] = 0.02
    """Learning rate of Muon after the warm-up; other optimisers do not look at it, so that they can be compared."""
    momentum: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.95
    """Momentum of SGD and Muon."""
    momentum_warmup: Annotated[float, Field(ge=0.0, le=1.0)] = 0.0
    """Share of all steps in which that momentum rises in a line from 0.85 (or from itself, if lower)."""
    betas: Annotated[tuple[float, float], Field(strict=False)] = (0.9, 0.98)
    """Decay of Adam's and AdamW's running means of gradient and squared gradient."""
    weight_decay: Annotated[float, Field(ge=0.0, le=100.0)] = 0.05
    """Decay of matrices towards zero, times the learning rate; biases and norms do not decay."""
    weight_decay_schedule: Literal["constant", "linear", "cosine"] = "constant"
    """The weight decay over all steps: flat, or falling to zero in a line or half a cosine."""
    warmup: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.05
    """Share of all steps in which the learning rate rises from zero."""
    schedule: Literal["constant", "linear", "cosine", "exponential", "inverse_square_root", "trapezoid"] = "trapezoid"
    """The learning rate after the warm-up: flat; falling in a line, half a cosine, by equal factors, or as one over the
    root of the step; or flat, then a line."""
    cooldown: Annotated[float, Field(gt=0.0, le=1.0)] = 0.5
    """Share of all steps, at the end, in which a trapezoid falls."""
    final_rate: Annotated[float, Field(ge=0.0, le=1.0)] = 0.0
    """Share of the learning rate to which linear, cosine, exponential (above 0) and trapezoid fall."""
    clip_norm: Annotated[float, Field(gt=0.0)] | None = 1.0
    """Longest gradient; a longer one is scaled down. Null switches it off."""
    clip_value: Annotated[float, Field(gt=0.0)] | None = None
    """Largest absolute value of a gradient's entries; larger ones are cut off, before the length is looked at."""
    label_smoothing: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    """Share of the target that is spread over all classes."""
    mixing: Mixing | None = None
    """Mix images of a batch in pairs; null leaves them as they are."""
    log_every: Annotated[int, Field(ge=1)] = 10
    """Steps between two lines of metrics; each is the mean since the last."""
    evaluate_every: Annotated[int, Field(ge=1)] | None = None
    """Steps between evaluations on the validation split; once an epoch by default, and always at the end."""
    checkpoint_every: Annotated[int, Field(ge=1)] = 200
    """Steps between checkpoints."""
    keep_checkpoints: Annotated[int, Field(ge=2, le=1000)] = 2
    """Checkpoints that are kept; the one before the newest is what a damaged newest falls back to."""
    select: Literal["best", "last"] = "best"
    """Which weights are the result: those that did best on the validation split, or the last."""
    averaging: Averaging | None = None
    """Judge and keep a running average of the weights; null for the weights themselves."""
    patience: Annotated[int, Field(ge=1)] | None = None
    """Evaluations in a row without a better one after which training ends early; null never ends it early."""
    rollbacks: Annotated[int, Field(ge=0, le=1000)] = 3
    """How often a run whose loss is not finite goes back to a checkpoint before it fails: to the last one, without the
    batch that did it; where it diverges again soon, to one before that, without all batches since."""
    loader: Loader = Loader()
    """How examples are read."""
    micro_batch: Annotated[int, Field(ge=1)] | Literal["auto"] | None = None
    """Most examples that a process computes at once; gradients of several such parts add up to those of its share of
    the batch. `auto` halves the share until its longest examples fit in the memory; null takes it whole."""
    precision: Literal["float32", "bfloat16", "float16", "float64"] = "float32"
    """Type of matrix products; weights and what the optimiser knows have 32 bits, or 64. With bfloat16 what goes from
    block to block has 16 bits too. With float16 the loss is scaled, and updates whose gradients overflow are left out.
    float64 is for comparisons to many digits."""
    compile: bool = False
    """Let torch translate the model to machine code first: half a minute, which pays in long runs on GPUs."""
    deterministic: bool = True
    """Only algorithms that give the same bits each time; without it some are faster on GPUs."""
    accelerator: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where processes compute: on NVIDIA's GPUs (one each), Apple's, or the CPU; the first of these by default."""
    strategy: StrategyName = "ddp"
    """How processes share the work; see `docs/how-to/train-on-many-processes.md`."""
    parallel: Parallel = Parallel()
    """Settings of the strategy."""
    sync_batch_norm: bool = False
    """Whether BatchNorm looks at the batch of all processes together, as one process would; costs two sums a layer."""

    @property
    def differs(self) -> bool:
        """Whether the strategy is an algorithm of its own, which does not train what one process does."""
        told, behind = self.parallel.compression or "none", self.parallel.staleness
        return self.strategy in ("local_sgd", "hogwild") or told != "none" or behind not in (None, 0)

    @model_validator(mode="after")
    def _exactly_one_length(self) -> TrainingConfig:
        if (self.epochs is None) == (self.steps is None):
            raise ValueError("give exactly one of epochs, steps")
        return self

    @model_validator(mode="after")
    def _exponential_needs_an_end(self) -> TrainingConfig:
        if self.schedule == "exponential" and self.final_rate == 0.0:
            raise ValueError("schedule: exponential never reaches zero: give final_rate above 0, as 0.01")
        if self.final_rate and self.schedule in ("constant", "inverse_square_root"):
            raise ValueError(f"final_rate: schedule: {self.schedule} has no end to fall to")
        return self

    @model_validator(mode="after")
    def _settings_of_the_strategy(self) -> TrainingConfig:
        for name in self.parallel.model_fields_set:
            if getattr(self.parallel, name) is not None and self.strategy not in OWNERS[name]:
                raise ValueError(f"parallel.{name} is for {' or '.join(OWNERS[name])}, not for {self.strategy}")
        return self

    @model_validator(mode="after")
    def _served_plainly(self) -> TrainingConfig:
        if self.strategy in SERVED:
            for name in ("micro_batch", "compile", "sync_batch_norm"):
                if getattr(self, name):
                    raise ValueError(f"{name} is not for {self.strategy}")
            if self.precision == "float16":
                raise ValueError(f"precision: float16 is not for {self.strategy}; say bfloat16")
        if self.strategy in ("tensor", "fsdp_tensor") and self.compile:
            raise ValueError(f"compile is not for {self.strategy}, whose divided matrices torch does not translate")
        if self.strategy == "pipeline" and self.compile:
            raise ValueError("compile is not for pipeline, whose stages end in the middle of the model")
        if self.strategy == "hogwild":
            if self.optimizer != "sgd" or self.momentum or self.averaging is not None:
                raise ValueError("hogwild steps by plain SGD: say optimizer: sgd and momentum: 0, without averaging")
            if self.accelerator not in ("auto", "cpu"):
                raise ValueError("hogwild shares the memory of CPUs: say accelerator: cpu")
        return self

    @model_validator(mode="after")
    def _nothing_without_effect(self) -> TrainingConfig:
        for name, (chooser, readers) in READERS.items():
            chosen, default = getattr(self, chooser), type(self).model_fields[name].default
            if chosen not in readers and getattr(self, name) != default:
                what, usual = " or ".join(readers), list(default) if isinstance(default, tuple) else default
                raise ValueError(f"{name} is for {chooser} {what}; {chosen} does not look at it: leave it at {usual}")
        if self.weight_decay_schedule != "constant" and not self.weight_decay:
            raise ValueError("weight_decay_schedule: a weight_decay of 0 has nothing to fall from")
        return self

    @model_validator(mode="after")
    def _wide_enough(self) -> TrainingConfig:
        if self.precision == "float64" and self.accelerator == "mps":
            raise ValueError("precision: Apple's GPUs have no float64; say accelerator: cpu")
        return self

    @model_validator(mode="after")
    def _auto_needs_whole_models(self) -> TrainingConfig:
        if self.micro_batch == "auto" and self.strategy not in ("ddp", "zero1"):
            raise ValueError(f"micro_batch: auto is for the strategies ddp and zero1; give a number to {self.strategy}")
        if self.micro_batch == "auto" and self.sync_batch_norm:
            raise ValueError("micro_batch: auto tries sizes process by process; give a number beside sync_batch_norm")
        return self

    @field_validator("betas")
    @classmethod
    def _betas_below_one(cls, betas: tuple[float, float]) -> tuple[float, float]:
        if not all(0.0 <= beta < 1.0 for beta in betas):
            raise ValueError("each of betas is at least 0 and below 1")
        return betas
