"""The simulator's calls, as an ASGI application."""

from __future__ import annotations

import asyncio
import json
import random
import secrets
import time
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from local_supabase.faults.simulator import Fault, SimulatorFaults, refusal
from local_supabase.simulator.music import compose_mp3
from local_supabase.simulator.tasks import PRICES_CENTS, Account, SimulatedTask

MAX_PROMPT_CHARACTERS = 1024
MAX_LYRICS_CHARACTERS = 5000
KINDS = ("instrumental", "song")

_compose = lru_cache(maxsize=64)(compose_mp3)


class Simulator:
    """A Mureka of one's own.

    Args:
        api_key: the only key it takes.
        seconds: how long a generation takes; may be set while it runs.
        data_dir: keeps the tasks between runs; None keeps them in memory.
        music_seconds: length of the shortest music; the longest is half as long again.

    `submit_seconds` is the shortest and the longest time until a submit is answered; the task is
    accepted at some moment in between. `account` has the tasks, `faults` what is to go wrong.
    """

    def __init__(
        self,
        api_key: str,
        seconds: float,
        data_dir: Path | None = None,
        *,
        music_seconds: float = 20,
        faults: SimulatorFaults | None = None,
    ) -> None:
        self.seconds = seconds
        self.music_seconds = music_seconds
        self.submit_seconds = (0.0, 0.0)
        self.account = Account(data_dir / "tasks.jsonl" if data_dir else None)
        self.faults = faults if faults is not None else SimulatorFaults()
        self._api_key = api_key
        self.app = Starlette(
            routes=[
                Route("/v1/{kind}/generate", self._generate, methods=["POST"]),
                Route("/v1/{kind}/query/{task_id}", self._poll),
                Route("/v1/account/billing", self._billing),
                Route("/audio/{task_id}.mp3", self._audio),
                Route("/stream/{task_id}.mp3", self._audio),
                Route("/_simulator/ledger", self._ledger, methods=["GET", "DELETE"]),
                Route("/_simulator/faults", self._control_faults, methods=["POST", "DELETE"]),
                Route("/_simulator/seconds", self._control_seconds, methods=["PUT"]),
            ],
            middleware=[Middleware(CORSMiddleware, allow_origins=["*"], expose_headers=["*"])],
            exception_handlers={404: _no_such_route, 405: _no_such_route},
        )

    @property
    def ledger(self) -> list[dict[str, Any]]:
        """A dict for each accepted task: task_id, kind, model, prompt, price_cents, accepted_at."""
        return self.account.ledger()

    def tasks_for(self, prompt_part: str) -> list[dict[str, Any]]:
        """The entries of the ledger whose prompt contains a text."""
        return [entry for entry in self.ledger if prompt_part in entry["prompt"]]

    async def _generate(self, request: Request) -> Response:
        trace_id, kind = secrets.token_hex(16), request.path_params["kind"]
        if kind not in KINDS:
            return _no_such_route(request, None)
        try:
            body = json.loads(await request.body())
        except ValueError:
            body = None
        prompt = str(body.get("prompt") or "") if isinstance(body, dict) else ""
        fault = self.faults.meet("submit", prompt)
        instead = await fault.before(trace_id) if fault else None
        latency = random.uniform(*self.submit_seconds)  # noqa: S311
        accepted_after = random.uniform(0, latency)  # noqa: S311
        await asyncio.sleep(accepted_after)
        answer = instead or self._refusal(request, kind, body, trace_id)
        if answer is None:
            answer = JSONResponse(_shown(self._accept(kind, body, prompt, trace_id), time.time()))
        await asyncio.sleep(latency - accepted_after)
        return fault.after(answer) if fault and not instead else answer

    def _refusal(self, request: Request, kind: str, body: Any, trace_id: str) -> Response | None:
        if not self._knows(request):
            return refusal(401, "Incorrect API key provided", trace_id)
        wrong = _what_is_wrong(kind, body)
        if wrong:
            return refusal(400, wrong, trace_id)
        if self.account.running() >= self.account.concurrent_request_limit:
            message = "You exceeded the limit of concurrent requests"
            return refusal(429, message, trace_id)
        if self.account.balance_cents <= 0:
            message = "You exceeded your current quota, please check your billing details"
            return refusal(429, message, trace_id)
        return None

    def _accept(self, kind: str, body: Any, prompt: str, trace_id: str) -> SimulatedTask:
        ending = self.faults.meet("task", prompt)
        length = self.music_seconds * (1 + random.Random(prompt).random() / 2)  # noqa: S311
        return self.account.accept(
            kind,
            body,
            seconds=self.seconds,
            music_seconds=length,
            trace_id=trace_id,
            outcome=ending.outcome if ending else None,
            reason=ending.reason if ending else None,
        )

    async def _poll(self, request: Request) -> Response:
        trace_id = secrets.token_hex(16)
        task = self.account.tasks.get(request.path_params["task_id"])
        fault = self.faults.meet("poll", task.prompt if task else "")
        instead = await fault.before(trace_id) if fault else None
        if instead is not None:
            return instead
        if not self._knows(request):
            answer = refusal(401, "Incorrect API key provided", trace_id)
        elif task is None or task.kind != request.path_params["kind"]:
            answer = refusal(400, "Invalid task id", trace_id)
        else:
            root = str(request.base_url).rstrip("/")
            answer = JSONResponse(_shown(task, time.time(), root=root, trace_id=trace_id))
        return fault.after(answer) if fault else answer

    async def _billing(self, request: Request) -> Response:
        trace_id = secrets.token_hex(16)
        fault = self.faults.meet("billing")
        instead = await fault.before(trace_id) if fault else None
        if instead is not None:
            return instead
        if not self._knows(request):
            return refusal(401, "Incorrect API key provided", trace_id)
        account = self.account
        answer = JSONResponse(
            {
                "account_id": 1,
                "balance": account.balance_cents,
                "total_recharge": account.balance_cents + account.spent_cents,
                "total_spending": account.spent_cents,
                "concurrent_request_limit": account.concurrent_request_limit,
                "trace_id": trace_id,
            }
        )
        return fault.after(answer) if fault else answer

    async def _audio(self, request: Request) -> Response:
        task = self.account.tasks.get(request.path_params["task_id"])
        if task is None or task.status(time.time()) not in ("succeeded", "streaming"):
            return PlainTextResponse("404 page not found", 404)
        fault = self.faults.meet("audio", task.prompt)
        if fault and fault.status:
            return PlainTextResponse(fault.message, fault.status)
        content = await asyncio.to_thread(_compose, task.prompt, task.music_seconds)
        headers = {"content-length": str(len(content))}
        if fault and fault.audio == "truncated":
            content = content[: len(content) // 2]
        elif fault and fault.audio == "tiny":
            content, headers = content[:2000], {}
        elif fault and fault.audio == "not_audio":
            content, headers = b"<html>" + b"x" * 200_000, {}
        return Response(content, media_type="audio/mpeg", headers=headers)

    def _knows(self, request: Request) -> bool:
        return request.headers.get("authorization") == f"Bearer {self._api_key}"

    async def _ledger(self, request: Request) -> Response:
        if request.method == "DELETE":
            self.account.forget()
        return JSONResponse(self.ledger)

    async def _control_faults(self, request: Request) -> Response:
        if request.method == "DELETE":
            self.faults.clear()
            return Response(status_code=204)
        try:
            self.faults.add(Fault.model_validate_json(await request.body()))
        except ValidationError as error:
            return JSONResponse({"error": str(error)}, 400)
        return Response(status_code=204)

    async def _control_seconds(self, request: Request) -> Response:
        self.seconds = float((await request.body()).decode())
        return Response(status_code=204)


def _no_such_route(_: Request, __: Exception | None) -> Response:
    return PlainTextResponse("404 page not found", 404)


def _what_is_wrong(kind: str, body: Any) -> str | None:
    """Why a submit is invalid; fields that are not known are dropped, as Mureka does."""
    if not isinstance(body, dict):
        return "Invalid request: the body is not a JSON object"
    prompt, lyrics = body.get("prompt"), body.get("lyrics")
    count, model = body.get("n", 2), body.setdefault("model", "auto")
    checks = [
        (kind == "instrumental" and not prompt, "prompt or instrumental_id is required"),
        (kind == "song" and not lyrics, "lyrics is required"),
        (len(str(prompt or "")) > MAX_PROMPT_CHARACTERS, "prompt is too long"),
        (len(str(lyrics or "")) > MAX_LYRICS_CHARACTERS, "lyrics is too long"),
        (model not in PRICES_CENTS, "model does not exist"),
        (kind == "instrumental" and model == "mureka-o2", "model is for songs only"),
        (not isinstance(count, int) or not 1 <= count <= 3, "n must be between 1 and 3"),
    ]
    return next((f"Invalid request: {text}" for wrong, text in checks if wrong), None)


def _shown(
    task: SimulatedTask, now: float, *, root: str = "", trace_id: str | None = None
) -> dict[str, Any]:
    """A task as Mureka shows it: zero and empty values are left out."""
    status = task.status(now)
    shown: dict[str, Any] = {
        "id": task.id,
        "created_at": int(task.accepted_at),
        "model": task.body["model"],
        "status": status,
        "trace_id": trace_id or task.trace_id,
    }
    if status in ("succeeded", "failed", "timeouted", "cancelled"):
        shown["finished_at"] = int(task.finished_at)
    if status not in ("succeeded", "streaming") and task.reason and "finished_at" in shown:
        shown["failed_reason"] = task.reason
    if status == "streaming" and root:
        shown["choices"] = [{"id": f"{task.id}1", "stream_url": f"{root}/stream/{task.id}.mp3"}]
    if status == "succeeded" and task.outcome != "no_choices":
        shown["choices"] = [
            {"id": f"{task.id}{index + 1}", "duration": round(task.music_seconds * 1000)}
            | {"url": f"{root}/audio/{task.id}.mp3"}
            | ({"index": index} if index else {})
            for index in range(int(task.body.get("n", 2)))
        ]
    return shown
