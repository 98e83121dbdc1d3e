"""The base of everything a recipe may say: frozen, strict, described."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Config(BaseModel):
    """A frozen pydantic model that refuses unknown keys and silent conversions.

    Every field carries a description: it is what `satiety schema`, editors and the reference pages show.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)
