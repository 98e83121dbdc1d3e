"""From the pairs of all partitions to the rows that go, each with the row that is kept for it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl

from ops.deduplication.near.stars import stars


def decide(pairs: Mapping[str, tuple[pl.DataFrame, pl.DataFrame]], gone: pl.Series) -> pl.DataFrame:
    """Return (id, reason, evidence, kept, jaccard) of the rows to drop.

    Texts with equal sets are one text: its first row in the order of partitions and rows stays, if the text does.

    Args:
        pairs: (members, edges) of each partition, in partition order.
        gone: ids of rows that count as not there.
    """
    members = _members(pairs, gone)
    # The longest first; of equally long ones the order is one by content, which no partitioning changes.
    texts = members.group_by("set").agg(pl.col("id").first().alias("first"), pl.col("shingles").first())
    texts = texts.sort(pl.col("shingles").cast(pl.Int64), pl.col("set"), descending=[True, False])
    texts = texts.with_row_index("number")
    edges = _numbered(pairs, texts)
    one, two = edges["number"].to_numpy(), edges["number_right"].to_numpy()
    found = stars(texts.height, np.maximum(one, two), np.minimum(one, two), edges["jaccard"].to_numpy())
    center = np.where(found.center < 0, np.arange(texts.height), found.center)
    texts = texts.with_columns(
        texts["first"].gather(center).alias("kept"),
        pl.Series("jaccard", np.where(found.center < 0, 1.0, found.similarity)),
    )
    rows = members.join(texts.select("set", "kept", "jaccard"), on="set", how="left", maintain_order="left")
    proof = pl.format("{} (Jaccard {})", "kept", pl.col("jaccard").round(4))
    return rows.filter(pl.col("id") != pl.col("kept")).select(
        "id", pl.lit("near_duplicate").alias("reason"), proof.alias("evidence"), "kept", "jaccard"
    )


def clusters(pairs: Mapping[str, tuple[pl.DataFrame, pl.DataFrame]], gone: pl.Series) -> pl.DataFrame:
    """(id, cluster) of rows that are linked by pairs, along any chain: what must not be torn apart.

    A cluster is named by the least hash of its sets, which no order of partitions changes. Rows that are gone link
    others all the same.
    """
    members = _members(pairs, pl.Series("id", [], pl.String))
    texts = members.select("set").unique().sort("set").with_row_index("number")
    edges = _numbered(pairs, texts)
    one, two = edges["number"].to_numpy(), edges["number_right"].to_numpy()
    label = np.arange(texts.height)
    while one.size:
        least = label.copy()
        np.minimum.at(least, one, label[two])
        np.minimum.at(least, two, label[one])
        least = least[least]
        if (least == label).all():
            break
        label = least
    named = texts.with_columns(texts["set"].gather(label).alias("cluster"))
    rows = members.filter(~pl.col("id").is_in(gone.implode()))
    return rows.join(named, on="set", how="left", maintain_order="left").select("id", "cluster")


def _members(pairs: Mapping[str, tuple[pl.DataFrame, pl.DataFrame]], gone: pl.Series) -> pl.DataFrame:
    """The rows that have another one alike, each once, in the order of partitions and rows."""
    order = {name: place for place, name in enumerate(pairs)}
    members = pl.concat([members for members, _ in pairs.values()]).unique("id")
    place = pl.col("partition").replace_strict(order, return_dtype=pl.Int64).alias("place")
    return members.filter(~pl.col("id").is_in(gone.implode())).with_columns(place).sort("place", "row")


def _numbered(pairs: Mapping[str, tuple[pl.DataFrame, pl.DataFrame]], texts: pl.DataFrame) -> pl.DataFrame:
    """The pairs of texts that are there, by their numbers."""
    number = texts.select("set", pl.col("number").cast(pl.Int64))
    edges = pl.concat([edges for _, edges in pairs.values()])
    return edges.join(number, left_on="left", right_on="set").join(
        number, left_on="right", right_on="set", suffix="_right"
    )
