"""From pydantic's errors to problems with a place: what is wrong in the user's words, and the nearest valid name."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, cast, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from ops.registry import PLANNED, kind_of
from pipelines.problems import advice
from pipelines.yaml_strict import Path

Complain = Callable[[Path, str, str], None]
"""Takes the path, what of it is meant (`key`, `value`, or `owner` for a key that is missing) and the text."""

_KINDS = {
    "int": "a whole number",
    "float": "a number",
    "string": "text",
    "bool": "true or false",
    "list": "a list",
    "tuple": "a list",
    "set": "a list",
    "frozen_set": "a list",
    "dict": "a mapping",
    "model": "a mapping",
    "model_attributes": "a mapping",
    "path": "a path",
}


@dataclass(frozen=True)
class Spot:
    """Where an error's location leads: the path in the file, the model it is in and what the choice of kinds was.

    Attributes:
        path: keys and indices as the user wrote them; tags of unions are not among them.
        owner: the model that the last key belongs to, if any.
        choices: the models of the union that the location ends in, if it ends in one.
        annotation: the type that the location ends in.
    """

    path: Path
    owner: type[BaseModel] | None
    choices: tuple[type[BaseModel], ...]
    annotation: Any = None


def explain(error: ValidationError, model: type[BaseModel], data: Any, complain: Complain) -> None:
    """Hand each error of a validation to `complain` as path, part and text.

    Of a value that may be a number or one of some words, both are said in one.
    """
    found: dict[tuple[Path, str], list[tuple[str, list[str]]]] = {}
    for detail in error.errors(include_url=False):
        spot = locate(detail["loc"], model, data)
        if spot is None or detail["type"] == "default_factory_not_called":  # for want of a value that is named itself
            continue
        part, text = _describe(cast("dict[str, Any]", detail), spot)
        path = spot.path
        if part == "kind":
            path, part = (*path, "kind"), "value"
        words = _literals(cast("dict[str, Any]", detail), spot) if detail["type"] == "literal_error" else []
        found.setdefault((path, part), []).append((text, words))
    for (path, part), said in found.items():
        words = [word for _, literals in said for word in literals]
        others = [text for text, literals in said if not literals]
        if part == "value" and words and others:
            complain(path, part, f"{others[0]}, or {' or '.join(words)}")
        else:
            for text, _ in said:
                complain(path, part, text)


def locate(loc: tuple[int | str, ...], model: type[BaseModel], data: Any) -> Spot | None:
    """Follow an error's location through the model's types, leaving out what pydantic puts in for unions.

    Null where the error is of a branch of a union that the value was not meant for: a mapping is meant for the model.
    """
    annotation: Any = model
    path: list[str | int] = []
    owner: type[BaseModel] | None = None
    for element in loc:
        annotation = _bare(annotation)
        models = _models(annotation)
        if len(models) > 1:
            annotation = next((m for m in models if kind_of(cast(Any, m)) == element), None)
            continue
        if len(models) == 1:
            owner = models[0]
            field = _fields(owner).get(str(element))
            annotation = field.annotation if field is not None else None
        elif _is_union(annotation) and (branch := _branch(annotation, element)) is not None:
            fitting = [a for a in get_args(annotation) if _is_for(a, data)]
            if fitting and branch not in fitting:
                return None
            annotation = branch
            continue
        elif not _leads_on(data, element):
            continue  # The branch of a union, such as "int" or "list[str]".
        else:
            annotation = _member(annotation)
        path.append(element)
        data = data[element] if _leads_on(data, element) else None
    return Spot(tuple(path), owner, _models(_bare(annotation)), annotation)


def _branch(annotation: Any, element: int | str) -> Any:
    """The member of a union of models and other types that pydantic calls so; null where it is none of those."""
    members = get_args(annotation)
    if not any(_models(member) for member in members):
        return None
    for member in members:
        called = "list[" if get_origin(member) is list else getattr(member, "__name__", "")
        # A model that looks at its fields together is called by what does so, as `function-after[_in_order(), Range]`.
        checked = str(element).startswith("function-") and str(element).endswith(f", {called}]")
        if element == called or checked or (called.endswith("[") and str(element).startswith(called)):
            return member
    return None


def _is_for(annotation: Any, data: Any) -> bool:
    """Whether a value of this form can be meant for the type."""
    if isinstance(data, dict):
        return bool(_models(annotation))
    return isinstance(data, list) and get_origin(annotation) is list


def _leads_on(data: Any, element: int | str) -> bool:
    if isinstance(data, dict):
        return element in data
    return isinstance(data, list) and isinstance(element, int) and 0 <= element < len(data)


def _fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """The fields of a model by the names that a recipe uses for them."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _bare(annotation: Any) -> Any:
    """The annotation without `Annotated` and without `None`."""
    while True:
        if get_origin(annotation) is typing.Annotated:
            annotation = get_args(annotation)[0]
            continue
        if _is_union(annotation):
            rest = [a for a in get_args(annotation) if a is not type(None)]
            if len(rest) == 1:
                annotation = rest[0]
                continue
        return annotation


