"""Whatever goes wrong at Mureka or in Storage ends where it should, and says why."""

from __future__ import annotations

import asyncio
import json
import random
import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from local_supabase.stack import Stack
from music_service.client import wait_for_track
from tests.support.project import Connection, SignedIn, rows
from tests.support.workers import StartWorker

# What another test left unanswered takes no place, and what it was too fast for slows nothing down.
NOTHING_LEFT = b"""
    update music.generations set place_freed_at = now() where place_freed_at is null;
    update music.account set slowed_down_to = null, slowed_down_at = null where id
"""
QUOTA = "You exceeded your current quota, please check your billing details"


@pytest.fixture(autouse=True)
async def nothing_left(database: Connection) -> None:
    """Each test begins with a Mureka that works on nothing."""
    await database.execute(NOTHING_LEFT)


class Made:
    """A track that has come to an end, with what the ledger and the history say of it."""

    def __init__(
        self, row: dict[str, Any], events: list[dict[str, Any]], tasks: list[dict[str, Any]]
    ) -> None:
        self.row = row
        self.reasons = [e["detail"]["error_code"] for e in events if e["kind"] == "deferred"]
        self.paid = len(tasks)

    @property
    def ended(self) -> tuple[str, str | None]:
        """Status and error code."""
        return self.row["status"], self.row["error_code"]


async def make(stack: Stack, user: SignedIn, database: Connection, *faults: dict[str, Any]) -> Made:
    """Ask for a track as a user, with faults that hit this track alone, and wait for its end."""
    prompt = f"unlucky {uuid.uuid4().hex}"
    for fault in faults:
        stack.faults.simulator.plan(match=prompt, **fault)
    inserted = await user.client.table("music_tracks").insert({"prompt": prompt}).execute()
    track_id = uuid.UUID(rows(inserted)[0]["id"])
    row = dict(await wait_for_track(user.client, track_id))
    cursor = await database.execute(
        "select kind, detail from music.events where track_id = %s order by id", (track_id,)
    )
    events = [dict(event) for event in await cursor.fetchall()]
    return Made(row, events, stack.simulator.tasks_for(prompt))


@pytest.mark.parametrize(
    ("fault", "code", "paid"),
    [
        ({"status": 400, "message": "Invalid request: prompt"}, "invalid_request", 0),
        ({"status": 451}, "moderation_blocked", 0),
        ({"status": 500}, "submission_unknown", 0),
        ({"status": 502}, "submission_unknown", 0),
        ({"status": 504}, "submission_unknown", 0),
        ({"drop": "before"}, "submission_unknown", 0),
        ({"drop": "after"}, "submission_unknown", 1),
        ({"garbage": True}, "submission_unknown", 1),
    ],
)
@pytest.mark.usefixtures("worker")
async def test_a_call_that_must_not_be_repeated_ends_in_error(
    stack: Stack, user: SignedIn, database: Connection, fault: dict[str, Any], code: str, paid: int
) -> None:
    made = await make(stack, user, database, {"on": "submit"} | fault)
    assert made.ended == ("error", code)
    assert made.paid == paid
    assert is_a_sentence(made.row["error_message"])


@pytest.mark.parametrize(
    ("fault", "code", "attempts"),
    [
        ({"status": 401}, "provider_auth", 0),
        ({"status": 403, "message": "Unsupported region"}, "provider_auth", 0),
        ({"status": 429, "message": QUOTA}, "quota_exhausted", 0),
        ({"status": 429, "message": "Rate limit reached for requests"}, "rate_limited", 0),
        ({"status": 429, "message": "Too many concurrent requests"}, "rate_limited", 0),
        ({"status": 503}, "provider_unavailable", 1),
    ],
)
@pytest.mark.usefixtures("worker")
async def test_a_refused_call_waits_with_its_reason_and_is_made_later(
    stack: Stack,
    user: SignedIn,
    database: Connection,
    fault: dict[str, Any],
    code: str,
    attempts: int,
) -> None:
    made = await make(stack, user, database, {"on": "submit"} | fault)
    assert made.ended == ("completed", None)
    assert made.reasons == [code]
    assert made.row["attempts"] == attempts
    assert made.paid == 1


@pytest.mark.parametrize(
    "fault",
    [
        {"on": "poll", "status": 500, "times": 3},
        {"on": "poll", "status": 503, "times": 3},
        {"on": "poll", "status": 429, "message": "Rate limit reached for requests", "times": 3},
        {"on": "poll", "drop": "after", "times": 3},
        {"on": "poll", "garbage": True, "times": 3},
        {"on": "poll", "status": 400, "times": 2},
        {"on": "submit", "delay_seconds": 0.5},
        {"on": "poll", "delay_seconds": 0.5},
        {"on": "audio", "audio": "truncated", "times": 2},
        {"on": "audio", "status": 503, "times": 2},
    ],
)
@pytest.mark.usefixtures("worker")
async def test_trouble_after_the_receipt_costs_time_and_nothing_else(
    stack: Stack, user: SignedIn, database: Connection, fault: dict[str, Any]
) -> None:
    made = await make(stack, user, database, fault)
    assert made.ended == ("completed", None)
    assert made.paid == 1
    assert made.row["attempts"] == 0


