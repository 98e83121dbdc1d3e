"""Choosing the next token from what a language model says of it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ops.config import Config


class Sampling(Config):
    """How a token is drawn: logits over `temperature`, then the `top_k` most likely, then the likeliest up to `top_p`.

    Top-p is nucleus sampling (Holtzman et al., 2020): the fewest tokens that together have that probability. What is
    drawn depends on seed and place in the text alone, not on what other machine or version of a library draws.
    """

    temperature: Annotated[float, Field(ge=0.0, le=100.0)] = 1.0
    """Below 1 likely tokens become more likely; 0 always takes the likeliest."""
    top_k: Annotated[int, Field(ge=0)] = 0
    """Only so many of the likeliest tokens; 0 for all."""
    top_p: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    """Only the likeliest tokens that together have this probability."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """The same seed writes the same text."""

    def probabilities(self, logits: NDArray[Any], banned: Sequence[int] = ()) -> NDArray[np.float64]:
        """(V,) with which probability each token is drawn.

        Args:
            logits: (V,).
            banned: tokens that are never drawn.
        """
        scores = np.array(logits, np.float64)
        scores[list(banned)] = -np.inf
        order = np.argsort(-scores, kind="stable")  # of equals the lower number first
        scores = scores[order]
        if self.temperature == 0.0:
            kept = np.arange(len(scores)) == 0
            scores = np.zeros(len(scores))
        else:
            kept = np.arange(len(scores)) < (self.top_k or len(scores))
            scores = (scores - scores[0]) / self.temperature
        sizes = np.where(kept, np.exp(scores), 0.0)
        before = np.cumsum(sizes) - sizes
        sizes[before >= self.top_p * sizes.sum()] = 0.0
        found = np.zeros(len(sizes))
        found[order] = sizes / sizes.sum()
        return found

    def draw(self, logits: NDArray[Any], place: int, banned: Sequence[int] = ()) -> int:
        """The token at a place of the text, counted from the end of the prompt."""
        sums = np.cumsum(self.probabilities(logits, banned))
        return int(np.searchsorted(sums, _uniform(self.seed, place) * sums[-1], side="right"))


def _uniform(seed: int, place: int) -> float:
    """A number from 0 to below 1 of the top 53 bits of a hash: the same everywhere."""
    digest = hashlib.sha256(f"token {seed} {place}".encode()).digest()
    return (int.from_bytes(digest[:8], "big") >> 11) / float(1 << 53)
