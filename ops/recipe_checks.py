"""What is wrong between keys of a recipe that are each right alone; found before anything runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, get_args

import polars as pl

from ops.config import Config
from ops.errors import ConfigError, SatietyError
from ops.fitting import FittedStep
from ops.foreseen import foreseen_problems
from ops.normalization.resize import BOXES
from ops.registry import kind_of
from ops.storage import partition_slug
from ops.sweep.checks import sweep_problems
from ops.training.parallel.checks import oversubscribed, strategy_problems

if TYPE_CHECKING:
    from ops.recipe import Recipe

Path = tuple[str | int, ...]
Problem = tuple[Path, str]
"""Path of the key, and what is wrong with it."""

COLUMN_KEYS = (
    "column",
    "columns",
    "conflict_label",
    "context",
    "answers",
    "loss_by",
    "groups",
    "time",
    "position",
    "image",
    "name_column",
)
"""Settings that name columns."""

READS = {"stream": "streams of tokens", "row": "rows of a table"}
"""Forms of what a task reads that are no plain words."""

NOT_IN_KEYS = ("...", "\a", "\b", "\f", "\n", "\r", "\t", "\v", "\0")
"""What no key of a partition may have in it (Dagster's `INVALID_PARTITION_SUBSTRINGS`)."""


def problems(recipe: Recipe, *, partial: bool = False) -> list[Problem]:
    """All of them.

    Args:
        recipe: the recipe.
        partial: whether it lacks keys that are wrong by themselves; a check that needs one of those is left out.
    """
    checks = (
        *(_kinds, _order, _columns, _types, _unread_columns, _alike, _shares, _task, _augmentation, _processes),
        *(_partitions, _keys, _fitted, _sweep, foreseen_problems),
    )
    found: list[Problem] = []
    for check in checks:
        try:
            found += check(recipe)
        except AttributeError:
            if not partial:
                raise
    return found


def _kinds(recipe: Recipe) -> Iterator[Problem]:
    """Steps that are for other data, or there twice."""
    modality = recipe.task.modality
    changes = recipe.augmentation.steps if recipe.augmentation is not None else []
    listed = [*_steps(recipe, "cleaning", "normalization")]
    listed += [(("augmentation", "steps", index), step) for index, step in enumerate(changes)]
    for path, step in listed:
        if modality not in step.applies_to:
            yield (*path, "kind"), f"step {step.kind!r} does not work on {modality}"
    for index, change in enumerate(changes):
        if change.kind == "bpe_dropout" and recipe.tokenizer is not None and kind_of(type(recipe.tokenizer)) != "bpe":
            yield ("augmentation", "steps", index, "kind"), "bpe_dropout is for the tokenizer bpe"
    whole = [*recipe.deduplication, *recipe.scoring]
    seen: set[str] = set()
    for place, repeats in recipe.deduplication.items():
        if repeats.key in seen:
            yield ("cleaning", place, "kind"), f"{repeats.kind} is there twice"
        if repeats.rewrites and any(other > place for other in whole):
            later = recipe.cleaning[max(whole)].kind
            yield ("cleaning", place, "kind"), f"{repeats.kind} changes texts, so it must come after {later}"
        seen.add(repeats.key)
    for place, step in recipe.scoring.items():
        if step.score_key in seen:
            yield (
                ("cleaning", place, "kind"),
                f"{step.kind} makes the same scores twice; say both thresholds in one step",
            )
        seen.add(step.score_key)


def _fitted(recipe: Recipe) -> Iterator[Problem]:
    """Steps that are fitted on training rows, where they cannot be, or there twice."""
    cleaning = recipe.fitting
    for place, step in enumerate(recipe.cleaning):
        if cleaning and place > min(cleaning) and (place in recipe.scoring or place in recipe.deduplication):
            first = cleaning[min(cleaning)].kind
            yield ("cleaning", place, "kind"), f"{step.kind} must come before {first}, which is fitted on what it keeps"
    yield from _moved(recipe)
    for part in ("cleaning", "normalization"):
        seen: set[str] = set()
        for path, step in _steps(recipe, part):
            if not isinstance(step, FittedStep):
                continue
            if step.fit_key in seen:
                yield (*path, "kind"), f"the very same {step.kind} is there twice"
            seen.add(step.fit_key)


def _moved(recipe: Recipe) -> Iterator[Problem]:
    """Steps that would move rows between train and test behind a step that has learned from the training rows."""
    split, fitting = recipe.split, recipe.fitting
    # With groups, rows that have none are divided by their content.
    alone = split.time or split.position
    by = {alone} if alone else {*(split.groups or ()), *(split.columns or recipe.known_by)}
    for place, step in enumerate(recipe.cleaning):
        if not fitting or place < min(fitting):
            continue
        first = recipe.cleaning[min(fitting)].kind
        for name in sorted(by & step.writes):
            if place in fitting:
                said = f"so no step that is fitted on training rows may change it{_instead(recipe)}"
            else:
                said = f"so {step.kind}, which writes it, must come before {first}, which is fitted on training rows"
            yield ("cleaning", place, "kind"), f"the split goes by column {name!r}, {said}"


def _instead(recipe: Recipe) -> str:
    """What to let the split go by, where nothing was said."""
    split = recipe.split
    if split.time or split.position or split.groups or split.columns:
        return ""
    return "; let it go by others (split.columns" + (", or task.input" if recipe.task.form == "row" else "") + ")"


def _order(recipe: Recipe) -> Iterator[Problem]:
    """Steps that compare rows, between steps that decide by scores or over the corpus.

    What comes behind them is scored and signed without what the steps before them drop (`ops/stages/scores.py`), so
    they would see other rows there than in the clean corpus, and keep and drop others.
    """
    whole = [*recipe.deduplication, *recipe.scoring]
    for path, step in _steps(recipe, "cleaning"):
        place = int(path[1])
        if step.compares_rows and whole and min(whole) < place < max(whole):
            behind = recipe.cleaning[max(whole)].kind
            said = f"{step.kind} compares rows with each other; put it before {recipe.cleaning[min(whole)].kind}"
            yield (*path, "kind"), f"{said} or behind {behind}, not between them"


def _columns(recipe: Recipe) -> Iterator[Problem]:
    """Columns that a key names and the source has not."""
    columns = recipe.source.columns
    named = [*_named(recipe, "cleaning", "normalization", "split", "augmentation")]
    named += [(("task", key), name) for key in ("input", "label") if (name := getattr(recipe.task, key))]
    months = recipe.partitions.monthly
    named += [(("partitions", "monthly", "column"), months.column)] if months is not None else []
    named += _read(recipe)
    fitted = [
        (path, step) for path, step in _steps(recipe, "cleaning", "normalization") if isinstance(step, FittedStep)
    ]
    said = {(path[:2], name) for path, name in named}
    named += [(path, name) for path, step in fitted for name in step.needed() if (path, name) not in said]
    made = {getattr(step, "output", None) for step in recipe.cleaning}
    for path, name in named:
        if name not in columns and name not in made:
            yield path, f"the source has no column {name!r}, it has {', '.join(columns)}"


def _types(recipe: Recipe) -> Iterator[Problem]:
    """Columns of a type that cannot be what the recipe takes them for."""
    columns, task = recipe.source.columns, recipe.task
    if task.modality == "table":
        yield from _table_types(recipe)
    if task.form != "series":
        wanted = pl.Binary() if task.modality in ("image", "sound") else pl.String()
        if task.modality != "table" and columns.get(task.input, wanted) != wanted:
            yield ("task", "input"), f"{task.kind} reads {wanted}, column {task.input!r} is {columns[task.input]}"
        label = columns.get(task.label, pl.String()) if task.label else pl.String()
        if label == pl.Binary() or not _is_exact(label):
            yield ("task", "label"), f"column {task.label!r} is {label}, which names no classes"
    duplicates = [("cleaning", place) for place, step in recipe.deduplication.items() if step.by_content]
    for path, name in _named(recipe, "cleaning", "split"):
        compared = (path[0] == "split" and path[1] not in ("time", "position")) or (
            path[:2] in duplicates and path[-1] != "loss_by"
        )
        if compared and name in columns and not (_is_exact(columns[name]) or columns[name].is_float()):
            yield path, f"column {name!r} is {columns[name]}, which cannot be compared by content"


def _table_types(recipe: Recipe) -> Iterator[Problem]:
    """Columns of a table that are no moments, no numbers, or no categories."""
    columns, task = recipe.source.columns, recipe.task
    if task.form == "series" and not isinstance(columns.get(task.input, pl.Datetime()), pl.Datetime):
        yield ("task", "input"), f"{task.kind} needs moments, column {task.input!r} is {columns[task.input]}"
    names = getattr(task, "categories", [])
    label = [(("task", "label"), task.label)] if task.form == "series" else []
    for path, name in _named(recipe, "normalization", "augmentation"):
        if name in names:
            yield path, f"{name!r} is one of the categories, which are no numbers"
    for path, name in [*_read(recipe), *label]:
        if name not in columns:
            continue
        if path[1] != "categories" and not columns[name].is_numeric():
            yield path, f"column {name!r} is {columns[name]}, which is no number"
        if path[1] == "categories" and (columns[name] == pl.Binary() or not _is_exact(columns[name])):
            yield path, f"column {name!r} is {columns[name]}, which has no categories"


def _read(recipe: Recipe) -> list[tuple[Path, str]]:
    """The columns of a table that the model reads, each with the key that names it."""
    lists = {key: getattr(recipe.task, key, []) for key in ("features", "categories")}
    return [(("task", key, place), name) for key, names in lists.items() for place, name in enumerate(names)]


def _unread_columns(recipe: Recipe) -> Iterator[Problem]:
    """Changes of columns behind cleaning that the model does not read: the shards do not have them."""
    reads = recipe.task.reads
    kept = getattr(recipe.task, "past_column", None)
    for path, name in _named(recipe, "normalization", "augmentation"):
        if name in recipe.source.columns and name not in reads:
            those = ", ".join(map(repr, reads))
            only = "only that column" if len(reads) == 1 else "only those columns"
            yield path, f"the model reads {those}, so {only} can be changed here, not {name!r}"
        if name == kept:
            yield path, f"{name!r} is forecast in its own unit, so it cannot be changed here"


def _alike(recipe: Recipe) -> Iterator[Problem]:
    """A split by near-duplicates without what finds them, or with what cannot know it."""
    found = [place for place, step in recipe.deduplication.items() if step.paired]
    if recipe.split.near_duplicates:
        if len(found) != 1:
            yield ("split", "near_duplicates"), "it takes one near_duplicates step in cleaning to tell what is alike"
        for place, step in recipe.deduplication.items():
            if step.reads_split:
                why = "the split waits for near-duplicates, which are not known when it looks"
                yield ("cleaning", place, "kind"), f"{step.kind} has no place beside split.near_duplicates: {why}"
    else:
        for place in found:
            if getattr(recipe.cleaning[place], "action", "drop") == "keep":
                yield ("cleaning", place, "action"), "keep does nothing unless split.near_duplicates is true"


def _shares(recipe: Recipe) -> Iterator[Problem]:
    why = {"valid": "the model is judged on it while it is trained", "test": "the report judges the model on it"}
    for key, reason in why.items():
        if not getattr(recipe.split, key):
            yield ("split", key), f"{key!r} must be above 0: {reason}"


def _task(recipe: Recipe) -> Iterator[Problem]:
    """Tokenizer, model and baseline that are not for what the task reads."""
    task, model, baseline = recipe.task, recipe.model, recipe.evaluation.baseline
    if task.form == "series" and recipe.augmentation is not None:
        yield ("augmentation",), f"copies cannot stand in a series, which {task.kind} reads in order"
    if task.form == "series" and recipe.training.label_smoothing:
        yield ("training", "label_smoothing"), f"{task.kind} has no classes to spread a target over"
    mixing = recipe.training.mixing
    if mixing is not None and task.modality != "image":
        reads = "numbers of tokens, which have nothing between them" if task.modality == "text" else task.modality
        yield ("training", "mixing"), f"{mixing.kind} mixes pixels, and {task.kind} reads {reads}"
    if task.form == "stream" and recipe.augmentation is not None:
        yield ("augmentation",), f"copies of texts are for classes; {task.kind} would learn the changes themselves"
    if task.modality == "text" and recipe.tokenizer is None:
        yield ("task", "kind"), f"{task.kind} needs a tokenizer"
    if task.modality != "text" and recipe.tokenizer is not None:
        yield ("tokenizer",), f"{task.kind} reads {task.modality}, which is not tokenised"
    if task.form == "sound":
        kinds = [step.kind for step in recipe.normalization]
        if not {"waveform", "log_mel"} <= set(kinds) or kinds.index("waveform") > kinds.index("log_mel"):
            yield ("task", "kind"), f"{task.kind} reads spectrograms: normalization needs waveform, then log_mel"
    if model.modality != task.form:
        reads, wanted = (READS.get(form, form) for form in (model.modality, task.form))
        others = _choices(recipe, "model", lambda kind: kind.modality == task.form)
        yield ("model", "kind"), f"{model.kind} reads {reads}, not {wanted}; {task.kind} takes {others}"
    if task.form not in baseline.applies_to:
        wanted = READS.get(task.form, task.form)
        others = _choices(recipe.evaluation, "baseline", lambda kind: task.form in kind.applies_to)
        said = f"{baseline.kind} does not read {wanted}; {task.kind} takes {others}"
        yield ("evaluation", "baseline", "kind"), said


def _choices(owner: Config, field: str, fits: Callable[[Any], bool]) -> str:
    """The kinds that the field of a recipe may have and that fit, in words."""
    found = [kind_of(kind) for kind in get_args(type(owner).model_fields[field].annotation) if fits(kind)]
    return ", ".join(found) or "none that is there yet"


def _augmentation(recipe: Recipe) -> Iterator[Problem]:
    """Augmentation that cannot be searched, or not be done while training."""
    augmentation, task = recipe.augmentation, recipe.task
    if augmentation is None:
        return
    if augmentation.strength == "auto" and recipe.launch.nodes > 1:
        yield ("augmentation", "strength"), "auto trains on one node, and launch.nodes says more"
    if augmentation.mode == "on_the_fly" and BOXES in (*task.reads, task.label):
        said = f"{task.kind} reads boxes, which follow stored copies only"
        yield (
            ("augmentation", "mode"),
            f"on_the_fly changes images and leaves boxes where they are; {said}: say offline",
        )


def _processes(recipe: Recipe) -> Iterator[Problem]:
    """Strategies that the processes or the model cannot follow, and more processes than cores."""
    yield from strategy_problems(recipe.training, recipe.launch, recipe.model)
    if found := oversubscribed(recipe.launch):
        yield ("launch", "processes"), found


def _sweep(recipe: Recipe) -> Iterator[Problem]:
    """Values of a sweep that cannot be, alone or together."""
    yield from sweep_problems(recipe, lambda changed: [*_task(changed), *_processes(changed)])


def _partitions(recipe: Recipe) -> Iterator[Problem]:
    by, natural = recipe.partitions.by, recipe.source.natural
    if by is not None and by != natural:
        own = f"by: {natural}, " if natural else ""
        yield ("partitions", "by"), f"{recipe.source.kind} has no {by}s; it can be cut {own}hash or single"
    months = recipe.partitions.monthly
    kind = recipe.source.columns.get(months.column) if months is not None else None
    if months is not None and kind is not None and not isinstance(kind, pl.Date | pl.Datetime):
        yield ("partitions", "monthly", "column"), f"column {months.column!r} is {kind}, which has no months"


def _keys(recipe: Recipe) -> Iterator[Problem]:
    """Partitions of which the store can make no folder, or Dagster no partition."""
    if recipe.partitions.by is None or recipe.partitions.by != recipe.source.natural:
        return
    try:
        keys = recipe.partition_keys()
    except (SatietyError, OSError):
        return  # Reported where the source is looked at.
    for key in keys:
        try:
            partition_slug(key)
        except ConfigError as error:
            yield ("partitions", "by"), str(error)
        for text in NOT_IN_KEYS:
            if text in key:
                yield (
                    ("partitions", "by"),
                    f"partition {key!r} has {text!r} in its name, which Dagster refuses; say hash",
                )


def _steps(recipe: Recipe, *parts: str) -> Iterator[tuple[Path, Any]]:
    """The steps of lists of steps."""
    for part in parts:
        for index, step in enumerate(getattr(recipe, part, ())):  # A part that is wrong itself is not there.
            yield (part, index), step


def _named(recipe: Recipe, *parts: str) -> Iterator[tuple[Path, str]]:
    """The columns that lists of steps, or single parts and the steps in them, name."""
    for part in parts:
        value = getattr(recipe, part, None)
        owners: list[tuple[Path, Any]] = [*_steps(recipe, part)] if isinstance(value, list) else [((part,), value)]
        owners += [((part, "steps", index), step) for index, step in enumerate(getattr(value, "steps", ()))]
        for path, owner in owners:
            for key in COLUMN_KEYS:
                names = getattr(owner, key, None) or ()
                yield from (((*path, key), name) for name in ([names] if isinstance(names, str) else names))


def _is_exact(dtype: pl.DataType) -> bool:
    """Whether values of a type name something, equal or not without any doubt; floats and moments in time do not."""
    exact = (pl.String, pl.Binary, pl.Boolean, pl.Date, pl.Categorical, pl.Enum)
    return isinstance(dtype, exact) or dtype.is_integer()
