"""Files elsewhere, from a server on loopback that drops, lies, redirects, or knows no ranges; other schemes."""

from __future__ import annotations

import hashlib
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from ops.errors import BadData, ConfigError, DiskFull, IntegrityError, ServiceDown
from ops.sources import downloads, web
from ops.sources.csv import Csv
from ops.sources.downloads import cached, is_here, local
from ops.sources.image_folder import ImageFolder
from ops.sources.parallel_text import ParallelText
from ops.sources.remote import Remote
from ops.sources.text import Text
from ops.sources.wav_folder import WavFolder
from tests.ops.sources.packing import PACK, tar, zipped
from tests.ops.sources.reading import whole

DATA = b"".join(b"line %d\n" % i for i in range(100_000))


class Server:
    """One file at every address, served as `behave` likes; remembers the requests."""

    def __init__(self, data: bytes = DATA) -> None:
        self.data = data
        self.requests: list[tuple[str, str | None]] = []
        self.behave: Callable[[Any, int], bool] = lambda handler, number: False
        self.ranges = True
        self.length = True
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.requests.append((self.path, self.headers.get("Range")))
                if not outer.behave(self, len(outer.requests)):
                    outer.serve(self)

            def log_message(self, *arguments: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def serve(self, handler: Any, size: int | None = None) -> None:
        asked = handler.headers.get("Range")
        start = int(asked.split("=")[1].rstrip("-")) if asked and self.ranges else 0
        if start >= len(self.data) > 0:
            handler.send_response(416)
            handler.send_header("Content-Range", f"bytes */{len(self.data)}")
            handler.end_headers()
            return
        handler.send_response(206 if start else 200)
        if start:
            handler.send_header("Content-Range", f"bytes {start}-{len(self.data) - 1}/{len(self.data)}")
        if self.length:
            handler.send_header("Content-Length", str(len(self.data) - start))
        handler.end_headers()
        handler.wfile.write(self.data[start : None if size is None else start + size])

    def drop(self, size: int) -> Callable[[Any, int], bool]:
        """Serve so many bytes of each answer, then close the connection."""

        def behave(handler: Any, number: int) -> bool:
            self.serve(handler, size)
            return True

        return behave

    def url(self, name: str = "file.txt") -> str:
        return f"http://127.0.0.1:{self.server.server_port}/{name}"

    def remote(self, name: str = "file.txt", **settings: Any) -> Remote:
        return Remote(url=self.url(name), sha256=hashlib.sha256(self.data).hexdigest(), **settings)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(downloads, "PAUSE_SECONDS", 0.001)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    made = Server()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SATIETY_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("SATIETY_MIRROR", raising=False)
    monkeypatch.delenv("SATIETY_DOWNLOADS", raising=False)
    return tmp_path / "home"


def test_a_file_is_fetched_once_and_kept_by_its_hash(server: Server, home: Path) -> None:
    told: list[tuple[str, int, int | None]] = []
    remote = server.remote()
    assert not is_here(remote)
    place = local(remote, lambda name, done, of: told.append((name, done, of)))
    assert place == home / "downloads" / "sha256" / remote.sha256[:2] / remote.sha256
    assert place.read_bytes() == DATA and is_here(remote)
    assert local(remote) == place
    assert local(server.remote("another_name")) == place
    assert server.requests == [("/file.txt", None)]
    assert told[0] == ("file.txt", 0, len(DATA)) and told[-1] == ("file.txt", len(DATA), len(DATA))
    assert [done for _, done, _ in told] == sorted(done for _, done, _ in told)
    assert [path.name for path in place.parent.iterdir() if path.suffix == ".part"] == []


def test_a_dropped_connection_resumes_where_it_ended(server: Server) -> None:
    server.behave = server.drop(300_000)
    assert local(server.remote()).read_bytes() == DATA
    starts = [int(asked.split("=")[1][:-1]) if asked else 0 for _, asked in server.requests]
    assert starts == [i * 300_000 for i in range(len(starts))] and len(starts) == len(DATA) // 300_000 + 1


def test_an_ended_process_resumes(server: Server) -> None:
    remote = server.remote()
    part = cached(remote).with_name(remote.sha256 + ".part")
    part.parent.mkdir(parents=True)
    part.write_bytes(DATA[:123_456])
    assert local(remote).read_bytes() == DATA
    assert server.requests == [("/file.txt", "bytes=123456-")]


def test_a_whole_part_needs_no_byte_more(server: Server) -> None:
    remote = server.remote()
    part = cached(remote).with_name(remote.sha256 + ".part")
    part.parent.mkdir(parents=True)
    part.write_bytes(DATA)
    assert local(remote).read_bytes() == DATA


@pytest.mark.parametrize("junk", [b"junk" * 1000, DATA + b"more", b"x" * len(DATA)])
def test_a_part_of_another_file_is_fetched_anew(junk: bytes, server: Server) -> None:
    remote = server.remote()
    part = cached(remote).with_name(remote.sha256 + ".part")
    part.parent.mkdir(parents=True)
    part.write_bytes(junk)
    assert local(remote).read_bytes() == DATA


@pytest.mark.parametrize("length", [True, False])
def test_a_server_without_ranges_begins_again(length: bool, server: Server) -> None:
    server.ranges, server.length = False, length
    server.behave = lambda handler, number: number <= 2 and length and server.drop(1000 * number)(handler, number)
    assert local(server.remote()).read_bytes() == DATA
    assert len(server.requests) == (3 if length else 1)


def test_a_server_that_sends_another_part(server: Server) -> None:
    def lie(handler: Any, number: int) -> bool:
        if number == 1:
            server.serve(handler, 500)
        elif number == 2:
            handler.send_response(206)
            handler.send_header("Content-Range", f"bytes 7-{len(DATA) - 1}/{len(DATA)}")
            handler.end_headers()
            handler.wfile.write(DATA[7:])
        return number <= 2

    server.behave = lie
    assert local(server.remote()).read_bytes() == DATA


def test_wrong_bytes_are_an_error_and_leave_nothing(server: Server) -> None:
    remote = server.remote()
    server.data = DATA.replace(b"7", b"8")
    with pytest.raises(BadData, match=rf"serves other bytes: SHA-256 [0-9a-f]{{64}}, expected is {remote.sha256}"):
        local(remote)
    assert [path for path in cached(remote).parent.iterdir() if path.suffix != ".lock"] == []
    assert len(server.requests) == 1


def test_more_bytes_than_there_should_be(server: Server) -> None:
    remote = server.remote(bytes=1000)
    with pytest.raises(BadData, match="serves more than 1,000 bytes"):
        local(remote)
    server.length = False
    with pytest.raises(BadData, match="serves more than 1,000 bytes"):
        local(remote)


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://x/", "data:,x"])
def test_redirections_to_other_schemes_are_not_followed(target: str, server: Server) -> None:
    def redirect(handler: Any, number: int) -> bool:
        handler.send_response(302)
        handler.send_header("Location", target)
        handler.end_headers()
        return True

    server.behave = redirect
    with pytest.raises(BadData, match="redirects"):
        local(server.remote())


def test_redirections_within_http_are_followed_a_few_times(server: Server) -> None:
    def redirect(handler: Any, number: int) -> bool:
        hops = int(handler.path.strip("/") or 0)
        if hops:
            handler.send_response(302)
            handler.send_header("Location", server.url(str(hops - 1)))
            handler.end_headers()
        return hops > 0

    server.behave = redirect
    assert local(server.remote("3")).read_bytes() == DATA
    server.data = DATA[:-1]
    with pytest.raises(BadData, match="redirects"):
        local(server.remote("9"))


def test_https_does_not_lead_to_http() -> None:
    import urllib.request

    asked = urllib.request.Request("https://host/secret?key=1")
    with pytest.raises(BadData, match=r"^https://host/secret: redirects from https to http"):
        web._Redirects().redirect_request(asked, None, 302, "", {}, "http://host/x")


def test_errors_of_the_server(server: Server) -> None:
    def answer(code: int, times: int) -> Callable[[Any, int], bool]:
        def behave(handler: Any, number: int) -> bool:
            if number <= times:
                handler.send_error(code)
            return number <= times

        return behave

    server.behave = answer(404, 99)
    with pytest.raises(ConfigError, match=r"file\.txt: the server says 404 Not Found"):
        local(server.remote("file.txt?key=secret"))
    assert len(server.requests) == 1
    server.requests.clear()
    server.behave = answer(503, 2)
    assert local(server.remote()).read_bytes() == DATA
    server.requests.clear()
    server.data, server.behave = DATA[1:], answer(500, 99)
    with pytest.raises(ServiceDown, match=r"cannot be fetched: the server says 500.*SATIETY_MIRROR"):
        local(server.remote())
    assert len(server.requests) == downloads.TRIES


def test_nobody_answers(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    remote = Remote(url=f"http://127.0.0.1:{port}/x", sha256="0" * 64)
    with pytest.raises(ServiceDown, match="cannot be fetched"):
        local(remote)
    monkeypatch.setattr(web, "SECONDS", 0.05)
    monkeypatch.setattr(downloads, "TRIES", 2)
    released = threading.Event()
    server.behave = lambda handler, number: released.wait(5)
    with pytest.raises(ServiceDown, match="timed out"):
        local(server.remote())
    released.set()


def test_a_size_that_only_the_recipe_says(server: Server) -> None:
    server.length = False
    server.behave = lambda handler, number: number <= 3 and server.drop(1000)(handler, number)
    assert local(server.remote(bytes=len(DATA))).read_bytes() == DATA
    assert [asked for _, asked in server.requests] == [None, "bytes=1000-", "bytes=2000-", "bytes=3000-"]
    server.length, server.data = True, DATA[:-1]
    with pytest.raises(BadData, match=r"serves 1,088,889 bytes, `bytes` says 1,088,890"):
        local(server.remote(bytes=len(DATA)))


def test_what_came_of_a_chunked_answer_is_kept(server: Server) -> None:
    def cut(handler: Any, number: int) -> bool:
        if number == 1:
            handler.protocol_version = "HTTP/1.1"
            handler.send_response(200)
            handler.send_header("Transfer-Encoding", "chunked")
            handler.end_headers()
            handler.wfile.write(b"%x\r\n" % 200_000 + DATA[:100_000])
            handler.close_connection = True
        return number == 1

    server.behave = cut
    assert local(server.remote()).read_bytes() == DATA
    assert server.requests[1:] == [("/file.txt", "bytes=100000-")]


def test_letters_beyond_ascii_are_sent_as_escapes(server: Server) -> None:
    assert local(server.remote("ü/f%20é.txt?q=ß&k=%C3%A9")).read_bytes() == DATA
    assert server.requests == [("/%C3%BC/f%20%C3%A9.txt?q=%C3%9F&k=%C3%A9", None)]


@pytest.mark.parametrize("target", ["http://[::bad/x", "http://a..b/x", "http://host:port/x"])
def test_redirections_to_no_address(target: str, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def redirect(handler: Any, number: int) -> bool:
        handler.send_response(302)
        handler.send_header("Location", target)
        handler.end_headers()
        return True

    server.behave = redirect
    with pytest.raises((BadData, ServiceDown)) as caught:
        local(server.remote())
    assert caught.value.where == server.url() and "\n" not in str(caught.value)


def test_a_redirection_in_a_circle_is_said_in_one_line(server: Server) -> None:
    def redirect(handler: Any, number: int) -> bool:
        handler.send_response(302)
        handler.send_header("Location", handler.path)
        handler.end_headers()
        return True

    server.behave = redirect
    with pytest.raises(BadData, match="infinite loop") as caught:
        local(server.remote())
    assert "\n" not in str(caught.value)


def test_what_the_mirror_has_instead_is_named(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server.behave = lambda handler, number: handler.send_error(404) or True
    monkeypatch.setenv("SATIETY_MIRROR", str(tmp_path / "nowhere"))
    with pytest.raises(ConfigError, match=r"404.*SATIETY_MIRROR names no folder: .*nowhere"):
        local(server.remote())
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / "file.txt").write_bytes(b"other")
    monkeypatch.setenv("SATIETY_MIRROR", str(tmp_path / "mirror"))
    other = hashlib.sha256(b"other").hexdigest()
    with pytest.raises(ConfigError, match=rf"404.*mirror/file\.txt has another SHA-256: {other}"):
        local(server.remote())


def test_two_files_of_one_last_name(server: Server) -> None:
    places: list[Any] = [{"url": server.url(f"{part}/file.txt?key=1"), "sha256": "0" * 64} for part in "ab"]
    places[1]["sha256"] = "1" * 64
    source = Text.model_validate({"kind": "text", "path": places})
    with pytest.raises(ConfigError, match=r"called 'file.txt': http://\S+/a/file.txt and http://\S+/b/file.txt \(give"):
        source.files()
    places[1]["name"] = "other.txt"
    source = Text.model_validate({"kind": "text", "path": places})
    assert source.natural_partitions() == ["file.txt", "other.txt"]
    assert Text.model_validate(source.model_dump()).natural_partitions() == ["file.txt", "other.txt"]
    for bad in ("", "..", "a/b", "a\nb"):
        with pytest.raises(ValueError, match="no name of a file"):
            Remote(url="https://host/x", sha256="0" * 64, name=bad)


@pytest.mark.parametrize("name", ["download", "download?file=x.zip"])
def test_partitions_are_the_same_before_and_after_an_archive_is_fetched(name: str, server: Server) -> None:
    server.data = zipped({"a.csv": b"x\n1\n", "b.csv": b"x\n2\n"})
    place = server.remote(name).model_dump() | {"url": server.url(name)}
    source = Csv.model_validate({"kind": "csv", "path": place, "columns": {"x": "int64"}})
    assert source.natural_partitions() == ["download"] and server.requests == []
    assert whole(source.read("download")).table["x"].to_list() == [1, 2]
    assert source.natural_partitions() == ["download"]
    named = Csv.model_validate({"kind": "csv", "path": {**place, "name": "set.zip"}, "columns": {"x": "int64"}})
    assert named.natural_partitions() == ["set.zip/a.csv", "set.zip/b.csv"]
    assert whole(named.read("set.zip/b.csv")).table["x"].to_list() == [2]


def test_foreign_errors_of_buckets_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import fsspec

    class Foreign(Exception):
        pass

    def fail(url: str) -> None:
        raise Foreign(f"no credentials\nfor {url}")

    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    monkeypatch.setattr(fsspec.core, "url_to_fs", fail)
    monkeypatch.setattr(downloads, "PAUSE_SECONDS", 0.001)
    remote = Remote(url="s3://bucket/a.txt?key=CANARY", sha256="0" * 64)
    with pytest.raises(
        ServiceDown, match=r"cannot be fetched: Foreign: no credentials for s3://bucket/a.txt"
    ) as caught:
        local(remote)
    assert "CANARY" not in str(caught.value)


def test_no_room(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 1000}))
    with pytest.raises(DiskFull, match="1,000 are free"):
        local(server.remote())


def test_a_damaged_copy_is_an_error_and_not_fetched_again(server: Server) -> None:
    remote = server.remote()
    place = local(remote)
    place.chmod(0o644)
    place.write_bytes(DATA[:-1] + b"?")
    with pytest.raises(IntegrityError, match=r"is damaged.*delete it"):
        local(remote)
    assert len(server.requests) == 1
    place.unlink()
    assert local(remote).read_bytes() == DATA


@pytest.mark.parametrize("named", ["file.txt", "by hash"])
def test_the_mirror_comes_first(named: str, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    remote = server.remote()
    mirror = tmp_path / "mirror"
    path = mirror / remote.sha256 if named == "by hash" else mirror / "deep" / "er" / named
    path.parent.mkdir(parents=True)
    path.write_bytes(DATA)
    (mirror / "file.txt").write_bytes(b"another file of that name")
    monkeypatch.setenv("SATIETY_MIRROR", str(mirror))
    assert is_here(remote)
    assert local(remote) == path
    assert server.requests == []
    path.write_bytes(b"damaged")
    assert local(remote) == cached(remote)
    assert len(server.requests) == 1


def test_two_at_once_fetch_it_once(server: Server) -> None:
    remote = server.remote()
    found: list[Path] = []
    threads = [threading.Thread(target=lambda: found.append(local(remote))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [cached(remote)] * 4
    assert len(server.requests) == 1


def test_sources_read_what_is_elsewhere(server: Server) -> None:
    data = PACK["gz"](tar({"a.csv": b"x\n1\n", "b.csv": b"x\n2\n"}))
    server.data = data
    remote = server.remote("set.tar.gz")
    source = Csv.model_validate({"kind": "csv", "path": remote.model_dump(), "columns": {"x": "int64"}})
    source.check()
    digest = source.external()
    assert server.requests == [] and source.paths() == [] and source.remotes() == [remote]
    assert source.natural_partitions() == ["set.tar.gz/a.csv", "set.tar.gz/b.csv"]
    assert whole(source.read()).table["x"].to_list() == [1, 2]
    assert whole(source.read("set.tar.gz/b.csv")).table["x"].to_list() == [2]
    assert source.external() == digest != source.external("set.tar.gz/a.csv")
    assert len(server.requests) == 1


def test_digest_and_keys_need_no_network(home: Path, tmp_path: Path) -> None:
    nowhere = {"url": "http://127.0.0.1:9/data/train.csv", "sha256": "a" * 64}
    (tmp_path / "b.csv").write_text("x\n")
    settings = {"kind": "csv", "path": [nowhere, "*.csv"], "columns": {"x": "int64"}}
    source = Csv.model_validate(settings).resolve(tmp_path)
    source.check()
    assert source.natural_partitions() == ["b.csv", "train.csv"]
    assert len({source.external(), source.external("train.csv"), source.external("b.csv")}) == 3
    assert source.paths() == [tmp_path / "b.csv"]
    assert not home.exists()


def test_folders_and_pairs(server: Server) -> None:
    server.data = tar({"1/a.wav": b"no recording"})
    batch = whole(WavFolder(path=server.remote("w.tar")).read())
    assert batch.rejects.select("file", "reason").rows() == [("w.tar/1/a.wav", "undecodable")]
    assert ImageFolder(path=server.remote("w.tar")).external() == WavFolder(path=server.remote("w.tar")).external()
    server.data = b"one\ntwo\n"
    pair = ParallelText(path=server.remote("a"), target=server.remote("b"))
    assert whole(pair.read()).table.select("source", "target").rows() == [("one", "one"), ("two", "two")]


def test_other_schemes_go_through_fsspec(monkeypatch: pytest.MonkeyPatch) -> None:
    import fsspec
    from fsspec.implementations.memory import MemoryFileSystem

    class Bucket(MemoryFileSystem):  # type: ignore[misc]  # fsspec has no types
        protocol = "s3"

        @classmethod
        def _strip_protocol(cls, path: str) -> str:
            return "/" + path.removeprefix("s3://").lstrip("/")

    fsspec.register_implementation("s3", Bucket, clobber=True)
    fsspec.filesystem("memory").pipe("/bucket/a.txt", DATA)
    remote = Remote(url="s3://bucket/a.txt", sha256=hashlib.sha256(DATA).hexdigest())
    with pytest.raises(ConfigError, match=r"s3:// needs the package s3fs.*satiety\[s3\]"):
        remote.check()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    part = cached(remote).with_name(remote.sha256 + ".part")
    part.parent.mkdir(parents=True)
    part.write_bytes(DATA[:1000])
    assert whole(Text(path=remote).read()).table.height == 100_000
    with pytest.raises(ConfigError, match="cannot be opened"):
        local(Remote(url="s3://bucket/b.txt", sha256="0" * 64))


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("file:///etc/passwd", "begins with one of"),
        ("ftp://host/x", "begins with one of"),
        ("https:///x", "begins with one of"),
        ("https://me:secret@host/x", "name or password"),
        ("https://host/", "no address of a file"),
        ("https://host/a\nb", "no address of a file"),
        ("https://host/%2e%2e", "no address of a file"),
        ("https://host/a%00b", "no address of a file"),
        ("http://a..b/x.csv", "no address of a file"),
        ("http://[::bad/x.csv", "no address of a file"),
        ("http://host:port/x.csv", "no address of a file"),
    ],
)
def test_what_is_no_address(url: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Remote(url=url, sha256="0" * 64)


def test_an_address_without_a_hash() -> None:
    with pytest.raises(ValueError, match="an address needs its hash"):
        Text(path="https://host/x.txt")
    with pytest.raises(ValueError, match="sha256"):
        Text.model_validate({"kind": "text", "path": {"url": "https://host/x.txt", "sha256": "A" * 64}})
