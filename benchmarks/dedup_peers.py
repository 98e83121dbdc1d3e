"""The same with other libraries: run by the interpreter that has them, never by this project's.

`python dedup_peers.py datatrove|rensa|datasketch TEXTS.parquet FOLDER` writes as JSON its seconds, the rows that it
keeps (datatrove), or the pairs that share a band (rensa, datasketch; in memory, from texts to candidates).
"""

from __future__ import annotations

import json
import re
import resource
import sys
import time
from pathlib import Path
from typing import Any

NGRAM, BUCKETS, HASHES = 3, 14, 8


def datatrove(source: Path, folder: Path) -> dict[str, Any]:
    """Signatures, buckets, clusters and filter, Parquet to Parquet, one task each; white space parts words."""
    import pyarrow.parquet as pq
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.dedup.minhash import (
        MinhashConfig,
        MinhashDedupBuckets,
        MinhashDedupCluster,
        MinhashDedupFilter,
        MinhashDedupSignature,
    )
    from datatrove.pipeline.readers import ParquetReader
    from datatrove.pipeline.writers import ParquetWriter
    from datatrove.utils.word_tokenizers import WhitespaceTokenizer

    class Splitter(WhitespaceTokenizer):  # type: ignore[misc]
        def word_tokenize(self, text: str) -> list[str]:
            return text.split()

    config = MinhashConfig(n_grams=NGRAM, num_buckets=BUCKETS, hashes_per_bucket=HASHES)
    names = [str(folder / name) for name in ("signatures", "buckets", "remove", "out")]
    read = ParquetReader(str(source.parent), glob_pattern=source.name, text_key="text", id_key="id")
    started = time.process_time()
    stages: list[tuple[list[Any], int]] = [
        ([read, MinhashDedupSignature(output_folder=names[0], config=config, language=Splitter())], 1),
        ([MinhashDedupBuckets(input_folder=names[0], output_folder=names[1], config=config)], BUCKETS),
        ([MinhashDedupCluster(input_folder=names[1], output_folder=names[2], config=config)], 1),
        ([read, MinhashDedupFilter(input_folder=names[2]), ParquetWriter(names[3])], 1),
    ]
    for number, (pipeline, tasks) in enumerate(stages):
        logs = str(folder / f"logs{number}")
        LocalPipelineExecutor(pipeline=pipeline, tasks=tasks, workers=1, logging_dir=logs).run()
    taken = time.process_time() - started
    kept = [row for file in Path(names[3]).iterdir() for row in pq.read_table(file, columns=["id"])["id"].to_pylist()]
    return {"cpu_s": taken, "kept": kept}


def words(text: str) -> list[str]:
    """As this project's kernel has them, for texts in ASCII."""
    found = re.findall(r"[^\W_]+", text.lower())
    return [" ".join(found[i : i + NGRAM]) for i in range(max(1, len(found) - NGRAM + 1))] if found else []


def rensa(source: Path, folder: Path) -> dict[str, Any]:
    """128 permutations, 16 bands of 8, in memory, without verification."""
    import pyarrow.parquet as pq
    from rensa import RMinHash, RMinHashLSH

    texts = pq.read_table(source, columns=["text"])["text"].to_pylist()
    started = time.process_time()
    index = RMinHashLSH(threshold=0.8, num_perm=128, num_bands=16)
    pairs = []
    for row, text in enumerate(texts):
        sketch = RMinHash(num_perm=128, seed=1)
        sketch.update(words(text))
        pairs += [(row, other) for other in index.query(sketch)]
        index.insert(row, sketch)
    return {"cpu_s": time.process_time() - started, "pairs": pairs}


def datasketch(source: Path, folder: Path) -> dict[str, Any]:
    """128 permutations at a threshold of 0.8, in memory, without verification."""
    import pyarrow.parquet as pq
    from datasketch import MinHash, MinHashLSH

    texts = pq.read_table(source, columns=["text"])["text"].to_pylist()
    started = time.process_time()
    index = MinHashLSH(threshold=0.8, num_perm=128)
    pairs = []
    for row, text in enumerate(texts):
        sketch = MinHash(num_perm=128)
        sketch.update_batch([word.encode() for word in words(text)])
        pairs += [(row, other) for other in index.query(sketch)]
        index.insert(row, sketch)
    return {"cpu_s": time.process_time() - started, "pairs": pairs}


def main() -> None:
    """Run one of them."""
    name, source, folder = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    folder.mkdir(parents=True, exist_ok=True)
    found = {"datatrove": datatrove, "rensa": rensa, "datasketch": datasketch}[name](source, folder)
    found["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    (folder / "found.json").write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main()
