"""Hearing that followed tracks have changed, over one channel after the other.

An event only ever leads to a read: it marks a track, and so does each (re)join all of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from music_service.client.access import Access, GetAccess
from music_service.client.newest import Newest
from music_service.errors import TransientError
from music_service.store.realtime import Channel

TABLE = "music_tracks"
_IDS_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds; only tests are in a hurry.

    Args:
        gather_seconds: from an event to the read that it leads to, which serves others as well.
        while_live_seconds: between two reads while events are to be expected.
        while_not_seconds: the same while they are not.
        first_pause_seconds: until a channel that ended is made again; doubled with each failure.
        longest_pause_seconds: at most so long.
        steady_seconds: how long a channel must last for the next pause to be the first again.
        ready_seconds: how long a channel may take until it hears.
    """

    gather_seconds: float = 0.05
    while_live_seconds: float = 60.0
    while_not_seconds: float = 3.0
    first_pause_seconds: float = 1.0
    longest_pause_seconds: float = 30.0
    steady_seconds: float = 5.0
    ready_seconds: float = 30.0


class Hearing:
    """Marks the tracks that are to be read again, from `begin` until `end`.

    Args:
        access: with whose rights it hears; asked again for each channel.
        newest: the tracks.
        pace: how long it waits.
    """

    def __init__(self, access: GetAccess, newest: Newest, pace: Pace) -> None:
        self._access = access
        self._newest = newest
        self._pace = pace
        self._channel: Channel | None = None
        self._task: asyncio.Task[None] | None = None
        self._woken = asyncio.Event()
        self.is_live = False
        self.marked: set[str] = set()

    def begin(self) -> None:
        """Open the first channel."""
        self._task = asyncio.create_task(self._run(), name="hear of tracks")

    async def end(self) -> None:
        """Close the channel; nothing is left of it afterwards."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def distrust(self, reason: str) -> None:
        """It has missed something: make another channel."""
        if self._channel is not None:
            self._channel.end(reason)

    async def wait_due(self, read_at: float, *, is_away: bool) -> list[str] | None:
        """Wait until something is to be read; answers what events named, None by the clock.

        Args:
            read_at: when everything was last read, by the loop's clock.
            is_away: the last read failed.
        """
        loop = asyncio.get_running_loop()
        while not self.marked:
            is_quiet = self.is_live and not is_away
            pause = self._pace.while_live_seconds if is_quiet else self._pace.while_not_seconds
            left = read_at + pause - loop.time()
            if left <= 0:
                return None
            self._woken.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._woken.wait()
        await asyncio.sleep(self._pace.gather_seconds)
        return self.take_marked()

    def take_marked(self) -> list[str]:
        """What events have named since the last call."""
        marked, self.marked = self.marked, set()
        return [track_id for track_id in self._newest.unfinished if track_id in marked]

    async def _run(self) -> None:
        """Hear over one channel after the other; returns when cancelled."""
        loop = asyncio.get_running_loop()
        pause, private, changes = self._pace.first_pause_seconds, True, True
        while True:
            began_at = loop.time()
            channel = await self._hear(private=private, changes=changes)
            self._channel = None
            self._set_live(False)
            if channel is not None and private and channel.was_refused:
                private = False  # the policy is missing: changes are heard without it
                continue
            if channel is not None and private and changes and channel.cannot_follow:
                changes = False  # the table is not in the publication, which may be meant
                continue
            private = changes = True
            is_steady = loop.time() - began_at > self._pace.steady_seconds
            pause = self._pace.first_pause_seconds if is_steady else pause
            await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311
            pause = min(pause * 2, self._pace.longest_pause_seconds)

    async def _hear(self, *, private: bool, changes: bool) -> Channel | None:
        """Hear until the channel has ended; answers the channel, None if there never was one."""
        try:
            access = await self._access()
        except TransientError:
            return None
        owner = access.user_id or self._newest.owner
        has_broadcasts = private and owner is not None
        channel = self._channel = self._make(access, owner, private=private, changes=changes)
        with contextlib.suppress(TransientError, TimeoutError):
            async with asyncio.timeout(self._pace.ready_seconds) as limit, channel.opened():
                if has_broadcasts or not changes:
                    await channel.wait_joined()
                else:
                    await channel.wait_subscribed()
                limit.reschedule(None)
                self._set_live(has_broadcasts or changes)
                await channel.wait_ended()
        return channel

    def _make(self, access: Access, owner: str | None, *, private: bool, changes: bool) -> Channel:
        track_ids = self._newest.unfinished
        channel = Channel(
            access.url,
            access.key,
            f"music:{owner}" if owner else f"watch-{track_ids[0]}",
            private=private,
            access_token=access.token,
        )
        if private and owner:
            channel.hear_broadcasts("track", self._heard)
        for some in parts(track_ids) if changes else []:
            where = f"id=in.({','.join(some)})"
            columns = ["id", "updated_at"]
            channel.hear_changes("UPDATE", TABLE, self._heard, where=where, columns=columns)
            channel.hear_changes("DELETE", TABLE, self._heard, where=where)
        channel.hear_subscribed(self._mark_all)
        return channel

    def _heard(self, row: dict[str, Any]) -> None:
        """A track was inserted, changed or deleted; it is known only what a read has answered."""
        track_id = row["id"]
        if not self._newest.is_followed(track_id):
            return
        if not self._newest.has_seen(track_id, row.get("updated_at")):
            self.marked.add(track_id)
            self._woken.set()

    def _set_live(self, is_live: bool) -> None:
        self.is_live = is_live
        if is_live:
            self._mark_all()
        self._woken.set()

    def _mark_all(self) -> None:
        """Something may have been missed."""
        self.marked.update(self._newest.unfinished)
        self._woken.set()


def parts(track_ids: Sequence[str]) -> list[Sequence[str]]:
    """As many as one address, and one filter of Realtime, can name."""
    return [track_ids[at : at + _IDS_AT_ONCE] for at in range(0, len(track_ids), _IDS_AT_ONCE)]
