"""How many altered copies training rows get, and of what."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Literal

import polars as pl
from pydantic import Field, model_validator

from ops.augmentation.base import Change, ImageChange, Shape
from ops.augmentation.bpe_dropout import DROPOUT_RATE, DROPOUT_SEED, BpeDropout
from ops.augmentation.engine import row_seed
from ops.augmentation.search import Search, Strength
from ops.augmentation.table_copies import augmented, originals
from ops.augmentation.tables import TableChange
from ops.columns import require
from ops.config import Config
from ops.errors import BadData
from ops.normalization.resize import BOXES
from ops.registry import union
from ops.steps import Facts, Outcome

if TYPE_CHECKING:
    AnyChange = Change
else:
    AnyChange = union("ops.augmentation", base=Change)


class Augmentation(Config):
    """Altered copies of the training rows, stored or made while training; valid and test rows are never touched.

    The changes of a copy are drawn from (seed of the recipe, id of the row, number of the copy, place of the step), so
    they do not depend on partitions, on the order of rows, or on how often anything ran. A copy has the id of its row
    with `+<number>` behind it, and the number in the column `copy` (0 for the rows themselves).
    """

    mode: Literal["offline", "on_the_fly"] = "offline"
    """Copies made once and stored beside the rows; or every training row replaced while training, in each epoch by the
    copy of that number."""
    copies: Annotated[int, Field(ge=0, le=100)] = 1
    """Copies of each training row; on the fly, one takes the row's place in each epoch."""
    steps: Annotated[list[AnyChange], Field(min_length=1)]
    """The changes, applied to each copy in order."""
    column: str | None = None
    """The column that is altered; by default the one that the model reads."""
    strength: Strength | Literal["auto"] = 1.0
    """How much of the steps' ranges (where they have none: of their probability) is used: 1 is as they are set, 0
    leaves the copies as the rows are, so that rows are only seen more often. `auto` tries some and takes the one that
    does best on the validation split."""
    search: Search = Search()
    """How `auto` searches."""
    balance: bool = False
    """For tables: copies of rows of smaller classes only, until each has as many as the largest; at most `copies`."""

    @model_validator(mode="after")
    def _one_modality(self) -> Augmentation:
        if not frozenset.intersection(*(step.applies_to for step in self.steps)) or (
            self._tables and len(self._tables) < len(self.steps)
        ):
            raise ValueError("the steps are for different kinds of data")
        if self.balance and not self._tables:
            raise ValueError("balance is for tables")
        if self.column is not None and self._tables:
            raise ValueError("column does nothing for tables: each step names its columns")
        if sum(isinstance(step, BpeDropout) for step in self.steps) > 1:
            raise ValueError("bpe_dropout is there twice, and a text is cut into tokens once")
        return self

    @model_validator(mode="after")
    def _search_of_something(self) -> Augmentation:
        if self.strength != "auto" and self.search != Search():
            raise ValueError("search does nothing unless strength is auto")
        if self.strength == "auto" and not self.copies:
            raise ValueError("there are no copies whose strength could be searched")
        return self

    @model_validator(mode="after")
    def _fit_for_training(self) -> Augmentation:
        if self.mode != "on_the_fly":
            return self
        if self.copies != 1:
            raise ValueError("on_the_fly has one copy in each epoch")
        if self.balance:
            raise ValueError("balance adds rows, and on_the_fly there are none more: say mode: offline")
        changed: set[str] = set()
        for step in self.steps:
            if isinstance(step, TableChange):
                if step.kin_count and changed & set(step.columns):
                    said = "on_the_fly its neighbours are those of the rows as they are"
                    raise ValueError(f"{step.kind} must come before other changes of its columns: {said}")
                changed |= set(step.columns)
        return self

    def at(self, strength: float) -> Augmentation:
        """The same with the steps at a share of their strength, whatever was said of it."""
        steps = [step.at(strength) for step in self.steps]
        return self.model_copy(update={"steps": steps, "strength": 1.0, "search": Search()})

    def settled(self) -> Augmentation:
        """The same with the steps at the strength that was said, which is not `auto`."""
        if self.strength == "auto":
            raise TypeError("the strength has not been searched")
        return self if self.strength == 1 else self.at(self.strength)

    @property
    def _tables(self) -> list[TableChange]:
        return [step for step in self.steps if isinstance(step, TableChange)]

    @model_validator(mode="after")
    def _early_ones_first(self) -> Augmentation:
        order = [step.early for step in self.steps]
        if order != sorted(order, reverse=True):
            raise ValueError("changes of the sound itself come before those of its spectrogram")
        return self

    @property
    def early(self) -> bool:
        """Whether some of the changes come before `log_mel`."""
        return any(step.early for step in self.steps)

    @property
    def kept_for(self) -> dict[str, Any]:
        """What decides what shards keep for changes on the fly; other settings of theirs build no shard anew."""
        kin = [step.model_dump(mode="json", exclude={"probability"}) for step in self._tables if step.kin_count]
        return {**({"early": True} if self.early else {}), **({"steps": kin} if kin else {})}

    def row_originals(self, shard: pl.DataFrame, columns: list[str]) -> list[bytes]:
        """What changes on the fly read of each training row of a table of which the model reads those columns."""
        return originals(shard, columns, self._tables)

    def apply(
        self,
        table: pl.DataFrame,
        facts: Facts,
        default: str = "image",
        finish: Callable[[pl.DataFrame], pl.DataFrame] = lambda rows: rows,
    ) -> Outcome:
        """Return the rows followed by their copies: first copy of all training rows, second copy of all, and so on.

        `default` is the column that is altered where none is named. `finish` brings rows, and copies after their early
        changes, into the form that the other changes alter.
        """
        if self.mode == "offline" and self.strength != 1:
            return self.settled().apply(table, facts, default, finish)
        if self._tables:
            require(table, ["id", "split"], step="augmentation")
            each = self.copies if self.mode == "offline" else 0
            return augmented(table, self._tables, each, self.balance, facts.seed)
        column = self.column or default
        require(table, ["id", "split", column], step="augmentation")
        train = table.filter(pl.col("split") == "train")
        rows = finish(table).with_columns(pl.lit(0, dtype=pl.Int32).alias("copy"))
        if any(isinstance(step, BpeDropout) for step in self.steps) and self.mode == "offline":
            rows = rows.with_columns(
                pl.lit(0, dtype=pl.UInt64).alias(DROPOUT_SEED), pl.lit(0.0, dtype=pl.Float64).alias(DROPOUT_RATE)
            )
        numbers = range(1, self.copies + 1) if train.height and self.mode == "offline" else ()
        lost: list[int] = []
        copies = [
            self._copy(train, column, number, facts.seed, finish, lost).select(rows.columns) for number in numbers
        ]
        changed = {"boxes_lost": sum(lost)} if sum(lost) else {}
        return Outcome(kept=pl.concat([rows, *copies]), added=train.height * len(copies), changed=changed)

    def _copy(
        self,
        train: pl.DataFrame,
        column: str,
        number: int,
        seed: int,
        finish: Callable[[pl.DataFrame], pl.DataFrame],
        lost: list[int],
    ) -> pl.DataFrame:
        """The altered copies of that number; how many boxes each step lost is added to `lost`."""
        first = next((place for place, step in enumerate(self.steps) if not step.early), len(self.steps))
        values, shape = train[column], _shape(train)
        for place, step in enumerate(self.steps):
            if place == first:
                train = finish(train.with_columns(values.alias(column)))
                values, shape = train[column], _shape(train)
            seeds = [row_seed(seed, row, number, place) for row in train["id"]]
            if BOXES in train.columns and shape is not None and isinstance(step, ImageChange):
                values, boxes, gone = step.change_with_boxes(values, train[BOXES], seeds, shape)
                train = train.with_columns(boxes)
                lost.append(gone)
            else:
                values = step.change(values, seeds, shape)
            if isinstance(step, BpeDropout):
                rates = pl.Series(DROPOUT_RATE, step.rates(seeds), pl.Float64)
                train = train.with_columns(pl.Series(DROPOUT_SEED, seeds, pl.UInt64), rates)
        if first == len(self.steps):
            train = finish(train.with_columns(values.alias(column)))
            values = train[column]
        return train.with_columns(
            pl.format("{}+{}", pl.col("id"), pl.lit(number)).alias("id"),
            values.alias(column),
            pl.lit(number, dtype=pl.Int32).alias("copy"),
        )


def _shape(table: pl.DataFrame) -> Shape | None:
    """The shape that `resize` left beside the pixels; None for rows that are not images."""
    names = ("height", "width", "channels")
    if not set(names) <= set(table.columns):
        return None
    shapes: list[Shape] = table.select(names).unique().rows()
    if len(shapes) > 1:
        raise BadData("augmentation: the images differ in shape", hint="give `normalization` one `resize` step")
    return shapes[0]
