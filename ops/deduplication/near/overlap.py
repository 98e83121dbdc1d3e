"""Passages that training texts share with texts that a model is judged on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt
import polars as pl

from ops.deduplication.near.shingling import I64, U64, shingle_sets
from ops.storage import Output, Version


def sign(table: pl.DataFrame, column: str, ngram: int, output: Output, key: str) -> None:
    """Write the n-grams of each row as ascending numbers, how many there are, and the row's split."""
    counts: list[I64] = []
    with output.array(f"{key}-ngrams.bin") as file:
        for found in shingle_sets(table[column], ngram):
            file.write(found.values)
            counts.append(found.counts)
    counted = np.concatenate(counts) if counts else np.zeros(0, dtype=np.int64)
    output.parquet(f"{key}.parquet", table.select("id", "split", pl.Series("ngrams", counted, dtype=pl.UInt32)))


class Passages:
    """The n-grams of all texts that training texts are compared with, and of which text each is the first."""

    def __init__(self, ngram: int) -> None:
        self.ngram = ngram
        self.names: list[pl.Series] = []
        self._numbers: list[U64] = []
        self._owners: list[I64] = []
        self._texts = 0

    def add_rows(self, version: Version, key: str, gone: pl.Series) -> None:
        """Add the rows of a partition's valid and test splits."""
        rows = version.parquet(f"{key}.parquet")
        chosen = (rows["split"] != "train") & ~rows["id"].is_in(gone.implode())
        numbers, owner = _of_rows(version, key, rows, chosen.to_numpy())
        self._add(numbers, owner, rows["id"].filter(chosen))

    def add_texts(self, texts: pl.Series, name: str) -> None:
        """Add texts of a file; they are named by the file and their number, from 1."""
        for_all = list(shingle_sets(texts, self.ngram))
        counts = np.concatenate([found.counts for found in for_all]) if for_all else np.zeros(0, dtype=np.int64)
        numbers = np.concatenate([found.values for found in for_all]) if for_all else np.zeros(0, dtype=np.uint64)
        names = pl.select(pl.format("{}:{}", pl.lit(name), pl.int_range(1, len(counts) + 1))).to_series()
        self._add(numbers, np.repeat(np.arange(len(counts)), counts), names)

    def _add(self, numbers: U64, owner: I64, names: pl.Series) -> None:
        self._numbers.append(numbers)
        self._owners.append(owner + self._texts)
        self.names.append(names.rename("name"))
        self._texts += len(names)

    def known(self) -> tuple[U64, I64]:
        """All n-grams in order, and the text that each is in first."""
        if not self._numbers:
            return np.zeros(0, dtype=np.uint64), np.zeros(0, dtype=np.int64)
        numbers, first = np.unique(np.concatenate(self._numbers), return_index=True)
        return numbers, np.concatenate(self._owners)[first]


def shared_rows(
    passages: Passages, signed: Mapping[str, Version], key: str, gone: pl.Series, most_texts: int, least: int
) -> pl.DataFrame:
    """Return (id, reason, evidence) of the training rows that have at least `least` of the passages.

    Passages that more than `most_texts` training rows have do not count.
    """
    known, owners = passages.known()
    texts = np.zeros(len(known), dtype=np.int64)
    for _, _, places in _matches(signed, key, gone, known):
        texts += np.bincount(places, minlength=len(known))
    names = pl.concat(passages.names) if passages.names else pl.Series("name", [], pl.String)
    found = [pl.DataFrame(schema={"id": pl.String, "reason": pl.String, "evidence": pl.String})]
    for ids, owner, places in _matches(signed, key, gone, known):
        telling = texts[places] <= most_texts
        rows, first, counts = np.unique(owner[telling], return_index=True, return_counts=True)
        enough = counts >= least
        source = names.gather(owners[places[telling][first[enough]]])
        shared = pl.Series("shared", counts[enough])
        some = pl.DataFrame({"id": ids.gather(rows[enough]), "name": source, "shared": shared})
        evidence = pl.format("{} ({} n-grams)", "name", "shared").alias("evidence")
        found.append(some.select("id", pl.lit("contaminated").alias("reason"), evidence))
    return pl.concat(found)


def _matches(
    signed: Mapping[str, Version], key: str, gone: pl.Series, known: U64
) -> Iterator[tuple[pl.Series, I64, I64]]:
    """For each partition the ids of its training rows, and of each n-gram that is known its row and its place."""
    for version in signed.values():
        rows = version.parquet(f"{key}.parquet")
        chosen = (rows["split"] == "train") & ~rows["id"].is_in(gone.implode())
        numbers, owner = _of_rows(version, key, rows, chosen.to_numpy())
        places = np.searchsorted(known, numbers)
        met = np.zeros(len(numbers), dtype=np.bool_)
        within = places < len(known)
        met[within] = known[places[within]] == numbers[within]
        yield rows["id"].filter(chosen), owner[met], places[met]


def _of_rows(version: Version, key: str, rows: pl.DataFrame, chosen: npt.NDArray[np.bool_]) -> tuple[U64, I64]:
    """The n-grams of the chosen rows, and of which of them each is."""
    counts = rows["ngrams"].to_numpy().astype(np.int64)
    numbers = version.array(f"{key}-ngrams.bin", np.uint64)
    within = np.repeat(chosen, counts)
    return np.asarray(numbers[within]), np.repeat(np.arange(int(chosen.sum())), counts[chosen])
