"""The one commit protocol: how results are written, found, read, verified and removed."""

from __future__ import annotations

from ops.storage.counts import Counts
from ops.storage.files import AtomicFile
from ops.storage.gc import Removal, gc
from ops.storage.hashing import canonical_json, digest_of, sha256_bytes, sha256_file, sha256_json
from ops.storage.manifest import FileEntry, Manifest
from ops.storage.names import UNPARTITIONED, partition_key, partition_slug
from ops.storage.output import ArrayWriter, Output
from ops.storage.store import Slot, Store
from ops.storage.verify import Problem, verify
from ops.storage.version import Version

__all__ = [
    "UNPARTITIONED",
    "ArrayWriter",
    "AtomicFile",
    "Counts",
    "FileEntry",
    "Manifest",
    "Output",
    "Problem",
    "Removal",
    "Slot",
    "Store",
    "Version",
    "canonical_json",
    "digest_of",
    "gc",
    "partition_key",
    "partition_slug",
    "sha256_bytes",
    "sha256_file",
    "sha256_json",
    "verify",
]
