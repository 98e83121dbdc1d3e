"""Images that show the same: hashes a second beside imagehash, and copies found among real and made images."""

from __future__ import annotations

import io
import itertools
import os
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from PIL import Image, ImageEnhance, ImageOps

from benchmarks.data import mirror
from benchmarks.measure import Figure, in_turns, median, run
from benchmarks.peers import peer

COUNT = 50_000
SIDE = 32
ARCHIVES = {"sign_digits": "images.tar", "bccd": "bccd.tar", "orl_faces": "faces_s1_s29.tar"}
MOST = 300  # images of a half of a set: of four fifths of them come five copies each
SAME = 0.99
"""Correlation of two images that are laid over one another from which on they are one picture taken twice."""
LARGEST = 1_000_000  # pixels: three photographs of sign_digits are larger
PEER = """
import sys, time, numpy as np, imagehash
from PIL import Image
thumbs = np.load(sys.argv[1])
images = [Image.fromarray(thumb) for thumb in thumbs]
started = time.process_time()
hashes = [imagehash.phash(image, hash_size=8, highfreq_factor=4) for image in images]
taken = time.process_time() - started
np.savez(sys.argv[2], taken=taken, hashes=np.array([int(str(value), 16) for value in hashes], np.uint64))
"""


def _peer(thumbs: np.ndarray[Any, Any]) -> tuple[float, np.ndarray[Any, Any]]:
    """Images a second, and hashes, of imagehash."""
    python = peer("ImageHash==4.3.2")
    with tempfile.TemporaryDirectory() as folder:
        given, taken = Path(folder, "thumbs.npy"), Path(folder, "hashes.npz")
        np.save(given, thumbs)
        run([str(python), "-c", PEER, str(given), str(taken)], {**os.environ, "OMP_NUM_THREADS": "1"})
        with np.load(taken) as found:
            return len(thumbs) / float(found["taken"]), found["hashes"]


def _speed(repeats: int) -> list[Figure]:
    from ops.deduplication.images.hashes import dhash, phash

    thumbs = np.random.default_rng(0).integers(0, 256, (COUNT, SIDE, SIDE), dtype=np.uint8)

    def timed(function: Callable[[Any], Any]) -> Callable[[], float]:
        def turn() -> float:
            started = time.process_time()
            function(thumbs)
            return time.process_time() - started

        return turn

    ours = [COUNT / median(taken) for taken in in_turns(repeats, timed(phash), timed(dhash))]
    theirs, hashes = _peer(thumbs[:3000])
    same = float((np.bitwise_count(hashes ^ phash(thumbs[:3000])) == 0).mean())
    detail = {"imagehash images/s": round(theirs), "ratio": round(ours[0] / theirs), "same hashes": same}
    return [
        Figure("pHash of 32 x 32 images, 1000 a second and core", ours[0] / 1e3, "", "≥ 50", ours[0] >= 5e4, detail),
        Figure("dHash of 32 x 32 images, 1000 a second and core", ours[1] / 1e3, ""),
        Figure("pHash, times imagehash", ours[0] / theirs, "x", detail=detail),
        Figure("pHash, share of hashes equal to imagehash's", same, "", "≥ 0.999", same >= 0.999),
    ]


def _real(name: str, archive: str) -> Iterator[Image.Image]:
    with tarfile.open(mirror(name) / archive) as tar:
        for member in tar:
            file = tar.extractfile(member) if member.name.lower().endswith((".jpg", ".pgm")) else None
            if file is not None:
                image = Image.open(io.BytesIO(file.read())).convert("RGB")
                if image.width * image.height <= LARGEST:
                    yield image


def _made(count: int, rng: np.random.Generator) -> Iterator[Image.Image]:
    """Sums of waves with edges: each its own, none like another."""
    y, x = np.mgrid[:128, :160] / 128
    for _ in range(count):
        waves = rng.normal(size=(12, 4)) * [1, 6, 6, 3]
        values = sum(a * np.sin(b * x + c * y + d) for a, b, c, d in waves)
        values = values + 3 * (np.hypot(x - rng.random(), y - rng.random()) < rng.uniform(0.1, 0.4))
        low, high = values.min(), values.max()
        yield Image.fromarray(((values - low) / (high - low) * 255).astype(np.uint8)).convert("RGB")


def _edits(rng: np.random.Generator) -> dict[str, Callable[[Image.Image], Image.Image]]:
    def resized(image: Image.Image) -> Image.Image:
        factor = rng.uniform(0.4, 0.9)
        return image.resize((int(image.width * factor), int(image.height * factor)))

    def recompressed(image: Image.Image) -> Image.Image:
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=int(rng.integers(30, 75)))
        return Image.open(io.BytesIO(buffer.getvalue())).convert("RGB")

    def cropped(image: Image.Image) -> Image.Image:
        share = rng.uniform(0.8, 0.95)
        width, height = int(image.width * share), int(image.height * share)
        left, top = int(rng.integers(0, image.width - width + 1)), int(rng.integers(0, image.height - height + 1))
        return image.crop((left, top, left + width, top + height))

    return {
        "resize": resized,
        "jpeg": recompressed,
        "crop": cropped,
        "flip": lambda image: (ImageOps.mirror if rng.random() < 0.5 else ImageOps.flip)(image),
        "brightness": lambda image: ImageEnhance.Brightness(image).enhance(rng.uniform(0.7, 1.3)),
    }


