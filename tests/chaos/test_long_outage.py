"""A database that is away until Realtime gives up on it: changes are heard again afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from functools import partial
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import httpx
import pytest
from structlog.testing import capture_logs

from local_supabase.ports import Ports
from local_supabase.stack import Stack
from music_service.client.access import Access
from music_service.client.follow import follow_tracks
from music_service.client.hearing import Pace
from tests.support.fleet import until
from tests.support.project import ROOT
from tests.support.times import QUICK
from tests.support.tracks import Tracks
from tests.support.workers import StartWorker

FAILURES_OF_AN_OUTAGE = 2  # from which on a worker believes that more is wrong than a moment


@pytest.fixture(scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """A stack whose Realtime gives up after half a second without a database."""
    times = replace(QUICK, longest_outage_seconds=0.5)
    data_dir = tmp_path_factory.mktemp("outage")
    async with Stack(
        data_dir, Ports.free(), project_dir=ROOT, simulator_seconds=0.5, times=times
    ) as running:
        running.simulator.music_seconds = 5
        yield running


async def outage(stack: Stack, tracks: Tracks, noticed: Awaitable[object]) -> None:
    """The database is away, and back once Realtime has given up and its client has noticed."""
    await stack.postgres.stop()
    await stack.realtime._changes.given_up.wait()
    await noticed
    await stack.postgres.start()
    await tracks.reconnect()


class OneRow:
    """Reads a track as the official client does, but asks once where that repeats itself."""

    def __init__(self, stack: Stack, http: httpx.AsyncClient, track_id: UUID) -> None:
        self.has_failed = asyncio.Event()
        self._ask = partial(
            http.get,
            f"{stack.url}/rest/v1/music_tracks",
            params={"id": f"eq.{track_id}"},
            headers={"apikey": stack.keys.secret},
        )

    def __call__(self, *_: object) -> OneRow:
        return self

    select = in_ = __call__

    async def execute(self) -> Any:
        answer = await self._ask()
        if answer.is_error:
            self.has_failed.set()
        answer.raise_for_status()
        return SimpleNamespace(data=answer.json())


async def test_the_worker_makes_its_channel_again_and_hears_changes(
    stack: Stack, tracks: Tracks, start_worker: StartWorker
) -> None:
    with capture_logs() as logs:

        def said(event: str, times: int = 1) -> Callable[[], Awaitable[bool]]:
            async def is_said() -> bool:
                return [line["event"] for line in logs].count(event) >= times

            return is_said

        async with start_worker(sweep_seconds=0.5):
            await until(said("realtime_subscribed"), "the worker is subscribed")
            logs.clear()
            noticed = until(said("claim_failed", FAILURES_OF_AN_OUTAGE), "the worker has noticed")
            await outage(stack, tracks, noticed)
            await until(said("realtime_subscribed"), "the worker is subscribed again")
            lost = next(line for line in logs if line["event"] == "realtime_lost")
            assert lost["reason"] == "the database was away"
            assert stack.realtime._changes._subscribers, "changes are told to it"
            track_id = await tracks.ask()
            assert (await tracks.ends(track_id))["status"] == "completed"


async def test_a_watch_makes_its_channel_again_and_hears_changes(
    stack: Stack, tracks: Tracks
) -> None:
    track_id = await tracks.ask()
    seen: list[str] = []

    async def access() -> Access:
        return Access(stack.url, stack.keys.secret)

    async def is_heard() -> bool:
        return bool(stack.realtime._changes._subscribers)

    async with httpx.AsyncClient(timeout=30) as http:
        table = OneRow(stack, http, track_id)

        async def watch() -> None:
            pace = Pace(while_live_seconds=0.2, while_not_seconds=0.2)
            async for row in follow_tracks(table, access, [track_id], pace=pace):
                seen.append(row["status"])

        watching = asyncio.create_task(watch(), name="watch of the test")
        await until(is_heard, "the watch is subscribed")
        await outage(stack, tracks, table.has_failed.wait())
        await until(is_heard, "the watch is subscribed again")
        await tracks.sql("update public.music_tracks set status = 'error' where id = %s", track_id)
        await watching
    assert seen == ["pending", "error"]
