"""Texts in partitions, signed, indexed and paired as the stages do it."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from ops.deduplication.base import Deduplication, WholeCorpus
from ops.stages.bands import before, covered
from ops.storage import Store, Version

NOBODY = pl.Series("id", [], pl.String)


def cut(texts: list[str | None], partitions: int) -> dict[str, pl.DataFrame]:
    """Texts with the ids t0, t1 and so on, dealt out to partitions."""
    table = pl.DataFrame({"text": texts}, schema={"text": pl.String}).with_columns(
        pl.format("t{}", pl.int_range(pl.len())).alias("id")
    )
    return {str(part): table.gather_every(partitions, part) for part in range(partitions)}


def sign(step: WholeCorpus, parts: dict[str, pl.DataFrame], folder: Path) -> dict[str, Version]:
    """Their signatures."""
    store, signed = Store(folder), dict[str, Version]()
    for key, table in parts.items():
        slot = store.slot("r", "signatures", key)
        signed[key], _ = slot.commit("0" * 32, {}, lambda o, t=table: step.sign(t, o))  # type: ignore[misc]
    return signed


def pair(step: WholeCorpus, signed: dict[str, Version], folder: Path) -> dict[str, Version]:
    """Their pairs, partition by partition."""
    store, bands, pairs = Store(folder), dict[str, Version](), dict[str, Version]()
    for place, key in enumerate(signed):
        upto = {name: signed[name] for name in list(signed)[: place + 1]}
        some = {name: signed[name] for name in covered(list(signed), key)}
        slot = store.slot("r", "bands", key)
        bands[key], _ = slot.commit("0" * 32, {}, lambda o, s=some: step.index(s, o))  # type: ignore[misc]
        behind = {name: bands[name] for name in before(list(signed), key)}
        slot = store.slot("r", "pairs", key)
        pairs[key], _ = slot.commit(
            "0" * 32,
            {},
            lambda o, k=key, u=upto, b=behind: step.pair(k, u, b, o),  # type: ignore[misc]
        )
    return pairs


def decide(step: Deduplication, parts: dict[str, pl.DataFrame], folder: Path, gone: pl.Series = NOBODY) -> pl.DataFrame:
    """The decision on all partitions as one table."""
    signed = sign(step, parts, folder)
    paired = pair(step, signed, folder) if step.paired else {}
    return pl.concat([found for _, found in step.decisions(signed, paired, lambda partition: gone)])
