"""Realtime as a source of hints that something is pending. Never the truth: the sweep is.

One private channel carries a broadcast, which arrives within milliseconds, and postgres_changes,
which works on every Supabase.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, Literal
from uuid import UUID

import structlog

from music_service.errors import TransientError
from music_service.store.realtime import Channel

TOPIC = "music:pending"

_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 30
_STEADY_SECONDS = 60
_DELIVERY_SECONDS = 1.0  # an event may take this long and is not missed yet
_CONFIRMATION_SECONDS = 30.0  # a broadcast's change has followed by then, also under load
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
        self._url = url
        self._key = key
        self._on_hint = on_hint
        self._on_gap = on_gap
        self._ready_seconds = ready_seconds
        self._channel: Channel | None = None
        self._announcements = _Announcements(on_hint, self._doubt_changes)
        self._silent_since: float | None = time.monotonic()
        self._subscribed_at: float | None = None
        self._subscriptions = 0

    @property
    def reconnects(self) -> int:
        """How often it was subscribed again after it had been lost."""
        return max(self._subscriptions - 1, 0)

    @property
    def is_working(self) -> bool:
        """Whether hints are to be expected at the moment."""
        return self._silent_since is None

    def has_missed(self, track_id: UUID, waited_seconds: float | None) -> bool:
        """Whether a track inserted so long ago should have been announced and was not.

        None where it did not become due by its insert.
        """
        if waited_seconds is None or self._subscribed_at is None:
            return False
        listened_seconds = time.monotonic() - self._subscribed_at
        was_due = _DELIVERY_SECONDS < waited_seconds < listened_seconds
        return was_due and not self._announcements.has_named(track_id)

    def distrust(self, reason: str) -> None:
        """It has missed something, or may from now on: connect again."""
        if self._channel is not None and self.is_working:
            self._channel.end(reason)

    def _doubt_changes(self) -> None:
        self.distrust("broadcasts came, but no changes")

    async def run(self) -> None:
        """Subscribe, and again whenever the connection ends; returns only when cancelled."""
        pause, private, changes = _FIRST_PAUSE_SECONDS, True, True
        while True:
            began = time.monotonic()
            self._announcements = _Announcements(self._on_hint, self._doubt_changes)
            self._channel = self._channel_for(self._announcements, private=private, changes=changes)
            reason = await self._listen(self._channel, changes=changes)
            if private and self._channel.was_refused:
                private = False
                log.warning("realtime_private_refused", now="public, with postgres_changes alone")
                continue
            if private and changes and self._channel.cannot_follow:
                changes = False  # the table is not in the publication, which may be meant
                log.info("realtime_without_changes", now="broadcasts and the sweep")
                continue
            self._lost(reason)
            private = changes = True
            steady = time.monotonic() - began > _STEADY_SECONDS
            pause = _FIRST_PAUSE_SECONDS if steady else min(pause * 2, _LONGEST_PAUSE_SECONDS)
            await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311

    def _channel_for(
        self, announcements: _Announcements, *, private: bool, changes: bool
    ) -> Channel:
        channel = Channel(self._url, self._key, TOPIC, private=private)
        if private:
            channel.hear_broadcasts("pending", announcements.hear_broadcast)
        events: tuple[Literal["INSERT", "UPDATE"], ...] = ("INSERT", "UPDATE")
        for event in events if changes else ():
            channel.hear_changes(
                event,
                "music_tracks",
                announcements.hear_change,
                where="status=eq.pending",
                columns=["id"],
            )
        channel.hear_subscribed(announcements.forget_broadcasts)
        channel.hear_subscribed(self._subscribed)
        return channel

    async def _listen(self, channel: Channel, *, changes: bool) -> str:
        """Return when the connection has ended, with the reason."""
        try:
            async with asyncio.timeout(self._ready_seconds) as limit, channel.opened():
                if changes:
                    await channel.wait_subscribed()
                else:
                    await channel.wait_joined()
                    self._subscribed()
                limit.reschedule(None)
                return await channel.wait_ended()
        except TimeoutError:
            return f"not subscribed after {self._ready_seconds:g} s"
        except TransientError as error:
            return str(error)

    def _subscribed(self) -> None:
        if self._silent_since is not None:
            silent_seconds = round(time.monotonic() - self._silent_since, 1)
            log.info("realtime_subscribed", silent_seconds=silent_seconds)
            self._silent_since = None
            self._subscriptions += 1
        self._subscribed_at = time.monotonic()
        self._on_gap()

    def _lost(self, reason: str) -> None:
        self._subscribed_at = None
        if self._silent_since is None:
            self._silent_since = time.monotonic()
            log.warning("realtime_lost", reason=reason, now="sweeping alone")
        else:
            log.debug("realtime_not_back", reason=reason)


class _Announcements:
    """What one connection has announced: each change is one hint, though it is announced twice.

    Args:
        on_hint: called for each change, once.
        on_half_deaf: called where changes were heard and then no more, though broadcasts still
            are. Where none ever was, nothing follows: of several workers one may hear them all.
    """

    def __init__(self, on_hint: Callable[[], None], on_half_deaf: Callable[[], None]) -> None:
        self._on_hint = on_hint
        self._on_half_deaf = on_half_deaf
        self._by_broadcast: Counter[str] = Counter()
        self._named: dict[str, None] = {}
        self._has_heard_change = False
        self._unconfirmed_since: float | None = None

    def hear_broadcast(self, payload: dict[str, Any]) -> None:
        """Tracks became pending; `ids` may name them."""
        ids = payload.get("ids", [])
        if len(self._by_broadcast) < _REMEMBERED_IDS:
            self._by_broadcast.update(ids)
        self._name(ids)
        self._on_hint()
        if ids and self._has_heard_change:
            self._doubt_changes()

    def hear_change(self, row: dict[str, Any]) -> None:
        """The row with this `id` became pending."""
        self._has_heard_change, self._unconfirmed_since = True, None
        track_id = row["id"]
        self._name([track_id])
        if self._by_broadcast[track_id] > 0:
            self._by_broadcast[track_id] -= 1  # the broadcast of this change came long ago
        else:
            self._on_hint()
        self._by_broadcast += Counter()  # forgets the zeros

    def forget_broadcasts(self) -> None:
        """Changes of what was broadcast may not follow."""
        self._by_broadcast.clear()
        self._unconfirmed_since = None

    def has_named(self, track_id: UUID) -> bool:
        """Whether an event named the track, as far as is remembered."""
        return str(track_id) in self._named

    def _doubt_changes(self) -> None:
        """Count the time since the first broadcast that no change has followed."""
        if self._unconfirmed_since is None:
            self._unconfirmed_since = time.monotonic()
        elif time.monotonic() - self._unconfirmed_since > _CONFIRMATION_SECONDS:
            self._on_half_deaf()

    def _name(self, ids: list[str]) -> None:
        self._named.update(dict.fromkeys(ids))
        while len(self._named) > _REMEMBERED_IDS:
            del self._named[next(iter(self._named))]
