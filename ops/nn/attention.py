"""Multi-head attention (Vaswani et al., 2017, section 3.2), with grouped heads, a memory and a cache."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from ops.nn.anatomy import Anatomy
from ops.nn.cache import LayerCache
from ops.nn.norms import unit_rms
from ops.nn.relations import Rotary, make_relation


class Attention(nn.Module):
    """Every position looks at others in several heads, each of D/H dimensions.

    With K < H heads of keys and values each is shared by H/K heads of queries (Ainslie et al., 2023). With `qk_norm`
    queries and keys have a root mean square of one in each head (Henry et al., 2020).
    """

    def __init__(self, anatomy: Anatomy, *, causal: bool = False, cross: bool = False) -> None:
        """Attention of that anatomy.

        Args:
            anatomy: what it is made of.
            causal: whether a position looks at itself and those before it only.
            cross: whether it looks at a memory and not at its own positions.
        """
        super().__init__()
        self.heads, self.kv_heads, self.head_dim = anatomy.heads, anatomy.shared_heads, anatomy.head_dim
        self.causal, self.cross, self.qk_norm = causal, cross, anatomy.qk_norm
        self.joint = anatomy.projections == "joint" and not cross
        dim, shared = anatomy.dim, self.kv_heads * self.head_dim
        if self.joint:
            self.project_in = nn.Linear(dim, dim + 2 * shared, bias=anatomy.bias)
        else:
            self.queries = nn.Linear(dim, dim, bias=anatomy.bias)
            self.keys = nn.Linear(dim, shared, bias=anatomy.bias)
            self.values = nn.Linear(dim, shared, bias=anatomy.bias)
        self.project_out = nn.Linear(dim, dim, bias=anatomy.bias)
        self.relation = None if cross else make_relation(anatomy, causal)

    def forward(
        self,
        x: Tensor,
        mask: Tensor | None = None,
        *,
        memory: Tensor | None = None,
        cache: LayerCache | None = None,
        extra: Tensor | None = None,
    ) -> Tensor:
        """Mix the positions of each example.

        Args:
            x: (B, T, D).
            mask: (B, S) bool, true for positions that may be looked at; None for all. At least one of each example.
            memory: (B, S, D), what is looked at instead of x itself, where this is attention to a memory.
            cache: keys and values of earlier positions, to which those of x are added: S is then all of them. Of a
                memory, its keys and values, which are computed once.
            extra: (B, T, K·D/H), added to the values.

        Returns:
            (B, T, D).
        """
        batch, positions, _ = x.shape
        offset = 0 if cache is None else cache.length
        if memory is None:
            queries, keys, values = self._parts(x)
            if extra is not None:
                values = values + self._split(extra)
            if isinstance(self.relation, Rotary):
                queries, keys = self.relation(queries, offset), self.relation(keys, offset)
            if cache is not None:
                keys, values = cache.append(keys, values)
        else:
            queries, (keys, values) = self._normed(self.queries(x)), self._memory(memory, cache)
        bias = None if self.relation is None else self.relation.bias(queries, offset, keys.shape[2])
        mixed = fused(queries, keys, values, None if mask is None else mask[:, None, None, :], bias, self.causal)
        projected: Tensor = self.project_out(mixed.transpose(1, 2).reshape(batch, positions, -1))
        return projected

    def _parts(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries (B, H, T, D/H), keys and values (B, K, T, D/H)."""
        if not self.joint:
            return self._normed(self.queries(x)), self._normed(self.keys(x)), self._split(self.values(x))
        parts = self._split(self.project_in(x))
        queries, shared = parts[:, : self.heads], parts[:, self.heads :]
        keys, values = shared[:, : self.kv_heads], shared[:, self.kv_heads :]
        return (unit_rms(queries), unit_rms(keys), values) if self.qk_norm else (queries, keys, values)

    def _memory(self, memory: Tensor, cache: LayerCache | None) -> tuple[Tensor, Tensor]:
        """Keys and values (B, K, S, D/H) of a memory, from the cache if they were computed before."""
        if cache is None:
            return self._normed(self.keys(memory)), self._split(self.values(memory))
        if cache.memory is None:
            cache.memory = self._memory(memory, None)
        return cache.memory

    def _normed(self, x: Tensor) -> Tensor:
        """Projected queries or keys (B, T, n·D/H) by head, (B, n, T, D/H), of one length where that is asked for."""
        split = self._split(x)
        return unit_rms(split) if self.qk_norm else split

    def _split(self, x: Tensor) -> Tensor:
        """(B, T, n·D/H) to (B, n, T, D/H)."""
        return x.view(x.shape[0], x.shape[1], -1, self.head_dim).transpose(1, 2)


def fused(
    queries: Tensor,
    keys: Tensor,
    values: Tensor,
    visible: Tensor | None = None,
    bias: Tensor | None = None,
    causal: bool = False,
) -> Tensor:
    """What `attend` says, by torch's fused kernel: the arguments are the same."""
    rows, columns = queries.shape[2], keys.shape[2]
    grouped = queries.shape[1] != keys.shape[1]
    if causal and rows == columns and visible is None and bias is None:
        return functional.scaled_dot_product_attention(queries, keys, values, is_causal=True, enable_gqa=grouped)
    shown = _shown(rows, columns, visible, causal, queries.device)
    if bias is not None:
        shown = bias.to(queries.dtype) if shown is None else bias.to(queries.dtype).masked_fill(~shown, -torch.inf)
    return functional.scaled_dot_product_attention(queries, keys, values, attn_mask=shown, enable_gqa=grouped)


def attend(
    queries: Tensor,
    keys: Tensor,
    values: Tensor,
    visible: Tensor | None = None,
    bias: Tensor | None = None,
    causal: bool = False,
) -> Tensor:
    """Scaled dot-product attention written out: softmax(Q K^T / sqrt(D/H) + bias) V, what the fused kernel computes.

    Args:
        queries: (B, H, T, D/H).
        keys: (B, K, S, D/H); head h of the queries looks at head h·K/H, rounded down.
        values: (B, K, S, D/H).
        visible: bool, broadcast to (B, H, T, S), true where a query may look at a key.
        bias: added to the scores; broadcast to (B, H, T, S).
        causal: whether a query looks only at keys up to its own place, the T queries being the last of the S places.

    Returns:
        (B, H, T, D/H).
    """
    shared = queries.shape[1] // keys.shape[1]
    keys, values = keys.repeat_interleave(shared, dim=1), values.repeat_interleave(shared, dim=1)
    scores = queries @ keys.transpose(-2, -1) / math.sqrt(queries.shape[-1])
    if bias is not None:
        scores = scores + bias
    if causal:
        place = torch.arange(keys.shape[2], device=keys.device)
        scores = scores.masked_fill(place > place[-queries.shape[2] :, None], -torch.inf)
    if visible is not None:
        scores = scores.masked_fill(~visible, -torch.inf)
    return scores.softmax(dim=-1) @ values


def _shown(rows: int, columns: int, visible: Tensor | None, causal: bool, device: torch.device) -> Tensor | None:
    """Both masks in one, broadcast to (B, H, T, S); None where every query may look at every key."""
    if not causal or rows == 1:
        return visible
    before = torch.ones(rows, columns, dtype=torch.bool, device=device).tril(columns - rows)
    return before if visible is None else visible & before
