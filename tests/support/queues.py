"""A queue for the suite that the fake and the database's functions obey alike."""

from __future__ import annotations

from typing import Any, Protocol
from uuid import UUID, uuid4

import psycopg
from psycopg.rows import DictRow

from music_service.store.client import ProjectClient
from music_service.store.queue import Queue
from music_service.tracks import Claim, Track
from music_service.worker import ports
from tests.support.builders import a_claim
from tests.support.fake_queue import FakeQueue
from tests.support.journal import Journal
from tests.support.limits import LIFT_LIMITS


class QueueAtHand(Protocol):
    """A queue, and what users, operators and time do to its tracks."""

    queue: ports.Queue

    async def ask(self, **wish: Any) -> UUID:
        """Let a backend ask for a track; answers its id."""

    async def state(self, track_id: UUID) -> tuple[str, str | None]:
        """The status of a track and its error code."""

    async def run_out(self, claim: Claim) -> None:
        """Let the lease of a claim run out."""

    async def retry(self, track_id: UUID) -> None:
        """Let a person try again what is in error."""


class FakeAtHand:
    """The one in memory."""

    def __init__(self) -> None:
        self.queue = FakeQueue(Journal())

    async def ask(self, **wish: Any) -> UUID:
        track = Track(id=uuid4(), user_id=None, **({"prompt": "rain"} | wish))
        self.queue.add([a_claim(track)])
        return track.id

    async def state(self, track_id: UUID) -> tuple[str, str | None]:
        row = self.queue.row(track_id)
        return row.status, row.error_code

    async def run_out(self, claim: Claim) -> None:
        self.queue.run_out(claim.id)

    async def retry(self, track_id: UUID) -> None:
        self.queue.retry(track_id)


class DatabaseAtHand:
    """The functions of the database, asked through the API as a worker asks."""

    def __init__(self, client: ProjectClient, connection: psycopg.AsyncConnection[DictRow]) -> None:
        self.queue = Queue(client, f"worker-{uuid4()}")
        self._connection = connection

    async def clear(self) -> None:
        """Take away the tracks, paid calls and limits of other tests.

        A call that is still accepted would take a place of the fleet for ten minutes.
        """
        await self._sql("delete from public.music_tracks")
        await self._sql("delete from music.generations")
        await self._sql("update music.account set slowed_down_to = null, slowed_down_at = null")
        await self._sql(LIFT_LIMITS)

    async def ask(self, **wish: Any) -> UUID:
        columns = {"prompt": "rain"} | wish
        if "duration_seconds" in columns:
            columns["duration"] = columns.pop("duration_seconds")
        names, values = ", ".join(columns), ", ".join(["%s"] * len(columns))
        [row] = await self._sql(
            f"insert into public.music_tracks ({names}) values ({values}) returning id",
            *columns.values(),
        )
        return UUID(str(row["id"]))

    async def state(self, track_id: UUID) -> tuple[str, str | None]:
        [row] = await self._sql(
            "select status, error_code from public.music_tracks where id = %s", track_id
        )
        return row["status"], row["error_code"]

    async def run_out(self, claim: Claim) -> None:
        await self._sql("update music.claims set lease_expires_at = now() where id = %s", claim.id)

    async def retry(self, track_id: UUID) -> None:
        await self._sql("update public.music_tracks set status = 'pending' where id = %s", track_id)

    async def _sql(self, statement: str, *values: Any) -> list[DictRow]:
        cursor = await self._connection.execute(statement.encode(), values or None)
        return await cursor.fetchall() if cursor.description else []
