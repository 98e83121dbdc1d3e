import io
import struct
import tarfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image

from ops.cleaning.image_decodable import ImageDecodable
from ops.steps import Facts, Outcome


def encoded(width: int, height: int, form: str = "PNG", mode: str = "RGB") -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(buffer, form)
    return buffer.getvalue()


def huge_png(side: int) -> bytes:
    """A PNG whose header claims side x side pixels, with next to nothing behind it."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


def check(images: list[bytes | None], **settings: Any) -> Outcome:
    ids = [str(k) for k in range(len(images))]
    table = pl.DataFrame({"id": ids, "image": images}, schema={"id": pl.String, "image": pl.Binary})
    return ImageDecodable(**settings).apply(table, Facts("p"))


@pytest.mark.parametrize(("form", "mode"), [("PNG", "RGB"), ("PNG", "P"), ("JPEG", "CMYK"), ("PPM", "L"), ("GIF", "P")])
def test_whole_images_stay_as_they_are(form: str, mode: str) -> None:
    data = encoded(9, 7, form, mode)
    outcome = check([data])
    assert outcome.kept["image"].to_list() == [data]
    assert outcome.dropped.is_empty() and outcome.changed == {}


def test_reasons_and_evidence() -> None:
    png, jpeg = encoded(20, 20), encoded(40, 40, "JPEG")
    bad = [None, b"", b"<html>not</html>", jpeg[: len(jpeg) // 2], png[:60], huge_png(30_000), huge_png(8000), png]
    dropped = check(bad).dropped
    assert dropped["id"].to_list() == ["0", "1", "2", "3", "4", "5", "6"]
    assert dropped["reason"].to_list() == [
        *("missing", "missing", "not_an_image", "undecodable", "undecodable", "too_many_pixels", "too_many_pixels")
    ]
    assert dropped["evidence"][2] == "16 bytes, starting 3c68746d6c3e6e6f"
    assert dropped["evidence"][6] == "8000 x 8000 pixels"
    assert "0x" not in "".join(dropped["evidence"])


def test_a_huge_claim_costs_no_memory() -> None:
    import resource

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert check([huge_png(30_000)] * 20).kept.is_empty()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000


def test_the_bound_on_pixels_is_inclusive() -> None:
    images: list[bytes | None] = [encoded(10, 10), encoded(10, 11)]
    assert check(images, maximum_pixels=100).kept.height == 1


def test_formats_go_by_content() -> None:
    images: list[bytes | None] = [encoded(4, 4), encoded(4, 4, "JPEG"), encoded(4, 4, "BMP")]
    outcome = check(images, formats=["JPEG"])
    assert outcome.kept["id"].to_list() == ["1"]
    assert set(outcome.dropped["reason"]) == {"not_an_image"}


def test_flipped_bytes_never_end_the_run() -> None:
    rng = np.random.default_rng(1)
    images: list[bytes | None] = []
    for form in ("PNG", "JPEG", "GIF", "PPM", "TIFF", "BMP", "WEBP"):
        for _ in range(30):
            data = bytearray(encoded(12, 9, form))
            for place in rng.integers(0, len(data), 5):
                data[place] = int(rng.integers(0, 256))
            images.append(bytes(data))
    outcome = check(images, maximum_pixels=1_000_000)
    assert outcome.kept.height + outcome.dropped.height == len(images)
    assert outcome.dropped.height > 0


@pytest.mark.mirror
def test_the_sign_digits_all_decode(mirror: Path) -> None:
    with tarfile.open(mirror / "sign_digits" / "images.tar") as tar:
        names = [member for member in tar if member.isfile() and member.name.upper().endswith(".JPG")]
        images: list[bytes | None] = [tar.extractfile(member).read() for member in names]  # type: ignore[union-attr]
    outcome = check(images, maximum_pixels=10_000)
    assert outcome.kept.height == 2059
    assert outcome.dropped["reason"].to_list() == ["too_many_pixels"] * 3
    assert check([images[int(row)] for row in outcome.dropped["id"]]).kept.height == 3
