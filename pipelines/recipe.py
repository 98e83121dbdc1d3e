"""Finding, reading and checking recipes: from a name or a path to one frozen value, or to every problem at once."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError, create_model

from ops.config import Config
from ops.errors import ConfigError, SatietyError
from pipelines import yaml_strict
from pipelines.explain import explain
from pipelines.overrides import apply_overrides
from pipelines.problems import Problem, RecipeError, advice, nearest
from pipelines.yaml_strict import Document
from resources.settings import load_settings

if TYPE_CHECKING:
    from ops.recipe import Recipe

NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
COMPONENT = "pipelines.component.Recipe"
"""The `type` of a `defs.yaml` that holds a recipe."""
SHIPPED = Path(__file__).parent / "defs"
FOLDERS_VARIABLE = "SATIETY_RECIPES"
NO_RECIPES = ("params.yaml", "dvc.yaml", "dvc.code.yaml")
"""Files that lie beside recipes in a project's folder: the machine's settings, and what `satiety dvc` writes."""

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True)
class Loaded:
    """A checked recipe and where it comes from.

    Attributes:
        recipe: the recipe, with paths of its source made absolute.
        path: its file.
        reference: the name or path by which the user asked for it.
        overrides: the `--set` options that were applied, in order.
    """

    recipe: Recipe
    path: Path
    reference: str
    overrides: tuple[str, ...] = ()

    def command(self, verb: str, *options: str) -> str:
        """A shell command that does `verb` with this very recipe; works when pasted."""
        words = ["satiety", verb, self.reference]
        for override in self.overrides:
            words += ["--set", override]
        return shlex.join([*words, *options])


def load(reference: str, overrides: Sequence[str] = ()) -> Loaded:
    """Load the recipe of a name or at a path.

    Args:
        reference: a name (`quickstart`), or a path to a YAML file (`my/recipe.yaml`).
        overrides: `key.path=value`, applied before checking.

    Raises:
        RecipeError: the recipe is wrong; all problems with their places.
        ConfigError: there is no such recipe.
    """
    path = find(reference)
    recipe = load_file(path, tuple(overrides), named=None if _is_path(reference) else reference)
    return Loaded(recipe, path, reference, tuple(overrides))


def load_recipe(reference: str, overrides: Sequence[str] = ()) -> Recipe:
    """The recipe alone, of a name or at a path; see `load`."""
    return load(reference, overrides).recipe


def load_file(path: Path, overrides: tuple[str, ...] = (), *, named: str | None = None) -> Recipe:
    """Read and check one recipe file.

    Args:
        path: the file: a recipe's keys, or a component with `type` and `attributes`.
        overrides: `key.path=value`, applied before checking.
        named: the name by which the file was found, which the recipe must bear.
    """
    from ops.recipe import Recipe

    place = _spelling(path)
    document = yaml_strict.read(_content(path), place)
    base = _attributes(document)
    if named is not None:
        _check_name(document, base, named)
    return check(document, Recipe, base, overrides, folder=path.absolute().parent)


def check(
    document: Document,
    model: type[M],
    base: yaml_strict.Path = (),
    overrides: tuple[str, ...] = (),
    folder: Path | None = None,
) -> M:
    """Validate a document's data below `base`.

    Args:
        document: the file's data and positions.
        model: what it should be; its `problems()`, if it has the method, are reported as well.
        base: path of the recipe's keys in the document.
        overrides: `key.path=value`, applied before.
        folder: what relative paths of the source are relative to.

    Raises:
        RecipeError: all problems, those of the YAML and those of the settings.
    """
    data = _descend(document.data, base)
    if not isinstance(data, dict):
        document.complain(document.values.get(base, (1, 1)), "a recipe is a mapping of keys")
        raise RecipeError(document.problems)
    labels = apply_overrides(document, base, overrides)

    def complain(path: yaml_strict.Path, part: str, text: str) -> None:
        document.problems.append(_placed(document, labels, (*base, *path), part, text))

    try:
        # As JSON, for there a list may stand for a tuple and text for a path, and all else stays strict.
        value = model.model_validate_json(json.dumps(data))
    except ValidationError as error:
        explain(error, model, data, complain)
        sound = _sound_part(model, data, error)
        if sound is not None:
            _look_across(sound, folder, complain, partial=True)
        raise RecipeError(document.problems) from None
    value = _look_across(value, folder, complain)
    if document.problems:
        raise RecipeError(document.problems)
    return value


def _look_across(value: M, folder: Path | None, complain: Any, **options: bool) -> M:
    """Report what is missing on the disk and what is wrong between keys; the value with absolute paths."""
    value = _resolved(value, folder, complain)
    find: Any = getattr(value, "problems", None)
    for path, text in find(**options) if find is not None else ():
        complain(path, "value", text)
    return value


def _sound_part(model: type[M], data: dict[str, Any], error: ValidationError) -> M | None:
    """What can be said of a recipe's other keys where some are wrong; those that are wrong it has not at all.

    All problems are reported at once, also those that would come to light only when the first are mended.
    """
    places = [detail["loc"] for detail in error.errors(include_url=False)]
    if not all(places):
        return None
    wrong = {str(place[0]) for place in places}
    fields = {name: field for name, field in model.model_fields.items() if name in data and name not in wrong}
    part = create_model("Part", __base__=Config, **{n: (f.annotation, f) for n, f in fields.items()})  # type: ignore[call-overload]
    read = part.model_validate_json(json.dumps({name: data[name] for name in fields}))
    value = model.model_construct(**{name: getattr(read, name) for name in fields})
    for name in wrong:
        value.__dict__.pop(name, None)
    return value


def recipes() -> dict[str, Path]:
    """The recipes that can be run by name: those shipped, then those in the folders of `SATIETY_RECIPES`."""
    found: dict[str, Path] = {}
    for folder in (SHIPPED, *user_folders()):
        files = [*folder.glob("*/defs.yaml"), *(folder.glob("*.yaml") if folder != SHIPPED else ())]
        for path in sorted(files):
            name = path.parent.name if path.name == "defs.yaml" else path.stem
            if NAME.fullmatch(name) and path.name not in NO_RECIPES:
                found.setdefault(name, path)
    return found


def extra_recipes() -> list[Path]:
    """The files of the recipes in the folders of `SATIETY_RECIPES` whose names are not those of shipped ones."""
    return [path for path in recipes().values() if SHIPPED not in path.parents]


def broken_recipes() -> Iterator[tuple[Path, SatietyError]]:
    """The recipes in the folders of `SATIETY_RECIPES` that cannot be loaded, with what is wrong."""
    for name, path in recipes().items():
        if SHIPPED not in path.parents:
            try:
                load_file(path, named=name)
            except SatietyError as error:
                yield path, error


def user_folders() -> list[Path]:
    """The folders that `SATIETY_RECIPES` names."""
    return [Path(part) for part in os.environ.get(FOLDERS_VARIABLE, "").split(os.pathsep) if part]


def find(reference: str) -> Path:
    """The file of a recipe's name or path.

    Raises:
        ConfigError: there is none; the nearest names are given.
    """
    if not reference.isprintable() or not reference or len(reference) > 4096:
        raise ConfigError(f"{reference[:80]!r} is neither a name nor a path of a recipe")
    if _is_path(reference):
        return _existing(reference)
    known = recipes()
    if NAME.fullmatch(reference) and reference in known:
        return known[reference]
    if not NAME.fullmatch(reference) and nearest(reference, known) is None:
        rule = "a name has a-z, 0-9 and _; a path ends in .yaml or has a /"
        raise ConfigError(f"{reference[:80]!r} is no name of a recipe", hint=rule)
    beside = next((f"{reference}{end}" for end in (".yaml", ".yml") if Path(f"{reference}{end}").is_file()), None)
    hint = f"did you mean the file {beside}?" if beside else advice(reference, list(known), "there are")
    missing = [str(folder) for folder in user_folders() if not folder.is_dir()]
    if missing:
        hint += f"; {FOLDERS_VARIABLE} names {missing[0]}, which is no folder"
    raise ConfigError(f"there is no recipe {reference[:80]!r}", hint=hint)


def _is_path(reference: str) -> bool:
    return os.sep in reference or reference.endswith((".yaml", ".yml"))


def _existing(reference: str) -> Path:
    path = Path(reference).expanduser()
    try:
        if path.is_dir():
            inside = sorted(p.name for p in path.glob("*.y*ml"))
            hint = f"it holds {', '.join(inside[:5])}" if inside else "give the path of a YAML file"
            raise ConfigError("this is a folder", where=reference, hint=hint)
        if path.is_file():
            return path
        if path.exists():
            raise ConfigError("this is not a regular file", where=reference)
        siblings = [p.name for p in path.parent.glob("*.y*ml")] if path.parent.is_dir() else []
    except OSError as error:
        raise ConfigError(f"cannot be looked at: {error.strerror}", where=reference) from None
    near = nearest(path.name, siblings)
    raise ConfigError("no such file", where=reference, hint=f"did you mean {path.with_name(near)}?" if near else "")


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(yaml_strict.MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", where=_spelling(path)) from None


def _spelling(path: Path) -> str:
    """The path as messages show it: relative where it lies below the working folder."""
    if not path.is_absolute():
        return str(path)
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _attributes(document: Document) -> yaml_strict.Path:
    """Path of the recipe's keys: the root, or below `attributes` of a component."""
    data = document.data
    if not isinstance(data, dict) or not {"type", "attributes"} & data.keys():
        return ()
    if "type" not in data:
        document.complain(document.keys[("attributes",)], f"'attributes' needs `type: {COMPONENT}` beside it")
    elif data["type"] != COMPONENT:
        document.complain(document.values[("type",)], f"type is {data['type']!r}, a recipe has {COMPONENT!r}")
    for key in data.keys() - {"type", "attributes"}:
        text = f"unknown key {key!r} beside 'type'; {advice(key, ['type', 'attributes'], 'known keys')}"
        document.complain(document.keys[(key,)], text)
    if "attributes" not in data:
        document.complain(document.keys[("type",)], "key 'attributes' is missing")
        raise RecipeError(document.problems)
    return ("attributes",)