def _encoded(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


class _Judged(NamedTuple):
    """What became of a set.

    Attributes:
        hits: by edit whether each copy was dropped for its own image.
        right: rows dropped for the image that they are a copy of, or for another copy of it.
        shots: rows dropped for another image that shows the same picture, by `_same_picture`.
        dropped: rows dropped in all.
        rows: rows.
        seconds: CPU time to decide.
    """

    hits: dict[str, list[bool]]
    right: int
    shots: int
    dropped: int
    rows: int
    seconds: float


def _planted(images: list[Image.Image]) -> _Judged:
    """Copies among the images: a fifth of these gets none, each other one a copy by each edit."""
    from ops.deduplication.image_duplicates import ImageDuplicates

    rng, rows = np.random.default_rng(7), [(f"{number}/", _encoded(image)) for number, image in enumerate(images)]
    edits = _edits(rng)
    planted = [number for number in range(len(images)) if number % 5]
    rows += [(f"{n}/{edit}", _encoded(change(images[n]))) for edit, change in edits.items() for n in planted]
    step = ImageDuplicates()
    table = pl.DataFrame(rows, schema={"id": pl.String, "image": pl.Binary}, orient="row")
    signatures = step.signatures(table)
    started = time.process_time()
    decided = step.fold(signatures)
    taken = time.process_time() - started
    kept = {row: int(evidence.split("/")[0]) for row, _, evidence in decided.iter_rows()}
    right = {row for row, other in kept.items() if int(row.split("/")[0]) == other}
    wrong = [(int(row.split("/")[0]), other) for row, other in kept.items() if row not in right]
    same = {pair: _same_picture(*(images[number] for number in pair)) for pair in set(wrong)}
    hits = {e: [f"{n}/{e}" in right for n in planted] for e in edits}
    return _Judged(hits, len(right), sum(same[pair] for pair in wrong), len(kept), len(rows), taken)


def _same_picture(first: Image.Image, second: Image.Image) -> bool:
    """Whether two unedited images correlate by 0.99, once one is laid over the other in full resolution.

    By the best affine map, found by enhanced correlation (Evangelidis and Psarakis, 2008): an independent judge.
    """
    import cv2

    one, other = (np.asarray(image.convert("L"), dtype=np.float32) for image in (first, second))
    stop = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 100, 1e-5)
    try:
        alike, _ = cv2.findTransformECC(one, other, np.eye(2, 3, dtype=np.float32), cv2.MOTION_AFFINE, stop)
    except cv2.error:  # the search left the image: nothing to lay over
        return False
    return float(alike) >= SAME


def _held_out(images: Iterator[Image.Image]) -> list[Image.Image]:
    """The second half: thresholds and windows were chosen on the first."""
    some = list(itertools.islice(images, 2 * MOST))
    return some[len(some) // 2 : len(some) // 2 * 2]


def image_hashing(repeats: int) -> list[Figure]:
    """Speed, then recall by edit and precision over all sets, and of each, on images that nothing was chosen by."""
    figures = _speed(repeats)
    sets = {name: _real(name, archive) for name, archive in ARCHIVES.items()}
    sets["made"] = _made(2 * MOST, np.random.default_rng(1))
    judged = {name: _planted(_held_out(images)) for name, images in sets.items()}
    right, shots, dropped = (
        sum(getattr(each, what) for each in judged.values()) for what in ("right", "shots", "dropped")
    )
    by_set = {name: {"images": each.rows, "seconds": round(each.seconds, 1)} for name, each in judged.items()}
    figures += [
        Figure("copies of images: precision", right / max(1, dropped), "", "≥ 0.99", right >= 0.99 * dropped, by_set),
        Figure("precision, the same picture taken twice counted", (right + shots) / max(1, dropped), ""),
    ]
    for edit in judged["made"].hits:
        recall = float(np.mean([hit for each in judged.values() for hit in each.hits[edit]]))
        figures.append(Figure(f"copies of images: recall, {edit}", recall, "", "≥ 0.9", recall >= 0.9))
    for name, each in judged.items():
        wrong = {"dropped": each.dropped, "wrong": each.dropped - each.right, "of these the same": each.shots}
        figures.append(Figure(f"{name}: precision", each.right / max(1, each.dropped), "", detail=wrong))
        figures += [Figure(f"{name}: recall, {edit}", float(np.mean(hits)), "") for edit, hits in each.hits.items()]
        figures.append(Figure(f"{name}: images decided in a CPU-second", each.rows / each.seconds, ""))
    return figures
