"""Tracks, claims and options as the unit tests need them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import uuid4

from music_service.tracks import (
    Claim,
    DeliveredMusic,
    Generation,
    GenerationRequest,
    StoredAudio,
    Track,
)
from music_service.worker.ports import Options


def options(**changes: Any) -> Options:
    """The product's own patience, under the name `worker`."""
    named: dict[str, Any] = {
        "worker_id": "worker",
        "host": "host",
        "version": "1",
        "model": "mureka-9",
        "expected_cost_cents": Decimal("4.5"),
    }
    return Options(**(named | changes))


def a_track(**changes: Any) -> Track:
    """An instrumental that an app's user asked for."""
    wished: dict[str, Any] = {"id": uuid4(), "user_id": uuid4(), "prompt": "calm piano"}
    return Track(**(wished | changes))


def some_music(url: str | None = None) -> DeliveredMusic:
    """An MP3 under the key `key`."""
    return DeliveredMusic({"mp3": StoredAudio("key", url, 3_000_000)}, 123_000)


def a_claim(
    track: Track | None = None,
    *,
    receipt: str | None = None,
    age_seconds: float = 0,
    request: GenerationRequest | None = None,
    expected_seconds: float | None = None,
    waited_seconds: float | None = None,
    asked_seconds: float | None = None,
) -> Claim:
    """A claim; with a receipt, one that is to be resumed."""
    resumed = None
    if receipt is not None:
        sent = request or GenerationRequest("instrumental", {"n": 1})
        resumed = Generation(uuid4(), sent, receipt, age_seconds)
    return Claim(
        uuid4(),
        track or a_track(),
        resumed,
        expected_seconds,
        waited_seconds=waited_seconds,
        asked_seconds=asked_seconds,
    )
