"""A link between a worker and the gateway whose Realtime connections can be spoiled."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

Mode = Literal["sound", "refuse", "vanish", "only_upgrade"]
_REALTIME = b"GET /realtime/"


class Link:
    """Carries bytes to a port of this machine; what is not Realtime always passes.

    `mode` tells what happens to the Realtime connections, old and new: `refuse` closes new ones,
    in `vanish` bytes are lost both ways while the connection stays open, in `only_upgrade` the
    client's bytes arrive and the server's do not, but for the answer that opens the connection.
    """

    def __init__(self, target_port: int) -> None:
        self.mode: Mode = "sound"
        self.url = ""
        self._target_port = target_port
        self._open: set[asyncio.StreamWriter] = set()

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Link]:
        """Listen for the length of a block."""
        server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            server.close()
            self.cut_all()

    def cut_all(self) -> None:
        """Close every connection."""
        for writer in tuple(self._open):
            writer.close()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = await reader.read(65536)
        is_realtime = first.startswith(_REALTIME)
        if is_realtime and self.mode == "refuse":
            writer.close()
            return
        there, back = await asyncio.open_connection("127.0.0.1", self._target_port)
        self._open |= {writer, back}
        back.write(first)
        up = asyncio.create_task(self._pump(reader, back, is_realtime, "up"), name="link up")
        down = asyncio.create_task(self._pump(there, writer, is_realtime, "down"), name="link down")
        try:
            await asyncio.wait([up, down])
        finally:
            self._open -= {writer, back}

    async def _pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        is_realtime: bool,
        way: Literal["up", "down"],
    ) -> None:
        chunks = 0
        with contextlib.suppress(OSError):
            while chunk := await reader.read(65536):
                chunks += 1
                if is_realtime and self._is_lost(way, chunks):
                    continue
                writer.write(chunk)
                await writer.drain()
        writer.close()

    def _is_lost(self, way: Literal["up", "down"], chunks: int) -> bool:
        if self.mode == "vanish":
            return True
        return self.mode == "only_upgrade" and way == "down" and chunks > 1
