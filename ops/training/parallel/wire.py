"""Messages between a parameter server and its workers: a head of JSON and named tensors, over a plain socket.

Nothing that is received is run: heads are JSON, tensors are safetensors. Who does not know the run's word is not heard.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import load, save
from torch import Tensor

Head = dict[str, Any]
LARGEST_HEAD = 1 << 16


class LostError(Exception):
    """The other side is gone."""


def send(line: socket.socket, head: Head, tensors: Mapping[str, Tensor] | bytes = b"") -> None:
    """Send a message.

    Raises:
        LostError: the other side is gone.
    """
    data = tensors if isinstance(tensors, bytes) else save(dict(tensors))
    said = json.dumps(head).encode()
    try:
        line.sendall(len(said).to_bytes(4, "little") + len(data).to_bytes(8, "little") + said)
        line.sendall(data)
    except OSError as error:
        raise LostError(str(error)) from error


def receive(line: socket.socket) -> tuple[Head, dict[str, Tensor]]:
    """The next message.

    Raises:
        LostError: the other side is gone, or what it says is no message.
    """
    sizes = _exactly(line, 12)
    length, size = int.from_bytes(sizes[:4], "little"), int.from_bytes(sizes[4:], "little")
    if length > LARGEST_HEAD:
        raise LostError("that is no message")
    head = json.loads(_exactly(line, length))
    data = _exactly(line, size)
    return head, load(bytes(data)) if size else {}


def listen(place: Path) -> tuple[socket.socket, str]:
    """Listen for workers, and write where, and the word that they must know, to a file that only the owner reads.

    On one machine (`MASTER_ADDR` is loopback, or there is none) nobody outside can reach it.
    """
    here = os.environ.get("MASTER_ADDR", "127.0.0.1") in ("127.0.0.1", "localhost", "::1")
    listening = socket.create_server(("127.0.0.1" if here else "", 0))
    word = secrets.token_hex(16)
    told = {"host": "127.0.0.1" if here else socket.gethostname(), "port": listening.getsockname()[1], "word": word}
    place.unlink(missing_ok=True)
    hidden = place.with_name(f".{place.name}.part")
    hidden.unlink(missing_ok=True)
    hidden.touch(mode=0o600)
    hidden.write_text(json.dumps(told), encoding="utf-8")
    hidden.rename(place)
    return listening, word


def connect(place: Path) -> socket.socket | None:
    """A line to the server that the file names; None while there is none."""
    try:
        told = json.loads(place.read_text(encoding="utf-8"))
        line = socket.create_connection((told["host"], told["port"]), timeout=10)
    except (OSError, ValueError):
        return None
    line.settimeout(None)
    try:
        send(line, {"word": told["word"]})
    except LostError:
        return None
    return line


def _exactly(line: socket.socket, size: int) -> bytearray:
    data = bytearray(size)
    view = memoryview(data)
    while view:
        try:
            count = line.recv_into(view)
        except OSError as error:
            raise LostError(str(error)) from error
        if not count:
            raise LostError("the line was closed")
        view = view[count:]
    return data
