"""Stored token caches as those are told of them who read them: the training processes, and prediction."""

from __future__ import annotations

from collections.abc import Mapping

from ops.storage import Version
from ops.training.run import CacheInput


def cache_inputs(caches: Mapping[str, Version]) -> list[CacheInput]:
    """Folder and hashes of each partition's token cache, in the order given; whoever reads them checks the hashes."""
    return [
        CacheInput(
            partition=partition,
            path=str(version.path),
            files={entry.name: entry.sha256 for entry in version.manifest.files},
        )
        for partition, version in caches.items()
    ]
