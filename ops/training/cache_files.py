"""The files of a token cache, whoever writes or reads them.

`data.bin` holds the values one behind the other. `index.arrow` says of each example its place, label, split and copy,
in columns that are mapped as they are. `ids.arrow` holds the examples' ids, which training reads for changes on the fly
alone. `originals.bin` holds what these read, where that is not what the model reads (`ops/augmentation/forms.py`).
"""

from __future__ import annotations

from pathlib import Path

from ops.errors import IntegrityError

DATA, INDEX, IDS = "data.bin", "index.arrow", "ids.arrow"
OLD_INDEX = "index.parquet"
SPLITS = ("train", "valid", "test")


def outdated(folder: Path) -> IntegrityError:
    """The error of a cache whose index is still Parquet."""
    return IntegrityError(
        f"an older version of Satiety wrote this token cache: it has {OLD_INDEX}, no {INDEX}",
        where=str(folder),
        hint="build it again: `satiety run RECIPE --stage token_cache`",
    )