@pytest.mark.usefixtures("worker")
async def test_a_long_outage_of_the_audio_server_never_submits_again(
    stack: Stack, user: SignedIn, database: Connection
) -> None:
    made = await make(stack, user, database, {"on": "audio", "status": 503, "times": 10})
    assert made.ended == ("completed", None)
    assert set(made.reasons) == {"provider_unavailable"}
    assert (made.paid, made.row["attempts"]) == (1, 0)


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ({"on": "task", "outcome": "failed"}, "generation_failed"),
        ({"on": "task", "outcome": "timeouted"}, "generation_failed"),
        ({"on": "task", "outcome": "cancelled"}, "generation_failed"),
        ({"on": "task", "outcome": "no_choices"}, "generation_failed"),
        ({"on": "poll", "status": 400, "times": 99}, "generation_failed"),
        ({"on": "audio", "audio": "tiny", "times": 99}, "audio_invalid"),
        ({"on": "audio", "audio": "not_audio", "times": 99}, "audio_invalid"),
        ({"on": "audio", "status": 404, "times": 99}, "audio_invalid"),
    ],
)
@pytest.mark.usefixtures("worker")
async def test_music_that_cannot_be_had_ends_in_error(
    stack: Stack, user: SignedIn, database: Connection, fault: dict[str, Any], code: str
) -> None:
    made = await make(stack, user, database, fault)
    stack.faults.simulator.clear()
    assert made.ended == ("error", code)
    assert made.paid == 1
    assert is_a_sentence(made.row["error_message"])


@pytest.mark.parametrize("function", ["begin_music_generation", "complete_music_track"])
@pytest.mark.parametrize(
    "answer",
    [
        lambda: HTMLResponse("<h1>Welcome</h1>", 200),
        lambda: JSONResponse({"message": "An invalid response was received"}, 502),
        lambda: JSONResponse({"code": "PGRST202", "message": "Could not find it"}, 404),
        lambda: JSONResponse({"message": "Invalid API key"}, 401),
        lambda: Response(status_code=200),
    ],
    ids=["200 HTML", "502 without a code", "schema reloading", "401", "empty 200"],
)
@pytest.mark.usefixtures("worker")
async def test_odd_answers_of_the_database_for_a_while_cost_time_only(
    stack: Stack,
    user: SignedIn,
    database: Connection,
    function: str,
    answer: Callable[[], Response],
) -> None:
    stack.faults.gateway.answer(f"/rpc/{function}", answer(), times=5)
    made = await make(stack, user, database)
    stack.faults.gateway.clear()
    assert made.ended == ("completed", None)
    assert made.paid == 1


@pytest.mark.parametrize(
    "answer",
    [
        {"id": "{id}", "status": None, "trace_id": {"odd": True}},
        {"id": "{id}", "status": "a status nobody knows \x1b[31m" * 1000},
    ],
)
@pytest.mark.usefixtures("worker")
async def test_a_receipt_with_odd_company_is_a_receipt(
    stack: Stack, user: SignedIn, database: Connection, answer: dict[str, Any]
) -> None:
    odd = str(random.randrange(10**15))
    shown = {name: odd if value == "{id}" else value for name, value in answer.items()}
    stack.faults.mureka.answer("/generate", JSONResponse(shown))
    bad = {"id": odd, "status": "failed", "failed_reason": "bad \x00\x1b[31m" + "x" * 10**6}
    stack.faults.mureka.answer(f"/query/{odd}", JSONResponse(bad))
    made = await make(stack, user, database)
    assert made.ended == ("error", "generation_failed")
    assert len(made.row["error_message"]) < 400
    assert made.row["error_message"].isprintable()


@pytest.mark.parametrize("answer", [{"id": ""}, {"id": None}, {"id": "x" * 300_000}, [], "no"])
@pytest.mark.usefixtures("worker")
async def test_an_answer_without_a_receipt_leaves_it_unknown(
    stack: Stack, user: SignedIn, database: Connection, answer: Any
) -> None:
    stack.faults.mureka.answer("/generate", JSONResponse(answer))
    made = await make(stack, user, database)
    assert made.ended == ("error", "submission_unknown")


