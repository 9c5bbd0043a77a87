"""A worker's pages over HTTP: what is answered, and that nobody can hold it up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from local_supabase.ports import Ports
from music_service.errors import ConfigurationError
from music_service.observe import endpoint
from music_service.observe.endpoint import MOST_AT_ONCE, Page, serve
from music_service.observe.pages import pages_of

HOST = "127.0.0.1"


@pytest.fixture
def port() -> int:
    return Ports.free().gateway


@pytest.fixture
async def answering(port: int) -> AsyncIterator[int]:
    """The port of an endpoint whose worker is ready."""
    async with serve(HOST, port, pages_of(saying(), None)):
        yield port


def saying(*reasons: str, **more: Any) -> Any:
    return lambda: {"reasons": list(reasons), **more}


async def get(port: int, path: str, method: str = "GET") -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False) as http:
        return await http.request(method, f"http://{HOST}:{port}{path}")


async def sent_and_heard(port: int, sent: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(HOST, port)
    writer.write(sent)
    try:
        async with asyncio.timeout(10):
            return await reader.read()
    finally:
        writer.close()


@pytest.mark.parametrize(("reasons", "code"), [((), 200), (("It is stopping.",), 503)])
async def test_readiness_is_the_code_and_the_body_says_why(
    port: int, reasons: tuple[str, ...], code: int
) -> None:
    async with serve(HOST, port, pages_of(saying(*reasons, running=3), None)):
        answer = await get(port, "/readyz")
        alive = await get(port, "/healthz")
    assert answer.status_code == code
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {"reasons": list(reasons), "running": 3}
    assert (alive.status_code, alive.text) == (200, "alive\n")


async def test_the_answer_is_the_state_at_that_moment(port: int) -> None:
    status: dict[str, Any] = {"reasons": []}
    async with serve(HOST, port, pages_of(lambda: status, None)):
        assert (await get(port, "/readyz?verbose")).status_code == 200
        status["reasons"] = ["Mureka does not answer."]
        assert (await get(port, "/readyz")).status_code == 503


async def test_without_the_extra_metrics_say_what_to_install(answering: int) -> None:
    answer = await get(answering, "/metrics")
    assert answer.status_code == 501
    assert "pip install '.[metrics]' in the checkout" in answer.text
    assert answer.text.count("\n") == 1


@pytest.mark.parametrize("path", ["/", "/health", "/healthz/", "/metrics/x", "//healthz"])
async def test_there_is_nothing_elsewhere(answering: int, path: str) -> None:
    assert (await get(answering, path)).status_code == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "HEAD", "OPTIONS", "BREW"])
async def test_pages_can_be_read_and_nothing_else(answering: int, method: str) -> None:
    answer = await get(answering, "/readyz", method)
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET")


async def test_a_page_that_fails_is_an_answer(port: int) -> None:
    def fail() -> Page:
        raise ZeroDivisionError

    async with serve(HOST, port, {"/page": fail}):
        answer = await get(port, "/page")
    assert (answer.status_code, "ZeroDivisionError" in answer.text) == (500, True)


async def test_without_a_port_there_is_no_endpoint() -> None:
    async with serve(HOST, None, {}):
        pass


async def test_a_port_that_is_taken_is_a_matter_of_configuration(answering: int) -> None:
    with pytest.raises(ConfigurationError, match=f"Port {answering} is taken.*HEALTH_PORT"):
        async with serve(HOST, answering, {}):
            pass


@pytest.mark.parametrize("host", ["192.0.2.1", "nowhere.invalid"])
async def test_a_host_that_is_elsewhere_is_a_matter_of_configuration(port: int, host: str) -> None:
    with pytest.raises(ConfigurationError, match=f"HEALTH_HOST {host} is no address"):
        async with serve(host, port, {}):
            pass


async def test_at_the_end_the_port_is_free_again_whoever_is_connected(port: int) -> None:
    async with serve(HOST, port, pages_of(saying(), None)):
        reader, silent = await asyncio.open_connection(HOST, port)
        await get(port, "/healthz")
    async with asyncio.timeout(2):
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)
    silent.close()
    with pytest.raises(httpx.ConnectError):
        await get(port, "/healthz")


@pytest.mark.parametrize("sent", [b"", b"GET /healthz HTTP/1.1\r\n", b"GET /healthz HT"])
async def test_a_client_that_does_not_end_its_request_is_sent_away(
    answering: int, sent: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint, "_REQUEST_SECONDS", 0.05)
    assert await sent_and_heard(answering, sent) == b""


async def test_a_client_that_reads_nothing_is_sent_away(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint, "_REQUEST_SECONDS", 0.2)
    async with serve(HOST, port, {"/page": lambda: Page(200, bytes(50_000_000))}):
        reader, writer = await asyncio.open_connection(HOST, port, limit=1024)
        writer.write(b"GET /page HTTP/1.1\r\nhost: x\r\n\r\n")
        async with asyncio.timeout(5):
            got = 0
            await asyncio.sleep(0.5)  # longer than it may take to read it
            try:
                while chunk := await reader.read(1 << 20):
                    got += len(chunk)
            except ConnectionError:
                pass
        assert got < 50_000_000
        writer.close()


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\n\r\n", 400),  # without a host
        (b"GET /healthz HTTP/1.0\r\n\r\n", 200),
        (b"GET /healthz HTTP/3.0\r\n\r\n", 200),
        (b"GET /healthz HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n", 200),
        (b"\x16\x03\x01\x02\x00\x01\x00", 400),  # TLS
        (b"GET /" + b"x" * 20_000, 431),
        (b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 5_000, 431),
    ],
)
async def test_whatever_is_sent_is_answered_and_closed(
    answering: int, sent: bytes, code: int
) -> None:
    loop, complaints = asyncio.get_running_loop(), list[dict[str, Any]]()
    loop.set_exception_handler(lambda _, context: complaints.append(context))
    try:
        heard = await sent_and_heard(answering, sent)
    except ConnectionResetError:  # what was not read may cost the answer
        heard = b""
    finally:
        loop.set_exception_handler(None)
    assert heard.startswith(b"HTTP/1.1 %d " % code) or (code == 431 and heard == b"")
    assert (await get(answering, "/healthz")).status_code == 200
    assert complaints == []


async def test_clients_that_say_nothing_keep_nobody_waiting_however_many_they_are(
    answering: int,
) -> None:
    silent = [await asyncio.open_connection(HOST, answering) for _ in range(3 * MOST_AT_ONCE)]
    assert (await get(answering, "/healthz")).status_code == 200
    cut_off = 0
    for reader, writer in silent[: 2 * MOST_AT_ONCE]:
        try:
            cut_off += await asyncio.wait_for(reader.read(), 2) == b""
        except ConnectionResetError:
            cut_off += 1
        writer.close()
    assert cut_off == 2 * MOST_AT_ONCE
    for _, writer in silent[2 * MOST_AT_ONCE :]:
        writer.close()
