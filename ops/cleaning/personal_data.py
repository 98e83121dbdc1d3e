"""Personal data that has a form, replaced or a reason to drop the text."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import polars as pl
from pydantic import Field

from ops.columns import TEXT, require
from ops.privacy.find import replace_kinds
from ops.steps import Facts, Outcome, Step

Kind = Literal["url", "email", "key", "ipv6", "ipv4", "iban", "card", "us_ssn", "phone"]
_ALL: list[Kind] = ["email", "key", "ipv6", "ipv4", "iban", "card", "us_ssn", "phone"]


class PersonalData(Step):
    """Find personal data by its form, and put `[EMAIL]`, `[PHONE]`, ... in its place.

    Patterns propose and checks decide: IBANs by MOD 97-10 (ISO 7064), payment cards by issuer and Luhn's formula
    (ISO/IEC 7812-1), addresses by their ranges; a telephone number has an international or national form, or a word
    beside it says that it is one. Where two kinds overlap, the earlier of url, email, key, ipv6, ipv4, iban, card,
    us_ssn, phone wins. Names and postal addresses have no form and are not found. Nulls stay null.
    """

    kind: Literal["personal_data"] = "personal_data"
    """Personal data replaced."""
    column: str = "text"
    """The text column."""
    kinds: Annotated[list[Kind], Field(min_length=1)] = _ALL
    """What is looked for. `key` are keys of programming interfaces and private keys, `us_ssn` social security numbers;
    `url`, which is seldom a person's, only where it is named."""
    action: Literal["replace", "pseudonym", "drop"] = "replace"
    """What is done: one placeholder for each kind, placeholders that number the different values within a text
    (`[EMAIL_1]`, `[EMAIL_2]`), or the text dropped."""

    applies_to: ClassVar[frozenset[str]] = frozenset({"text", "table"})

    def apply(self, table: pl.DataFrame, facts: Facts) -> Outcome:
        """Return the texts without personal data, with the rows that had some by kind."""
        require(table, [self.column], step=self.kind, types=TEXT)
        text, found = replace_kinds(table[self.column], self.kinds, self._replacement)
        rows = found.select("row", "kind").unique()
        if self.action != "drop":
            counts = dict(rows.group_by("kind").len().sort("kind").iter_rows())
            return Outcome.mapped(table.with_columns(text.alias(self.column)), counts)
        listed = rows.sort("row", "kind").group_by("row", maintain_order=True).agg(pl.col("kind").str.join(", "))
        marked = table.with_row_index("__row").join(
            listed.rename({"row": "__row", "kind": "__found"}), on="__row", how="left", maintain_order="left"
        )
        outcome = Outcome.split(
            marked, keep=pl.col("__found").is_null(), step=self.kind, reason=self.kind, evidence=pl.col("__found")
        )
        return Outcome(kept=outcome.kept.drop("__row", "__found"), dropped=outcome.dropped)

    def _replacement(self, kind: str, found: pl.DataFrame, before: pl.DataFrame) -> pl.Series:
        name = kind.upper()
        if self.action != "pseudonym":
            return pl.repeat(f"[{name}]", found.height, dtype=pl.String, eager=True)
        first = pl.col("place").min().over("row", "value")
        number = first.rank("dense").over("row")
        every = pl.concat([before, found]).with_row_index("place")
        return every.select(pl.format("[{}_{}]", pl.lit(name), number)).to_series().tail(found.height)
