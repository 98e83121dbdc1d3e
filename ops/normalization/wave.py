"""Reading WAV files: header first, bounds checked, and a named refusal instead of an error."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_DEPTHS = {(_PCM, 8), (_PCM, 16), (_PCM, 24), (_PCM, 32), (_FLOAT, 32), (_FLOAT, 64)}
_CHANNELS, _RATE = 64, 768_000


@dataclass(frozen=True, eq=False)
class Wave:
    """A sound.

    Attributes:
        samples: (T, C) float32; full scale is -1 to 1.
        rate: samples in a second.
        full: the highest value that its form can hold.
    """

    samples: NDArray[np.float32]
    rate: int
    full: float = 1.0

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return len(self.samples) / self.rate


@dataclass(frozen=True)
class Unreadable:
    """Why a sound is not taken: a reason for counting, and what it rests on."""

    reason: Literal["missing", "not_wav", "truncated", "unsupported", "not_finite"]
    evidence: str


@dataclass(frozen=True)
class _Format:
    kind: int
    channels: int
    rate: int
    bits: int


def decoded_wave(data: bytes | None) -> Wave | Unreadable:
    """Decode a WAV file (RIFF, Microsoft and IBM, 1991): PCM of 8, 16, 24 or 32 bits, or IEEE floats of 32 or 64.

    8-bit samples are unsigned, others signed, lowest byte first. Chunks other than `fmt ` and `data` are passed over.
    A data chunk that says it has more bytes than the file is `truncated`.
    """
    if not data:
        return Unreadable("missing", "0 bytes")
    if len(data) < 12 or data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        return Unreadable("not_wav", f"{len(data)} bytes, starting {data[:12].hex()}")
    format_: _Format | None = None
    place = 12
    while place + 8 <= len(data):
        name, size = data[place : place + 4], struct.unpack_from("<I", data, place + 4)[0]
        body = data[place + 8 : place + 8 + size]
        if len(body) < size:
            return Unreadable("truncated", f"{size} bytes of {name!r} said, {len(body)} there")
        if name == b"fmt ":
            found = _format(body)
            if isinstance(found, Unreadable):
                return found
            format_ = found
        elif name == b"data":
            if format_ is None:
                return Unreadable("not_wav", "samples before their format")
            return _wave(body, format_)
        place += 8 + size + size % 2
    return Unreadable("truncated", "no samples")


def _format(body: bytes) -> _Format | Unreadable:
    if len(body) < 16:
        return Unreadable("truncated", f"a format of {len(body)} bytes")
    kind, channels, rate, _, align, bits = struct.unpack_from("<HHIIHH", body)
    if kind == _EXTENSIBLE and len(body) >= 26:
        kind = struct.unpack_from("<H", body, 24)[0]
    said = f"format {kind}, {bits} bits, {channels} channels, {rate} Hz"
    if (kind, bits) not in _DEPTHS or not 1 <= channels <= _CHANNELS or not 1 <= rate <= _RATE:
        return Unreadable("unsupported", said)
    if align != channels * bits // 8:
        return Unreadable("unsupported", f"{said}, {align} bytes a frame")
    return _Format(kind, channels, rate, bits)


def _wave(body: bytes, said: _Format) -> Wave | Unreadable:
    import numpy as np

    width = said.channels * said.bits // 8
    values: NDArray[np.float32]
    if len(body) % width:
        return Unreadable("truncated", f"{len(body)} bytes are no whole number of frames of {width}")
    if said.kind == _FLOAT:
        values = np.frombuffer(body, "<f4" if said.bits == 32 else "<f8").astype(np.float32)
        if not np.isfinite(values).all():
            return Unreadable("not_finite", "samples are not all finite")
    elif said.bits == 8:
        values = (np.frombuffer(body, np.uint8).astype(np.float32) - np.float32(128)) / np.float32(128)
    elif said.bits == 24:
        wide = np.zeros((len(body) // 3, 4), np.uint8)
        wide[:, 1:] = np.frombuffer(body, np.uint8).reshape(-1, 3)
        values = (wide.view("<i4").ravel() / 2.0**31).astype(np.float32)
    else:
        whole = np.frombuffer(body, "<i2" if said.bits == 16 else "<i4")
        values = (whole / 2.0 ** (said.bits - 1)).astype(np.float32)
    full = 1.0 if said.kind == _FLOAT else 1 - 2.0 ** (1 - said.bits)
    return Wave(values.reshape(-1, said.channels), said.rate, full)
