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
    order = {name: place for place, name in enumerate(pairs)}
    members = pl.concat([members for members, _ in pairs.values()]).unique("id")
    members = members.filter(~pl.col("id").is_in(gone.implode())).with_columns(
        pl.col("partition").replace_strict(order, return_dtype=pl.Int64).alias("place")
    )
    members = members.sort("place", "row")
    # The longest first; of equally long ones the order is one by content, which no partitioning changes.
    texts = members.group_by("set").agg(pl.col("id").first().alias("first"), pl.col("shingles").first())
    texts = texts.sort(pl.col("shingles").cast(pl.Int64), pl.col("set"), descending=[True, False])
    texts = texts.with_row_index("number")
    number = texts.select("set", pl.col("number").cast(pl.Int64))
    edges = pl.concat([edges for _, edges in pairs.values()])
    edges = edges.join(number, left_on="left", right_on="set").join(
        number, left_on="right", right_on="set", suffix="_right"
    )
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
