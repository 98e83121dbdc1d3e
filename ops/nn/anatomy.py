"""What the blocks of a Transformer are made of, as one value that every part reads."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Anatomy:
    """The settings of a stack of blocks, all decided.

    Attributes:
        dim: width D.
        depth: number of blocks.
        heads: number of heads H of the queries; divides `dim`.
        kv_heads: number of heads K of keys and values; divides `heads`. 0 for as many as `heads`.
        inner: width F inside the feed-forward layers.
        length: most positions of one example, for tables that need to know.
        dropout: share of values zeroed in what each part adds.
        drop_path: share of examples that skip the parts of the last block; it grows in a line from 0 in the first.
        norm: `layer_norm` or `rms_norm`.
        norm_place: `pre` (in front of each part) or `post` (behind each sum).
        positions: `learned`, `sinusoidal` (added to what comes in); `relative`, `t5`, `rotary` (in attention); `none`.
        activation: `relu`, `gelu`, `relu2` or `swiglu`.
        bias: whether linear layers and LayerNorm add a trained constant.
        projections: `joint` (one product for queries, keys and values) or `separate`.
        qk_norm: whether queries and keys are brought to one length.
        zero_init: whether what the blocks add starts at zero.
        convolution: positions W of the convolutions in front of a decoder's parts; 0 for none.
        residual_scalars: whether each block weighs what comes in and what came into the first one.
    """

    dim: int
    depth: int
    heads: int
    inner: int
    kv_heads: int = 0
    length: int = 8192
    dropout: float = 0.0
    drop_path: float = 0.0
    norm: str = "layer_norm"
    norm_place: str = "pre"
    positions: str = "learned"
    activation: str = "gelu"
    bias: bool = True
    projections: str = "joint"
    qk_norm: bool = False
    zero_init: bool = False
    residual_scalars: bool = False
    convolution: int = 0

    @property
    def head_dim(self) -> int:
        """Width of one head."""
        return self.dim // self.heads

    @property
    def shared_heads(self) -> int:
        """Heads of keys and values."""
        return self.kv_heads or self.heads

    def path_dropped(self, block: int) -> float:
        """Share of examples that skip the parts of block 0, 1, ..., depth - 1 (Huang et al., 2016)."""
        return self.drop_path * block / max(1, self.depth - 1) if self.depth > 1 else self.drop_path
