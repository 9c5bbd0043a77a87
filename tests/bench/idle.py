"""What idling costs: requests of a worker that has nothing to do, and of a client that waits."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from supabase import acreate_client

from local_supabase.stack import Stack
from music_service.client import watch_track
from tests.bench import sides
from tests.bench.names import OURS

OF_CLIENTS = "/rest/v1/music_tracks"
SETTLING_SECONDS = 8
PATIENCE_SECONDS = 60
# It is due tomorrow, so that the worker stays idle while its owner waits.
_INSERT = """
insert into public.music_tracks (user_id, prompt, run_after)
values (%s, 'idle', now() + interval '1 day') returning id
"""


async def requests_per_minute(stack: Stack, seconds: float) -> tuple[float, float]:
    """Of a worker with the settings as they come, and of a client that follows one track."""
    client = await acreate_client(stack.url, stack.keys.publishable)
    answer = await client.auth.sign_in_anonymously()
    assert answer.user is not None
    async with stack.database.administrator() as connection:
        row: Any = await (await connection.execute(_INSERT, (answer.user.id,))).fetchone()
    async with sides.started(OURS, stack):
        waiting = asyncio.create_task(_follow(client, str(row["id"])), name="a client that waits")
        try:
            await _until_claiming(stack)
            await asyncio.sleep(SETTLING_SECONDS)
            of_clients = stack.faults.gateway.count(OF_CLIENTS)
            every = stack.faults.gateway.count("/")
            await asyncio.sleep(seconds)
            counted = of_clients.met, every.met
        finally:
            stack.faults.gateway.clear()
            waiting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await waiting
    await client.auth.close()
    minutes = seconds / 60
    return (counted[1] - counted[0]) / minutes, counted[0] / minutes


async def _until_claiming(stack: Stack) -> None:
    """Wait until the worker claims: what it asks before is of its start."""
    claims = stack.faults.gateway.count("/rpc/claim_music_tracks")
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not claims.met:  # noqa: ASYNC110  nobody is told
            await asyncio.sleep(0.2)


async def _follow(client: Any, track_id: str) -> None:
    async for _ in watch_track(client, track_id):
        pass
