"""Which of C classes a text belongs to."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from ops.nn.spec import Spec
from ops.tasks.classification import Classification

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor


class TextClassification(Classification):
    """One label for each text."""

    modality: ClassVar[str] = "text"

    kind: Literal["text_classification"] = "text_classification"
    """One label for each text."""

    def collate(self, values: NDArray[np.generic], lengths: NDArray[np.int64], spec: Spec) -> tuple[Tensor, ...]:
        """Tokens (B, T) int64, zero behind the end, and their number (B,) int64."""
        import numpy as np
        import torch

        return torch.from_numpy(values.astype(np.int64)), torch.from_numpy(lengths.astype(np.int64))
