"""Records of delimited text that are longer than allowed: passed over piece by piece, and never held."""

from __future__ import annotations

from ops.sources.delimited import Dialect
from ops.sources.window import Window, count_line_ends


def pass_record(window: Window, dialect: Dialect) -> tuple[int, str, str]:
    """Move the window behind its first record, however long that is.

    Returns:
        Bytes of the record without its line end; or reason and detail if its grammar is broken: the window is then
        where it was.
    """
    with window.attempt() as back:
        scan = _Scan(window, dialect)
        reason = scan.run()
        if reason:
            back()
        return scan.size, reason, f"in field {scan.fields}" if reason else ""


class _Scan:
    """The grammar of `Dialect.record` over bytes that are dropped as soon as they are looked at."""

    def __init__(self, window: Window, dialect: Dialect) -> None:
        self.window, self.dialect = window, dialect
        self.position = 0
        self.size = 0
        self.fields = 0

    def run(self) -> str:
        while True:
            self.fields += 1
            quote = self.dialect.quote
            if quote and self._sign(0) == quote:
                self.position += 1
                reason = self._quoted()
                if reason:
                    return reason
            if self._plain() != self.dialect.separator:
                return ""

    def _quoted(self) -> str:
        """Go behind the closing quote sign; the reason if there is none, or something behind it."""
        quote = self.dialect.quote
        while True:
            close = self.window.data.find(quote, self.position)
            if close < 0:
                if self.window.final:
                    return "unclosed_quote"
                self._more(len(self.window.data))
                continue
            self.position = close + 1
            behind = self._sign(0)
            if behind == quote:
                self.position += 1
                continue
            return "" if behind in (b"", b"\n", b"\r", self.dialect.separator) else "stray_quote"

    def _plain(self) -> bytes:
        """Go behind what ends the field; at a line end or the end of the file the window is moved behind it."""
        while True:
            found = self.dialect.field_end.search(self.window.data, self.position)
            if found is not None:
                break
            if self.window.final:
                self._drop(len(self.window.data))
                return b""
            self._more(len(self.window.data))
        sign = found.group()
        self.position = found.start()
        if sign == self.dialect.separator:
            self.position += 1
            return sign
        ends = 2 if sign == b"\r" and self._sign(1) == b"\n" else 1
        self._drop(self.position + ends)
        self.size -= ends
        return sign

    def _sign(self, ahead: int) -> bytes:
        """The byte at the position or behind it, empty at the end of the file."""
        while self.position + ahead >= len(self.window.data) and not self.window.final:
            self._more(self.position)
        return self.window.data[self.position + ahead : self.position + ahead + 1]

    def _more(self, done: int) -> None:
        """Drop what was looked at and read on. A CR stays until it is known whether it is half of a line end."""
        data = self.window.data
        self.position = done
        if data[:done].endswith(b"\r"):
            done -= 1
        self._drop(done)
        self.window.fill()

    def _drop(self, size: int) -> None:
        self.window.drop(size, count_line_ends(self.window.data[:size]))
        self.position -= size
        self.size += size
