"""The input rows of the fault catalogue as files, and what the real sources and loaders must say of each.

`python -m tests.ops.sources.bad_input FOLDER` makes every case, reads it, and prints what came of it as JSON, with the
CPU-seconds and the peak memory of each: the test starts it in a process of its own, under limits.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import re
import resource
import struct
import sys
import tarfile
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

GIGABYTE = 1 << 30
Make = bytes | Callable[[Path], None]


@dataclass(frozen=True)
class Case:
    """One input, and what it must lead to.

    Attributes:
        row: of the catalogue.
        name: of the case.
        source: the source's settings; its `path` is `name` unless said; `recipe` reads it as a recipe file instead.
        data: the file's bytes, or what makes the file.
        rows: rows that come out, where no error is expected.
        rejects: rejects by reason.
        error: kind of the error, and a pattern of its message, which names file and place.
    """

    row: str
    name: str
    source: dict[str, Any]
    data: Make
    rows: int = 0
    rejects: dict[str, int] = field(default_factory=dict)
    error: tuple[str, str] | None = None


TEXT = {"kind": "text"}
CSV = {"kind": "csv", "columns": {"a": "int64", "b": "string"}}
NDJSON = {"kind": "ndjson", "columns": {"a": "int64"}}
IMAGES = {"kind": "image_folder"}
RECIPE = {"kind": "recipe"}


def table(kind: str, **more: Any) -> dict[str, Any]:
    return {"kind": "csv", "columns": {"a": kind}, **more}


def truncated() -> Iterator[Case]:
    """C1."""
    whole = gzip.compress(b"".join(b"line %d\n" % i for i in range(20_000)), mtime=0)
    for left in (0, 1, 100, len(whole) // 2, len(whole) - 8, len(whole) - 1):
        error = ("BadData", rf"^f\.gz:{left}: input_truncated: .* at byte {left}$")
        yield Case("C1", f"cut at {left} of {len(whole)}/f.gz", TEXT, whole[:left], error=error)
    bad = bytearray(whole)
    bad[-6] ^= 1
    yield Case("C1", "bad check sum/f.gz", TEXT, bytes(bad), error=("BadData", r"^f\.gz:\d+: input_damaged"))
    yield Case("C1", "garbage behind/f.gz", TEXT, whole + b"x" * 20, error=("BadData", r"^f\.gz:\d+: input_damaged"))
    yield Case("C1", "two members/f.gz", TEXT, whole + whole, rows=40_000)


def encodings() -> Iterator[Case]:
    """C2."""
    yield Case("C2", "bad UTF-8", TEXT, b"good\nb\xc3\x28d\ngood\n\xed\xa0\x80\n", 2, {"bad_utf8": 2})
    yield Case("C2", "NUL", TEXT, b"good\nb\0d\n", 1, {"nul_byte": 1})
    yield Case("C2", "byte order mark", CSV, b"\xef\xbb\xbfa,b\n1,x\n", 1)
    yield Case("C2", "UTF-16", TEXT, "x\ny\n".encode("utf-16"), error=("BadData", "is UTF-16"))
    yield Case("C2", "UTF-16 found", {**TEXT, "encoding": ["latin-1"]}, "x\ny\n".encode("utf-16"), 2)
    yield Case("C2", "C1 controls", TEXT, "a\x85b\nc\x9cd\n".encode(), 2)
    surrogate = {"kind": "ndjson", "columns": {"a": "string"}}
    yield Case("C2", "lone surrogate", surrogate, b'{"a": "\\ud800"}\n{"a": "x"}\n', 1, {"lone_surrogate": 1})


def large() -> Iterator[Case]:
    """C3."""

    def line(path: Path) -> None:
        with path.open("wb") as file:
            file.truncate(2 * GIGABYTE)
            file.seek(0, io.SEEK_END)
            file.write(b"\nnext\n")

    yield Case("C3", "a line of 2 GB", TEXT, line, 1, {"too_large": 1})
    cell = b'1,"' + b"x" * 10**7 + b'"\n'
    bare = cell.replace(b'"', b"")
    yield Case("C3", "a cell of 10^7", CSV, b"a,b\n" + cell + b"2,y\n", 2)
    yield Case(
        "C3", "too large a cell", {**CSV, "max_record_bytes": 10**6}, b"a,b\n" + bare + b"2,y\n", 1, {"too_large": 1}
    )
    deep = b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}\n"
    yield Case("C3", "JSON of depth 10^5", NDJSON, deep + b'{"a": 1}\n', 1, {"not_json": 1})
    wide = b",".join(b"c%d" % i for i in range(10**6)) + b"\n"
    yield Case("C3", "10^6 columns", CSV, wide, error=("BadData", "not the declared ones"))
    yield Case("C3", "10^6 fields", CSV, b"a,b\n" + b"," * 10**6 + b"\n1,x\n", 1, {"wrong_column_count": 1})


def bombs() -> Iterator[Case]:
    """C4: about 10 KB to 10 MB that unpack to 10 GB."""
    from tests.ops.sources.packing import PACK, tar, zipped

    zeros = bytes(8 << 20)
    for form in PACK:
        data = PACK[form](zeros) * 1280
        yield Case("C4", f"{form}/f.{form}", TEXT, data, error=("BadData", rf"^f\.{form}: archive_bomb"))
    yield Case("C4", "tar.gz/f.tar.gz", TEXT, _tar_bomb(PACK["gz"]), error=("BadData", r"^f\.tar\.gz: archive_bomb"))
    yield Case("C4", "zip/f.zip", TEXT, _zip_bomb(), error=("BadData", r"^f\.zip: archive_bomb"))
    nested = zipped({"in.zip": zipped({"a": b"x"}), "ok.txt": b"fine"})
    yield Case("C4", "nested/f.zip", TEXT, nested, 1, {"nested_archive": 1})
    inside = tar({"a.gz": PACK["gz"](PACK["gz"](b"x")), "ok.txt": b"fine"})
    yield Case("C4", "packed twice/f.tar", TEXT, inside, 1, {"nested_archive": 1})


def _tar_bomb(pack: Callable[[bytes], bytes]) -> bytes:
    info = tarfile.TarInfo("a")
    info.size = 10 * GIGABYTE
    return pack(info.tobuf()) + pack(bytes(8 << 20)) * 1280


def _zip_bomb() -> bytes:
    """A member of 10 GB whose deflate stream is one flushed block many times."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    data, size = block * 10_240 + packer.flush(), 10_240 << 20
    extra = struct.pack("<HHQ", 1, 8, size)
    common = struct.pack("<HHHHHIIIHH", 45, 0, 8, 0, 0x21, 0, len(data), 0xFFFFFFFF, 1, len(extra))
    local = b"PK\x03\x04" + common + b"a" + extra
    central = b"PK\x01\x02" + struct.pack("<H", 45) + common + struct.pack("<HHHII", 0, 0, 0, 0, 0) + b"a" + extra
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 1, 1, len(central), len(local) + len(data), 0)
    return local + data + central + end


