"""Which of C classes a sound is of."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from ops.errors import IntegrityError
from ops.nn.spec import SoundSpec, Spec
from ops.tasks.classification import Classification

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor


class SoundClassification(Classification):
    """One label for each sound, which the model reads as a log-mel spectrogram."""

    modality: ClassVar[str] = "sound"

    kind: Literal["sound_classification"] = "sound_classification"
    """One label for each sound."""

    def collate(self, values: NDArray[np.generic], lengths: NDArray[np.int64], spec: Spec) -> tuple[Tensor, ...]:
        """Spectrograms (B, frames, mels) uint8.

        Raises:
            IntegrityError: a sound has another size than the others.
        """
        import torch

        if not isinstance(spec, SoundSpec) or not (lengths == spec.size).all():
            raise IntegrityError("a sound of the cache has not the size that the cache says", where="token_cache")
        return (torch.from_numpy(values.reshape(-1, spec.frames, spec.mels)),)
