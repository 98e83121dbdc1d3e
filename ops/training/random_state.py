"""The random states of one process, as bytes that give them back exactly."""

from __future__ import annotations

import base64
import json
import random
from typing import Any

import numpy as np
import torch


def seed_everything(seed: int) -> None:
    """Start Python's, NumPy's and torch's generators from one number."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def seed_of_rank(seed: int, rank: int, step: int) -> int:
    """The seed of one process from a step on: another for each, so that ranks do not drop the same values."""
    words = np.random.SeedSequence((seed, rank, step)).generate_state(2)
    return int(words[0]) << 31 | int(words[1]) >> 1


def capture() -> bytes:
    """The states of Python's, NumPy's and torch's generators, GPUs' included, as JSON."""
    name, keys, *rest = np.random.get_state(legacy=True)
    # Of each GPU that this process has used; where none is, nothing is added.
    gpus = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []  # type: ignore[no-untyped-call]
    more = {"cuda": [_text(state) for state in gpus]} if gpus else {}
    state: dict[str, Any] = {
        "python": random.getstate(),
        "numpy": [name, np.asarray(keys).tolist(), *rest],
        "torch": _text(torch.get_rng_state()),
        **more,
    }
    return json.dumps(state, separators=(",", ":")).encode()


def restore(data: bytes) -> None:
    """Set the generators to what `capture` saw."""
    state = json.loads(data)
    version, words, gauss = state["python"]
    random.setstate((version, tuple(words), gauss))
    name, keys, *rest = state["numpy"]
    np.random.set_state((name, np.asarray(keys, dtype=np.uint32), *rest))
    torch.set_rng_state(_tensor(state["torch"]))
    for number, text in enumerate(state.get("cuda", [])[: torch.cuda.device_count()]):
        torch.cuda.set_rng_state(_tensor(text), number)


def _text(state: torch.Tensor) -> str:
    return base64.b64encode(bytes(state.numpy())).decode()


def _tensor(text: str) -> torch.Tensor:
    return torch.frombuffer(bytearray(base64.b64decode(text)), dtype=torch.uint8)
