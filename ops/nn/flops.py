"""What a Transformer's forward pass costs, in closed form."""

from __future__ import annotations

from ops.nn.anatomy import Anatomy

RELATIVE_VECTORS = 33
"""Distances that `ops.nn.relations.RelativePositions` has vectors for (written here, so that torch is not needed)."""


def stack_flops(tokens: int, anatomy: Anatomy, memory: int | None = None) -> int:
    """Operations of the matrix products of a stack of blocks for one example, 2mnk for each (m, k) by (k, n) product.

    A block projects to queries (2TD²), to keys and values (2 · 2TDK·D/H), compares and mixes (2 · 2T²D), projects out
    (2TD²) and has two feed-forward products, or three with SwiGLU (2TDF each). Relative positions multiply queries by
    33 vectors. Products that a causal mask throws away are counted, as they are computed by the plain kernel and as
    is usual. A block that looks at a memory of S positions has two projections of T and two of S positions more, and
    compares and mixes 2 · 2TSD. Norms, activations, rotations, softmax and short
    convolutions are left out: they are O(TD).
    """
    dim, shared = anatomy.dim, anatomy.shared_heads * anatomy.head_dim
    projections = 2 * tokens * dim * (dim + 2 * shared + dim)
    attention = 2 * 2 * tokens * tokens * dim
    if anatomy.positions == "relative":
        attention += 2 * tokens * dim * RELATIVE_VECTORS
    feed_forward = 2 * (3 if anatomy.activation == "swiglu" else 2) * tokens * dim * anatomy.inner
    looks = 0
    if memory is not None:
        looks = 2 * dim * (2 * tokens * dim + 2 * memory * shared) + 2 * 2 * tokens * memory * dim
    return anatomy.depth * (projections + attention + looks + feed_forward)
