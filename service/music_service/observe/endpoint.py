"""Pages over HTTP for whatever probes, watches or restarts a worker.

One request a connection, read and answered within seconds, of a few kilobytes at most, and so many
connections at once: whoever is slow, or means harm, is cut off and holds up nobody. Where there are
too many, those that have been there longest go first, since a quick one is gone by then.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import h11

from music_service.errors import ConfigurationError

MOST_AT_ONCE = 32
MOST_HEAD_BYTES = 8192
_REQUEST_SECONDS = 5
_READ_BYTES = 4096
_NO_SUCH_ADDRESS = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


@dataclass(frozen=True, slots=True)
class Page:
    """What is answered."""

    status: int
    body: bytes
    content_type: str = "text/plain; charset=utf-8"

    @classmethod
    def of_json(cls, status: int, content: dict[str, Any]) -> Page:
        """A page of JSON."""
        return cls(status, json.dumps(content).encode(), "application/json")

    @classmethod
    def of_text(cls, status: int, sentence: str) -> Page:
        """A page of one sentence."""
        return cls(status, f"{sentence}\n".encode())


Pages = Mapping[str, Callable[[], Page]]


@asynccontextmanager
async def serve(host: str, port: int | None, pages: Pages) -> AsyncIterator[None]:
    """Answer GET of each path in `pages`, for the length of a block.

    Args:
        host: the address to listen on; a name stands for all of its addresses.
        port: None for no endpoint.
        pages: what makes the answer, by path. It must not block.

    Raises:
        ConfigurationError: the port is taken, or the host is none of this machine.
    """
    if port is None:
        yield
        return
    endpoint = _Endpoint(pages)
    try:
        server = await asyncio.start_server(endpoint.answer, host, port, limit=_READ_BYTES)
    except OSError as error:
        if isinstance(error, socket.gaierror) or error.errno in _NO_SUCH_ADDRESS:
            raise ConfigurationError(
                f"HEALTH_HOST {host} is no address of this machine; choose another."
            ) from error
        raise ConfigurationError(
            f"Port {port} is taken or not allowed; choose another by HEALTH_PORT."
        ) from error
    try:
        yield
    finally:
        server.close()
        endpoint.cut_off_all()
        await server.wait_closed()


class _Endpoint:
    def __init__(self, pages: Pages) -> None:
        self._pages = pages
        self._open: dict[asyncio.StreamWriter, None] = {}  # the oldest first

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, to its end."""
        if len(self._open) >= MOST_AT_ONCE:
            next(iter(self._open)).transport.abort()
        self._open[writer] = None
        writer.transport.set_write_buffer_limits(0)  # so that `drain` waits until all is taken
        try:
            with contextlib.suppress(OSError):  # TimeoutError is one
                async with asyncio.timeout(_REQUEST_SECONDS):
                    await self._talk(reader, writer)
        finally:
            writer.transport.abort()
            self._open.pop(writer, None)

    def cut_off_all(self) -> None:
        """End what is under way."""
        for writer in self._open:
            writer.transport.abort()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        http = h11.Connection(h11.SERVER, max_incomplete_event_size=MOST_HEAD_BYTES)
        is_head = False
        try:
            while (event := http.next_event()) is h11.NEED_DATA:
                http.receive_data(await reader.read(_READ_BYTES))
        except h11.RemoteProtocolError as error:
            page = Page.of_text(error.error_status_hint, "The request was not understood.")
        else:
            if not isinstance(event, h11.Request):
                return
            is_head, page = event.method == b"HEAD", self._page_for(event)
        writer.write(_sent(http, page, is_head=is_head))
        await writer.drain()

    def _page_for(self, request: h11.Request) -> Page:
        make = self._pages.get(request.target.partition(b"?")[0].decode("ascii", "replace"))
        if make is None:
            return Page.of_text(404, f"There is {', '.join(self._pages)}.")
        if request.method != b"GET":
            return Page.of_text(405, "There is GET alone.")
        try:
            return make()
        except Exception as error:  # noqa: BLE001  a fault of a page must not end the worker
            return Page.of_text(500, f"The page could not be made ({type(error).__name__}).")


def _sent(http: h11.Connection, page: Page, *, is_head: bool) -> bytes:
    headers = [
        ("content-type", page.content_type),
        ("content-length", str(len(page.body))),
        ("connection", "close"),
    ]
    if page.status == 405:
        headers.append(("allow", "GET"))
    events: list[h11.Event] = [h11.Response(status_code=page.status, headers=headers)]
    if not is_head:
        events.append(h11.Data(data=page.body))
    return b"".join(http.send(event) or b"" for event in [*events, h11.EndOfMessage()])
