"""A folder of recordings, one subfolder per class, or the class in the name."""

from __future__ import annotations

import struct
from typing import ClassVar, Literal, NamedTuple

from pydantic import PositiveFloat

from ops.sources.base import Modality
from ops.sources.tree import ClassTreeSource

PCM, EXTENSIBLE = 1, 0xFFFE
PCM_GUID = bytes.fromhex("0100000000001000800000aa00389b71")


class Wave(NamedTuple):
    """What a WAV file's header says; `seconds` is by the samples that are really there."""

    channels: int
    rate: int
    bits: int
    seconds: float


class WavFolder(ClassTreeSource):
    """Recordings as they lie in `<path>/<class>/**`: the encoded WAV file, the class, the file's name.

    Every file that is not hidden is a row or a reject: empty files, files that are no RIFF/WAVE, that are not linear
    PCM of 8, 16, 24 or 32 bits, that end before their header says, hold no sample, or are longer than allowed.
    """

    modality: ClassVar[Modality] = "sound"
    content: ClassVar[str] = "sound"

    kind: Literal["wav_folder"] = "wav_folder"
    """A folder of WAV files by class."""
    max_seconds: PositiveFloat = 600.0
    """Longest recording in seconds."""

    def fault(self, data: bytes, ending: str) -> tuple[str, str] | None:
        """What is wrong with a recording; see `ClassTreeSource.fault`."""
        try:
            wave = read_header(data)
        except ValueError as error:
            reason, detail = str(error).split(": ", 1)
            return reason, detail
        if ending not in (".wav", ".wave"):
            return "wrong_extension", f"the file is WAV, its name says {ending or 'nothing'}"
        if wave.seconds > self.max_seconds:
            return "too_long", f"{wave.seconds:.1f} s, {self.max_seconds} s are allowed"
        return None


def read_header(data: bytes) -> Wave:
    """Format and length of a WAV file (RIFF, Microsoft 1991; multimedia standards update 1994).

    Raises:
        ValueError: `reason: detail`.
    """
    if len(data) < 12 or data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise ValueError("undecodable: no RIFF/WAVE header")
    form: tuple[int, ...] | None = None
    position = 12
    while position + 8 <= len(data):
        name, size = data[position : position + 4], struct.unpack_from("<I", data, position + 4)[0]
        body = position + 8
        if name == b"fmt ":
            form = _format(data[body : body + size])
        elif name == b"data":
            return _length(form, size, len(data) - body)
        position = body + size + size % 2
    raise ValueError("undecodable: it holds no samples")


def _format(body: bytes) -> tuple[int, ...]:
    if len(body) < 16:
        raise ValueError("undecodable: its format is cut off")
    tag, channels, rate, _, frame, bits = struct.unpack_from("<HHIIHH", body)
    if tag == EXTENSIBLE and body[24:40] == PCM_GUID:
        tag = PCM
    if tag != PCM:
        raise ValueError(f"not_pcm: it is of format {tag}")
    if bits not in (8, 16, 24, 32) or not channels or not rate or frame != channels * bits // 8:
        raise ValueError(f"undecodable: {channels} channels, {rate} Hz, {bits} bits, {frame} bytes a frame")
    return channels, rate, bits, frame


def _length(form: tuple[int, ...] | None, size: int, there: int) -> Wave:
    if form is None:
        raise ValueError("undecodable: samples before the format")
    channels, rate, bits, frame = form
    if size > there:
        raise ValueError(f"cut_off: {there} of {size} bytes of samples are there")
    if size < frame:
        raise ValueError("empty_sound: it holds no sample")
    return Wave(channels, rate, bits, size // frame / rate)
