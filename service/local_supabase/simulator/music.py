"""Music made of sums of sines: a small tune, a bass and a beat, each prompt's own."""

from __future__ import annotations

import hashlib
import io

import lameenc
import numpy as np
import soundfile
from numpy.typing import NDArray

SAMPLE_RATE = 44_100
BIT_RATE_KBPS = 192

Samples = NDArray[np.float64]

_SCALES = ((0, 2, 4, 7, 9), (0, 3, 5, 7, 10), (0, 2, 3, 7, 8), (0, 2, 5, 7, 9))
_PEAK = 0.8


def compose(prompt: str, seconds: float, audio_format: str) -> bytes:
    """The music of a prompt as `mp3`, `wav` or `flac`; the same prompt, the same bytes."""
    if audio_format == "mp3":
        return compose_mp3(prompt, seconds)
    file = io.BytesIO()
    soundfile.write(file, _pcm(_compose(prompt, seconds)), SAMPLE_RATE, format=audio_format)
    return file.getvalue()


def compose_mp3(prompt: str, seconds: float) -> bytes:
    """The MP3 of a prompt: 192 kbps constant, 44.1 kHz stereo; the same prompt, the same bytes."""
    return _encode(_pcm(_compose(prompt, seconds)))


def beat_seconds_of(prompt: str) -> float:
    """How long a beat of a prompt's music lasts; the first is at its very beginning."""
    return _beat_seconds(_random(prompt))


def _random(prompt: str) -> np.random.Generator:
    digest = hashlib.sha256(prompt.encode("utf-8", "replace")).digest()
    return np.random.default_rng(int.from_bytes(digest[:8]))


def _beat_seconds(random: np.random.Generator) -> float:
    return float(60 / random.integers(70, 140))


def _compose(prompt: str, seconds: float) -> Samples:
    """Samples of shape (frames, 2) within ±1."""
    random = _random(prompt)
    beat_seconds = _beat_seconds(random)
    root_hz = 110 * 2 ** (random.integers(0, 12) / 12)
    scale = _SCALES[random.integers(len(_SCALES))]
    left, right = (np.zeros(int(seconds * SAMPLE_RATE)) for _ in range(2))
    for beat in range(int(seconds / beat_seconds)):
        start = int(beat * beat_seconds * SAMPLE_RATE)
        step = int(random.integers(0, 10))
        tone_hz = 2 * root_hz * 2 ** ((scale[step % 5] + 12 * (step // 5)) / 12)
        width = random.uniform(0.2, 0.8)
        tone = _tone(tone_hz, 1.5 * beat_seconds)
        _add(left, start, tone * width)
        _add(right, start, tone * (1 - width))
        if beat % 4 == 0:
            bass = _tone(root_hz * 2 ** (scale[int(random.integers(3))] / 12), 4 * beat_seconds)
            _add(left, start, 0.6 * bass)
            _add(right, start, 0.6 * bass)
    both = np.stack([left, right], axis=1)
    return both * (_PEAK / max(float(np.abs(both).max()), 1e-9))


def _tone(hertz: float, seconds: float) -> Samples:
    time = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    wave = np.sin(2 * np.pi * hertz * time) + 0.3 * np.sin(4 * np.pi * hertz * time)
    decaying: Samples = wave * np.exp(-3 * time / seconds) * np.minimum(time / 0.01, 1)
    return decaying


def _add(track: Samples, start: int, tone: Samples) -> None:
    room = track[start : start + len(tone)]
    room += tone[: len(room)]


def _pcm(samples: Samples) -> NDArray[np.int16]:
    return (samples * 32767).astype("<i2")


def _encode(samples: NDArray[np.int16]) -> bytes:
    encoder = lameenc.Encoder()
    encoder.set_bit_rate(BIT_RATE_KBPS)
    encoder.set_in_sample_rate(SAMPLE_RATE)
    encoder.set_channels(2)
    encoder.set_quality(7)
    encoder.silence()
    return bytes(encoder.encode(samples.tobytes())) + bytes(encoder.flush())