def images() -> Iterator[Case]:
    """C5."""
    from PIL import Image

    from tests.ops.sources.packing import tar

    def encoded(form: str, mode: str = "RGB", **settings: Any) -> bytes:
        stream = io.BytesIO()
        Image.effect_noise((64, 64), 90).convert(mode).save(stream, form, **settings)
        return stream.getvalue()

    exif = Image.Exif()
    exif[0x0112] = 6
    good = {
        "cmyk.jpg": encoded("JPEG", "CMYK"),
        "sixteen.png": encoded("PNG", "I;16"),
        "palette.png": encoded("PNG", "P"),
        "rotated.jpg": encoded("JPEG", exif=exif),
    }
    frames = [Image.new("L", (4, 4), value) for value in (0, 255)]
    stream = io.BytesIO()
    frames[0].save(stream, "WEBP", save_all=True, append_images=frames[1:], lossless=True)
    bad = {
        "bomb.png": (_png(30_000, 30_000), "too_many_pixels"),
        "cut.jpg": (encoded("JPEG")[:900], "undecodable"),
        "animated.webp": (stream.getvalue(), "animated"),
        "zero.png": (b"", "empty_file"),
        "really_png.jpg": (encoded("PNG"), "wrong_extension"),
    }
    files = {f"a/{name}": data for name, data in good.items()} | {f"a/{name}": data for name, (data, _) in bad.items()}
    yield Case("C5", "all/f.tar", IMAGES, tar(files), len(good), {reason: 1 for _, reason in bad.values()})


