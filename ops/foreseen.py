"""What a model will read, as far as settings say it, so that what does not fit is named before anything runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ops.errors import ConfigError
from ops.nn.spec import ImageSpec, SeriesSpec, SoundSpec, Spec
from ops.normalization.log_mel import LogMel
from ops.normalization.mel import frames_of
from ops.normalization.resize import Resize
from ops.normalization.waveform import Waveform
from ops.tasks.forecasting import Forecasting

if TYPE_CHECKING:
    from ops.recipe import Recipe


def foreseen(recipe: Recipe) -> Spec | None:
    """Sizes of what the model reads, without what is found in the data; None where the data decides them."""
    form, last = recipe.task.form, {step.kind: step for step in recipe.normalization}
    if form == "image" and isinstance(resize := last.get("resize"), Resize):
        return ImageSpec(height=resize.height, width=resize.width, channels=resize.channels)
    wave, mel = last.get("waveform"), last.get("log_mel")
    if form == "sound" and isinstance(wave, Waveform) and isinstance(mel, LogMel):
        return SoundSpec(frames=frames_of(wave.length, mel.window, mel.hop), mels=mel.mels)
    if isinstance(recipe.task, Forecasting):
        return SeriesSpec(features=len(recipe.task.features) or 1, history=recipe.task.history)
    return None


def foreseen_problems(recipe: Recipe) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Settings of the model, and of spectrograms, that do not fit what will come; each with the path of its key."""
    rate: int | None = None
    for place, step in enumerate(recipe.normalization):
        if isinstance(step, Waveform):
            rate = step.rate
        if isinstance(step, LogMel) and rate is not None:
            try:
                step.check(rate)
            except ConfigError as error:
                yield ("normalization", place, "kind"), error.message
    spec = foreseen(recipe)
    if spec is not None and spec.kind == recipe.model.modality:
        try:
            recipe.model.check(spec)
        except ConfigError as error:
            yield tuple(error.where.split(".")) or ("model",), f"{error.message} ({error.hint})"
