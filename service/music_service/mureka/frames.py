"""The frames of an MP3, walked one after the other: what is not made of them is no music.

Source: ISO 11172-3 and 13818-3 for the header of four bytes; the tags ID3v1, ID3v2 and Xing/Info.
"""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from pathlib import Path

_ID3V1_BYTES = 128
_KBPS = {  # by version 1 or 2, layer III; index 0 is "free", 15 is forbidden
    1: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    2: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_HERTZ = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
# Bytes between frames that belong to none: an unknown tag at most.
_MOST_OTHER_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Frames:
    """What was found.

    `stated` is how many frames the encoder wrote into its tag, 0 without one; `is_cut` says that
    the last frame is not whole; `other_bytes` belong to no frame and to no tag that is known.
    """

    count: int
    stated: int
    duration_ms: int
    other_bytes: int
    is_cut: bool

    @property
    def are_missing(self) -> bool:
        """Whether far fewer are there than the encoder wrote."""
        return self.count < 0.98 * self.stated - 1


@dataclass(frozen=True, slots=True)
class _Header:
    version_bits: int
    hertz: int
    size: int
    is_mono: bool

    @property
    def samples(self) -> int:
        return 1152 if self.version_bits == 3 else 576

    @property
    def side_bytes(self) -> int:
        """Bytes between the header and the place of a Xing tag, without a checksum."""
        if self.version_bits == 3:
            return 17 if self.is_mono else 32
        return 9 if self.is_mono else 17


def count_frames(path: Path) -> Frames:
    """Walk a file that is not empty; stops early where it is clearly no MP3."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return _walk(content)


def _walk(content: mmap.mmap) -> Frames:
    at, end = _after_id3(content), _before_id3v1(content)
    first: _Header | None = None
    count = other = stated = 0
    is_cut, in_step = at > end, True
    while at + 4 <= end and other <= _MOST_OTHER_BYTES:
        header = _header(content[at : at + 4])
        if header is not None and in_step and count and at + header.size > end:
            is_cut = True
            break
        if header is None or not _fits(content, at, header, first, end):
            if _is_tag(content, at):
                break
            found = content.find(b"\xff", at + 1, end)
            step = (found if found >= 0 else end) - at
            other, at, in_step = other + step, at + step, False
            continue
        if first is None:
            first, stated = header, _stated_frames(content, at, header)
            count -= stated > 0  # the frame of the tag is no sound
        count, at, in_step = count + 1, at + header.size, True
    count = max(count, 0)
    duration_ms = round(count * first.samples * 1000 / first.hertz) if first else 0
    return Frames(count, stated, duration_ms, other, is_cut)


def _fits(content: mmap.mmap, at: int, header: _Header, first: _Header | None, end: int) -> bool:
    """Whether it is a frame: of the same kind as the first, and what follows is one or a tag."""
    if first is not None and (first.version_bits, first.hertz) != (
        header.version_bits,
        header.hertz,
    ):
        return False
    after = at + header.size
    if after + 4 > end:
        return after <= end
    return _header(content[after : after + 4]) is not None or _is_tag(content, after)


def _is_tag(content: mmap.mmap, at: int) -> bool:
    return content[at : at + 3] in (b"TAG", b"ID3", b"APE", b"LYR")


def _header(head: bytes) -> _Header | None:
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE6 != 0xE2:  # sync, layer III
        return None
    version_bits, rate, frequency = head[1] >> 3 & 3, head[2] >> 4, head[2] >> 2 & 3
    if version_bits == 1 or rate in (0, 15) or frequency == 3:
        return None
    hertz = _HERTZ[version_bits][frequency]
    kbps = _KBPS[1 if version_bits == 3 else 2][rate]
    samples = 1152 if version_bits == 3 else 576
    size = samples // 8 * kbps * 1000 // hertz + (head[2] >> 1 & 1)
    return _Header(version_bits, hertz, size, is_mono=head[3] >> 6 == 3)


def _stated_frames(content: mmap.mmap, at: int, header: _Header) -> int:
    """How many frames the tag of the encoder tells of; 0 without one."""
    has_checksum = not content[at + 1] & 1
    place = at + 4 + 2 * has_checksum + header.side_bytes
    if content[place : place + 4] not in (b"Xing", b"Info") or not content[place + 7] & 1:
        return 0
    return int.from_bytes(content[place + 8 : place + 12], "big")


def _after_id3(content: mmap.mmap) -> int:
    """Where the tag at the beginning ends; 0 without one."""
    if content[:3] != b"ID3" or len(content) < 10:
        return 0
    size = 0
    for byte in content[6:10]:
        size = size << 7 | byte & 0x7F
    has_footer = bool(content[5] & 0x10)
    return 10 + size + 10 * has_footer


def _before_id3v1(content: mmap.mmap) -> int:
    end = len(content)
    return end - _ID3V1_BYTES if content[-_ID3V1_BYTES:][:3] == b"TAG" and end > 128 else end
