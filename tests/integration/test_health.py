"""The worker's state over HTTP on this machine."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest

from local_supabase.ports import Ports
from music_service.errors import ConfigurationError
from music_service.worker import health_endpoint
from music_service.worker.health_endpoint import HOST, serve_health


@pytest.fixture
def port() -> int:
    return Ports.free_in_a_row().gateway


def saying(state: str, **more: Any) -> Any:
    return lambda: {"state": state, **more}


async def get(port: int, path: str = "/") -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False) as http:
        return await http.get(f"http://{HOST}:{port}{path}")


@pytest.mark.parametrize(
    ("state", "code"),
    [("running", 200), ("stopping", 200), ("blocked", 503), ("cut_off", 503), ("failing", 503)],
)
async def test_the_code_says_whether_the_worker_works_and_the_body_how(
    port: int, state: str, code: int
) -> None:
    async with serve_health(port, saying(state, running=3, reason="Ä")):
        answer = await get(port)
    assert answer.status_code == code
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {"state": state, "running": 3, "reason": "Ä"}


async def test_the_answer_is_the_state_at_that_moment(port: int) -> None:
    status = {"state": "running"}
    async with serve_health(port, lambda: status):
        assert (await get(port)).status_code == 200
        status["state"] = "blocked"
        assert (await get(port)).status_code == 503


@pytest.mark.parametrize("path", ["/", "/health", "/any/thing?at=all"])
async def test_every_path_is_answered(port: int, path: str) -> None:
    async with serve_health(port, saying("running")):
        assert (await get(port, path)).status_code == 200


async def test_without_a_port_there_is_no_endpoint() -> None:
    async with serve_health(None, saying("running")):
        pass


async def test_a_port_that_is_taken_is_a_matter_of_configuration(port: int) -> None:
    async with serve_health(port, saying("running")):
        with pytest.raises(ConfigurationError, match=f"HEALTH_PORT {port} is taken"):
            async with serve_health(port, saying("running")):
                pass


async def test_at_the_end_the_port_is_free_again(port: int) -> None:
    async with serve_health(port, saying("running")):
        pass
    with pytest.raises(httpx.ConnectError):
        await get(port)
    async with serve_health(port, saying("running")):
        assert (await get(port)).status_code == 200


async def test_a_client_that_says_nothing_keeps_nobody_waiting(port: int) -> None:
    async with serve_health(port, saying("running")):
        _, silent = await asyncio.open_connection(HOST, port)
        assert (await get(port)).status_code == 200
        silent.close()
        await silent.wait_closed()


async def test_a_client_that_says_nothing_is_sent_away(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health_endpoint, "_REQUEST_SECONDS", 0.05)
    async with serve_health(port, saying("running")):
        reader, silent = await asyncio.open_connection(HOST, port)
        assert await reader.read() == b""
        silent.close()
        await silent.wait_closed()


@pytest.mark.parametrize("sent", [b"nonsense\r\n\r\n", b"GET / HTTP/1.0\r\n\r\n"])
async def test_whatever_ends_in_an_empty_line_is_answered_and_closed(
    port: int, sent: bytes
) -> None:
    async with serve_health(port, saying("running")):
        reader, writer = await asyncio.open_connection(HOST, port)
        writer.write(sent)
        head, body = (await reader.read()).split(b"\r\n\r\n", 1)
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        assert json.loads(body) == {"state": "running"}
        writer.close()
        await writer.wait_closed()


async def test_a_request_without_end_is_cut_off_quietly(port: int) -> None:
    loop, complaints = asyncio.get_running_loop(), list[dict[str, Any]]()
    loop.set_exception_handler(lambda _, context: complaints.append(context))
    try:
        async with serve_health(port, saying("running")):
            reader, writer = await asyncio.open_connection(HOST, port)
            writer.write(b"x" * 200_000)
            try:
                async with asyncio.timeout(2):
                    assert await reader.read() == b""
            except ConnectionResetError:
                pass  # cut off as well
            writer.close()
            assert (await get(port)).status_code == 200
    finally:
        loop.set_exception_handler(None)
    assert complaints == []
