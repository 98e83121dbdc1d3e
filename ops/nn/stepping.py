"""Reading a text token by token with a cache, where all that stays the same is prepared once.

For one position of a small model calls of torch and of modules take longer than arithmetic. So here queries, keys and
values come from one product, what is done to queries and to keys is done to both at once, tables and scalars are ready,
and what only training needs (dropout, skipped parts) is left out. What comes out is what the modules say, but for
rounding.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from ops.nn.attention import Attention, fused
from ops.nn.block import Block
from ops.nn.cache import KeyValueCache, LayerCache
from ops.nn.feed_forward import FeedForward
from ops.nn.language_model import LanguageModel
from ops.nn.norms import unit_rms
from ops.nn.relations import rotations
from ops.nn.short_convolution import ShortConvolution

Function = Callable[[Tensor], Tensor]
Turn = tuple[Tensor, Tensor]


class Stepper:
    """Tells the tokens that follow, one after the other, for a trained language model without a memory.

    The weights are read when it is made: train, and make a new one.
    """

    def __init__(self, model: LanguageModel, batch: int, capacity: int) -> None:
        """With an empty cache for `batch` texts of up to `capacity` tokens.

        Raises:
            ValueError: the model looks at a memory.
        """
        self._model, self._cache = model, model.cache(batch, capacity)
        blocks = [block for block in model.decoder.blocks if isinstance(block, Block)]
        with torch.no_grad():
            self._blocks = [BlockStep(block, layer) for block, layer in zip(blocks, self._cache.layers, strict=True)]
        tables = model.decoder.values
        self._values = [tables[str(n)].forward if str(n) in tables else None for n in range(len(blocks))]
        self._norm = model.decoder.norm.forward
        rotary = model.anatomy.positions == "rotary"
        # One place more than there is room for: a full cache says so itself.
        self._turns = _turns(capacity + 1, model.anatomy.head_dim, model.embedding.weight) if rotary else None

    @property
    def cache(self) -> KeyValueCache:
        """What was read."""
        return self._cache

    def begin(self, tokens: Tensor) -> Tensor:
        """Forget what was read and read (B, T) int64 at once; logits (B, T, V)."""
        self._cache.clear()
        logits: Tensor = self._model(tokens, self._cache)
        return logits

    def read(self, tokens: Tensor) -> Tensor:
        """One more token of each text, (B, 1) int64; logits (B, 1, V) of the one after it."""
        first = x = self._model.front(tokens, self._cache)
        turn = None if self._turns is None else self._turns[self._cache.length]
        for block, values in zip(self._blocks, self._values, strict=True):
            x = block(x, first, turn, None if values is None else values(tokens))
        self._cache.last = tokens
        return self._model.back(self._norm(x))


class BlockStep:
    """`Block` for one position, (B, 1, D) to the same."""

    def __init__(self, block: Block, cache: LayerCache) -> None:
        if block.memory_attention is not None:
            raise ValueError("a model that looks at a memory is not read token by token here")
        self._pre = block.pre
        self._scalars = None if block.scalars is None else block.scalars.detach().clone().unbind()
        self._attention = AttentionStep(block.attention, cache)
        self._feed_forward = FeedForwardStep(block.feed_forward)
        self._norms: tuple[Function, Function] = block.attention_norm.forward, block.feed_forward_norm.forward
        self._reads = [_reading(block, place, cache) for place in ("attention", "feed_forward")]

    def __call__(self, x: Tensor, first: Tensor, turn: Turn | None, extra: Tensor | None) -> Tensor:
        """As `Block.forward`, with the rotation of the position where there is one."""
        if self._scalars is not None:
            x = torch.addcmul(self._scalars[0] * x, self._scalars[1], first)
        (before_attention, before_feed_forward), (read_attention, read_feed_forward) = self._norms, self._reads
        if self._pre:
            x = x + self._attention(read_attention(before_attention(x)), turn, extra)
            return x + self._feed_forward(read_feed_forward(before_feed_forward(x)))
        x = before_attention(x + self._attention(read_attention(x), turn, extra))
        return before_feed_forward(x + self._feed_forward(read_feed_forward(x)))


class AttentionStep:
    """`Attention` of one position to itself and those before it, (B, 1, D) to the same."""

    def __init__(self, attention: Attention, cache: LayerCache) -> None:
        self._heads, self._shared, self._dim = attention.heads, attention.kv_heads, attention.head_dim
        self._qk_norm, self._relation, self._cache = attention.qk_norm, attention.relation, cache
        if attention.joint:
            self._project_in = _product(attention.project_in)
        else:
            self._project_in = _product(attention.queries, attention.keys, attention.values)
        self._project_out = _product(attention.project_out)

    def __call__(self, x: Tensor, turn: Turn | None, extra: Tensor | None) -> Tensor:
        """As `Attention.forward`, with the rotation of the position where there is one."""
        batch, place = x.shape[0], self._cache.length
        parts = self._project_in(x).view(batch, -1, 1, self._dim)
        both, values = parts[:, : self._heads + self._shared], parts[:, self._heads + self._shared :]
        if self._qk_norm:
            both = unit_rms(both)
        if turn is not None:
            both = torch.addcmul(both * turn[0], both.roll(self._dim // 2, -1), turn[1])
        if extra is not None:
            values = values + extra.view(values.shape)
        queries = both[:, : self._heads]
        keys, values = self._cache.append(both[:, self._heads :], values)
        bias = None if self._relation is None else self._relation.bias(queries, place, keys.shape[2])
        return self._project_out(fused(queries, keys, values, bias=bias).view(x.shape))


class FeedForwardStep:
    """`FeedForward` for one position."""

    def __init__(self, part: FeedForward) -> None:
        self._project_in, self._project_out = _product(part.project_in), _product(part.project_out)
        self._gate = None if part.gate is None else _product(part.gate)
        self._activation = part.activation

    def __call__(self, x: Tensor) -> Tensor:
        """As `FeedForward.forward`."""
        if self._gate is None:
            return self._project_out(self._activation(self._project_in(x)))
        return self._project_out(self._activation(self._gate(x)) * self._project_in(x))


def _product(*layers: nn.Linear) -> Function:
    """The linear layers as one, their outputs behind each other."""
    if len(layers) == 1:
        return partial(functional.linear, weight=layers[0].weight, bias=layers[0].bias)
    weight = torch.cat([layer.weight.detach() for layer in layers])
    biases = [layer.bias.detach() for layer in layers if layer.bias is not None]
    return partial(functional.linear, weight=weight, bias=torch.cat(biases) if biases else None)


def _turns(length: int, head_dim: int, like: Tensor) -> list[Turn]:
    """For each place what `Rotary` makes of x as x·c + swapped x·s, where its halves change places: c and s, (D/H,)."""
    cosines, sines = rotations(length, head_dim).to(like)
    doubled = torch.cat((cosines, cosines), dim=1), torch.cat((-sines, sines), dim=1)
    return list(zip(*(table.unbind() for table in doubled), strict=True))


def _reading(block: Block, place: str, cache: LayerCache) -> Function:
    """What a part of a block reads of what it is given."""
    if place not in block.convolutions:
        return _as_it_is
    convolution = block.convolutions[place]
    if not isinstance(convolution, ShortConvolution):
        raise TypeError(f"{place} is read by no short convolution")
    weight = convolution.weight[:, 0].flip(0)
    weight[-1] += 1.0  # the position itself, which the convolution adds to
    before = convolution.width - 1
    return lambda x: (weight * cache.behind(place, x, before)).sum(dim=1, keepdim=True)


def _as_it_is(x: Tensor) -> Tensor:
    return x
