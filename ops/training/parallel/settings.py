"""The ways in which processes share the work, by the names that recipes know; what they are is in their own modules."""

from __future__ import annotations

from typing import Literal

StrategyName = Literal["ddp", "zero1", "fsdp"]
