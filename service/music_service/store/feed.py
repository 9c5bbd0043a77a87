"""Realtime as a source of hints that something is pending. Never the truth: the sweep is.

One private channel carries a broadcast, which arrives within milliseconds, and postgres_changes,
which works on every Supabase. The official client can go deaf in many ways without a word, so it
is believed only as far as it gives evidence, used for one connection, and thrown away.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections import Counter
from collections.abc import Callable
from typing import Any
from uuid import UUID

import structlog
from realtime import AsyncRealtimeChannel, AsyncRealtimeClient, RealtimeSubscribeStates

TOPIC = "music:pending"

_JOIN_SECONDS = 10
_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 30
_STEADY_SECONDS = 60
_CLOSE_SECONDS = 1.0
_DELIVERY_SECONDS = 1.0  # an event may take this long and is not missed yet
_REMEMBERED_IDS = 10_000

log = structlog.get_logger(__name__)


class Feed:
    """Calls back whenever something may be pending, for as long as `run` runs.

    Args:
        url: the project's URL.
        key: the secret key.
        on_hint: called for every event; must not block.
        on_gap: called after every (re)subscription: what came before was not announced.
        ready_seconds: how long a connection may take until the server says that it is subscribed.
    """

    def __init__(
        self,
        url: str,
        key: str,
        on_hint: Callable[[], None],
        on_gap: Callable[[], None],
        *,
        ready_seconds: float = 30,
    ) -> None:
        self._url = f"{url}/realtime/v1"
        self._key = key
        self._on_hint = on_hint
        self._on_gap = on_gap
        self._ready_seconds = ready_seconds
        self._connection: _Connection | None = None
        self._silent_since: float | None = time.monotonic()
        self._subscribed_at: float | None = None

    @property
    def is_working(self) -> bool:
        """Whether hints are to be expected at the moment."""
        return self._silent_since is None

    def has_missed(self, track_id: UUID, waited_seconds: float | None) -> bool:
        """Whether a track inserted so long ago should have been announced and was not.

        None where it did not become due by its insert.
        """
        if waited_seconds is None or self._connection is None or self._subscribed_at is None:
            return False
        listened_seconds = time.monotonic() - self._subscribed_at
        was_due = _DELIVERY_SECONDS < waited_seconds < listened_seconds
        return was_due and not self._connection.has_heard_of(track_id)

    def distrust(self) -> None:
        """It has missed something: begin anew."""
        if self._connection is not None and self.is_working:
            self._connection.end("rows came that it had not announced")

    async def run(self) -> None:
        """Subscribe, and anew whenever the connection ends; returns only when cancelled."""
        pause, private = _FIRST_PAUSE_SECONDS, True
        while True:
            began = time.monotonic()
            self._connection = _Connection(
                self._url, self._key, self._on_hint, self._subscribed, private=private
            )
            reason = await self._connection.listen(self._ready_seconds)
            if private and self._connection.was_refused:
                private = False
                log.warning("realtime_private_refused", now="public, with postgres_changes alone")
                continue
            self._lost(reason)
            private = True
            steady = time.monotonic() - began > _STEADY_SECONDS
            pause = _FIRST_PAUSE_SECONDS if steady else min(pause * 2, _LONGEST_PAUSE_SECONDS)
            await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311

    def _subscribed(self) -> None:
        if self._silent_since is not None:
            silent_seconds = round(time.monotonic() - self._silent_since, 1)
            log.info("realtime_subscribed", silent_seconds=silent_seconds)
            self._silent_since = None
        self._subscribed_at = time.monotonic()
        self._on_gap()

    def _lost(self, reason: str) -> None:
        self._subscribed_at = None
        if self._silent_since is None:
            self._silent_since = time.monotonic()
            log.warning("realtime_lost", reason=reason, now="sweeping alone")
        else:
            log.info("realtime_not_back", reason=reason)


class _Connection:
    """One connection with one channel, thrown away when it ends.

    After its end the client may still call back; then nothing is heard of it.
    """

    def __init__(
        self,
        url: str,
        key: str,
        on_hint: Callable[[], None],
        on_subscribed: Callable[[], None],
        *,
        private: bool,
    ) -> None:
        self._client = AsyncRealtimeClient(url, key, auto_reconnect=False, timeout=_JOIN_SECONDS)
        self._key = key
        self._on_hint = on_hint
        self._on_subscribed = on_subscribed
        self._private = private
        self._subscribed = asyncio.Event()
        self._ended = asyncio.Event()
        self._reason = "closed"
        self._announced: Counter[str] = Counter()
        self._heard: dict[str, None] = {}
        self.was_refused = False

    async def listen(self, ready_seconds: float) -> str:
        """Return when the connection has ended, with the reason."""
        try:
            async with asyncio.timeout(ready_seconds):
                await self._client.connect()
                await self._channel().subscribe(self._on_state)
                await _first_of(self._subscribed.wait(), self._ended.wait())
            await self._until_end()
        except TimeoutError:
            self.end(f"not subscribed after {ready_seconds:g} s")
        except Exception as error:  # noqa: BLE001  whatever it is, hints must come again
            self.end(f"{type(error).__name__}: {error}")
        finally:
            self._ended.set()
            with contextlib.suppress(Exception):
                async with asyncio.timeout(_CLOSE_SECONDS):  # a half-open link never says goodbye
                    await self._client.close()
        return self._reason.replace(self._key, "…")  # an address in it holds the key

    def end(self, reason: str) -> None:
        """Have enough of this connection; the first reason counts."""
        if not self._ended.is_set():
            self._reason = reason
            self._ended.set()

    async def _until_end(self) -> None:
        # An exception anywhere in the client ends this task of its, and nothing else tells.
        listening = self._client._listen_task  # noqa: SLF001  why pyproject.toml has an upper bound
        if listening is None:
            self.end("the client does not listen")
            return
        await _first_of(self._ended.wait(), asyncio.wait([listening]))
        self.end("the client stopped listening")

    def _channel(self) -> AsyncRealtimeChannel:
        config: Any = {"config": {"private": self._private}}
        channel = self._client.channel(TOPIC, config)
        if self._private:
            channel.on_broadcast("pending", self._heard_broadcast)
        for event in ("INSERT", "UPDATE"):
            channel.on_postgres_changes(
                event,  # type: ignore[arg-type]  # an enum of strings
                self._heard_change,
                table="music_tracks",
                schema="public",
                filter="status=eq.pending",
                select=["id"],
            )
        return channel.on_system(self._on_system)

    # An exception in one of these would end the client's listening for good, silently.

    def _heard_broadcast(self, message: Any) -> None:
        with contextlib.suppress(Exception):
            ids = message["payload"].get("ids", [])
            if len(self._announced) < _REMEMBERED_IDS:
                self._announced.update(ids)
            self._hear_of(ids)
            self._hint()

    def _heard_change(self, message: Any) -> None:
        with contextlib.suppress(Exception):
            track_id = message["data"]["record"]["id"]
            self._hear_of([track_id])
            if self._announced[track_id] > 0:
                self._announced[track_id] -= 1  # the broadcast of this change came long ago
            else:
                self._hint()
            self._announced += Counter()  # forgets the zeros

    def has_heard_of(self, track_id: UUID) -> bool:
        """Whether an event on this connection named the track, as far as it remembers."""
        return str(track_id) in self._heard

    def _hear_of(self, ids: list[str]) -> None:
        self._heard.update(dict.fromkeys(ids))
        while len(self._heard) > _REMEMBERED_IDS:
            del self._heard[next(iter(self._heard))]

    def _hint(self) -> None:
        if not self._ended.is_set():
            self._on_hint()

    def _on_system(self, message: Any) -> None:
        with contextlib.suppress(Exception):
            if message.extension == "postgres_changes" and not self._ended.is_set():
                self._announced.clear()  # a second one means that events may be lost
                self._subscribed.set()
                self._on_subscribed()

    def _on_state(self, state: RealtimeSubscribeStates, error: Exception | None) -> None:
        if state != RealtimeSubscribeStates.SUBSCRIBED:
            self.was_refused = "Unauthorized" in str(error) or "PrivateOnly" in str(error)
            self.end(f"{state.value} {error or ''}".strip())


async def _first_of(*waits: Any) -> None:
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
