"""Uploads that are refused, cut off, stored without an answer, or never answered."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from local_supabase.faults.responses import CutResponse

Answer = Callable[[Request], Awaitable[Response]]
Kind = Literal["refuse", "cut", "lose", "hang"]


@dataclass(frozen=True, slots=True)
class _Fault:
    kind: Kind
    status: int = 500
    body: Any = None


class UploadFaults:
    """What goes wrong with the next uploads, one fault each, in the order of planning."""

    def __init__(self) -> None:
        self._planned: deque[_Fault] = deque()
        self._released = asyncio.Event()
        self._all_met = asyncio.Event()

    def refuse_uploads(self, count: int, *, status: int, body: dict[str, Any] | str) -> None:
        """Answer the next uploads at once, body unread; a text stands for a proxy's HTML."""
        self._plan(count, _Fault("refuse", status, body))

    def cut_uploads(self, count: int) -> None:
        """Close the connection of the next uploads; nothing is stored."""
        self._plan(count, _Fault("cut"))

    def lose_answers(self, count: int) -> None:
        """Store the next uploads, but close the connection instead of answering."""
        self._plan(count, _Fault("lose"))

    def hang_uploads(self, count: int) -> None:
        """Never answer the next uploads; ends when the client goes, or with `clear`."""
        self._plan(count, _Fault("hang"))

    @property
    def left(self) -> int:
        """How many planned faults have not been met yet."""
        return len(self._planned)

    async def all_met(self) -> None:
        """Wait until an upload has met the last planned fault."""
        await self._all_met.wait()

    def clear(self) -> None:
        """Plan nothing any more and let go of hanging uploads."""
        self._planned.clear()
        self._released.set()
        self._released = asyncio.Event()

    def around(self, answer: Answer) -> Answer:
        """An upload's endpoint with the planned faults in front of it."""

        async def respond(request: Request) -> Response:
            if not self._planned:
                return await answer(request)
            fault = self._next()
            if fault.kind == "refuse":
                return _refusal(fault)
            if fault.kind == "hang":
                await self._hang(request)
            if fault.kind == "lose":
                await answer(request)
            return CutResponse()

        return respond

    def _plan(self, count: int, fault: _Fault) -> None:
        self._planned.extend([fault] * count)
        self._all_met.clear()

    def _next(self) -> _Fault:
        fault = self._planned.popleft()
        if not self._planned:
            self._all_met.set()
        return fault

    async def _hang(self, request: Request) -> None:
        released = asyncio.create_task(self._released.wait(), name="hanging upload released")
        left = asyncio.create_task(_client_leaves(request), name="hanging upload left")
        await asyncio.wait({released, left}, return_when=asyncio.FIRST_COMPLETED)
        for task in (released, left):
            task.cancel()


def _refusal(fault: _Fault) -> Response:
    if isinstance(fault.body, str):
        return Response(fault.body, fault.status, media_type="text/html")
    return JSONResponse(fault.body, fault.status)


async def _client_leaves(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
