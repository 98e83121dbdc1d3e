"""What a Transformer's forward pass costs, in closed form."""

from __future__ import annotations


def encoder_flops(tokens: int, dim: int, depth: int, inner: int) -> int:
    """Operations of the matrix products of an encoder for one example, 2mnk for each (m, k) by (k, n) product.

    A block projects to queries, keys and values (3 · 2TD²), compares and mixes (2 · 2T²D), projects out (2TD²) and
    has two feed-forward products (2 · 2TDF). Norms, activations and softmax are left out: they are O(TD).
    """
    projections = 2 * tokens * dim * (3 * dim + dim)
    attention = 2 * 2 * tokens * tokens * dim
    feed_forward = 2 * 2 * tokens * dim * inner
    return depth * (projections + attention + feed_forward)