def _is_union(annotation: Any) -> bool:
    return get_origin(annotation) in (typing.Union, types.UnionType)


def _models(annotation: Any) -> tuple[type[BaseModel], ...]:
    """The model that an annotation is, or the models of the union that it is."""
    members = [_bare(a) for a in get_args(annotation)] if _is_union(annotation) else [annotation]
    found = tuple(m for m in members if isinstance(m, type) and issubclass(m, BaseModel))
    return found if len(found) == len(members) else ()


def _member(annotation: Any) -> Any:
    """The type of the members of a list or a mapping."""
    arguments = [a for a in get_args(annotation) if a is not Ellipsis]
    return arguments[-1] if arguments and not _is_union(annotation) else None


def _describe(detail: dict[str, Any], spot: Spot) -> tuple[str, str]:
    """The part that is meant and the text for one error."""
    kind, given, context = detail["type"], detail.get("input"), detail.get("ctx", {})
    name = _name(spot.path)
    if kind == "extra_forbidden":
        return "key", _unknown_key(name, spot)
    if kind == "missing":
        if name == "kind" and spot.owner is not None:
            return "owner", f"'kind' is missing; this version has {kind_of(cast(Any, spot.owner))}"
        example = _example(spot.annotation)
        return "owner", f"key {name!r} is missing" + (f" (`{name}: {example}`)" if example else "")
    if kind == "union_tag_not_found":
        if not isinstance(given, dict):
            return "value", f"{name!r} is {_shown(given)}, not a mapping with a kind"
        return "key", f"'kind' is missing; one of {', '.join(_kinds(spot))}"
    if kind == "union_tag_invalid":
        return "kind", _unknown_value("kind", context.get("tag"), _kinds(spot))
    if kind in ("literal_error", "enum"):
        return "value", _unknown_value(name, given, _literals(detail, spot))
    if kind in ("value_error", "assertion_error"):
        return "value", str(context.get("error", detail["msg"]))
    return "value", _wrong_value(kind, name, given, context, detail["msg"])


def _name(path: Path) -> str:
    """What the last part of a path is called."""
    if not path:
        return "the recipe"
    return path[-1] if isinstance(path[-1], str) else f"entry [{path[-1]}]"


def _example(annotation: Any) -> str:
    """What the value of a key that is missing looks like, as far as it must; nothing for a plain value."""
    models = _models(_bare(annotation))
    if len(models) > 1:
        return "{kind: …}"
    needed = {n: field for n, field in _fields(models[0]).items() if field.is_required()} if models else {}
    inside = ", ".join(f"{name}: {_example(field.annotation) or '…'}" for name, field in needed.items())
    return f"{{{inside}}}" if inside else ""


def _unknown_key(name: str, spot: Spot) -> str:
    if name in PLANNED:
        return f"{name!r} is not there yet ({PLANNED[name]} is planned)"
    known = list(_fields(spot.owner)) if spot.owner is not None else []
    return f"unknown key {name!r}; {advice(name, known, 'known keys')}"


def _unknown_value(name: str, given: Any, known: list[str]) -> str:
    if isinstance(given, str) and given in PLANNED:
        return f"{name} {given!r} is not there yet ({PLANNED[given]} is planned); {', '.join(known)} are"
    what = f"unknown kind {_shown(given)}" if name == "kind" else f"{name!r} cannot be {_shown(given)}"
    return f"{what}; {advice(given, known, 'one of')}"


def _kinds(spot: Spot) -> list[str]:
    return [kind_of(cast(Any, choice)) for choice in spot.choices]


def _literals(detail: dict[str, Any], spot: Spot) -> list[str]:
    """The values that a `Literal` allows, from its type; pydantic gives them only as prose."""
    found = [str(value) for value in _literal_values(spot.annotation)]
    return found or [str(detail.get("ctx", {}).get("expected", ""))]


def _literal_values(annotation: Any) -> Iterator[Any]:
    if get_origin(annotation) is typing.Literal:
        yield from get_args(annotation)
        return
    for argument in get_args(annotation):
        yield from _literal_values(argument)


def _wrong_value(kind: str, name: str, given: Any, context: dict[str, Any], message: str) -> str:
    wanted = _KINDS.get(kind.removesuffix("_type").removesuffix("_parsing").removesuffix("_from_float"))
    if wanted is not None:
        return f"{name!r} is {_shown(given)}, not {wanted}"
    for bound, sign in (("ge", "at least"), ("gt", "more than"), ("le", "at most"), ("lt", "less than")):
        if bound in context:
            return f"{name!r} is {_shown(given)}, must be {sign} {context[bound]}"
    if kind == "string_pattern_mismatch":
        return f"{name!r} is {_shown(given)}, which does not match {context['pattern']}"
    if kind == "string_too_short" and given == "":
        return f"{name!r} is empty"
    if kind == "too_short":
        return f"{name!r} has {context['actual_length']} entries, must have at least {context['min_length']}"
    return f"{name!r}: {message[:1].lower()}{message[1:]}"


def _shown(value: Any) -> str:
    """A value as YAML has it, cut to a length that leaves a message readable."""
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:50]}…{text[-1]}"