def _png(width: int, height: int) -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    packer = zlib.compressobj(1)
    rows = b"".join(packer.compress(bytes(width + 1)) for _ in range(64)) + packer.flush()
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def parquet() -> Iterator[Case]:
    """C6; every flipped byte is tests/ops/sources/test_parquet.py."""
    import polars as pl

    stream = io.BytesIO()
    pl.DataFrame({"a": list(range(1000))}).write_parquet(stream)
    whole = stream.getvalue()
    source = {"kind": "parquet", "columns": {"a": "int64"}}
    lie = whole[:-8] + struct.pack("<I", 0x7FFFFFFF) + b"PAR1"
    for name, data in {"empty": b"", "cut": whole[:-100], "footer length": lie, "text": b"a\n1\n"}.items():
        yield Case("C6", name, source, data, error=("BadData", "^f: cannot be read as Parquet"))
    yield Case("C6", "whole", source, whole, 1000)


def schemas() -> Iterator[Case]:
    """C7."""
    three = r"not the declared ones:\n +expected +got +hint\n"
    yield Case("C7", "missing and extra", CSV, b"a,c,d\n1,x,y\n", error=("BadData", "^f: its columns are " + three))
    yield Case("C7", "renamed", CSV, b"A,b\n1,x\n", error=("BadData", r"renamed\? say `rename: \{a: A\}`"))
    yield Case("C7", "text for numbers", CSV, b"a,b\nx,y\n1,z\n", 1, {"not_int64": 1})
    yield Case("C7", "nested", NDJSON, b'{"a": {"b": 1}}\n{"a": [1]}\n{"a": 1}\n', 1, {"not_int64": 2})
    yield Case(
        "C7", "field missing", NDJSON, b'{"b": 1}\n{}\n{"a": null}\n', 1, {"unknown_field": 1, "missing_field": 1}
    )


def times() -> Iterator[Case]:
    """C8: nothing is inferred."""
    stamps = ["2024-01-31T10:00:00Z", "2024-01-31 10:00", "2024-01-31T10:00:00+05:30", "0001-01-01T00:00:00Z"]
    wrong = ["1706695200", "1706695200000", "31/01/2024", "01/31/2024", "2024-02-30T00:00:00Z", "10000-01-01T00:00:00Z"]
    data = "\n".join(["a", *stamps, *wrong, "2024-01-31"]).encode()
    yield Case("C8", "mixed", table("datetime"), data, len(stamps), {"not_datetime": len(wrong) + 1})
    declared = table("date", formats={"a": "%d/%m/%Y"})
    yield Case("C8", "declared", declared, b"a\n31/01/2024\n01/31/2024\n2024-01-31\n", 1, {"not_date": 2})


def numbers() -> Iterator[Case]:
    """C9."""
    yield Case(
        "C9", "NaN and infinities", table("float64"), b"a\n1.5\nNaN\ninf\n-inf\n-0.0\n1e999\n", 2, {"not_finite": 4}
    )
    ids = b"a\n9007199254740993\n9223372036854775807\n9223372036854775808\n1.0\n1e3\n"
    yield Case("C9", "identifiers", table("int64"), ids, 2, {"not_int64": 3})
    yield Case(
        "C9",
        "JSON",
        NDJSON,
        b'{"a": NaN}\n{"a": 1e2}\n{"a": 9223372036854775808}\n',
        0,
        {"not_json": 1, "not_int64": 2},
    )


