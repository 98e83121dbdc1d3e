"""The test split of streams as the report judges it: what each token costs model, n-grams and frequencies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ops.errors import BadData
from ops.evaluation.baselines.base import Streams
from ops.evaluation.given import Given
from ops.evaluation.language.build import Told, build_language_report
from ops.evaluation.language.schema import LanguageReport, SplitTexts, Written
from ops.stages.cached import cached_rows
from ops.stages.spec import Build
from ops.stages.streams import SPLITS, stream_task
from ops.storage import Version
from ops.tokenization.base import SPECIAL
from ops.training.data import Examples, load_examples
from ops.training.inputs import cache_inputs

STRETCH = 1024
"""Tokens of one stretch that the resamples draw as a whole."""
PROMPT, WRITTEN = 64, 256
"""Characters of a beginning, and tokens that the model writes."""


def language_report(build: Build, given: Given) -> LanguageReport:
    """The report; `given` is what it has in common with others, but for the baseline."""
    from ops.training.predict import tell_split

    recipe, task = build.recipe, stream_task(build.recipe)
    caches, model = build.every("token_cache"), build.one("model")
    spec = model.json("model.json")["input"]
    dtype = "<u2" if spec["vocabulary"] <= 1 << 16 else "<u4"
    examples = load_examples(cache_inputs(caches), dtype, 0, label_shape=None)
    test = examples["test"]
    if not len(test):
        raise BadData("there is no test text to judge the model on", where="report", hint="raise split.test")
    runs = {split: _runs(some, spec["vocabulary"]) for split, some in examples.items()}
    _, seen = runs["test"].flat()
    last = seen > 0
    rows = pl.concat([v.parquet("data.parquet", [task.input, "id", "split"]) for v in build.every("shards").values()])
    texts = rows.filter(pl.col("split") == "test")
    nats, hits = tell_split(model, caches, "test", build.services.predictors)
    # Training windows lie one behind the other: read as whole texts, contexts of n-grams reach over their ends.
    baseline = recipe.evaluation.baseline.fit_tell(_joined(runs["train"]), runs["test"])
    return build_language_report(
        replace(given, baseline=baseline),
        context=task.context,
        test=Told(
            targets=runs["test"].flat()[0][last],
            nats=nats.astype(np.float64),
            hits=hits,
            seen=seen[last],
            blocks=np.repeat(_stretches(caches, test, task.context), test.length - 1),
            vocabulary=spec["vocabulary"],
            unknown=SPECIAL.index("[UNK]"),
            texts=texts.height,
            characters=int(texts[task.input].str.len_chars().sum()),
            bytes=int(texts[task.input].str.len_bytes().sum()),
        ),
        splits=_splits(rows, task.input, examples),
        samples=_written(build, texts, recipe.evaluation.samples),
    )


def _runs(examples: Examples, vocabulary: int) -> Streams:
    """The windows of a split; those of later partitions behind those of earlier ones."""
    sizes = np.array([len(array) for array in examples.arrays])
    base = np.cumsum(sizes) - sizes
    flat = np.concatenate(examples.arrays) if len(examples.arrays) > 1 else examples.arrays[0]
    return Streams(flat, examples.offset + base[examples.source], examples.length, vocabulary)


def _joined(runs: Streams) -> Streams:
    """Windows of which each begins with the last token of the one before, as one run."""
    ends = runs.starts + runs.lengths - 1
    first = np.flatnonzero(np.concatenate([[True], runs.starts[1:] != ends[:-1]]))
    lengths = np.add.reduceat(runs.lengths - 1, first) + 1
    return Streams(runs.tokens, runs.starts[first], lengths, runs.vocabulary)


def _stretches(caches: Mapping[str, Version], test: Examples, context: int) -> NDArray[np.int64]:
    """(N,) the number of the stretch of each window: neighbours of one text."""
    index = pl.concat([cached_rows(v, ["id", "split"]) for v in caches.values()])
    ids = index.filter(pl.col("split") == "test")["id"].rle_id().to_numpy().astype(np.int64)
    place = np.arange(len(test)) - np.searchsorted(ids, ids)
    return np.unique(np.stack([ids, place // -(-STRETCH // context)]), axis=1, return_inverse=True)[1].ravel()


def _splits(rows: pl.DataFrame, column: str, examples: Mapping[str, Examples]) -> list[SplitTexts]:
    found = []
    for split in SPLITS:
        texts = rows.filter(pl.col("split") == split)[column]
        tokens = int((examples[split].length - 1).sum())
        characters = int(texts.str.len_chars().sum())
        found.append(SplitTexts(split=split, texts=len(texts), characters=characters, tokens=tokens))
    return found


def _written(build: Build, texts: pl.DataFrame, count: int) -> list[Written]:
    """Beginnings of texts drawn by the seed, and how the model and the text go on."""
    from ops.training.generate import load_writer
    from ops.training.sampling import Sampling

    seed, column = build.recipe.seed, build.recipe.task.input
    writer = load_writer(build.one("model"), build.one("tokenizer"))
    drawn = np.sort(np.random.default_rng(seed).permutation(texts.height)[:count])
    found = []
    for place, (name, text) in enumerate(texts[drawn].select("id", column).iter_rows()):
        prompt, came = text[:PROMPT], text[PROMPT : PROMPT + WRITTEN]
        sampling = Sampling(temperature=0.8, seed=seed + place)
        found.append(
            Written(id=name, prompt=prompt, written="".join(writer.write(prompt, WRITTEN, sampling)), came=came)
        )
    return found
