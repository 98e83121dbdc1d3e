"""Which of C classes an image shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from ops.errors import IntegrityError
from ops.nn.spec import ImageSpec, Spec
from ops.tasks.classification import Classification

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor


class ImageClassification(Classification):
    """One label for each image."""

    modality: ClassVar[str] = "image"

    kind: Literal["image_classification"] = "image_classification"
    """One label for each image."""

    def collate(self, values: NDArray[np.generic], lengths: NDArray[np.int64], spec: Spec) -> tuple[Tensor, ...]:
        """Pixels (B, height, width, channels) uint8.

        Raises:
            IntegrityError: an image has another size than the others.
        """
        import torch

        if not isinstance(spec, ImageSpec) or not (lengths == spec.size).all():
            raise IntegrityError("an image of the cache has not the size that the cache says", where="token_cache")
        return (torch.from_numpy(values.reshape(-1, spec.height, spec.width, spec.channels)),)