def _check_name(document: Document, base: yaml_strict.Path, named: str) -> None:
    """A recipe found by name must bear it, or the commands that messages suggest would not work."""
    data = _descend(document.data, base)
    given = data.get("name") if isinstance(data, dict) else None
    if isinstance(given, str) and given != named:
        mark = document.values[(*base, "name")]
        document.complain(mark, f"name is {given!r}, the recipe's file or folder is called {named!r}")


def _descend(data: Any, path: yaml_strict.Path) -> Any:
    for element in path:
        data = data[element]
    return data


def _placed(
    document: Document, labels: dict[yaml_strict.Path, str], path: yaml_strict.Path, part: str, text: str
) -> Problem:
    """The problem at the position of its key or value, of the nearest part above it, or at its `--set`."""
    if part == "owner":
        path = path[:-1]
        # A key is missing for a `--set` that has made what lacks it, not for one that has changed what is beside it.
        changed = [label for below, label in labels.items() if below in (path, (*path, "kind"))]
    else:
        changed = [label for below, label in labels.items() if below[: len(path)] == path]
    if changed:
        return Problem(changed[0], 0, 0, text)
    if part == "value":
        path = _mentioned(document, path, text)
    uppers = [path[:length] for length in range(len(path), -1, -1)]
    for above in uppers:  # the file's own positions are of what such a change has replaced
        if above in labels:
            return Problem(labels[above], 0, 0, text)
    for above in uppers:
        key, value = document.keys.get(above), document.values.get(above)
        if value is None and key is None:
            continue
        # A mapping or list is shown by its key, for its own first character is that of its first member already; so is
        # an empty value, which has no characters.
        by_key = isinstance(_descend(document.data, above), dict | list | None)
        whole = part in ("key", "owner") or above != path or by_key
        mark = (key or value) if whole else (value or key)
        return Problem(document.place, *(mark or (1, 1)), text)
    return Problem(document.place, 1, 1, text)


