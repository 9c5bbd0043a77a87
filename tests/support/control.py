"""A stack that is steered over HTTP, for tests in JavaScript: a worker's steps, and trouble.

Everything is `POST` with a JSON object, and answers one. `STACK_CONTROL_URL` says where.

    /take      {id}                        take the track up, up to the receipt; answers {claim}
    /stage     {claim, stage, stream_url?} say what Mureka says; also renews the claim
    /complete  {claim, file_url?, path?}   end the track with music; no `file_url`: a private bucket
    /fail      {claim, code}               end the track in error
    /defer     {claim, code, seconds?}     put the track off, for a minute unless said otherwise
    /delete    {id}                        delete the row
    /realtime  {refuse_private?, swallow_changes?, swallow_broadcasts?}   set these flags
    /cut       {}                          close every socket of Realtime
    /hold      {path, times?}              keep requests with this in their path until /clear
    /lose      {path, times?}              act, and break the connection instead of answering
    /away      {path, times?}              break the connection of each such request
    /answer    {path, status, body?, times?}   answer instead of the API
    /count     {path}                      count requests from now on; answers {count: a number}
    /counted   {count}                     answers {met: how many there were}
    /token     {user_id, seconds}          answers {token}, of this user and good for so long
    /clear     {}                          end all trouble, and all counts
"""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import AsyncIterator
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local_supabase.faults.requests import Plan
from local_supabase.gateway import Server
from local_supabase.ports import HOST, listen
from local_supabase.stack import Stack

WORKER = "control"
ALWAYS = 1_000_000


@contextlib.asynccontextmanager
async def control_of(stack: Stack) -> AsyncIterator[str]:
    """Steer a stack for the length of a block; yields the URL."""
    with listen(0, "the control") as free:
        port = free.getsockname()[1]
    headers = {"apikey": stack.keys.secret}
    async with httpx.AsyncClient(base_url=f"{stack.url}/rest/v1", headers=headers) as rest:
        control = Control(stack, rest)
        names = (name for name in vars(Control) if not name.startswith("_"))
        app = Starlette(routes=[Route(f"/{n}", control._route(n), methods=["POST"]) for n in names])
        server = Server(app, port, "the control")
        await server.start()
        try:
            yield f"http://{HOST}:{port}"
        finally:
            stack.faults.clear()
            await server.stop()


class Control:
    """Each public method is a route, its parameters the members of the object; see the module."""

    def __init__(self, stack: Stack, rest: httpx.AsyncClient) -> None:
        self._stack = stack
        self._rest = rest
        self._counts: list[Plan] = []

    async def take(self, id: str) -> dict[str, Any]:  # noqa: A002  the name on the wire
        sign = {"p_host": "control", "p_version": "1", "p_capacity": 1000, "p_state": "running"}
        await self._rpc("report_music_worker", p_worker_id=WORKER, p_note=None, **sign)
        claims = await self._rpc(
            "claim_music_tracks", p_worker_id=WORKER, p_limit=1000, p_lease_seconds=600, p_version=2
        )
        others = [claim["claim_id"] for claim in claims if claim["track_id"] != id]
        await self._rpc("release_music_claims", p_worker_id=WORKER, p_claim_ids=others)
        [claim] = [claim["claim_id"] for claim in claims if claim["track_id"] == id]
        generation = str(uuid.uuid4())
        paid = {"p_request": {}, "p_model": "mureka-9", "p_expected_cost_cents": 4.5}
        await self._rpc(
            "begin_music_generation", p_claim_id=claim, p_generation_id=generation, **paid
        )
        task = str(uuid.uuid4())
        await self._rpc(
            "record_music_task",
            p_generation_id=generation,
            p_mureka_task_id=task,
            p_trace_id=None,
        )
        return {"claim": claim}

    async def stage(self, claim: str, stage: str, stream_url: str | None = None) -> None:
        await self._rpc(
            "report_music_stage", p_claim_id=claim, p_stage=stage, p_stream_url=stream_url
        )

    async def complete(
        self, claim: str, file_url: str | None = None, path: str = "tests/1.mp3"
    ) -> None:
        await self._rpc(
            "complete_music_track",
            p_claim_id=claim,
            p_storage_path=path,
            p_file_url=file_url,
            p_duration_ms=20_000,
        )

    async def fail(self, claim: str, code: str) -> None:
        await self._rpc(
            "fail_music_track",
            p_claim_id=claim,
            p_outcome="failed",
            p_error_code=code,
            p_error_message="It could not be made.",
        )

    async def defer(self, claim: str, code: str, seconds: float = 60) -> None:
        await self._rpc(
            "defer_music_track",
            p_claim_id=claim,
            p_outcome="failed",
            p_error_code=code,
            p_error_message="It is made later.",
            p_delay_seconds=seconds,
            p_counts_as_attempt=False,
        )

    async def delete(self, id: str) -> None:  # noqa: A002  the name on the wire
        answer = await self._rest.delete("/music_tracks", params={"id": f"eq.{id}"})
        answer.raise_for_status()

    async def realtime(self, **flags: bool) -> None:
        for name, value in flags.items():
            if name not in vars(self._stack.faults.realtime):
                raise ValueError(name)
            setattr(self._stack.faults.realtime, name, value)

    async def cut(self) -> None:
        self._stack.faults.realtime.drop_all()

    async def hold(self, path: str, times: int = ALWAYS) -> None:
        self._stack.faults.gateway.hold_before(path, times=times)

    async def lose(self, path: str, times: int = ALWAYS) -> None:
        self._stack.faults.gateway.lose_answers(path, times=times)

    async def away(self, path: str, times: int = ALWAYS) -> None:
        self._stack.faults.gateway.cut(path, times=times)

    async def answer(
        self, path: str, status: int, body: object = None, times: int = ALWAYS
    ) -> None:
        self._stack.faults.gateway.answer(path, JSONResponse(body, status), times=times)

    async def count(self, path: str) -> dict[str, Any]:
        self._counts.append(self._stack.faults.gateway.count(path))
        return {"count": len(self._counts) - 1}

    async def counted(self, count: int) -> dict[str, Any]:
        return {"met": self._counts[count].met}

    async def token(self, user_id: str, seconds: float) -> dict[str, Any]:
        claims = {"sub": user_id, "role": "authenticated", "aud": "authenticated"}
        return {"token": self._stack.keys.sign(claims | {"exp": int(time.time() + seconds)})}

    async def clear(self) -> None:
        self._stack.faults.clear()

    def _route(self, name: str) -> Any:
        async def respond(request: Request) -> Response:
            done = await getattr(self, name)(**await request.json())
            return JSONResponse(done or {})

        return respond

    async def _rpc(self, name: str, **arguments: object) -> Any:
        answer = await self._rest.post(f"/rpc/{name}", json=arguments)
        if answer.is_error:
            raise RuntimeError(f"{name}: {answer.status_code} {answer.text}")
        return answer.json() if answer.content else None
