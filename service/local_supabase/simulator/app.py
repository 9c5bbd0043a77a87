"""The simulator's calls, as an ASGI application."""

from __future__ import annotations

import asyncio
import json
import random
import secrets
import time
from collections.abc import Callable
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

from local_supabase.faults.simulator import Fault, Place, SimulatorFaults, refusal
from local_supabase.simulator.answers import shown
from local_supabase.simulator.lyrics import write_lyrics
from local_supabase.simulator.music import compose
from local_supabase.simulator.tasks import PRICES_CENTS, Account, SimulatedTask

MAX_PROMPT_CHARACTERS = 1024
MAX_LYRICS_CHARACTERS = 5000
KINDS = ("instrumental", "song")
GENDERS = ("female", "male")
MEDIA_TYPES = {"mp3": "audio/mpeg", "wav": "audio/wav", "flac": "audio/flac"}

_compose = lru_cache(maxsize=64)(compose)
_compose_lossless = lru_cache(maxsize=4)(compose)  # some 5 MB each


class Simulator:
    """A Mureka of one's own.

    Args:
        api_key: the key it takes; `api_keys` are those of the account, and may be changed.
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
        self.api_keys = {api_key}
        self.app = Starlette(
            routes=[
                Route("/v1/lyrics/generate", self._write_lyrics, methods=["POST"]),
                Route("/v1/{kind}/generate", self._generate, methods=["POST"]),
                Route("/v1/{kind}/query/{task_id}", self._poll),
                Route("/v1/account/billing", self._billing),
                Route("/audio/{task_id}.{audio_format}", self._audio),
                Route("/stream/{task_id}.{audio_format}", self._audio),
                Route("/_simulator/ledger", self._ledger, methods=["GET", "DELETE"]),
                Route("/_simulator/faults", self._control_faults, methods=["POST", "DELETE"]),
                Route("/_simulator/seconds", self._control_seconds, methods=["PUT"]),
            ],
            middleware=[Middleware(CORSMiddleware, allow_origins=["*"], expose_headers=["*"])],
            exception_handlers={404: _no_such_route, 405: _no_such_route},
        )

    @property
    def ledger(self) -> list[dict[str, Any]]:
        """A dict for each paid call: task_id, kind, model, prompt, price_cents, accepted_at."""
        return self.account.ledger()

    def tasks_for(self, prompt_part: str) -> list[dict[str, Any]]:
        """The entries of the ledger whose prompt contains a text."""
        return [entry for entry in self.ledger if prompt_part in entry["prompt"]]

    async def _generate(self, request: Request) -> Response:
        kind = request.path_params["kind"]
        if kind not in KINDS:
            return _no_such_route(request, None)

        def accept(body: dict[str, Any], prompt: str, trace_id: str) -> dict[str, Any]:
            return shown(self._accept(kind, body, prompt, trace_id), time.time())

        return await self._paid(request, "submit", kind, accept)

    async def _write_lyrics(self, request: Request) -> Response:
        return await self._paid(request, "lyrics", "lyrics", self._accept_lyrics)

    async def _paid(
        self,
        request: Request,
        place: Place,
        kind: str,
        accept: Callable[[dict[str, Any], str, str], dict[str, Any]],
    ) -> Response:
        """Answer a call that costs money once it is accepted."""
        trace_id = secrets.token_hex(16)
        try:
            body = json.loads(await request.body())
        except ValueError:
            body = None
        prompt = str(body.get("prompt") or "") if isinstance(body, dict) else ""
        fault = self.faults.meet(place, prompt)
        instead = await fault.before(trace_id) if fault else None
        latency = random.uniform(*self.submit_seconds)  # noqa: S311
        accepted_after = random.uniform(0, latency)  # noqa: S311
        await asyncio.sleep(accepted_after)
        answer = instead or self._refusal(request, kind, body, trace_id)
        if answer is None:
            said = accept(body, prompt, trace_id)
            answer = JSONResponse(fault.spoil_lyrics(said) if fault else said)
        await asyncio.sleep(latency - accepted_after)
        return fault.after(answer) if fault and not instead else answer

    def _refusal(self, request: Request, kind: str, body: Any, trace_id: str) -> Response | None:
        if not self._knows(request):
            return refusal(401, "Incorrect API key provided", trace_id)
        wrong = _what_is_wrong(kind, body)
        if wrong:
            return refusal(400, wrong, trace_id)
        account = self.account
        if kind in KINDS and account.running() >= account.concurrent_request_limit:
            message = "You exceeded the limit of concurrent requests"
            return refusal(429, message, trace_id)
        if account.balance_cents <= 0:
            message = "You exceeded your current quota, please check your billing details"
            return refusal(429, message, trace_id)
        return None

    def _accept(self, kind: str, body: Any, prompt: str, trace_id: str) -> SimulatedTask:
        fault = self.faults.meet("task", prompt)
        length = self.music_seconds * (1 + random.Random(prompt).random() / 2)  # noqa: S311
        return self.account.accept(
            kind,
            body,
            seconds=self.seconds,
            music_seconds=length,
            trace_id=trace_id,
            **(fault.of_task() if fault else {}),
        )

    def _accept_lyrics(self, body: dict[str, Any], prompt: str, trace_id: str) -> dict[str, Any]:
        kept = {"prompt": body["prompt"]}
        self.account.accept("lyrics", kept, seconds=0, music_seconds=0, trace_id=trace_id)
        title, lyrics = write_lyrics(prompt)
        return {"title": title, "lyrics": lyrics, "trace_id": trace_id}

    async def _poll(self, request: Request) -> Response:
        trace_id = secrets.token_hex(16)
        task = self.account.tasks.get(request.path_params["task_id"])
        fault = self.faults.meet("poll", task.prompt if task else "")
        instead = await fault.before(trace_id) if fault else None
        if instead is not None:
            return instead
        if not self._knows(request):
            answer = refusal(401, "Incorrect API key provided", trace_id)
        elif task is None or task.kind not in KINDS or task.kind != request.path_params["kind"]:
            answer = refusal(400, "Invalid task id", trace_id)
        else:
            root = str(request.base_url).rstrip("/")
            answer = JSONResponse(shown(task, time.time(), root=root, trace_id=trace_id))
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
        audio_format = request.path_params["audio_format"]
        if task is None or task.kind not in KINDS or audio_format not in MEDIA_TYPES:
            return _no_such_route(request, None)
        if task.status(time.time()) not in ("succeeded", "streaming"):
            return _no_such_route(request, None)
        is_mp3 = audio_format == "mp3"
        fault = self.faults.meet("audio" if is_mp3 else audio_format, task.prompt)
        if fault and fault.status:
            return PlainTextResponse(fault.message, fault.status)
        make = _compose if is_mp3 else _compose_lossless
        content = await asyncio.to_thread(make, task.prompt, task.music_seconds, audio_format)
        headers = {"content-length": str(len(content))}
        if fault and fault.audio == "truncated":
            content = content[: len(content) // 2]
        elif fault and fault.audio == "tiny":
            content, headers = content[:2000], {}
        elif fault and fault.audio == "not_audio":
            content, headers = b"<html>" + b"x" * 200_000, {}
        return Response(content, media_type=MEDIA_TYPES[audio_format], headers=headers)

    def _knows(self, request: Request) -> bool:
        kind, _, key = request.headers.get("authorization", "").partition(" ")
        return kind == "Bearer" and key in self.api_keys

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
    """Why a paid call is invalid; fields that are not known are dropped, as Mureka does."""
    if not isinstance(body, dict):
        return "Invalid request: the body is not a JSON object"
    checks = _checks_of_lyrics(body) if kind == "lyrics" else _checks_of_music(kind, body)
    return next((f"Invalid request: {text}" for wrong, text in checks if wrong), None)


def _checks_of_lyrics(body: dict[str, Any]) -> list[tuple[bool, str]]:
    prompt = body.get("prompt")
    return [
        (not isinstance(prompt, str) or not prompt.strip(), "prompt is required"),
        (len(str(prompt)) > MAX_PROMPT_CHARACTERS, "prompt is too long"),
    ]


def _checks_of_music(kind: str, body: dict[str, Any]) -> list[tuple[bool, str]]:
    prompt, lyrics, gender = body.get("prompt"), body.get("lyrics"), body.get("gender")
    count, model = body.get("n", 2), body.setdefault("model", "auto")
    return [
        (kind == "instrumental" and not prompt, "prompt or instrumental_id is required"),
        (kind == "song" and not lyrics, "lyrics is required"),
        (len(str(prompt or "")) > MAX_PROMPT_CHARACTERS, "prompt is too long"),
        (len(str(lyrics or "")) > MAX_LYRICS_CHARACTERS, "lyrics is too long"),
        (model not in list(PRICES_CENTS), "model does not exist"),
        (kind == "instrumental" and model == "mureka-o2", "model is for songs only"),
        (kind == "instrumental" and gender is not None, "gender is for songs only"),
        (gender is not None and gender not in GENDERS, "gender must be female or male"),
        (not isinstance(count, int) or not 1 <= count <= 3, "n must be between 1 and 3"),
    ]