def structure() -> Iterator[Case]:
    """C10."""
    yield Case("C10", "keys twice", NDJSON, b'{"a": 1, "a": 2}\n{"a": 3}\n', 1, {"duplicate_key": 1})
    yield Case("C10", "headers twice", CSV, b"a,b,a\n1,2,3\n", error=("BadData", "a name may occur once"))
    quote = b'a,b\n1,x\n2,"open\n3,y\n4,z\n'
    yield Case("C10", "unclosed quote", CSV, quote, 3, {"unclosed_quote": 1})
    yield Case("C10", "ragged", CSV, b"a,b\n1\n1,2,3\n4,x\n", 1, {"wrong_column_count": 2})
    yield Case("C10", "line ends", CSV, b"a,b\r\n1,x\r2,y\n3,z\xc2\x85w\r\n", 3)


def datasets() -> Iterator[Case]:
    """C11, as far as sources see it."""

    def shards(path: Path) -> None:
        path.with_name("f1.csv").write_bytes(b"a,b\n1,x\n2,y\n")
        path.with_name("f2.csv").write_bytes(b"a,b\n")
        path.with_name("f3.csv").write_bytes(b"")

    empty = ("BadData", r"^f3\.csv:1: is empty: a header was expected")
    yield Case("C11", "an empty shard", {**CSV, "path": "f*.csv"}, shards, error=empty)
    yield Case("C11", "no rows", CSV, b"a,b\n", 0)
    yield Case("C11", "no file", {**CSV, "path": "g*.csv"}, b"", error=("ConfigError", r"no file matches 'g\*\.csv'"))
    question = {"id": "q", "question": "?", "answers": []}
    squad = {"data": [{"title": "", "paragraphs": [{"context": "c", "qas": [question, question]}]}]}
    yield Case("C11", "an id twice", {"kind": "squad"}, json.dumps(squad).encode(), 1, {"duplicate_id": 1})


def archives() -> Iterator[Case]:
    """G1; each unsafe member is tests/ops/sources/test_containers.py."""
    from tests.ops.sources.packing import member, odd_tar

    unsafe = [
        member("../x"),
        member("/x"),
        member("link", tarfile.SYMTYPE, "/tmp"),
        member("link/through"),
        member("hard", tarfile.LNKTYPE, "ok.txt"),
        member("fifo", tarfile.FIFOTYPE),
        member("device", tarfile.BLKTYPE),
        member("trailing..."),
    ]
    data = odd_tar(*unsafe, before={"ok.txt": b"fine", "OK.txt": b"fine", "\u00e9": b"1", "e\u0301": b"2"})
    yield Case("G1", "unsafe members/f.tar", TEXT, data, 4, {"unsafe_member": 6})
    many = ("BadData", r"^f\.tar: archive_bomb: it has more than 2,000 members")
    few = {**TEXT, "unpacking": {"max_members": 2000}}
    yield Case("G1", "too many members/f.tar", few, _many_members, error=many)
    zip_ = ("BadData", r"^f\.zip: archive_bomb: it has more than 200,000 members")
    yield Case("G1", "a directory of 300 MB/f.zip", TEXT, _long_directory, error=zip_)


def _many_members(path: Path) -> None:
    import numpy as np

    count = 200_001
    block = np.frombuffer(tarfile.TarInfo("0000000").tobuf(), np.uint8)
    blocks = np.tile(block, (count, 1))
    digits = np.arange(count)[:, None] // 10 ** np.arange(6, -1, -1) % 10
    blocks[:, :7] += digits.astype(np.uint8)
    blocks[:, 148:156] = 32
    sums = blocks.astype(np.int64).sum(axis=1)
    blocks[:, 148:154] = 48 + (sums[:, None] // 8 ** np.arange(5, -1, -1) % 8)
    blocks[:, 154] = 0
    blocks.tofile(path)


def _long_directory(path: Path) -> None:
    with path.open("wb") as file:
        file.write(b"PK\x03\x04")
        file.truncate(300 << 20)
        file.seek(0, io.SEEK_END)
        file.write(struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 65535, 65535, 299 << 20, 1 << 20, 0))


