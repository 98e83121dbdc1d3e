"""The grammar of delimited text written a second time, plainly: the oracle of the tests."""

from __future__ import annotations

from typing import Any


def reference(data: bytes, width: int, quote: int | None, limit: int = 1 << 30) -> list[tuple[Any, ...]]:
    """The grammar once more, byte by byte: ("row", line, cells) and ("reject", line, offset, reason)."""
    found: list[tuple[Any, ...]] = []
    position, line = 0, 1
    while position < len(data):
        start, cells, cell, state, reason = position, [], bytearray(), "start", None
        while True:
            byte = data[position] if position < len(data) else None
            at_end = byte is None or byte in b"\r\n"
            if state == "start" and quote is not None and byte == quote:
                state = "quoted"
            elif state == "quoted":
                if byte is None:
                    reason = "unclosed_quote"
                    break
                if byte == quote:
                    state = "closing"
                else:
                    cell.append(byte)
            elif state == "closing" and byte == quote and byte is not None:
                cell.append(byte)
                state = "quoted"
            elif at_end:
                cells.append(bytes(cell))
                break
            elif byte == ord(","):
                cells.append(bytes(cell))
                cell, state = bytearray(), "start"
            elif state == "closing":
                reason = "stray_quote"
                break
            else:
                assert byte is not None
                cell.append(byte)
                state = "plain"
            position += 1
        if reason is not None:  # the first physical line alone
            position = start
            while position < len(data) and data[position] not in b"\r\n":
                position += 1
        body = data[start:position]
        if data[position : position + 2] == b"\r\n":
            position += 2
        elif position < len(data):
            position += 1
        if body and reason is None:
            try:
                body.decode()
            except UnicodeDecodeError:
                reason = "bad_utf8"
            if b"\0" in body:
                reason = "nul_byte"
            if len(body) > limit:
                reason = "too_large"
            if reason is None and len(cells) != width:
                reason = "wrong_column_count"
        if reason is not None:
            found.append(("reject", line, start, reason))
        elif body:
            found.append(("row", line, *(cell.decode() for cell in cells)))
        line += len(data[start:position].replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")) - 1
    return found
