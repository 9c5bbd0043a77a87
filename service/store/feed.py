"""Realtime as a source of hints that something is pending. Never the truth: the sweep is.

One private channel carries a broadcast, which arrives within milliseconds, and postgres_changes,
which works on every Supabase. The official client is used for one connection at a time and never
left to reconnect by itself, because it gives up silently.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable
from typing import Any

import structlog
from realtime import AsyncRealtimeChannel, AsyncRealtimeClient, RealtimeSubscribeStates

TOPIC = "music:pending"

_READY_SECONDS = 30
_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 30

log = structlog.get_logger(__name__)


class Feed:
    """Calls back whenever something may be pending, for as long as `run` runs.

    Args:
        url: the project's URL.
        key: the secret key.
        on_hint: called for every event and after every (re)subscription; must not block.
    """

    def __init__(self, url: str, key: str, on_hint: Callable[[], None]) -> None:
        self._url = f"{url}/realtime/v1"
        self._key = key
        self._on_hint = on_hint
        self._private = True

    async def run(self) -> None:
        """Subscribe, and anew whenever the connection ends; returns only when cancelled."""
        pause = _FIRST_PAUSE_SECONDS
        while True:
            connection = _Connection(self._url, self._key, self._on_hint, private=self._private)
            try:
                was_ready = await connection.listen()
            except Exception as error:  # noqa: BLE001  whatever it is, hints must come again
                was_ready = connection.was_ready
                log.warning("realtime_ended", reason=connection.reason(error))
            if connection.was_refused and self._private:
                self._private = False
                log.warning("realtime_private_refused", now="public, postgres_changes alone")
                continue
            pause = _FIRST_PAUSE_SECONDS if was_ready else min(pause * 2, _LONGEST_PAUSE_SECONDS)
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311


class _Connection:
    """One connection with one channel, thrown away when it ends."""

    def __init__(self, url: str, key: str, on_hint: Callable[[], None], *, private: bool) -> None:
        self._client = AsyncRealtimeClient(url, key, auto_reconnect=False, timeout=10)
        self._key = key
        self._on_hint = on_hint
        self._private = private
        self._ended = asyncio.Event()
        self._ready = asyncio.Event()
        self._why = "closed"
        self.was_ready = False
        self.was_refused = False

    async def listen(self) -> bool:
        """Return when the connection has ended; whether it ever worked."""
        try:
            await self._client.connect()
            await self._channel().subscribe(self._on_state)
            async with asyncio.timeout(_READY_SECONDS):
                await self._first_of(self._ready, self._ended)
            await self._ended.wait()
            if not self.was_refused:
                log.info("realtime_ended", reason=self._why)
        finally:
            with contextlib.suppress(Exception):
                await self._client.close()
        return self.was_ready

    def reason(self, error: Exception) -> str:
        """What ended it, without the key that the address holds."""
        return f"{type(error).__name__}: {error}".replace(self._key, "…")

    def _channel(self) -> AsyncRealtimeChannel:
        config: Any = {"config": {"private": self._private}}
        channel = self._client.channel(TOPIC, config)
        if self._private:
            channel.on_broadcast("pending", self._hint)
        for event in ("INSERT", "UPDATE"):
            channel.on_postgres_changes(
                event,  # type: ignore[arg-type]  # an enum of strings
                self._hint,
                table="music_tracks",
                schema="public",
                filter="status=eq.pending",
            )
        channel.on_system(self._on_system)
        return channel

    def _hint(self, _: Any) -> None:
        # An exception here would end the client's listening for good, silently.
        with contextlib.suppress(Exception):
            self._on_hint()

    def _on_system(self, message: Any) -> None:
        with contextlib.suppress(Exception):
            status, extension = _field(message, "status"), _field(message, "extension")
            if extension == "postgres_changes" and status == "ok":
                self.was_ready = True
                self._ready.set()
                log.info("realtime_subscribed", private=self._private)
                self._on_hint()  # what happened before was not announced
            elif status == "error":
                self._end(str(_field(message, "message")))

    def _on_state(self, state: RealtimeSubscribeStates, error: Exception | None) -> None:
        if state == RealtimeSubscribeStates.SUBSCRIBED:
            return
        self.was_refused = "Unauthorized" in str(error)
        self._end(f"{state.value} {error or ''}".strip())

    def _end(self, why: str) -> None:
        self._why = why
        self._ended.set()

    @staticmethod
    async def _first_of(*events: asyncio.Event) -> None:
        waiting = [asyncio.create_task(event.wait(), name="realtime") for event in events]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()


def _field(message: Any, name: str) -> Any:
    """A field of a payload that the client hands over as a model or as a dict."""
    return message.get(name) if isinstance(message, dict) else getattr(message, name, None)
