"""How many requests of a worker are in flight, and what does not wait for the others."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import Any
from uuid import uuid4

import httpx
import pytest

from music_service.errors import TransientError
from music_service.mureka.addresses import Addresses
from music_service.mureka.client import MurekaClient
from music_service.mureka.http import FILES_AT_ONCE, PAID_AT_ONCE, POLLS_AT_ONCE, Http
from music_service.store.client import CALLS_AT_ONCE, RECEIPTS_AT_ONCE, Connections, ProjectClient
from music_service.store.queue import Queue
from music_service.tracks import GenerationRequest
from tests.support.clock import now, settled

URL = "https://project.example"
SECONDS = 1.0


class Slow(httpx.AsyncBaseTransport):
    """Answers each request a second later; counts what is in flight, by the end of its path."""

    def __init__(self) -> None:
        self.in_flight: Counter[str] = Counter()
        self.most: Counter[str] = Counter()
        self.answered: list[tuple[float, str]] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        kind = request.url.path.split("/")[-1].rstrip("0123456789")
        self.in_flight[kind] += 1
        self.most[kind] = max(self.most[kind], self.in_flight[kind])
        try:
            await asyncio.sleep(SECONDS)
        finally:
            self.in_flight[kind] -= 1
        self.answered.append((now(), kind))
        if request.url.host == "project.example":
            sent = json.loads(request.content)
            return httpx.Response(200, json=sent.get("p_claim_ids", ["generating"]))
        body = json.dumps({"id": request.url.path.split("/")[-1]}).encode()
        return httpx.Response(200, stream=httpx.ByteStream(body))


def project(transport: Slow) -> tuple[Connections, Queue]:
    http = Connections(transport=transport)
    return http, Queue(ProjectClient(URL, "sb_secret_x", http), "worker")


def mureka(transport: Slow, **changes: Any) -> MurekaClient:
    http = httpx.AsyncClient(transport=transport)
    base = "https://mureka.example"
    return MurekaClient(Http(http, api_key="key", base_url=base, **changes))


async def test_a_renewal_waits_for_none_of_a_thousand_stages() -> None:
    transport = Slow()
    http, queue = project(transport)
    async with http, asyncio.TaskGroup() as group:
        for _ in range(1000):
            group.create_task(queue.report_stage(uuid4(), "running", None))
        await settled()
        claim_id = uuid4()
        assert await queue.renew([claim_id], 30) == {claim_id}
        assert now() == pytest.approx(SECONDS)
    assert transport.most["report_music_stage"] == CALLS_AT_ONCE
    assert sum(kind == "report_music_stage" for _, kind in transport.answered) == 1000


async def test_a_receipt_waits_for_receipts_alone_and_a_renewal_for_none_of_them() -> None:
    transport = Slow()
    http, queue = project(transport)
    async with http, asyncio.TaskGroup() as group:
        for _ in range(1000):
            group.create_task(queue.report_stage(uuid4(), "running", None))
        await settled()
        for _ in range(3 * RECEIPTS_AT_ONCE):
            group.create_task(queue.store_receipt(uuid4(), "1", None))
        await settled()
        await queue.renew([uuid4()], 30)
        assert now() == pytest.approx(SECONDS)
    receipts = [at for at, kind in transport.answered if kind == "record_music_task"]
    assert max(receipts) == pytest.approx(3 * SECONDS)
    assert transport.most["record_music_task"] == RECEIPTS_AT_ONCE


async def test_a_request_that_waits_for_its_place_does_not_run_out_of_time() -> None:
    transport = Slow()
    client = mureka(transport, free_seconds=1.5 * SECONDS)
    polls = [client.poll("song", f"{number}") for number in range(10 * POLLS_AT_ONCE)]
    assert len(await asyncio.gather(*polls)) == 10 * POLLS_AT_ONCE
    assert now() == pytest.approx(10 * SECONDS)
    assert transport.most[""] == POLLS_AT_ONCE


async def test_a_paid_call_waits_for_none_of_a_thousand_polls() -> None:
    transport = Slow()
    client = mureka(transport, paid_seconds=1.5 * SECONDS)
    request = GenerationRequest("song", {"n": 1})
    polls = [asyncio.create_task(client.poll("song", f"{number}")) for number in range(1000)]
    await settled()
    await client.submit(request)
    assert now() == pytest.approx(SECONDS)
    await asyncio.gather(*(client.submit(request) for _ in range(3 * PAID_AT_ONCE)))
    assert transport.most["generate"] == PAID_AT_ONCE
    await asyncio.gather(*polls)


async def test_places_are_given_back_by_what_fails_and_by_what_is_cancelled() -> None:
    class Broken(Slow):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            await super().handle_async_request(request)
            raise httpx.ReadError("gone")

    transport = Broken()
    client = mureka(transport)
    polls = [asyncio.create_task(client.poll("song", "1")) for _ in range(5 * POLLS_AT_ONCE)]
    await settled()
    for poll in polls[::2]:
        poll.cancel()
    ends = await asyncio.gather(*polls, return_exceptions=True)
    assert all(isinstance(end, (TransientError, asyncio.CancelledError)) for end in ends)
    began = now()
    await asyncio.gather(
        *(client.poll("song", "1") for _ in range(POLLS_AT_ONCE)), return_exceptions=True
    )
    assert now() - began == pytest.approx(SECONDS)


async def test_files_have_places_of_their_own() -> None:
    transport = Slow()
    http = httpx.AsyncClient(transport=transport)
    calls = Http(
        http,
        api_key="key",
        base_url="http://mureka.example",
        addresses=Addresses(guarded=False),
    )

    async def fetch() -> None:
        async with calls.stream("http://cdn.example/music", max_bytes=1000) as stream:
            async for _ in stream.chunks:
                pass

    async with asyncio.TaskGroup() as group:
        for _ in range(100):
            group.create_task(fetch())
        await settled()
        await MurekaClient(calls).poll("song", "1")
        assert now() == pytest.approx(SECONDS)
    assert transport.most["music"] == FILES_AT_ONCE


async def test_an_address_that_was_found_good_is_not_looked_up_with_each_poll() -> None:
    asked: list[str] = []

    async def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        if len(asked) == 1:
            raise OSError("no such host yet")
        return ["93.184.216.34"]

    http = httpx.AsyncClient(transport=Slow())
    calls = Http(
        http,
        api_key="key",
        base_url="https://mureka.example",
        addresses=Addresses(guarded=True, resolve=resolve),
    )
    url = "https://cdn.example/stream.mp3"
    assert [await calls.may_be_shown(url) for _ in range(4)] == [False, True, True, True]
    assert len(asked) == 2
    for number in range(3000):
        await calls.may_be_shown(f"{url}?{number}")
    assert len(calls._shown) <= 2000
