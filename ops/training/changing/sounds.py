"""Sounds changed while they are loaded: samples, of which spectrograms are made then, or the spectrograms alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ops.augmentation.forms import SoundForm
from ops.augmentation.sound import WaveChange
from ops.augmentation.spec_augment import SpecAugment
from ops.errors import ConfigError
from ops.nn.spec import SoundSpec
from ops.normalization.mel import spectrograms
from ops.training.changing.base import Changing, Made, named


class ChangingSounds(Changing):
    """Changes samples where some step does, then spectrograms."""

    def begin(self) -> None:
        """Samples are needed where some step changes them."""
        if any(step.early for step in self.steps) and not isinstance(self.changes.form, SoundForm):
            raise ConfigError("sounds are changed, and there are no samples of them", where="changes.form")

    def __call__(self, given: Sequence[NDArray[Any]], ids: Sequence[str], epoch: int) -> Made:
        """Their spectrograms."""
        spec, form, steps = cast(SoundSpec, self.spec), self.changes.form, list(enumerate(self.steps))
        found = np.stack(given)
        if isinstance(form, SoundForm):
            waves = found.view("<i2")
            for place, step in [each for each in steps if each[1].early]:
                with named(place, ids):
                    waves = cast(WaveChange, step).changed(waves, self.seeds(ids, epoch, place))
            found = spectrograms(waves, form.rate, form.window, form.hop, form.mels, form.low, form.high)
        found = found.reshape(len(ids), spec.frames, spec.mels)
        for place, step in [each for each in steps if not each[1].early]:
            with named(place, ids):
                found = cast(SpecAugment, step).masked(found, self.seeds(ids, epoch, place))
        return found.reshape(len(ids), -1), np.full(len(ids), spec.size)


CHANGING = ChangingSounds