def recipes() -> Iterator[Case]:
    """G3; more in tests/pipelines/test_yaml_strict.py."""
    levels = ["l0: &l0 [x, x, x, x, x, x, x, x, x, x]"]
    levels += [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]" for n in range(1, 9)]
    contents = {
        "aliases": ("\n".join(levels).encode(), "f.yaml:1:5: anchor &l0: aliases are not allowed"),
        "python": (b"a: !!python/object/apply:os.system [true]\n", "tags are not allowed"),
        "keys twice": (b"name: a\nname: b\n", "f.yaml:2:1: key 'name' is there twice"),
        "tabs": (b"a:\n\tb: 1\n", "f.yaml:2:1: a tab in the indentation"),
        "merge keys": (b"a:\n  <<: {b: 1}\n", "f.yaml:2:3: merge key"),
        "50 MB": (b"# x\n" * (50 << 18), "bytes"),
    }
    for name, (data, words) in contents.items():
        yield Case("G3", f"{name}/f.yaml", RECIPE, data, error=("", re.escape(words)))


GROUPS = (
    truncated,
    encodings,
    large,
    bombs,
    images,
    parquet,
    schemas,
    times,
    numbers,
    structure,
    datasets,
    archives,
    recipes,
)


def cases() -> Iterator[Case]:
    for group in GROUPS:
        yield from group()


@dataclass
class Came:
    """What came of a case."""

    rows: int = 0
    rejects: dict[str, int] = field(default_factory=dict)
    error: tuple[str, str] | None = None
    placed: bool = True
    seconds: float = 0.0
    peak: int = 0
    written: list[str] = field(default_factory=list)


def run(case: Case, folder: Path) -> Came:
    """Make the case's files in an empty folder, and read them as the recipe would be."""
    named = case.name.split("/")[-1] if "/" in case.name else "f"
    folder.mkdir()
    place = folder / named
    if callable(case.data):
        case.data(place)
    else:
        place.write_bytes(case.data)
    before = sorted(path.name for path in folder.rglob("*"))
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    came = Came()
    start = time.process_time()
    _read(case, place, came)
    came.seconds = time.process_time() - start
    came.peak = _peak()
    came.written = [path.name for path in folder.rglob("*") if path.name not in before]
    for path in folder.iterdir():
        path.unlink()
    return came


def _read(case: Case, place: Path, came: Came) -> None:
    from ops.errors import SatietyError
    from ops.recipe import Recipe
    from pipelines.recipe import load

    try:
        if case.source is RECIPE:
            load(str(place))
            return
        classes = {cls.__name__: cls for cls in _sources(Recipe)}
        (cls,) = [cls for cls in classes.values() if cls.model_fields["kind"].default == case.source["kind"]]
        source = cls.model_validate({"path": place.name, **case.source}).resolve(place.parent)
        source.check()
        for batch in source.read():
            came.rows += batch.table.height
            for file, line, offset, reason in batch.rejects.select("file", "line", "offset", "reason").iter_rows():
                came.rejects[reason] = came.rejects.get(reason, 0) + 1
                came.placed &= bool(file) and ("/" in file or line is not None or offset is not None)
    except SatietyError as error:
        came.error = (type(error).__name__, str(error)[:100_000])


def _sources(recipe: Any) -> list[Any]:
    from ops.registry import discover
    from ops.sources.base import Source

    return list(discover("ops.sources", base=Source).values())


def _peak() -> int:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) * 1024 if found else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main(folder: Path) -> None:
    import ops.recipe  # noqa: F401 - imported before anything is measured

    resource.setrlimit(resource.RLIMIT_CPU, (300, 300))
    for number, case in enumerate(cases()):
        came = run(case, folder / str(number))
        print(json.dumps({"case": f"{case.row} {case.name}", **vars(came)}), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
