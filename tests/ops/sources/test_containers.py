"""Archives: what is read, under which names, and what is refused."""

from __future__ import annotations

import io
import os
import struct
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.errors import BadData
from ops.sources.base import Batch
from ops.sources.compression import Unpacking
from ops.sources.containers import InputFile, parts
from ops.sources.csv import Csv
from ops.sources.parquet import Parquet
from ops.sources.rejects import Reject
from ops.sources.tar import entries
from ops.sources.text import Text
from tests.ops.sources.packing import PACK, member, odd_tar, tar, zipped
from tests.ops.sources.reading import whole

FILES = {"b.csv": b"x\n1\n2\n", "sub/a.csv": b"x\n3\n", "c.csv.gz": PACK["gz"](b"x\n4\n")}
ARCHIVES = {
    "a.tar": tar(FILES),
    "gnu.tar": tar(FILES, tarfile.GNU_FORMAT),
    "a.tar.gz": PACK["gz"](tar(FILES)),
    "a.tar.zst": PACK["zst"](tar(FILES)),
    "a.txz": PACK["xz"](tar(FILES)),
    "a.zip": zipped(FILES),
    "stored.zip": zipped(FILES, zipfile.ZIP_STORED),
    "no_ending": zipped(FILES, zipfile.ZIP_LZMA),
}


def table(folder: Path, name: str, data: bytes, **settings: object) -> Csv:
    (folder / name).write_bytes(data)
    source = Csv.model_validate({"kind": "csv", "path": name, "columns": {"x": "int64"}, **settings})
    return source.resolve(folder)


def read(folder: Path, name: str, data: bytes) -> Batch:
    (folder / name).write_bytes(data)
    return whole(Text(path=name).resolve(folder).read())


@pytest.mark.parametrize("name", ARCHIVES)
def test_members_are_files(name: str, tmp_path: Path) -> None:
    source = table(tmp_path, name, ARCHIVES[name])
    keys = [f"{name}/b.csv", f"{name}/sub/a.csv", f"{name}/c.csv.gz"]
    assert source.natural_partitions() == keys
    batch = whole(source.read())
    assert batch.rejects.is_empty()
    assert batch.table.rows() == [(1, keys[0], 2), (2, keys[0], 3), (3, keys[1], 2), (4, keys[2], 2)]
    assert whole(source.read(keys[1])).table.rows() == [(3, keys[1], 2)]
    assert source.paths() == [tmp_path / name]


def test_digests_are_of_the_archive(tmp_path: Path) -> None:
    source = table(tmp_path, "a.tar", ARCHIVES["a.tar"])
    digests = [source.external(), *(source.external(key) for key in source.natural_partitions() or [])]
    assert len(set(digests)) == 4
    table(tmp_path, "a.tar", tar({**FILES, "b.csv": b"x\n5\n"}))
    assert source.external("a.tar/b.csv") not in digests
    assert whole(source.read("a.tar/b.csv")).table["x"].to_list() == [5]


def test_only_some_members(tmp_path: Path) -> None:
    files = {**FILES, "README": b"no table", "._b.csv": b"?", "__MACOSX/b.csv": b"?", "sub/.x.csv": b"?"}
    source = table(tmp_path, "a.zip", zipped(files), members="*.csv")
    assert source.natural_partitions() == ["a.zip/b.csv", "a.zip/sub/a.csv"]
    assert whole(source.read()).table["x"].to_list() == [1, 2, 3]
    with pytest.raises(BadData, match=r"^a\.zip: has nothing in it that is read"):
        list(table(tmp_path, "a.zip", zipped(files), members=["*.json"]).read())


def test_formats_that_read_from_several_places(tmp_path: Path) -> None:
    import polars as pl

    stream = io.BytesIO()
    pl.DataFrame({"x": [1, 2]}).write_parquet(stream)
    for name, data in {
        "a.tar.gz": PACK["gz"](tar({"m.parquet": stream.getvalue()})),
        "b.zst": PACK["zst"](stream.getvalue()),
    }.items():
        (tmp_path / name).write_bytes(data)
        source = Parquet.model_validate({"kind": "parquet", "path": name, "columns": {"x": "int64"}}).resolve(tmp_path)
        assert whole(source.read()).table["x"].to_list() == [1, 2]


