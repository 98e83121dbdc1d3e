"""The settings that Transformers over patches share: what comes before the blocks, and what behind."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from ops.nn.models.transformer import Transformer


class Patched(Transformer):
    """A Transformer encoder over patches of what it reads, pooled to one vector. A subclass adds its kind."""

    inner_ratio: ClassVar[int] = 2

    kind: Any
    """What reads the patches."""
    patch: int
    """How large a patch is."""
    stem: Literal["patches", "convolution"] = "convolution"
    """What comes before the blocks: patches as they are, or after a convolution over the nearest three each way."""
    stem_channels: Annotated[int, Field(ge=1, le=4096)] = 64
    """Channels of the convolution, where `stem` says so."""
    dim: Annotated[int, Field(ge=4, le=4096)] = 64
    pooling: Literal["mean", "cls"] = "mean"
    """How an input becomes one vector: the mean of its patches, or an extra one in front."""

    @property
    def stem_width(self) -> int:
        """Channels of the convolution, 0 without one."""
        return self.stem_channels if self.stem == "convolution" else 0

    @property
    def extra(self) -> int:
        """Vectors in front of the patches."""
        return int(self.pooling == "cls")
