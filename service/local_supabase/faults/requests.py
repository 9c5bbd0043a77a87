"""Requests that are held, lost, cut off, answered by somebody else, or counted.

Each plan is met by the next `times` requests whose path contains its text. What is held, a request
before the application has it or an answer after the application has acted, waits until
`Plan.release` or `RequestFaults.clear`; the client may be killed meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Literal

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from local_supabase.faults.responses import CutResponse

Kind = Literal["hold_before", "hold_after", "lose_answer", "answer", "cut", "count"]


@dataclass(eq=False)
class Plan:
    """What the next requests meet.

    `met` counts them so far, `reached` is set by the first, `released` ends the holding.
    """

    kind: Kind
    path: str
    times: int
    response: Response | None = None
    met: int = 0
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    released: asyncio.Event = field(default_factory=asyncio.Event)

    def release(self) -> None:
        """Let go of what is held."""
        self.released.set()


class RequestFaults:
    """The plans for one HTTP application; the first that fits a request is the one it meets."""

    def __init__(self) -> None:
        self._open: list[Plan] = []
        self._made: list[Plan] = []

    def hold_before(self, path: str, *, times: int = 1) -> Plan:
        """Keep requests from the application until released."""
        return self._add(Plan("hold_before", path, times))

    def hold_after(self, path: str, *, times: int = 1) -> Plan:
        """Let the application act, but keep its answers until released."""
        return self._add(Plan("hold_after", path, times))

    def lose_answers(self, path: str, *, times: int = 1) -> Plan:
        """Let the application act, then close the connection instead of answering."""
        return self._add(Plan("lose_answer", path, times))

    def cut(self, path: str, *, times: int = 1) -> Plan:
        """Close the connection without the application ever knowing."""
        return self._add(Plan("cut", path, times))

    def count(self, path: str) -> Plan:
        """Touch nothing, but count the requests in `met`."""
        return self._add(Plan("count", path, 0))

    def answer(self, path: str, response: Response, *, times: int = 1) -> Plan:
        """Answer in the application's place."""
        return self._add(Plan("answer", path, times, response))

    def clear(self) -> None:
        """Plan nothing any more and let go of everything that is held."""
        for plan in self._made:
            plan.release()
        self._open.clear()
        self._made.clear()

    def around(self, app: ASGIApp) -> ASGIApp:
        """The application with the plans in front of it; WebSockets pass untouched."""

        async def respond(scope: Scope, receive: Receive, send: Send) -> None:
            plan = self._meet(scope["path"]) if scope["type"] == "http" else None
            if plan is None:
                await app(scope, receive, send)
            else:
                await _carry_out(plan, app, scope, receive, send)

        return respond

    def _add(self, plan: Plan) -> Plan:
        self._open.append(plan)
        self._made.append(plan)
        return plan

    def _meet(self, path: str) -> Plan | None:
        for plan in self._open:
            if plan.path in path:
                plan.met += 1
                if plan.kind == "count":
                    continue
                if plan.met == plan.times:
                    self._open.remove(plan)
                return plan
        return None


async def _carry_out(plan: Plan, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    match plan.kind:
        case "hold_before":
            whole = await _received(receive)
            plan.reached.set()
            await plan.released.wait()
            await app(scope, whole, send)
        case "hold_after":
            deliver = await _captured(app, scope, receive, send)
            plan.reached.set()
            await plan.released.wait()
            await deliver()
        case "lose_answer":
            await _captured(app, scope, receive, send)
            plan.reached.set()
            await CutResponse()(scope, receive, send)
        case "cut":
            plan.reached.set()
            await CutResponse()(scope, receive, send)
        case "answer":
            plan.reached.set()
            assert plan.response is not None  # noqa: S101  `answer` sets it
            await plan.response(scope, receive, send)


async def _received(receive: Receive) -> Receive:
    """The request as it came, to be read later, even when the other side is gone by then."""
    parts = [await receive()]
    while parts[-1].get("more_body"):
        parts.append(await receive())

    async def again() -> Message:
        return parts.pop(0) if parts else await receive()

    return again


async def _captured(
    app: ASGIApp, scope: Scope, receive: Receive, send: Send
) -> Callable[[], Awaitable[None]]:
    """Let the application act; what it answers is sent by calling the result."""
    kept: list[Message] = []

    async def keep(message: Message) -> None:
        kept.append(message)

    await app(scope, receive, keep)

    async def deliver() -> None:
        for message in kept:
            await send(message)

    return deliver
