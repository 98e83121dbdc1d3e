"""`python -m benchmarks [--only NAME ...] [--repeats N] [--json FILE]`: all measurements as a table and as JSON."""

from __future__ import annotations

import argparse
import json
import os
import platform
from collections.abc import Callable
from pathlib import Path

from benchmarks.augmentation import augmentation, loader_processes
from benchmarks.caches import loader, tokenising
from benchmarks.dedup_growth import deduplication_growth, deduplication_memory
from benchmarks.deduplication import deduplication, near_duplicates
from benchmarks.families import families
from benchmarks.generation import generation
from benchmarks.gpt2 import gpt2
from benchmarks.image_hashing import image_hashing
from benchmarks.imputation import imputation
from benchmarks.measure import Figure
from benchmarks.outliers import outliers
from benchmarks.parallel import parallel
from benchmarks.parts import commit, logging
from benchmarks.personal_data import personal_data
from benchmarks.pipeline import idle, overhead
from benchmarks.quality import quality, threshold
from benchmarks.records import records
from benchmarks.shakespeare import shakespeare
from benchmarks.training import training

SUITES: dict[str, Callable[[int], list[Figure]]] = {
    "overhead": lambda repeats: overhead("quickstart", max(1, repeats // 3)),
    "idle": idle,
    "commit": commit,
    "logging": logging,
    "tokenising": tokenising,
    "loader": loader,
    "loader_processes": loader_processes,
    "augmentation": augmentation,
    "imputation": imputation,
    "image_hashing": image_hashing,
    "outliers": outliers,
    "quality": quality,
    "threshold": threshold,
    "personal_data": personal_data,
    "records": records,
    "near_duplicates": near_duplicates,
    "deduplication": deduplication,
    "training": training,
    "gpt2": gpt2,
    "shakespeare": shakespeare,
    "generation": generation,
    "deduplication_memory": deduplication_memory,
    "deduplication_growth": deduplication_growth,
    "families": families,
    "parallel": parallel,
}


def main() -> None:
    """Measure, print, and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=sorted(SUITES), default=list(SUITES), metavar="NAME")
    parser.add_argument("--repeats", type=int, default=5, help="counted turns of each measurement")
    parser.add_argument("--json", type=Path, help="where to write the figures; standard output by default")
    options = parser.parse_args()
    figures: list[Figure] = []
    for name in options.only:
        for figure in SUITES[name](options.repeats):
            figures.append(figure)
            met = "" if figure.met is None else ("  met" if figure.met else "  MISSED")
            print(f"{figure.name:<58} {figure.value:>9.3f} {figure.unit:<3} {figure.goal:<8}{met}", flush=True)
    machine = {"cores": os.cpu_count(), "machine": platform.machine(), "python": platform.python_version()}
    text = json.dumps({"machine": machine, "figures": [figure.data() for figure in figures]}, indent=2)
    if options.json:
        options.json.write_text(text + "\n", encoding="utf-8")
    else:
        print(text)


if __name__ == "__main__":
    main()
