"""What a decoder remembers of the positions that it has read, so that each is computed once."""

from __future__ import annotations

import torch
from torch import Tensor

from ops.errors import ConfigError
from ops.nn.anatomy import Anatomy


class LayerCache:
    """Keys and values of one block's attention, in tensors made once for all positions; what convolutions read last.

    Attributes:
        length: positions that it holds.
        memory: keys and values of what a block looks at beside its own positions; None until they were computed.
    """

    def __init__(self, keys: Tensor, values: Tensor) -> None:
        """Around empty tensors (B, K, capacity, D/H)."""
        self._keys, self._values = keys, values
        self._read: dict[str, Tensor] = {}
        self.length = 0
        self.memory: tuple[Tensor, Tensor] | None = None

    def append(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Add those of T more positions, (B, K, T, D/H); returns all, (B, K, S, D/H).

        Raises:
            ConfigError: there is no room for them.
        """
        end, capacity = self.length + keys.shape[2], self._keys.shape[2]
        if end > capacity:
            raise ConfigError(f"the cache holds {capacity} positions, not {end}", hint="make a larger one")
        self._keys[:, :, self.length : end] = keys
        self._values[:, :, self.length : end] = values
        self.length = end
        return self._keys[:, :, :end], self._values[:, :, :end]

    def behind(self, place: str, x: Tensor, count: int) -> Tensor:
        """x, (B, T, D), behind the `count` positions read there before, or zeros: (B, count + T, D)."""
        known = self._read.get(place)
        joined = torch.cat((x.new_zeros(x.shape[0], count, x.shape[2]) if known is None else known, x), dim=1)
        self._read[place] = joined[:, joined.shape[1] - count :]
        return joined

    def clear(self) -> None:
        """Forget all, and keep the room."""
        self.length, self.memory = 0, None
        self._read.clear()

    def select(self, rows: Tensor) -> None:
        """Keep these examples, in this order, (B',) int64: what a beam search does after each step."""
        self._keys, self._values = self._keys[rows], self._values[rows]
        if self.memory is not None:
            self.memory = self.memory[0][rows], self.memory[1][rows]
        self._read = {place: read[rows] for place, read in self._read.items()}


class KeyValueCache:
    """The keys and values of all blocks of a decoder, and the last token.

    Attributes:
        layers: one for each block.
        last: (B, 1), the token read last; None before the first.
    """

    def __init__(
        self, anatomy: Anatomy, batch: int, capacity: int, dtype: torch.dtype, device: torch.device | None = None
    ) -> None:
        """Room for `capacity` positions of `batch` examples."""
        shape = (batch, anatomy.shared_heads, capacity, anatomy.head_dim)

        def empty() -> Tensor:
            return torch.zeros(shape, dtype=dtype, device=device)

        self.layers = [LayerCache(empty(), empty()) for _ in range(anatomy.depth)]
        self.last: Tensor | None = None

    @property
    def length(self) -> int:
        """Positions that were read."""
        return self.layers[0].length

    def clear(self) -> None:
        """Forget all, and keep the room: for another text."""
        for layer in self.layers:
            layer.clear()
        self.last = None

    def select(self, rows: Tensor) -> None:
        """Keep these examples, in this order, (B',) int64."""
        for layer in self.layers:
            layer.select(rows)
        self.last = None if self.last is None else self.last[rows]
