"""A Transformer that classifies sounds by their spectrograms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from ops.errors import ConfigError
from ops.nn.models.patched import Patched
from ops.nn.spec import SoundSpec, Spec

if TYPE_CHECKING:
    from torch import nn


class SpectrogramTransformer(Patched):
    """A Transformer encoder over patches of frames (after Gong, Chung and Glass, 2021), pooled, with a linear head.

    A patch is `patch` frames with all their mel channels. With `stem: convolution` a convolution over three frames
    comes before, as in Whisper (Radford et al., 2023).
    """

    modality: ClassVar[str] = "sound"

    kind: Literal["spectrogram_transformer"] = "spectrogram_transformer"
    """A Transformer for sounds."""
    patch: Annotated[int, Field(ge=1, le=4096)] = 4
    """Frames of a patch, at most all; what the last patch lacks is filled up."""

    def check(self, spec: Spec) -> None:
        """Whether a patch is within such sounds.

        Raises:
            ConfigError: it is not, or the input is no sound.
        """
        self._sound(spec)

    def build(self, spec: Spec, classes: int) -> nn.Module:
        """The network: spectrograms (B, frames, mels) uint8 to logits (B, C)."""
        from ops.nn.sound_classifier import SoundClassifier

        sound = self._sound(spec)
        return SoundClassifier(
            sound,
            self.anatomy(self._positions(sound)),
            classes=classes,
            patch=self.patch,
            stem=self.stem_width,
            pooling=self.pooling,
        )

    def flops(self, spec: Spec, classes: int, length: int | None = None) -> int:
        """Operations of one sound's forward pass; see `Model.flops`."""
        from ops.nn.flops import stack_flops

        sound = self._sound(spec)
        positions = self._positions(sound)
        frames = -(-sound.frames // self.patch) * self.patch
        stem = 2 * frames * sound.mels * 3 * self.stem_width
        embedding = 2 * frames * (self.stem_width or sound.mels) * self.dim
        return stem + embedding + stack_flops(positions, self.anatomy(positions)) + 2 * self.dim * classes

    def _positions(self, sound: SoundSpec) -> int:
        return -(-sound.frames // self.patch) + self.extra

    def _sound(self, spec: Spec) -> SoundSpec:
        super().check(spec)
        if not isinstance(spec, SoundSpec):
            raise ConfigError(f"{self.kind} reads sounds", where="model")
        if self.patch > spec.frames:
            raise ConfigError(
                f"patch: {self.patch} is longer than a sound of {spec.frames} frames",
                where="model.patch",
                hint="choose a smaller one, or longer sounds in `waveform`",
            )
        return spec
