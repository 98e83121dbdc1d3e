"""One block of a Transformer encoder."""

from __future__ import annotations

from torch import Tensor, nn

from ops.nn.attention import Attention
from ops.nn.feed_forward import FeedForward


class Block(nn.Module):
    """Attention, then feed-forward, each normalised in front and added to what came in (Xiong et al., 2020).

    Dropout is on what each part adds. There is none on the attention weights: it would rule out the fused attention.
    """

    def __init__(self, dim: int, heads: int, inner: int, dropout: float) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(dim)
        self.attention = Attention(dim, heads)
        self.feed_forward_norm = nn.LayerNorm(dim)
        self.feed_forward = FeedForward(dim, inner)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """(B, T, D) to (B, T, D); mask (B, T) as in `Attention`."""
        attended: Tensor = x + self.dropout(self.attention(self.attention_norm(x), mask))
        changed: Tensor = attended + self.dropout(self.feed_forward(self.feed_forward_norm(attended)))
        return changed
