"""What a source is: a frozen value that names its partitions, the digest of its content, and reads rows in batches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import polars as pl

from ops.config import Config
from ops.sources.downloads import Progress, local
from ops.sources.rejects import reject_frame
from ops.sources.remote import IDENTITY, Remote

Modality = Literal["text", "image", "table", "sound"]

# A batch holds about this many bytes of input at most, so that memory does not grow with the size of a file.
BATCH_BYTES = 1 << 20
BATCH_ROWS = 65_536


@dataclass(frozen=True)
class Batch:
    """Some rows in the order of the source, and the rejects found among them.

    Attributes:
        table: the source's columns, and `file`, `line` where rows come from files.
        rejects: columns of `REJECTS_SCHEMA`. Rows and rejects together are all records read.
    """

    table: pl.DataFrame
    rejects: pl.DataFrame = field(default_factory=reject_frame)


class Source(Config):
    """Base of all kinds. A subclass adds `kind: Literal[...]`, its settings and the methods below.

    Attributes:
        natural: what one part is into which the source falls by itself, as `partitions: {by: …}` calls it.
        modality: what a row is: a text, an image, a recording, or values in a table (which may be text).
    """

    natural: ClassVar[Literal["package", "file"] | None] = None
    modality: ClassVar[Modality] = "text"

    if TYPE_CHECKING:
        kind: Any = None

    @property
    def columns(self) -> dict[str, pl.DataType]:
        """The explicit schema of the rows, without `file` and `line`."""
        raise TypeError(f"{type(self).__name__} has no columns")

    def identity(self) -> dict[str, Any]:
        """The settings as JSON-able data, with names and hashes of files elsewhere in place of their addresses."""
        return self.model_dump(mode="json", context=IDENTITY)

    def resolve(self, base: Path) -> Self:
        """The same source with relative paths taken from `base`, the folder of the recipe's file."""
        return self

    def check(self) -> None:
        """Look whether everything that would be read is there, without reading it.

        Raises:
            ConfigError: something is not; the message names it and the nearest that is.
        """
        self.natural_partitions()

    def natural_partitions(self) -> list[str] | None:
        """Keys of the parts that the source falls into by itself, in order; null where there are none."""
        return None

    def paths(self) -> list[Path]:
        """The files or folders that `read` opens, where they are the user's own, absolute: what DVC watches."""
        return []

    def remotes(self) -> list[Remote]:
        """The files elsewhere that `read` needs."""
        return []

    def fetch(self, progress: Progress) -> None:
        """Bring what is elsewhere to this machine."""
        for remote in self.remotes():
            local(remote, progress)

    def external(self, partition: str | None = None) -> str:
        """SHA-256 (hex) over the content that `read` would see; depends on no clock, path or modification time."""
        raise TypeError(f"{type(self).__name__} has no external")

    def read(self, partition: str | None = None) -> Iterator[Batch]:
        """Yield all rows of a partition (of everything when null) in batches of bounded size, at least one."""
        raise TypeError(f"{type(self).__name__} has no read")
