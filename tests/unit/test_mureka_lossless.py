"""How WAV and FLAC begin: what they are, how long, and whether all is there."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from local_supabase.simulator.music import compose
from music_service.mureka.lossless import Sound, read_flac, read_wav

WAV = compose("rain", 2.0, "wav")
FLAC = compose("rain", 2.0, "flac")


def chunk(name: bytes, content: bytes, told: int | None = None) -> bytes:
    length = len(content) if told is None else told
    return name + struct.pack("<I", length) + content + b"\0" * (len(content) % 2)


def wav(*chunks: bytes) -> bytes:
    content = b"WAVE" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(content)) + content


def fmt(
    hertz: int = 44_100, frame_bytes: int = 4, told: int | None = None, more: bytes = b""
) -> bytes:
    told = hertz * frame_bytes if told is None else told
    return chunk(b"fmt ", struct.pack("<HHIIHH", 1, 2, hertz, told, frame_bytes, 16) + more)


def flac(
    hertz: int = 44_100, samples: int = 88_200, frame: bytes = b"\xff\xf8", *more: bytes
) -> bytes:
    facts = bytes(10) + (hertz << 44 | 1 << 41 | 15 << 36 | samples).to_bytes(8, "big") + bytes(16)
    blocks = [b"\0", *more]
    blocks[-1] = bytes([blocks[-1][0] | 0x80]) + blocks[-1][1:]
    rest = b"".join(each[:1] + len(each[1:]).to_bytes(3, "big") + each[1:] for each in blocks[1:])
    return b"fLaC" + blocks[0] + b"\0\0\x22" + facts + rest + frame


def sound_of(content: bytes, folder: Path, read: object = read_wav) -> Sound | None:
    path = folder / "sound"
    path.write_bytes(content)
    assert callable(read)
    found: Sound | None = read(path)
    return found


def test_a_real_file_of_each_kind_is_read(tmp_path: Path) -> None:
    assert sound_of(WAV, tmp_path) == Sound(2000, is_whole=True)
    assert sound_of(FLAC, tmp_path, read_flac) == Sound(2000, is_whole=None)


@pytest.mark.parametrize("cut", [44, 45, 1000, len(WAV) - 1])
def test_a_wav_that_is_cut_says_so(cut: int, tmp_path: Path) -> None:
    read = sound_of(WAV[:cut], tmp_path)
    assert read is not None
    assert read.is_whole is False


def test_a_wav_may_have_other_chunks_before_and_behind_its_sound(tmp_path: Path) -> None:
    data = bytes(44_100 * 4)
    content = wav(
        chunk(b"JUNK", b"x" * 27), fmt(more=bytes(24)), chunk(b"data", data), chunk(b"LIST", b"x")
    )
    assert sound_of(content, tmp_path) == Sound(1000, is_whole=True)


@pytest.mark.parametrize("told", [0, 0xFFFFFFFF])
def test_a_wav_that_was_written_as_it_came_does_not_tell_its_length(
    told: int, tmp_path: Path
) -> None:
    content = wav(fmt(), chunk(b"data", bytes(44_100 * 4), told))
    assert sound_of(content, tmp_path) == Sound(1000, is_whole=None)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"RIFF",
        FLAC,
        b"RIFF\0\0\0\0AVI ",
        wav(),
        wav(fmt()),
        wav(chunk(b"data", bytes(1000))),
        wav(fmt(hertz=0), chunk(b"data", bytes(1000))),
        wav(fmt(told=5), chunk(b"data", bytes(1000))),
        wav(fmt(hertz=2**31, frame_bytes=1), chunk(b"data", bytes(1000))),
        wav(chunk(b"fmt ", b"x"), chunk(b"data", bytes(1000))),
        wav(*[chunk(b"JUNK", b"")] * 300, fmt(), chunk(b"data", bytes(1000))),
        wav(chunk(b"JUNK", b"", 0xFFFFFFFF), fmt(), chunk(b"data", bytes(1000))),
        b"<html>" + b"x" * 1000,
    ],
)
def test_what_is_no_wav_is_none(content: bytes, tmp_path: Path) -> None:
    assert sound_of(content, tmp_path) is None


def test_a_flac_may_have_other_blocks_before_its_sound(tmp_path: Path) -> None:
    content = flac(44_100, 88_200, b"\xff\xf9", b"\4" + b"x" * 70_000, b"\1" + bytes(100))
    assert sound_of(content, tmp_path, read_flac) == Sound(2000, is_whole=None)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"fLaC",
        WAV,
        FLAC[:42],
        FLAC[:20],
        flac(frame=b""),
        flac(frame=b"<h"),
        flac(hertz=0),
        flac(samples=0),
        flac(44_100, 88_200, b"\xff\xf8", *[b"\1x"] * 300),
        b"fLaC\x84" + FLAC[5:],
        b"fLaC" + b"x" * 100_000,
    ],
)
def test_what_is_no_flac_is_none(content: bytes, tmp_path: Path) -> None:
    assert sound_of(content, tmp_path, read_flac) is None
