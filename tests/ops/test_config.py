"""Configuration: frozen, strict, and every key described by the docstring below it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, ValidationError

from ops.config import Config, _with_parts, describe
from ops.recipe import Recipe
from ops.registry import discover
from ops.training.run import RunSpec
from resources.settings import Params


class Inner(Config):
    """An inner part."""

    depth: int = 1
    """How deep."""


class Other(Config):
    """Another part."""

    bare: int = 1
    shown: Annotated[int, Field(description="Said in place.")] = 1
    """Not taken: the field has a description."""


class Base(Config):
    """A base."""

    size: int = 0
    """How large, as the base says."""
    shape: str = ""
    """Which shape, as the base says."""


class Outer(Base):
    """An outer part."""

    kind: Literal["outer"] = "outer"
    """What
    it is."""
    shape: str = "round"
    """Which shape, said anew."""
    one: Inner = Inner()
    """One."""
    more: dict[str, list[Inner | Other]] = {}
    """Several."""


def test_docstrings_below_fields_become_descriptions() -> None:
    describe(Outer)
    found = {name: field.description for name, field in Outer.model_fields.items()}
    assert found == {
        "size": "How large, as the base says.",
        "shape": "Which shape, said anew.",
        "kind": "What\nit is.",
        "one": "One.",
        "more": "Several.",
    }
    assert Inner.model_fields["depth"].description == "How deep."
    assert [field.description for field in Other.model_fields.values()] == [None, "Said in place."]
    schema = Outer.model_json_schema()
    assert schema["properties"]["one"]["description"] == "One."
    assert schema["$defs"]["Inner"]["properties"]["depth"]["description"] == "How deep."
    describe(Outer)
    assert Outer.model_json_schema() == schema, "once more changes nothing"
    assert Outer().one.depth == 1


def test_every_key_that_a_user_can_write_is_described() -> None:
    describe(Recipe, Params, RunSpec)
    models = _with_parts((Recipe, Params, RunSpec))
    missing = [
        f"{model.__name__}.{name}"
        for model in models
        for name, field in model.model_fields.items()
        if not (field.description or "").strip()
    ]
    assert missing == []
    assert all((model.__doc__ or "").strip() for model in models)
    assert len(models) > 40


def test_the_parts_of_a_recipe_are_all_found() -> None:
    found = set(_with_parts((Recipe,)))
    families: list[tuple[tuple[str, ...], type[Config]]] = []
    from ops.augmentation.base import Change
    from ops.evaluation.baselines.base import Baseline
    from ops.nn.models.base import Model
    from ops.sources.base import Source
    from ops.steps import Step
    from ops.tasks.base import Task
    from ops.tokenization.base import Tokenizer

    families += [(("ops.sources",), Source), (("ops.tasks",), Task), (("ops.nn.models",), Model)]
    families += [(("ops.cleaning", "ops.deduplication"), Step), (("ops.normalization",), Step)]
    families += [(("ops.augmentation",), Change), (("ops.tokenization",), Tokenizer)]
    families += [(("ops.evaluation.baselines",), Baseline)]
    for packages, base in families:
        kinds: set[type[BaseModel]] = set(discover(*packages, base=base).values())
        assert kinds and kinds <= found


@pytest.mark.parametrize("wrong", [{"depth": "1"}, {"depth": 1.0}, {"depth": True}, {"dept": 1}])
def test_nothing_is_converted_or_passed_over(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Inner.model_validate(wrong)


def test_a_value_does_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Inner().depth = 2  # type: ignore[misc]  # that is the point
    assert Inner() == Inner(depth=1) and hash(Inner()) == hash(Inner(depth=1))
