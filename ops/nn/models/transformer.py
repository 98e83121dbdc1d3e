"""The settings that all Transformers of this project share, and what a block is by name."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from ops.nn.anatomy import Anatomy
from ops.nn.models.base import Model

BLOCKS: dict[str, dict[str, Any]] = {
    "article": {
        "norm": "layer_norm",
        "norm_place": "post",
        "positions": "sinusoidal",
        "activation": "relu",
        "bias": True,
        "projections": "separate",
        "qk_norm": False,
        "zero_init": False,
        "residual_scalars": False,
        "tied": True,
        "scaled_embedding": True,
        "embedding_norm": False,
        "softcap": 0.0,
    },
    "gpt2": {
        "norm": "layer_norm",
        "norm_place": "pre",
        "positions": "learned",
        "activation": "gelu",
        "bias": True,
        "projections": "joint",
        "qk_norm": False,
        "zero_init": False,
        "residual_scalars": False,
        "tied": True,
        "scaled_embedding": False,
        "embedding_norm": False,
        "softcap": 0.0,
    },
    "modern": {
        "norm": "rms_norm",
        "norm_place": "pre",
        "positions": "rotary",
        "activation": "relu2",
        "bias": False,
        "projections": "separate",
        "qk_norm": True,
        "zero_init": True,
        "residual_scalars": True,
        "tied": False,
        "scaled_embedding": False,
        "embedding_norm": True,
        "softcap": 15.0,
    },
}
"""What each `block` says of the settings that a recipe leaves out."""


class Transformer(Model):
    """Base of all Transformers: `block` names a whole design, and each setting beside it changes one thing of it.

    A subclass says what is in front of the blocks and behind them, and may have other defaults.
    """

    inner_ratio: ClassVar[int] = 4
    """Width inside the feed-forward layers over `dim`, where a recipe does not say it."""

    block: Literal["article", "gpt2", "modern"] = "gpt2"
    """Where the settings below come from that are left out. `article`: LayerNorm behind each sum, sinusoidal positions,
    ReLU (Vaswani et al., 2017). `gpt2`: LayerNorm in front, learned positions, GELU (Radford et al., 2019). `modern`:
    RMSNorm in front, rotary positions, ReLU², QK-norm, no biases, outputs that start at zero, residual scalars."""
    dim: Annotated[int, Field(ge=4, le=4096)] = 128
    """Width: length of the vector of each position."""
    depth: Annotated[int, Field(ge=1, le=96)] = 2
    """Number of blocks."""
    heads: Annotated[int, Field(ge=1, le=128)] = 4
    """Number of attention heads; divides `dim`."""
    kv_heads: Annotated[int, Field(ge=1, le=128)] | None = None
    """Heads of keys and values, shared by groups of heads of queries; divides `heads`, which it is by default."""
    feed_forward: Annotated[int, Field(ge=1, le=32_768)] | None = None
    """Width inside the feed-forward layers; by default a multiple of `dim` (two thirds of that with `swiglu`, whose
    three layers then have as many weights)."""
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.1
    """Share of values that are zeroed in training, in front of the blocks and in what each adds."""
    drop_path: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    """Stochastic depth: share of the examples that skip the parts of the last block in training; less before."""
    positions: Literal["learned", "sinusoidal", "relative", "t5", "rotary", "none"] | None = None
    """How order is known: a trained table, or sines and cosines, added to what comes in; or inside attention, vectors
    for distances, numbers for groups of distances, or rotation of queries and keys."""
    norm: Literal["layer_norm", "rms_norm"] | None = None
    """What keeps the size of vectors in bounds: LayerNorm, or RMSNorm, which does not centre."""
    norm_place: Literal["pre", "post"] | None = None
    """Where the norm is: in front of each part, or behind each sum."""
    activation: Literal["relu", "gelu", "relu2", "swiglu"] | None = None
    """The function between the feed-forward layers; `swiglu` has a gate beside it."""
    bias: bool | None = None
    """Whether linear layers and LayerNorm of the blocks add a trained constant."""
    projections: Literal["joint", "separate"] | None = None
    """Queries, keys and values by one product, or by three; tensor parallelism by more processes than `kv_heads` wants
    three."""
    qk_norm: bool | None = None
    """Whether queries and keys are brought to one length, so that no score grows without bound."""
    zero_init: bool | None = None
    """Whether what the blocks add starts at zero."""
    residual_scalars: bool | None = None
    """Whether each block has two trained numbers for what comes in and what came into the first block."""

    @model_validator(mode="after")
    def _parts_fit(self) -> Transformer:
        if self.dim % self.heads:
            raise ValueError(f"heads: {self.heads} does not divide dim: {self.dim}")
        if self.kv_heads and self.heads % self.kv_heads:
            raise ValueError(f"kv_heads: {self.kv_heads} does not divide heads: {self.heads}")
        positions = self.chosen("positions")
        if positions == "sinusoidal" and self.dim % 2:
            raise ValueError(f"sinusoidal positions need an even dim, not {self.dim}")
        if positions == "rotary" and self.dim // self.heads % 2:
            raise ValueError(f"rotary positions need an even dim / heads, not {self.dim // self.heads}")
        return self

    def chosen(self, name: str) -> Any:
        """The value of a setting: what the recipe says, or else what its `block` says."""
        value = getattr(self, name)
        return BLOCKS[self.block][name] if value is None else value

    @property
    def inner(self) -> int:
        """Width inside the feed-forward layers."""
        width = self.inner_ratio * self.dim
        return self.feed_forward or (2 * width // 3 if self.chosen("activation") == "swiglu" else width)

    def anatomy(self, length: int) -> Anatomy:
        """The blocks, for examples of up to `length` positions."""
        names = (
            "norm", "norm_place", "positions", "activation", "bias", "projections", "qk_norm", "zero_init",
            "residual_scalars",
        )  # fmt: skip
        return Anatomy(
            dim=self.dim,
            depth=self.depth,
            heads=self.heads,
            kv_heads=self.kv_heads or self.heads,
            inner=self.inner,
            length=length,
            dropout=self.dropout,
            drop_path=self.drop_path,
            **{name: self.chosen(name) for name in names},
        )


class TokenTransformer(Transformer):
    """Base of the Transformers that read tokens."""

    scaled_embedding: bool | None = None
    """Whether embeddings are multiplied by the square root of `dim`, so that sines and cosines do not drown them."""
    embedding_norm: bool | None = None
    """Whether what goes into the first block is brought to one length, so that rare tokens speak as loud as others."""
    bigrams: Annotated[int, Field(ge=0, le=2**22)] = 0
    """Rows of a table of vectors for pairs of neighbours, hashed; spares attention to learn them. 0 for none."""
