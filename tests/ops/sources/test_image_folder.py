"""Folders of images: what is kept byte for byte, and what is rejected before or at decoding."""

from __future__ import annotations

import os
import struct
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from ops.errors import ConfigError
from ops.sources import tree
from ops.sources.image_folder import ImageFolder
from tests.ops.sources.reading import whole


def encoded(form: str, size: tuple[int, int] = (6, 4), mode: str = "RGB", **settings: Any) -> bytes:
    stream = BytesIO()
    Image.new(mode, size, 7).save(stream, form, **settings)
    return stream.getvalue()


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def write(root: Path, files: dict[str, bytes]) -> ImageFolder:
    for name, data in files.items():
        path = root / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return ImageFolder(path="images").resolve(root)


def test_images_keep_their_bytes_and_take_the_folder_as_class(tmp_path: Path) -> None:
    files = {
        "cat/1.png": encoded("PNG"),
        "cat/deep/2.jpg": encoded("JPEG"),
        "dog/3.pgm": encoded("PPM", mode="L"),
        "dog/4.JPEG": encoded("JPEG", mode="CMYK"),
        "dog/5.png": encoded("PNG", mode="I;16"),
        "dog/.DS_Store": b"junk",
    }
    batch = whole(write(tmp_path, files).read())
    assert batch.rejects.is_empty()
    assert batch.table.rows() == [
        (files[name], name.split("/")[0], name) for name in sorted(files) if "DS_" not in name
    ]


def test_what_is_rejected(tmp_path: Path) -> None:
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 30_000, 30_000, 8, 0, 0, 0, 0))
    bomb += chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")
    stream = BytesIO()
    frames = [Image.new("L", (4, 4), value) for value in (0, 255)]
    frames[0].save(stream, "TIFF", save_all=True, append_images=frames[1:])
    noise = Image.effect_noise((64, 64), 90)
    photo = BytesIO()
    noise.save(photo, "JPEG")
    wanted = {
        "a/animated.tiff": (stream.getvalue(), "animated"),
        "a/bomb.png": (bomb, "too_many_pixels"),
        "a/cut.jpg": (photo.getvalue()[: len(photo.getvalue()) // 2], "undecodable"),
        "a/empty.png": (b"", "empty_file"),
        "a/page.png": (b"<html>not an image</html>", "undecodable"),
        "a/really_png.jpg": (encoded("PNG"), "wrong_extension"),
        "beside.png": (encoded("PNG"), "no_class_folder"),
    }
    source = write(tmp_path, {name: data for name, (data, _) in wanted.items()})
    batch = whole(source.read())
    assert batch.table.is_empty()
    assert batch.rejects.select("file", "reason").rows() == [(name, wanted[name][1]) for name in sorted(wanted)]
    assert batch.rejects["excerpt"].to_list() == [wanted[name][0][:256] for name in sorted(wanted)]


def test_limits_and_leniency(tmp_path: Path) -> None:
    write(tmp_path, {"a/wide.png": encoded("PNG", (50, 2)), "a/small.jpg": encoded("PNG", (5, 5))})
    source = ImageFolder(path="images", max_pixels=50, wrong_extension="keep").resolve(tmp_path)
    batch = whole(source.read())
    assert (batch.table["file"].to_list(), batch.rejects["reason"].to_list()) == (["a/small.jpg"], ["too_many_pixels"])
    tiny = ImageFolder(path="images", max_file_bytes=20).resolve(tmp_path)
    assert whole(tiny.read()).rejects["reason"].to_list() == ["too_large", "too_large"]


def test_batches_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree, "BATCH_FILES", 2)
    source = write(tmp_path, {f"a/{i}.png": encoded("PNG") for i in range(5)} | {"a/bad.png": b"?"})
    batches = list(source.read())
    assert [batch.table.height + batch.rejects.height for batch in batches] == [2, 2, 2]


def test_the_digest_covers_names_and_bytes(tmp_path: Path) -> None:
    source = write(tmp_path, {"a/1.png": encoded("PNG")})
    one = source.external()
    write(tmp_path, {"a/1.png": encoded("PNG", (7, 4))})
    two = source.external()
    (tmp_path / "images/a/1.png").rename(tmp_path / "images/a/2.png")
    assert len({one, two, source.external()}) == 3
    assert source.paths() == [tmp_path / "images"]


def test_no_such_folder(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    with pytest.raises(ConfigError, match="did you mean 'images'"):
        ImageFolder(path="image").resolve(tmp_path).check()
    with pytest.raises(ConfigError, match="holds no files"):
        ImageFolder(path="images").resolve(tmp_path).check()


def test_damaged_images_are_rejects_not_errors(tmp_path: Path) -> None:
    good = encoded("PNG")
    files = {}
    for position in range(len(good)):
        damaged = bytearray(good)
        damaged[position] ^= 0xFF
        files[f"a/{position:03d}.png"] = bytes(damaged)
    batch = whole(write(tmp_path, files).read())
    assert batch.table.height + batch.rejects.height == len(good)
    assert set(batch.rejects["reason"]) <= {"undecodable", "too_many_pixels", "animated", "wrong_extension"}


def test_what_is_said_of_a_broken_image_is_the_same_in_every_run(tmp_path: Path) -> None:
    """Messages of the decoder have addresses of objects in them, which would make another digest of every run."""
    batch = whole(write(tmp_path, {"cat/1.png": encoded("PNG"), "cat/2.png": b"no image"}).read())
    (detail,) = batch.rejects["detail"]
    assert "cannot identify image file" in detail and "0x" not in detail


def test_a_name_that_is_no_text_is_written_as_escapes(tmp_path: Path) -> None:
    source = write(tmp_path, {"cat/1.png": encoded("PNG"), "cat/2.png": b"no image"})
    odd = os.fsdecode(b"\xfe.png")
    (tmp_path / "images" / "cat" / "1.png").rename(tmp_path / "images" / "cat" / odd)
    batch = whole(source.read())
    assert batch.table["file"].to_list() == ["cat/\\udcfe.png"]
    assert len(batch.rejects) == 1 and source.external()
