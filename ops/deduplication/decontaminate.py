"""Training rows that have a passage of the test set in them dropped; also against test sets from files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

import polars as pl
from pydantic import Field, PositiveInt, PrivateAttr

from ops.columns import TEXT, require
from ops.config import Config
from ops.deduplication.base import DUPLICATES_SCHEMA, Deduplication
from ops.errors import ConfigError
from ops.named_file import column_of, named_bytes
from ops.storage import Output, Version

_READERS = (".txt", ".csv", ".tsv", ".parquet", ".ndjson", ".jsonl")


class TestSet(Config):
    """A file of texts that no training row may contain."""

    __test__: ClassVar[bool] = False

    file: str
    """The file, relative to the recipe's folder: .txt with a text a line, or .csv, .tsv, .parquet, .ndjson."""
    column: str = "text"
    """The column with the texts. Not for .txt."""
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """SHA-256 of the file, as `sha256sum` prints it."""

    def texts(self, base: Path) -> pl.Series:
        """The texts.

        Raises:
            ConfigError: the file is not there, or no kind of file that can be read.
            IntegrityError: it is another file than the recipe means.
            BadData: it has no such column of texts, or cannot be read.
        """
        path = base / self.file
        texts = column_of(named_bytes(path, self.sha256, _READERS, "the test set"), path, self.column, "the test set")
        if texts.dtype not in TEXT:
            raise ConfigError(f"the test set's column {self.column!r} is {texts.dtype}, not text", where=str(path))
        return texts


class Decontaminate(Deduplication):
    """Drop training rows that share an n-gram of words with a validation or test row, or with a test set in a file.

    A text of fewer words than the n-gram is compared as a whole. An n-gram that more than `maximum_texts` training
    texts have is boilerplate and shows nothing (a famous speech, a template of questions): it does not count. So
    duplicates should be dropped before. Rows of valid and test are never dropped.
    """

    kind: Literal["decontaminate"] = "decontaminate"
    """Training rows that share passages with test rows dropped."""
    column: str = "text"
    """The text that is compared."""
    ngram: Annotated[int, Field(ge=1, le=16)] = 13
    """How many words in a row are a passage (13 as in GPT-3: Brown et al., 2020)."""
    maximum_texts: PositiveInt = 10
    """The most training texts that may have an n-gram before it counts as boilerplate."""
    minimum_ngrams: PositiveInt = 1
    """How many n-grams a training text must share in order to be dropped."""
    splits: bool = True
    """Whether training rows are compared with the recipe's own valid and test rows."""
    files: list[TestSet] = []
    """Test sets in files that training rows are compared with too."""

    applies_to: ClassVar[frozenset[str]] = frozenset({"text"})
    thresholds: ClassVar[frozenset[str]] = frozenset({"maximum_texts", "minimum_ngrams", "splits", "files"})
    reads_split: ClassVar[bool] = True

    _base: Path = PrivateAttr(default_factory=Path)

    def resolve(self, base: Path) -> Self:
        """A copy that takes relative paths from `base`."""
        copy = self.model_copy()
        copy._base = base.absolute()
        return copy

    def check(self) -> None:
        """Look whether the files are there and are those that are meant; raises as `TestSet.texts`."""
        for file in self.files:
            file.texts(self._base)
        if not self.splits and not self.files:
            raise ConfigError("decontaminate has nothing to compare with", hint="name files, or say splits: true")

    def sign(self, table: pl.DataFrame, output: Output) -> None:
        """Write each row's n-grams, and in which split it is."""
        from ops.deduplication.near.overlap import sign

        require(table, [self.column], step=self.kind, types=TEXT)
        sign(table, self.column, self.ngram, output, self.key)

    def decide(self, signed: Mapping[str, Version], gone: pl.Series) -> pl.DataFrame:
        """Return (id, reason, evidence): the row or line of the test set, and how many n-grams are shared."""
        from ops.deduplication.near.overlap import Passages, shared_rows

        passages = Passages(self.ngram)
        if self.splits:
            for version in signed.values():
                passages.add_rows(version, self.key, gone)
        for file in self.files:
            passages.add_texts(file.texts(self._base), file.file)
        found = shared_rows(passages, signed, self.key, gone, self.maximum_texts, self.minimum_ngrams)
        return found.select(pl.col(name).cast(dtype) for name, dtype in DUPLICATES_SCHEMA.items())
