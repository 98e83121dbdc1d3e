"""A stack of blocks in which a position sees itself and those before it, and a memory where there is one."""

from __future__ import annotations

from torch import Tensor, nn

from ops.nn.anatomy import Anatomy
from ops.nn.block import Block, carried, start
from ops.nn.cache import KeyValueCache
from ops.nn.norms import make_norm


class Decoder(nn.Module):
    """Blocks one after the other and, where their norms are in front, a last one.

    The last `value_embeddings` blocks have a table of vectors by token which are added to the values of attention
    (modded-nanogpt, after Zhou et al., 2024). They start at zero: a token says nothing there until it has been seen.
    """

    def __init__(
        self, anatomy: Anatomy, *, vocabulary: int = 0, value_embeddings: int = 0, cross: bool = False
    ) -> None:
        super().__init__()
        numbers = range(anatomy.depth)
        self.blocks = nn.ModuleList(Block(anatomy, number=number, causal=True, cross=cross) for number in numbers)
        pre = anatomy.norm_place == "pre"
        self.norm = make_norm(anatomy.norm, anatomy.dim, anatomy.bias) if pre else nn.Identity()
        width = anatomy.shared_heads * anatomy.head_dim
        self.values = nn.ModuleDict(
            {str(number): nn.Embedding(vocabulary, width) for number in numbers[-value_embeddings:]}
            if value_embeddings
            else {}
        )
        for table in self.values.parameters():
            nn.init.zeros_(table)
        start(self, anatomy)

    def forward(
        self,
        x: Tensor,
        tokens: Tensor,
        cache: KeyValueCache | None = None,
        memory: Tensor | None = None,
        memory_mask: Tensor | None = None,
    ) -> Tensor:
        """(B, T, D) to (B, T, D).

        Args:
            x: (B, T, D).
            tokens: (B, T) int64, those of x, for the value embeddings.
            cache: what was read before; x is added to it.
            memory: (B, S, D), what a decoder made with `cross` looks at.
            memory_mask: (B, S) bool, true where there is something to look at.
        """
        x = first = carried(x)
        for number, block in enumerate(self.blocks):
            extra = self.values[str(number)](tokens) if str(number) in self.values else None
            layer = None if cache is None else cache.layers[number]
            x = block(x, first=first, cache=layer, extra=extra, memory=memory, memory_mask=memory_mask)
        normed: Tensor = self.norm(x)
        return normed
