"""One block of a Transformer."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from ops.nn.anatomy import Anatomy
from ops.nn.attention import Attention
from ops.nn.cache import LayerCache
from ops.nn.feed_forward import FeedForward
from ops.nn.norms import make_norm
from ops.nn.short_convolution import ShortConvolution


class Block(nn.Module):
    """Attention, then feed-forward, each normalised and added to what came in; a `cross` block also looks at a memory.

    The norm is in front of each part (Xiong et al., 2020), or behind each sum as in the article (Vaswani et al., 2017).
    Dropout is on what each part adds. There is none on the attention weights: it would rule out the fused attention.
    With `residual_scalars` what comes in is first weighed: a·x + b·x0, with x0 what came into the first block. At the
    start a is 1 and b is 0 (modded-nanogpt). With `convolution` each part of a causal block reads what it is given
    through a convolution over the last positions.
    """

    def __init__(self, anatomy: Anatomy, *, number: int = 0, causal: bool = False, cross: bool = False) -> None:
        """Block `number` (from 0) of a stack of that anatomy; see `Attention` for the others."""
        super().__init__()
        self.pre = anatomy.norm_place == "pre"
        self.attention_norm = make_norm(anatomy.norm, anatomy.dim, anatomy.bias)
        self.attention = Attention(anatomy, causal=causal)
        self.memory_norm = make_norm(anatomy.norm, anatomy.dim, anatomy.bias) if cross else None
        self.memory_attention = Attention(anatomy, cross=True) if cross else None
        self.feed_forward_norm = make_norm(anatomy.norm, anatomy.dim, anatomy.bias)
        self.feed_forward = FeedForward(anatomy.dim, anatomy.inner, anatomy.activation, anatomy.bias)
        self.dropout = nn.Dropout(anatomy.dropout)
        self.path = DropPath(anatomy.path_dropped(number))
        self.scalars = nn.Parameter(torch.tensor([1.0, 0.0])) if anatomy.residual_scalars else None
        width = anatomy.convolution if causal else 0
        self.convolutions = nn.ModuleDict(
            {place: ShortConvolution(anatomy.dim, width) for place in ("attention", "feed_forward")} if width else {}
        )

    def forward(
        self,
        x: Tensor,
        mask: Tensor | None = None,
        *,
        first: Tensor | None = None,
        cache: LayerCache | None = None,
        extra: Tensor | None = None,
        memory: Tensor | None = None,
        memory_mask: Tensor | None = None,
    ) -> Tensor:
        """(B, T, D) to (B, T, D).

        Args:
            x: (B, T, D).
            mask: (B, S) as in `Attention`.
            first: (B, T, D), what came into the first block; x itself by default.
            cache: as in `Attention`.
            extra: as in `Attention`.
            memory: (B, S, D), what a `cross` block looks at.
            memory_mask: (B, S) bool, true where there is something to look at.
        """
        if self.scalars is not None:
            x = self.scalars[0] * x + self.scalars[1] * (x if first is None else first)
        x = self._with(
            self.attention_norm,
            x,
            lambda y: self.attention(self._read("attention", y, cache), mask, cache=cache, extra=extra),
        )
        looks = self.memory_attention
        if looks is not None and self.memory_norm is not None:
            x = self._with(self.memory_norm, x, lambda y: looks(y, memory_mask, memory=memory, cache=cache))
        return self._with(self.feed_forward_norm, x, lambda y: self.feed_forward(self._read("feed_forward", y, cache)))

    def _with(self, norm: nn.Module, x: Tensor, part: Callable[[Tensor], Tensor]) -> Tensor:
        """x with what a part makes of it, normalised in front or behind: (B, T, D) to (B, T, D)."""
        added: Tensor = x + self.path(self.dropout(part(norm(x) if self.pre else x)))
        return added if self.pre else norm(added)

    def _read(self, place: str, x: Tensor, cache: LayerCache | None) -> Tensor:
        """What a part reads of what it is given."""
        if place not in self.convolutions:
            return x
        read: Tensor = self.convolutions[place](x, cache, place)
        return read

    def outputs(self) -> list[nn.Linear]:
        """The layers that make what the parts add."""
        looks = [] if self.memory_attention is None else [self.memory_attention.project_out]
        return [self.attention.project_out, *looks, self.feed_forward.project_out]


class DropPath(nn.Module):
    """Stochastic depth (Huang et al., 2016): in training some examples skip a part, the others count for more."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, D) to the same, rows of zeros for about `share` of the examples and the others over 1 - `share`."""
        if not self.training or self.share == 0.0:
            return x
        kept = 1.0 - self.share
        return x * x.new_empty(x.shape[0], 1, 1).bernoulli_(kept).div_(kept)


def carried(x: Tensor) -> Tensor:
    """What goes into the first of a stack of blocks, (B, T, D): of 16 bits where products are of bfloat16.

    So is then what the blocks add to it. Halving what goes from block to block makes training on a GPU some hundredths
    faster, as passes over memory bound it there. Sums in float16 could overflow and stay in 32 bits.
    """
    kind = x.device.type
    if torch.is_autocast_enabled(kind) and torch.get_autocast_dtype(kind) == torch.bfloat16:
        return x.to(torch.bfloat16)
    return x


def start(blocks: nn.Module, anatomy: Anatomy) -> None:
    """Give a stack its first weights: linear layers keep the variance (LeCun et al., 1998), with biases of zero.

    What the blocks add up to should not grow with their number: it is scaled down by the root of the number of parts
    (Radford et al., 2019), or is zero (Zhang et al., 2019), where `zero_init` says so.
    """
    blocks.apply(_start_linear)
    for block in blocks.modules():
        if isinstance(block, Block):
            outputs = block.outputs()
            for projection in outputs:
                projection.weight.data.mul_(0.0 if anatomy.zero_init else 1.0 / math.sqrt(len(outputs) * anatomy.depth))


def _start_linear(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=1.0 / math.sqrt(module.in_features))
        if module.bias is not None:
            nn.init.zeros_(module.bias)