UNSAFE = {
    "dotdot": (member("../../evil"), "leads out"),
    "inner dotdot": (member("a/../../evil"), "leads out"),
    "backslashes": (member("..\\evil"), "leads out"),
    "absolute": (member("/etc/passwd"), "absolute"),
    "drive": (member("C:\\evil"), "absolute"),
    "symbolic link": (member("link", tarfile.SYMTYPE, "/etc/passwd"), "a symbolic link"),
    "hard link": (member("hard", tarfile.LNKTYPE, "good.txt"), "a hard link"),
    "pipe": (member("pipe", tarfile.FIFOTYPE), "a pipe"),
    "device": (member("device", tarfile.CHRTYPE), "a device"),
    "disk": (member("disk", tarfile.BLKTYPE), "a device"),
    "sparse": (member("holes", tarfile.GNUTYPE_SPARSE), "a sparse file"),
    "newline": (member("a\nb"), "none that a file may have"),
    "escape": (member("a\x1b[2Jb"), "none that a file may have"),
    "right to left": (member("a\u202etxt"), "none that a file may have"),
}


@pytest.mark.parametrize("case", UNSAFE)
def test_unsafe_members_are_rejects_and_nothing_is_written(case: str, tmp_path: Path) -> None:
    info, words = UNSAFE[case]
    (tmp_path / "in").mkdir()
    batch = read(tmp_path / "in", "a.tar", odd_tar(info, before={"good.txt": b"good"}))
    assert batch.table["text"].to_list() == ["good"]
    assert batch.rejects["reason"].to_list() == ["unsafe_member"]
    assert words in batch.rejects["detail"][0]
    assert batch.rejects["file"][0].startswith("a.tar/")
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["a.tar", "in"]


def test_a_partition_is_read_no_further_than_its_member(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.tar.gz").write_bytes(PACK["gz"](tar({f"{name}.txt": name.encode() for name in "abcd"})))
    source = Text(path="a.tar.gz").resolve(tmp_path)
    names = source.natural_partitions()
    assert names is not None and len(names) == 4
    seen: list[str] = []

    def watched(*arguments: Any) -> Any:
        for part in parts(*arguments):
            assert isinstance(part, InputFile)
            seen.append(part.name)
            yield part

    monkeypatch.setattr("ops.sources.files.parts", watched)
    assert whole(source.read(names[1])).table["text"].to_list() == ["b"]
    assert seen == names[:2]
    seen.clear()
    assert whole(source.read(names[0])).table["text"].to_list() == ["a"]
    assert seen == names, "rejects of the whole archive belong to its first partition"


def test_sparse_files_are_rejects_however_they_are_marked(tmp_path: Path) -> None:
    modern = member("GNUSparseFile.0/modern")
    modern.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "modern"}
    old = member("old", tarfile.GNUTYPE_SPARSE)
    old.size = 700
    header = bytearray(old.tobuf(tarfile.GNU_FORMAT))
    header[482] = 1  # the map of holes goes on in two more blocks
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    maps = bytes(504) + b"\1" + bytes(7) + bytes(512)
    data = bytes(header) + maps + b"x" * 700 + bytes(324) + odd_tar(modern, before={"good.txt": b"good"})
    batch = read(tmp_path, "a.tar", data)
    assert batch.table["text"].to_list() == ["good"]
    assert batch.rejects["detail"].to_list() == ["it is a sparse file"] * 2
    assert batch.rejects["file"][0] == "a.tar/old"
    with pytest.raises(BadData, match="cut off"):
        read(tmp_path, "b.tar", data[:900])


def test_a_link_and_then_a_file_through_it(tmp_path: Path) -> None:
    data = odd_tar(member("d", tarfile.SYMTYPE, str(tmp_path)), before={"good.txt": b"good"})
    stream = io.BytesIO(data)
    with tarfile.open(fileobj=stream, mode="a") as archive:
        info = member("d/evil.txt")
        info.size = 4
        archive.addfile(info, io.BytesIO(b"evil"))
    (tmp_path / "in").mkdir()
    batch = read(tmp_path / "in", "a.tar", stream.getvalue())
    assert batch.table["text"].to_list() == ["good", "evil"]
    assert not (tmp_path / "evil.txt").exists()


def test_links_in_zips_and_secrets(tmp_path: Path) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        link = zipfile.ZipInfo("link")
        link.create_system, link.external_attr = 3, 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr("good.txt", "good")
    data = bytearray(stream.getvalue())
    batch = read(tmp_path, "a.zip", bytes(data))
    assert (batch.table["text"].to_list(), batch.rejects["detail"].to_list()) == (["good"], ["it is a symbolic link"])
    data = bytearray(zipped({"secret.txt": b"x", "good.txt": b"good"}))
    data[6] |= 1
    data[data.find(b"PK\x01\x02") + 8] |= 1
    batch = read(tmp_path, "b.zip", bytes(data))
    assert (batch.table["text"].to_list(), batch.rejects["detail"].to_list()) == (["good"], ["it is encrypted"])


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("pack", [tar, zipped])
def test_duplicates_collisions_and_nested_archives(pack: object, tmp_path: Path) -> None:
    assert callable(pack)
    data = pack([("a.txt", b"1"), ("a.txt", b"2"), ("A.TXT", b"3"), ("./a.txt", b"4"), ("in.zip", zipped(FILES))])
    name = f"x.{'tar' if pack is tar else 'zip'}"
    batch = read(tmp_path, name, data)
    assert batch.table["text"].to_list() == ["1", "3"]
    assert batch.rejects["reason"].to_list() == ["duplicate_member", "duplicate_member", "nested_archive"]
    source = Text(path=name).resolve(tmp_path)
    keys = source.natural_partitions() or []
    assert keys == [f"{name}/a.txt", f"{name}/A.TXT"]
    parted = [whole(source.read(key)) for key in keys]
    assert [(b.table.height, b.rejects.height) for b in parted] == [(1, 3), (1, 0)]


