"""Connections over real sockets: whatever becomes of a request, the next one gets through."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import httpx
import pytest

from music_service import connections
from music_service.mureka.http import connect_http
from music_service.store.client import Connections, trusted

Ask = Callable[[], Awaitable[object]]
Open = Callable[[AsyncExitStack, str], Awaitable[Ask]]

MOMENTS = 30  # a request waits less often


@pytest.fixture
async def url() -> AsyncIterator[str]:
    """A server that answers everything with `{}` and keeps connections open."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, EOFError, asyncio.CancelledError):
            while True:
                await reader.readuntil(b"\r\n\r\n")
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
                await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def supabase(opened: AsyncExitStack, url: str) -> Ask:
    client = await opened.enter_async_context(Connections(verify=False))
    return lambda: client.get(f"{url}/rest/v1/music_tracks")


async def mureka(opened: AsyncExitStack, url: str) -> Ask:
    http = await opened.enter_async_context(connect_http("key", url, trusted()))
    return lambda: http.get("/v1/instrumental/query/1")


async def paid(opened: AsyncExitStack, url: str) -> Ask:
    http = await opened.enter_async_context(connect_http("key", url, trusted()))
    return lambda: http.post_once("/v1/instrumental/generate", {})


@pytest.mark.parametrize("keep_seconds", [4, 0.001], ids=["kept", "kept too long"])
@pytest.mark.parametrize("opens", [supabase, mureka, paid])
async def test_a_request_that_is_cancelled_at_any_moment_keeps_no_other_from_its_place(
    url: str, opens: Open, keep_seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = httpx.Limits(max_connections=1, keepalive_expiry=keep_seconds)
    monkeypatch.setattr(connections, "_ONE", limits)
    stuck = []
    cancelled = 0
    for moment in range(MOMENTS):
        async with AsyncExitStack() as opened:
            ask = await opens(opened, url)
            await ask()
            await asyncio.sleep(0.01)
            asked = asyncio.ensure_future(ask())
            for _ in range(moment):
                await asyncio.sleep(0)
            asked.cancel()
            await asyncio.wait([asked])
            cancelled += asked.cancelled()
            try:
                await asyncio.wait_for(ask(), 3)
            except TimeoutError:
                stuck.append(moment)
    assert stuck == []
    assert cancelled > 5