class OfTheTask(JSONResponse):
    """An answer with the id of the task that is asked for."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = {"id": scope["path"].rpartition("/")[2]} | json.loads(bytes(self.body))
        await JSONResponse(body)(scope, receive, send)


@pytest.mark.parametrize("choice", [{"duration": -5}, {"duration": 1e12}, {"duration": "NaN"}])
@pytest.mark.usefixtures("worker")
async def test_a_senseless_length_is_reckoned_from_the_file(
    stack: Stack, user: SignedIn, database: Connection, choice: dict[str, Any]
) -> None:
    before = stack.simulator.ledger
    made_first = await make(stack, user, database)
    assert made_first.ended == ("completed", None)
    [order] = [order for order in stack.simulator.ledger if order not in before]
    url = f"{stack.simulator_url}/audio/{order['task_id']}.mp3"
    odd = {"status": "succeeded", "choices": [None, {"url": url} | choice]}
    stack.faults.mureka.answer("/query/", OfTheTask(odd))
    made = await make(stack, user, database)
    assert made.ended == ("completed", None)
    assert made.row["duration_ms"] == pytest.approx(made_first.row["duration_ms"], abs=200)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "http://[x", "javascript:alert(1)", 7])
@pytest.mark.usefixtures("worker")
async def test_an_address_that_is_none_ends_in_error(
    stack: Stack, user: SignedIn, database: Connection, url: Any
) -> None:
    odd = {"status": "succeeded", "choices": [{"url": url}]}
    stack.faults.mureka.answer("/query/", OfTheTask(odd), times=10_000)
    try:
        made = await make(stack, user, database)
    finally:
        stack.faults.mureka.clear()
    assert made.row["status"] == "error"
    assert made.row["error_code"] in ("generation_failed", "audio_invalid")


async def test_a_download_that_trickles_is_given_up_and_tried_again(
    stack: Stack, user: SignedIn, database: Connection, start_worker: StartWorker
) -> None:
    async def trickle() -> AsyncIterator[bytes]:
        while True:
            yield b"x"
            await asyncio.sleep(0.05)

    stack.faults.mureka.answer("/audio/", StreamingResponse(trickle()))
    async with start_worker(transfer_seconds=0.5):
        made = await make(stack, user, database)
    assert made.ended == ("completed", None)


async def test_a_task_that_never_ends_times_out_and_a_retry_looks_at_the_old_one(
    stack: Stack, user: SignedIn, database: Connection, start_worker: StartWorker
) -> None:
    async with start_worker(deadline_seconds=0.5):
        made = await make(stack, user, database, {"on": "task", "outcome": "stuck"})
        assert made.ended == ("error", "generation_timeout")
        assert is_a_sentence(made.row["error_message"])
        [order] = stack.simulator.tasks_for(made.row["prompt"])
        stack.simulator.account.tasks[order["task_id"]].outcome = None
        query = user.client.table("music_tracks").update({"status": "pending"})
        await query.eq("id", made.row["id"]).eq("status", "error").execute()
        row = await wait_for_track(user.client, uuid.UUID(made.row["id"]))
    assert row["status"] == "completed"
    assert len(stack.simulator.tasks_for(made.row["prompt"])) == 1


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, {"statusCode": "500", "error": "Internal", "message": "Internal Server Error"}),
        (400, {"statusCode": "403", "error": "Unauthorized", "message": "new row violates policy"}),
        (400, {"statusCode": "404", "error": "Bucket not found", "message": "Bucket not found"}),
        (502, "<html><h1>502 Bad Gateway</h1></html>"),
    ],
)
@pytest.mark.usefixtures("worker")
async def test_a_storage_that_refuses_for_a_while_gets_the_music_later(
    stack: Stack, user: SignedIn, database: Connection, status: int, body: Any
) -> None:
    stack.faults.storage.refuse_uploads(4, status=status, body=body)
    made = await make(stack, user, database)
    assert stack.faults.storage.left == 0
    assert made.ended == ("completed", None)
    assert made.reasons == ["storage_failed"]
    assert (made.paid, made.row["attempts"]) == (1, 0)


@pytest.mark.usefixtures("worker")
async def test_audio_that_storage_will_never_take_ends_in_error_and_can_be_retried_for_free(
    stack: Stack, user: SignedIn, database: Connection
) -> None:
    too_large = {"statusCode": "413", "error": "Payload too large", "message": "Too large"}
    stack.faults.storage.refuse_uploads(1, status=400, body=too_large)
    made = await make(stack, user, database)
    assert made.ended == ("error", "storage_failed")
    assert is_a_sentence(made.row["error_message"])
    query = user.client.table("music_tracks").update({"status": "pending"})
    await query.eq("id", made.row["id"]).execute()
    row = await wait_for_track(user.client, uuid.UUID(made.row["id"]))
    assert row["status"] == "completed"
    assert len(stack.simulator.tasks_for(made.row["prompt"])) == 1


@pytest.mark.usefixtures("worker")
async def test_an_upload_whose_answer_was_lost_is_simply_repeated(
    stack: Stack, user: SignedIn, database: Connection
) -> None:
    stack.faults.storage.lose_answers(1)
    made = await make(stack, user, database)
    assert made.ended == ("completed", None)
    assert made.reasons == []


def is_a_sentence(text: str) -> bool:
    """Words that a user of the app can read: no stack trace, no class name, not too long."""
    return (
        text[0].isupper()
        and text.endswith(".")
        and len(text) < 400
        and not any(part in text for part in ("Error(", "Exception", "Traceback", "<html"))
    )
