"""Reports made from one list of arguments, as tests change single ones of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any, TypeVar

from ops.evaluation.given import Given

Made = TypeVar("Made")


def with_given(build: Callable[..., Made], **arguments: Any) -> Made:
    """What `build` makes, with those of the arguments in one `Given` that belong there."""
    names = {field.name for field in fields(Given)}
    given = Given(**{name: value for name, value in arguments.items() if name in names})
    return build(given, **{name: value for name, value in arguments.items() if name not in names})
