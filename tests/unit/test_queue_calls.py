"""Calls of the database's functions: which are repeated, and when."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import Any
from uuid import uuid4

import httpx
import pytest
from postgrest.exceptions import APIError

from music_service.errors import (
    ConfigurationError,
    ContractError,
    ErrorCode,
    LostClaimError,
    MusicServiceError,
    TransientError,
)
from music_service.redact import keep_secret
from music_service.store.queue import Queue
from music_service.tracks import Outcome
from tests.support.builders import some_music
from tests.support.clock import now

ID = uuid4()
MUSIC = some_music()
WISHES = (
    "lyrics", "genre", "mood", "tempo", "duration",
    "lyrics_prompt", "vocal_gender", "model", "audio_formats",
)  # fmt: skip
AWAY = httpx.ConnectError("refused")


class Client:
    """Answers each call of a function with the next of `answers`, the last one again and again."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.calls: list[tuple[float, str, dict[str, Any]]] = []

    def rpc(self, function: str, arguments: dict[str, Any]) -> Client:
        self.calls.append((now(), function, arguments))
        return self

    async def execute(self) -> Client:
        await asyncio.sleep(0)
        self.data = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(self.data, Exception):
            raise self.data
        return self


def a_queue(client: Any) -> Queue:
    return Queue(client, "worker")


def refused(code: str) -> APIError:
    return APIError({"code": code, "message": "the reason", "hint": None, "details": None})


async def test_no_key_of_ours_is_written_to_a_row() -> None:
    keep_secret("a-key-4711-of-ours")
    client = Client([{"id": 1}])
    queue = a_queue(client)
    echoed = "You sent a-key-4711-of-ours."
    await queue.fail(ID, outcome=Outcome.OPEN, code=ErrorCode.INTERNAL, message=echoed)
    await queue.report_worker(host="h", version="1", capacity=1, state="blocked", note=echoed)
    assert [told for _, _, told in client.calls if "4711" in str(told)] == []
    assert "(a key)" in str(client.calls[0])


WRITES: list[Callable[[Queue], Awaitable[object]]] = [
    lambda queue: queue.release([ID]),
    lambda queue: queue.store_receipt(ID, "task-1", None),
    lambda queue: queue.store_lyrics(ID, "Snow", "It falls"),
    lambda queue: queue.report_stage(ID, "running", None),
    lambda queue: queue.complete(ID, MUSIC),
    lambda queue: queue.fail(ID, outcome=Outcome.OPEN, code=ErrorCode.INTERNAL, message="No."),
]


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("trouble", [AWAY, refused("57014"), refused("P0001"), "no list"])
async def test_a_write_whose_answer_was_lost_is_repeated(
    write: Callable[[Queue], Awaitable[object]], trouble: Any
) -> None:
    client = Client(trouble, trouble, [str(ID)])
    await write(a_queue(client))
    times = [at for at, _, _ in client.calls]
    first, second = (later - earlier for earlier, later in pairwise(times))
    assert 0.2 <= first <= 0.3
    assert second == pytest.approx(1.0)
    assert len({(function, str(arguments)) for _, function, arguments in client.calls}) == 1


@pytest.mark.parametrize(
    ("trouble", "error", "calls"),
    [
        (AWAY, TransientError, 3),
        (refused("P0001"), ContractError, 3),
        (refused("42501"), ConfigurationError, 1),
        ([], LostClaimError, 1),
    ],
)
async def test_a_write_that_keeps_failing_says_so(
    trouble: Any, error: type[MusicServiceError], calls: int
) -> None:
    client = Client(trouble)
    with pytest.raises(error):
        await a_queue(client).complete(ID, MUSIC)
    assert len(client.calls) == calls


@pytest.mark.parametrize(
    "call", [lambda queue: queue.claim(1, 30), lambda queue: queue.renew([ID], 30)]
)
async def test_what_is_asked_for_again_anyway_is_not_repeated(
    call: Callable[[Queue], Awaitable[object]],
) -> None:
    client = Client(AWAY)
    with pytest.raises(TransientError):
        await call(a_queue(client))
    assert len(client.calls) == 1


async def test_a_repeated_call_can_be_cancelled() -> None:
    client = Client(AWAY)
    calling = asyncio.create_task(a_queue(client).release([ID]))
    await asyncio.sleep(0.1)
    calling.cancel()
    await asyncio.wait([calling])
    assert calling.cancelled()
    assert len(client.calls) == 1


async def test_a_status_that_is_none_was_not_agreed_on() -> None:
    with pytest.raises(ContractError):
        await a_queue(Client(["paused"])).defer(
            ID,
            delay_seconds=1,
            outcome=Outcome.OPEN,
            code=ErrorCode.INTERNAL,
            message="Later.",
            counts_as_attempt=False,
        )


async def test_a_frozen_request_that_somebody_edited_costs_no_other_track() -> None:
    row = {
        **{"claim_id": str(ID), "track_id": str(ID), "user_id": None, "prompt": "rain"},
        **dict.fromkeys(WISHES),
        **{"attempts": 0, "expected_seconds": None, "waited_seconds": None},
        **{"asked_at": "2026-11-26T12:00:00.123456+00:00", "asked_seconds": 0.5},
        **{"generation_id": str(ID), "mureka_task_id": "task-1", "generation_age_seconds": 3.0},
        "generation_request": {"edited": True},
    }
    [claim] = await a_queue(Client([row])).claim(1, 30)
    assert claim.generation is not None
    assert claim.generation.request.kind == "instrumental"
