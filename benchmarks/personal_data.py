"""Personal data found in labelled sentences, kind by kind, and how fast."""

from __future__ import annotations

import json
import time
from collections import Counter

import polars as pl

from benchmarks.data import mirror
from benchmarks.docstrings import collect
from benchmarks.measure import Figure

KINDS = {
    "EMAIL_ADDRESS": "email",
    "PHONE_NUMBER": "phone",
    "IP_ADDRESS": "ip",
    "DOMAIN_NAME": "url",
    "IBAN_CODE": "iban",
    "CREDIT_CARD": "card",
    "US_SSN": "us_ssn",
}
"""Kinds of the labelled set that have a form, and what they are here (both kinds of IP address are one)."""


def personal_data(repeats: int) -> list[Figure]:
    """The lesser of precision and recall for each kind; a value counts where text, kind and row are equal."""
    from ops.privacy.find import replace_kinds
    from ops.privacy.patterns import PATTERNS

    def placeholders(kind: str, now: pl.DataFrame, before: pl.DataFrame) -> pl.Series:
        return pl.repeat("[X]", now.height, dtype=pl.String, eager=True)

    rows = json.loads(mirror("pii_synthetic/generated_large.json").read_text(encoding="utf-8"))
    _, found = replace_kinds(pl.Series([row["full_text"] for row in rows]), list(PATTERNS), placeholders)
    ours = Counter((row, "ip" if kind in ("ipv4", "ipv6") else kind, value) for row, kind, value in found.iter_rows())
    gold = Counter(
        (place, KINDS[span["entity_type"]], span["entity_value"])
        for place, row in enumerate(rows)
        for span in row["spans"]
        if span["entity_type"] in KINDS
    )
    figures = []
    for kind in KINDS.values():
        mine = Counter({key: count for key, count in ours.items() if key[1] == kind})
        true = Counter({key: count for key, count in gold.items() if key[1] == kind})
        both = (mine & true).total()
        precision, recall = both / max(1, mine.total()), both / max(1, true.total())
        detail = {"precision": precision, "recall": recall, "labelled": true.total(), "found": mine.total()}
        least = min(precision, recall)
        name = f"personal data: lesser of precision and recall, {kind}"
        figures.append(Figure(name, least, "", ">= 0.95", least >= 0.95, detail))
    texts = pl.read_parquet(collect())["text"]
    taken = []
    for _ in range(repeats):
        started = time.process_time()
        replace_kinds(texts, list(PATTERNS), placeholders)
        taken.append(time.process_time() - started)
    megabytes = float(texts.str.len_bytes().sum()) / 1e6
    return [*figures, Figure("personal data: all kinds, docstrings", megabytes / min(taken), "MB/s")]
