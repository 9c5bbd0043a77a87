"""Pages in a developer's browser, which reach whatever listens on the machine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import httpx
import pytest

from local_supabase.callers import CallerCheck
from local_supabase.ports import HOST
from local_supabase.simulator import Simulator
from local_supabase.stack import Stack

EVIL = "http://evil.example"
FOREIGN = [
    "evil.example",
    "evil.example:54321",
    "127.0.0.1.evil.example",
    "evil.example@127.0.0.1",
    "localhost.evil.example",
    "0.0.0.0",
    "[::2]",
    "",
]
OWN = ["127.0.0.1", "127.0.0.1:1", "localhost:54321", "LOCALHOST", "[::1]", "[::1]:54321"]
CONTROLS = [
    ("GET", "/_simulator/ledger"),
    ("DELETE", "/_simulator/ledger"),
    ("POST", "/_simulator/faults"),
    ("DELETE", "/_simulator/faults"),
    ("PUT", "/_simulator/seconds"),
    ("OPTIONS", "/_simulator/ledger"),
]


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    """What a browser has: no key, no token."""
    async with httpx.AsyncClient(timeout=20) as client:
        yield client


async def handshake(url: str, host: str) -> str:
    """The status line that a WebSocket is answered with."""
    reader, writer = await asyncio.open_connection(HOST, urlsplit(url).port)
    words = [
        "GET /realtime/v1/websocket?vsn=1.0.0&apikey=none HTTP/1.1",
        *(f"Host: {host}", "Upgrade: websocket", "Connection: Upgrade"),
        *("Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="),
        *("", ""),
    ]
    writer.write("\r\n".join(words).encode())
    line = (await reader.readline()).decode().strip()
    writer.close()
    return line


@pytest.mark.parametrize("host", FOREIGN)
async def test_a_request_by_another_name_reaches_neither_server(
    stack: Stack, http: httpx.AsyncClient, host: str
) -> None:
    for url in (
        f"{stack.url}/auth/v1/health",
        f"{stack.url}/storage/v1/object/public/music-tracks/x",
        f"{stack.simulator_url}/_simulator/ledger",
        f"{stack.simulator_url}/v1/account/billing",
    ):
        answer = await http.get(url, headers={"host": host})
        assert answer.status_code == 421, url
        assert "--allow-host" in answer.json()["message"]


@pytest.mark.parametrize("host", OWN)
async def test_a_request_to_this_machine_is_answered(
    stack: Stack, http: httpx.AsyncClient, host: str
) -> None:
    for url in (f"{stack.url}/auth/v1/health", f"{stack.simulator_url}/_simulator/ledger"):
        assert (await http.get(url, headers={"host": host})).status_code == 200


async def test_a_socket_by_another_name_is_refused_at_its_handshake(stack: Stack) -> None:
    assert " 421 " in await handshake(stack.url, "evil.example")
    assert " 401 " in await handshake(stack.url, "localhost:1"), "a wrong key, by a right name"


@pytest.mark.parametrize(("method", "path"), CONTROLS)
async def test_a_page_neither_steers_the_simulator_nor_reads_what_it_says(
    stack: Stack, http: httpx.AsyncClient, method: str, path: str
) -> None:
    before = stack.simulator.seconds
    origins = (EVIL, "null", "http://localhost:5173", stack.url)
    marks = [{"origin": origin} for origin in origins]
    # What the address of a picture fetches has no origin, but says from where it is wanted.
    marks += [{"sec-fetch-site": site} for site in ("cross-site", "same-site")]
    for mark in marks:
        answer = await http.request(
            method,
            f"{stack.simulator_url}{path}",
            headers={"access-control-request-method": method} | mark,
            content=b"7",
        )
        assert answer.status_code == 403, mark
        assert "another origin" in answer.json()["message"]
        assert [name for name in answer.headers if name.startswith("access-control")] == []
    assert stack.simulator.seconds == before


async def test_without_an_origin_and_from_its_own_the_simulator_is_steered(
    stack: Stack, http: httpx.AsyncClient
) -> None:
    own = {"origin": stack.simulator_url, "sec-fetch-site": "same-origin"}
    for headers in ({}, own, {"sec-fetch-site": "none"}):
        answer = await http.get(f"{stack.simulator_url}/_simulator/ledger", headers=headers)
        assert answer.status_code == 200
        assert [name for name in answer.headers if name.startswith("access-control")] == []


async def test_apps_in_a_browser_are_told_that_they_may_read_as_on_the_platform(
    stack: Stack, http: httpx.AsyncClient
) -> None:
    headers = {"origin": "http://localhost:5173", "apikey": stack.keys.publishable}
    for url in (
        f"{stack.url}/rest/v1/music_tracks?select=id",
        f"{stack.url}/auth/v1/health",
        f"{stack.url}/storage/v1/object/public/music-tracks/x",
        f"{stack.simulator_url}/audio/x.mp3",
    ):
        answer = await http.get(url, headers=headers)
        assert answer.headers["access-control-allow-origin"] == "*", url


async def test_a_name_that_was_given_is_answered_to() -> None:
    app = CallerCheck(Simulator("key", 1).app, ["Music.Test"])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as client:
        assert (await client.get("http://music.test:99/_simulator/ledger")).status_code == 200
        assert (await client.get("http://evil.test/_simulator/ledger")).status_code == 421
