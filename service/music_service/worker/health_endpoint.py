"""A worker's state over HTTP on this machine, for whatever restarts or watches it."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from music_service.errors import ConfigurationError

HOST = "127.0.0.1"
_REQUEST_SECONDS = 5
_WELL = ("running", "stopping")


@asynccontextmanager
async def serve_health(
    port: int | None, status: Callable[[], dict[str, Any]]
) -> AsyncIterator[None]:
    """Answer every request with the status as JSON: 200 while it works, else 503.

    Args:
        port: on 127.0.0.1; None for no endpoint.
        status: see `Worker.status`.

    Raises:
        ConfigurationError: the port is taken.
    """
    if port is None:
        yield
        return

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, EOFError, asyncio.LimitOverrunError):
            async with asyncio.timeout(_REQUEST_SECONDS):
                await reader.readuntil(b"\r\n\r\n")
                writer.write(_response(status()))
                await writer.drain()
        writer.close()

    try:
        server = await asyncio.start_server(answer, HOST, port)
    except OSError as error:
        raise ConfigurationError(
            f"HEALTH_PORT {port} is taken or not allowed; choose another."
        ) from error
    async with server:
        yield


def _response(status: dict[str, Any]) -> bytes:
    body = json.dumps(status).encode()
    code = "200 OK" if status["state"] in _WELL else "503 Service Unavailable"
    head = (
        f"HTTP/1.1 {code}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + body