def _mentioned(document: Document, path: yaml_strict.Path, text: str) -> yaml_strict.Path:
    """The first key of a mapping that the text is about: what is wrong between keys has the place of one of them."""
    try:
        given = _descend(document.data, path)
    except (KeyError, IndexError, TypeError):  # a part that is not written out
        return path
    if not isinstance(given, dict):
        return path
    keys = [word for word in _WORD.findall(text) if word in given and word != "kind"]
    return (*path, keys[0]) if keys else path


def _found(step: Any, place: int, folder: Path, complain: Any) -> Any:
    """A step with the file it reads, if it reads one, taken from `folder`; a file that is missing is a problem."""
    if not hasattr(step, "resolve"):
        return step
    resolved = step.resolve(folder)
    try:
        resolved.check()
    except SatietyError as error:
        complain(("cleaning", place, "file"), "value", str(error))
    return resolved


def _resolved(value: M, folder: Path | None, complain: Any) -> M:
    """The recipe with its relative paths taken from `folder`; a file of its source that is missing is a problem."""
    source: Any = getattr(value, "source", None)
    if folder is None or not hasattr(source, "resolve"):
        return value
    path = ("source", "path") if hasattr(source, "path") else ("source", "kind")
    resolved = source
    try:
        resolved = source.resolve(folder)
        if resolved.remotes():
            load_settings().export()
        resolved.check()
    except ConfigError as error:
        complain(path, "value", str(error))
    except OSError as error:
        complain(path, "value", f"cannot be looked at: {error.strerror}")
    changes: dict[str, Any] = {"source": resolved}
    if hasattr(value, "cleaning"):
        changes["cleaning"] = [_found(step, place, folder, complain) for place, step in enumerate(value.cleaning)]
    automation: Any = getattr(value, "automation", None)
    if automation is not None and automation.watch is not None:
        # A sensor looks from wherever the daemon was started.
        watch = str(folder / Path(automation.watch).expanduser())
        changes["automation"] = automation.model_copy(update={"watch": watch})
    return value.model_copy(update=changes)
