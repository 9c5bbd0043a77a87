"""How quick a project is, seen from here: calls, broadcasts, and the tracks of the last day.

Nothing is spent, no worker is woken and nothing is written.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from music_service.doctor.expected import TABLE
from music_service.doctor.listener import Listener
from music_service.doctor.probe import Answer, Probe
from music_service.doctor.realtime import TOPIC
from music_service.errors import ConfigurationError, TransientError
from music_service.store.realtime import Channel

_WARM_UPS = 3
_PATIENCE_SECONDS = 10
_TRACKS = 1000  # the API answers no more rows at a time
_COLUMNS = "created_at,started_at,completed_at,run_after"


@dataclass(frozen=True, slots=True)
class Latency:
    """The median and the 99th of a hundred of so many, in milliseconds."""

    p50_ms: float
    p99_ms: float
    n: int

    @classmethod
    def of(cls, values_ms: Sequence[float]) -> Latency | None:
        """None where there are no values."""
        if not values_ms:
            return None
        known = sorted(values_ms)
        last = len(known) - 1
        return cls(known[round(0.5 * last)], known[round(0.99 * last)], len(known))

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        return asdict(self)


async def call_latency(probe: Probe, rounds: int) -> Latency | None:
    """Of a small call of the database through the API, one after the other.

    Raises:
        ConfigurationError: the project refuses the call.
        TransientError: it does not answer.
    """
    took = list[float]()
    for _ in range(_WARM_UPS + rounds):
        began = _now()
        _check(await probe.call("music_schema_version", {}))
        took.append(1000 * (_now() - began))
    return Latency.of(took[_WARM_UPS:])


async def broadcast_latency(probe: Probe, url: str, key: str, rounds: int) -> Latency | None:
    """From the call that has the database broadcast until it is heard; lost ones are left out.

    Raises: as `call_latency`; TransientError, too, where the socket cannot be opened.
    """
    channel = Channel(url, key, TOPIC, private=True)
    listener = Listener(channel)
    listener.hear_broadcasts("ping", "nonce")
    took = list[float]()
    async with channel.opened():
        refusal = await listener.refusal()
        if refusal is not None:
            raise TransientError(f"Realtime refuses private channels to the service: {refusal}")
        for _ in range(_WARM_UPS + rounds):
            nonce, began = str(uuid.uuid4()), _now()
            heard = listener.expect(nonce)
            _check(await probe.call("ping_music_realtime", {"p_nonce": nonce}))
            try:
                async with asyncio.timeout(_PATIENCE_SECONDS):
                    took.append(1000 * (await heard - began))
            except TimeoutError:
                continue
    return Latency.of(took[_WARM_UPS:])


async def track_latencies(probe: Probe) -> dict[str, Latency | None]:
    """Of the tracks of the last day: `pick_up`, from insert to claim, and `made`, from there.

    Those that were put off, or asked for with a later time, are left out.

    Raises: as `call_latency`.
    """
    since = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    where = {"created_at": f"gte.{since}", "started_at": "not.is.null", "order": "created_at.desc"}
    answer = _check(await probe.select(TABLE, _COLUMNS, limit=_TRACKS, where=where))
    times = [{name: _read(at) for name, at in row.items() if at} for row in answer.body]
    prompt = [row for row in times if row["run_after"] <= row["created_at"] + timedelta(seconds=1)]
    return {
        "pick_up": Latency.of([_ms(row["created_at"], row["started_at"]) for row in prompt]),
        "made": Latency.of(
            [_ms(row["started_at"], row["completed_at"]) for row in prompt if "completed_at" in row]
        ),
    }


def _check(answer: Answer) -> Answer:
    if answer.is_ok:
        return answer
    if 400 <= answer.status < 500:
        raise ConfigurationError(
            f"The project refuses the call: {answer.message}. See: music-service doctor"
        )
    raise TransientError(f"The project does not answer: {answer.message}")


def _read(at: str) -> datetime:
    return datetime.fromisoformat(at)


def _ms(since: datetime, until: datetime) -> float:
    return 1000 * (until - since).total_seconds()


def _now() -> float:
    return asyncio.get_running_loop().time()
