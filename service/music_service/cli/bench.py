"""`music-service bench`: how quick the project is, seen from here."""

from __future__ import annotations

import logging
from typing import Annotated

import typer

from music_service.cli.arguments import Json
from music_service.cli.drawing import console
from music_service.cli.output import answer, answer_json
from music_service.cli.signals import run_async
from music_service.doctor.latency import (
    Latency,
    broadcast_latency,
    call_latency,
    track_latencies,
)
from music_service.doctor.probe import probing
from music_service.settings import ProjectSettings

_MOST_ROUNDS = 1000
_WORDS = {
    "call": "a call of the API",
    "broadcast": "a broadcast, until it is heard",
    "pick_up": "tracks of the last day, until they were claimed",
    "made": "and from there until they were completed",
}


def bench(
    *,
    rounds: Annotated[
        int, typer.Option(min=1, max=_MOST_ROUNDS, help="How often each is measured.")
    ] = 50,
    json: Json = False,
) -> None:
    """Measure how quick the project is, seen from here; nothing is spent or written."""
    logging.getLogger("realtime").setLevel(logging.CRITICAL)
    settings = ProjectSettings.load()
    key = settings.supabase_secret_key.get_secret_value()
    found = run_async(_measure(settings.supabase_url, key, rounds))
    if json:
        answer_json({name: latency and latency.to_json() for name, latency in found.items()})
        return
    for name, latency in found.items():
        answer(f"{_WORDS[name]}: {_said(latency)}")


async def _measure(url: str, key: str, rounds: int) -> dict[str, Latency | None]:
    async with probing(url, key) as probe:
        with console.status(f"Measuring, {rounds} times each ..."):
            return {
                "call": await call_latency(probe, rounds),
                "broadcast": await broadcast_latency(probe, url, key, rounds),
                **await track_latencies(probe),
            }


def _said(latency: Latency | None) -> str:
    if latency is None:
        return "none"
    return f"p50 {_time(latency.p50_ms)}, p99 {_time(latency.p99_ms)} of {latency.n}"


def _time(ms: float) -> str:
    return f"{ms:.1f} ms" if ms < 1000 else f"{ms / 1000:.1f} s"
