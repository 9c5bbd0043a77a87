"""WAV and FLAC as far as their beginning tells what they are, how long, and whether all is there.

Source: Microsoft's RIFF and WAVEFORMATEX; RFC 9639 for FLAC.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

_MOST_CHUNKS = 200  # before the sound; both kinds of file have a handful
_UNKNOWN_BYTES = (0, 0xFFFFFFFF)  # what is written where the length was not known at the start
_BYTES_PER_SECOND = (8_000, 4_000_000)
_HERTZ = (8_000, 384_000)


@dataclass(frozen=True, slots=True)
class Sound:
    """What a file begins with; `is_whole` is None where only its end could tell."""

    duration_ms: int
    is_whole: bool | None


def read_wav(path: Path) -> Sound | None:
    """The sound of a WAV file; None where it is none."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(12)
        if head[:4] != b"RIFF" or head[8:] != b"WAVE":
            return None
        bytes_per_second = 0
        for _ in range(_MOST_CHUNKS):
            head = file.read(8)
            if len(head) < 8:
                return None
            name, length = head[:4], int.from_bytes(head[4:], "little")
            if name == b"data":
                return _sound_of_wav(bytes_per_second, length, size - file.tell())
            content = file.read(16) if name == b"fmt " else b""
            if content:
                bytes_per_second = _bytes_per_second(content)
            file.seek(length + length % 2 - len(content), 1)
    return None


def read_flac(path: Path) -> Sound | None:
    """The sound of a FLAC file; None where it is none or does not tell its length."""
    with path.open("rb") as file:
        if file.read(4) != b"fLaC":
            return None
        kind, length, is_last = _block(file)
        facts = file.read(34)
        if kind != 0 or length != 34 or len(facts) < 34:
            return None
        for _ in range(_MOST_CHUNKS):
            if is_last:
                break
            _, length, is_last = _block(file)
            file.seek(length, 1)
        frame = file.read(2)
    if not is_last or len(frame) < 2 or int.from_bytes(frame, "big") >> 1 != 0x7FFC:
        return None
    bits = int.from_bytes(facts[10:18], "big")
    hertz, samples = bits >> 44, bits & (1 << 36) - 1
    if not _HERTZ[0] <= hertz <= _HERTZ[1] or not samples:
        return None
    return Sound(round(samples * 1000 / hertz), None)


def _sound_of_wav(bytes_per_second: int, told: int, there: int) -> Sound | None:
    if not bytes_per_second:
        return None
    is_told = told not in _UNKNOWN_BYTES
    length = min(told, there) if is_told else there
    is_whole = told <= there if is_told else None
    return Sound(round(length * 1000 / bytes_per_second), is_whole)


def _bytes_per_second(content: bytes) -> int:
    """What a second takes by its format; 0 where that is no sound."""
    hertz = int.from_bytes(content[4:8], "little")
    told = int.from_bytes(content[8:12], "little")
    frame_bytes = int.from_bytes(content[12:14], "little")
    is_right = told == hertz * frame_bytes and (
        _BYTES_PER_SECOND[0] <= told <= _BYTES_PER_SECOND[1]
    )
    return told if is_right else 0


def _block(file: BinaryIO) -> tuple[int, int, bool]:
    """Kind and length of a block of facts, and whether it is the last."""
    head = file.read(4)
    if len(head) < 4:
        return -1, 0, False
    return head[0] & 0x7F, int.from_bytes(head[1:], "big"), bool(head[0] & 0x80)
