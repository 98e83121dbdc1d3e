"""All docstrings of the installed packages as one Parquet file: real text, full of repeats, that every machine has."""

from __future__ import annotations

import ast
import importlib.metadata
import sys
import warnings
from pathlib import Path

import polars as pl

from ops.errors import ConfigError
from ops.sources.distributions import STANDARD_LIBRARY, find_distribution
from ops.sources.installed_docstrings import docstrings_of

CACHE = Path.home() / ".cache" / "satiety-bench"


def collect(folder: Path = CACHE) -> Path:
    """The file with the columns package and text; made when it is not there.

    Its name tells the versions of the packages by a digest, so that it is made anew when they change.
    """
    from ops.storage import sha256_json

    names = sorted({str(found.name) for found in importlib.metadata.distributions() if found.name})
    versions = {name: importlib.metadata.version(name) for name in names}
    path = folder / f"docstrings-{sha256_json(versions)[:12]}.parquet"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        rows = [(name, text) for name in [STANDARD_LIBRARY, *names] for text in _texts(name)]
        table = pl.DataFrame(rows, schema={"package": pl.String, "text": pl.String}, orient="row")
        table.write_parquet(path.with_suffix(".part"))
        path.with_suffix(".part").replace(path)
    return path


def _texts(name: str) -> list[str]:
    try:
        files = find_distribution(name).files
    except ConfigError:
        return []
    found: list[str] = []
    for file in files:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                tree = ast.parse(file.path.read_bytes())
            found += [text for *_, text in docstrings_of(tree)]
        except (SyntaxError, ValueError, RecursionError, OSError):
            continue
    return [text for text in found if text.encode("utf-8", "ignore").decode() == text]


if __name__ == "__main__":
    sys.stdout.write(f"{collect()}\n")