@given(data=st.data())
def test_any_cut_of_a_tar_is_an_error(data: st.DataObject) -> None:
    archive = tar({"a.txt": b"x" * 700, "long" * 60: b"y" * 100})
    size = data.draw(st.integers(0, len(archive) - 9000))
    end = archive.rstrip(b"\0")
    if size < len(end):
        with pytest.raises(BadData, match=r"^t:\d+: input_truncated"):
            for entry in entries(io.BytesIO(archive[:size]), "t"):
                entry.stream.read()


@given(place=st.integers(0, 2047), bit=st.integers(0, 7))
def test_a_flipped_bit_of_a_header_never_loses_a_member_in_silence(place: int, bit: int) -> None:
    archive = bytearray(tar({"a.txt": b"x" * 512, "b.txt": b"y" * 512}, tarfile.USTAR_FORMAT))
    archive[place] ^= 1 << bit
    try:
        found = [(entry.name, len(entry.stream.read())) for entry in entries(io.BytesIO(bytes(archive)), "t")]
    except BadData:
        return
    assert found == [("a.txt", 512), ("b.txt", 512)]


def test_what_tarfile_writes_is_what_is_read() -> None:
    files = {f"{'d' * 90}/{'n' * i}.txt": os.urandom(i * 37) for i in (1, 14, 120, 300)} | {"ü.txt": b"", "e": b"1"}
    for form in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT):
        found = {entry.name: entry.stream.read() for entry in entries(io.BytesIO(tar(files, form)), "t")}
        assert found == files


def test_zip_bombs(tmp_path: Path) -> None:
    with pytest.raises(BadData, match="archive_bomb: it unpacks to"):
        read(tmp_path, "a.zip", zipped({"a.txt": bytes(80 << 20)}))
    one = zipped({"a.txt": b"x" * 100})
    start = struct.unpack_from("<I", one, one.rfind(b"PK\x05\x06") + 16)[0]
    entry = one[start : one.rfind(b"PK\x05\x06")]
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 2, 2, 2 * len(entry), start, 0)
    with pytest.raises(BadData, match=r"archive_bomb: member 'b.txt' overlaps"):
        read(tmp_path, "b.zip", one[:start] + entry + entry.replace(b"a.txt", b"b.txt") + end)


def test_more_members_than_allowed(tmp_path: Path) -> None:
    for name, data in {
        "a.tar": tar({str(i): b"" for i in range(9)}),
        "a.zip": zipped({str(i): b"" for i in range(9)}),
    }.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(BadData, match="more than 8 members"):
            list(parts(InputFile(name, tmp_path / name), Unpacking(max_members=8)))


@pytest.mark.parametrize("left", [0, 1, 30, 0.5, -30, -1])
def test_cut_archives(left: float, tmp_path: Path) -> None:
    for name in ("a.zip", "a.tar.gz", "a.tar.zst"):
        data = ARCHIVES[name]
        size = int(left * len(data)) if left == 0.5 else int(left) % len(data)
        with pytest.raises(BadData, match=r"input_(truncated|damaged)"):
            list(table(tmp_path, name, data[:size]).read())


def test_a_bad_member_of_a_zip(tmp_path: Path) -> None:
    data = bytearray(zipped({"a.txt": b"some text", "b.txt": b"other"}, zipfile.ZIP_STORED))
    data[data.find(b"some")] ^= 1
    with pytest.raises(BadData, match=r"^a\.zip/a\.txt:0: input_damaged.*CRC"):
        read(tmp_path, "a.zip", bytes(data))


def test_refused_members_are_all_that_there_is(tmp_path: Path) -> None:
    batch = read(tmp_path, "a.tar", odd_tar(member("x", tarfile.SYMTYPE, "y")))
    assert (batch.table.height, batch.rejects.height) == (0, 1)
    with pytest.raises(BadData, match=r"nothing in it that is read: a\.tar/x: it is a symbolic link"):
        Text(path="a.tar").resolve(tmp_path).natural_partitions()
    found = list(parts(InputFile("a.tar", tmp_path / "a.tar"), Unpacking()))
    assert all(isinstance(part, Reject) for part in found)
