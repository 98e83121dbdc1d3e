"""No stage of deduplication holds the corpus: four times the partitions take hardly more memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import json, resource, sys
from functools import partial
from pathlib import Path
import numpy as np
import polars as pl
import ops.deduplication.near.decision, ops.deduplication.near.pairing
from benchmarks.dedup_growth import _opened
from benchmarks.dedup_ours import Corpus, sign
from ops.storage import Store

phase, folder, partitions = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
if phase == "sign":
    found = Corpus(Store(folder))
    for part in range(partitions):
        draw = np.random.default_rng(part)
        words = draw.integers(0, 60_000, (4_000, 60))
        # Each text once more in the next partition, with a word changed: there are pairs, and rows that go.
        if part:
            words[:2_000] = np.random.default_rng(part - 1).integers(0, 60_000, (4_000, 60))[2_000:]
        words[:, 7] = draw.integers(0, 60_000, 4_000)
        texts = [" ".join(f"w{word}" for word in row) for row in words.tolist()]
        table = pl.DataFrame({"id": [f"{part}/{row}" for row in range(4_000)], "text": texts})
        found.add(f"{part:03d}", table)
    print(json.dumps({}))
else:
    found = _opened(Store(folder), "signatures", "bands", "pairs")
    bare, gone = peak(), 0
    for _, exact, near in found.decide():
        gone += exact.height + near.height
    print(json.dumps({"above": peak() - bare, "gone": gone}))
"""


def run(phase: str, folder: Path, partitions: int) -> dict[str, float]:
    command = [sys.executable, "-c", SCRIPT, phase, str(folder), str(partitions)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, cwd=Path(__file__).parents[3])
    found: dict[str, float] = json.loads(done.stdout)
    return found


@pytest.mark.slow
def test_four_times_the_partitions_take_hardly_more_memory(tmp_path: Path) -> None:
    found = {}
    for partitions in (4, 16):
        folder = tmp_path / str(partitions)
        run("sign", folder, partitions)
        found[partitions] = run("decide", folder, partitions)
    assert found[16]["gone"] > 3 * found[4]["gone"] > 5_000
    # The hashes of all shingles alone would be 22 MB more; the rows that go are counted in a few.
    assert found[16]["above"] < found[4]["above"] + 20, found
