"""How the strength of augmentation is searched: which strengths, how long their trainings are, and which go on.

Successive halving (Jamieson and Talwalkar, 2016): all strengths are tried with short trainings, the better half of them
with trainings twice as long, and so on, until two are left, whose trainings are the longest.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from ops.config import Config
from ops.sweep.halving import survivors

Strength = Annotated[float, Field(ge=0.0, le=1.0)]


class Search(Config):
    """The search of `strength: auto`: trainings of the recipe's model, judged on the validation split."""

    strengths: Annotated[list[Strength], Field(min_length=2, max_length=20)] = [0.0, 0.25, 0.5, 0.75, 1.0]
    """The strengths that are tried, from weak to strong; 0 leaves the copies as the rows are."""
    budget: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    """Length of the last trainings, as a share of the recipe's own; those of each round before are half as long. With
    less a search is cheaper and finds too weak a strength: what strong changes bring shows late."""
    repeats: Annotated[int, Field(ge=1, le=20)] = 1
    """Trainings of each strength in each round, with seeds of their own, whose losses are averaged."""

    @model_validator(mode="after")
    def _ascending(self) -> Search:
        if self.strengths != sorted(set(self.strengths)):
            raise ValueError("strengths go from weak to strong, each once")
        return self

    def rounds(self) -> list[tuple[int, float]]:
        """For each round how many strengths it tries, and how long each training is as a share of the recipe's."""
        counts = survivors(len(self.strengths), 2, least=2)
        return [(count, self.budget / 2 ** (len(counts) - 1 - place)) for place, count in enumerate(counts)]
