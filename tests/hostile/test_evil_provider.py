"""A worker whose provider means harm: it goes on, pays once, and each track has its right end."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from local_supabase.stack import Stack
from music_service.mureka import http as door
from tests.support.evil_provider import (
    Asked,
    Attack,
    Send,
    Writer,
    accepts,
    answers,
    bomb,
    endless,
    finished,
    first,
    hangs_up,
    head,
    leads_to,
    music,
    says_nothing,
    sends,
    serving,
    trickles,
)
from tests.support.hostile import working
from tests.support.project import Connection, SignedIn, rows
from tests.support.workers import settings_for

DONE = ("completed", None)
UNKNOWN = ("error", "submission_unknown")
NO_MUSIC = ("error", "generation_failed")
NO_AUDIO = ("error", "audio_invalid")
LATE = ("error", "generation_timeout")
WAITS = ("pending", "provider_unavailable")
PATIENCE_SECONDS = 80
TRACK = "select * from public.music_tracks where id = %s"


@dataclass(frozen=True)
class Case:
    """An attack and the end that it has; a track that `WAITS` is tried again, at no cost."""

    attack: Attack
    end: tuple[str, str | None]


def submit(send: Send) -> Case:
    return Case(Attack(submit=send), UNKNOWN)


def poll(send: Send, end: tuple[str, str | None] = LATE) -> Case:
    return Case(Attack(poll=send), end)


def audio(send: Send, end: tuple[str, str | None]) -> Case:
    return Case(Attack(audio=send), end)


async def _moved(writer: Writer, asked: Asked) -> None:
    """Not there at the first two addresses; each poll names another."""
    await (sends(b"", status=404) if "late=2" not in asked.path else sends(music()))(writer, asked)


async def _moving(writer: Writer, asked: Asked) -> None:
    task = asked.path.rpartition("/")[2]
    url = f"{asked.root}/audio/{task}.mp3?late={min(asked.times - 1, 2)}"
    await finished(url=url)(writer, asked)


CASES: dict[str, Case] = {
    "well": Case(Attack(), DONE),
    # the paid call
    "submit silent": submit(says_nothing),
    "submit hangs up": submit(hangs_up),
    "submit trickles": submit(trickles(head(200, "content-length: 900"))),
    "submit bomb": submit(sends(bomb(64), "content-encoding: gzip")),
    "submit endless": submit(endless()),
    "submit long id": submit(answers('{"id": ' + "9" * 400 + "}")),
    "submit markup id": submit(answers({"id": "<b>1</b>"})),
    "submit moved": submit(leads_to("$SELF")),
    # polls: never an end of the worker, never a second payment
    "poll trickles": poll(trickles(head(200))),
    "poll silent": poll(says_nothing),
    "poll bomb": poll(sends(bomb(64, 2), "content-encoding: gzip, gzip")),
    "poll other task": poll(answers({"id": "t0", "status": "succeeded"})),
    "poll odd status": poll(answers({"id": "$", "status": ["<b>"]})),
    "poll forgets": poll(answers({"error": {"message": "Invalid"}}, status=400), NO_MUSIC),
    "no choices": poll(finished('{"id": "$ID", "status": "succeeded"}'), NO_MUSIC),
    "no address": poll(finished(url=""), NO_MUSIC),
    "address of no web": poll(finished(url="file:///etc/passwd"), NO_MUSIC),
    "markup reason": poll(
        finished('{"id": "$ID", "status": "failed", "failed_reason": "<b>x</b>\\u001b[2J"}'),
        NO_MUSIC,
    ),
    # numbers
    "400 digits": poll(
        finished(
            '{"id": "$ID", "status": "succeeded", "choices": [{"url": "$URL", "duration": '
            + "9" * 400
            + "}]}"
        ),
        DONE,
    ),
    "NaN": poll(finished(duration=float("nan")), DONE),
    "seconds": poll(finished(duration=6), DONE),
    "a day": poll(finished(duration=86_400_000), DONE),
    "late address": poll(first(2, finished(url=None), finished()), DONE),
    # audio
    "moved": Case(Attack(poll=_moving, audio=_moved), DONE),
    "gzip": audio(sends(gzip.compress(music()), "content-encoding: gzip"), DONE),
    "403 at first": audio(first(2, sends(b"", status=403), sends(music())), DONE),
    "cut at first": audio(first(1, sends(music()[:121_000], measured=False), sends(music())), DONE),
    "403": audio(sends(b"", status=403), NO_AUDIO),
    "empty": audio(sends(b""), NO_AUDIO),
    "page": audio(sends(b"<html>" + b"x" * 200_000), NO_AUDIO),
    "bomb": audio(sends(bomb(64), "content-encoding: gzip"), NO_AUDIO),
    "endless": audio(endless(), NO_AUDIO),
    "round": audio(leads_to("$SELF"), NO_AUDIO),
    "trickles": audio(trickles(head(200)), WAITS),
}


@pytest.fixture(autouse=True)
async def gone(user: SignedIn, database: Connection) -> AsyncIterator[None]:
    """No track of an earlier test is made here, and none of these by a later one."""
    await database.execute("delete from public.music_tracks")
    yield
    await database.execute("delete from public.music_tracks where user_id = %s", (user.id,))
    await database.execute("delete from music.generations where user_id = %s", (user.id,))


@pytest.mark.timeout(240)
async def test_each_attack_has_its_right_end_and_nothing_is_paid_twice(
    stack: Stack, user: SignedIn, database: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "PAID_SECONDS", 2.0)
    monkeypatch.setattr(door, "FREE_SECONDS", 2.0)
    ids: dict[str, str] = {}
    async with serving({name: case.attack for name, case in CASES.items()}) as provider:
        for name in CASES:
            prompt = {"prompt": f"[{name}] {uuid.uuid4().hex}"}
            answer = await user.client.table("music_tracks").insert(prompt).execute()
            ids[name] = rows(answer)[0]["id"]
        async with working(
            stack,
            provider.root,
            capacity=50,
            deadline_seconds=6,
            transfer_seconds=15,
            late_audio_seconds=8,
            max_audio_bytes=2 << 20,
        ):
            found = await _ends(database, ids)
            # Whatever happened, the worker still makes music.
            more = await user.client.table("music_tracks").insert({"prompt": "[well] 2"}).execute()
            later = rows(more)[0]["id"]
            again = await _ends(database, {"well": later})
        assert again["well"]["status"] == "completed"
    ends = {name: (row["status"], row["error_code"]) for name, row in found.items()}
    assert ends == {name: case.end for name, case in CASES.items()}
    paid = {name: count for name, count in provider.paid.items() if name != "well"}
    assert set(paid.values()) == {1}
    for name, case in CASES.items():
        row = found[name]
        assert not set(row["error_message"] or "") & set("<>\x1b"), row
        if case.end == DONE:
            assert abs(row["duration_ms"] - 6000) < 150
    ledger = await _one(
        database,
        "select count(*) as n from music.generations where track_id = any(%s)",
        list(ids.values()),
    )
    assert ledger["n"] == len(CASES)


async def _ends(database: Connection, ids: dict[str, str]) -> dict[str, dict[str, Any]]:
    """Each row when it first has an end; what has none when patience is over is as it is then."""
    query = b"select * from public.music_tracks where id = any(%s)"
    ended: dict[str, dict[str, Any]] = {}
    end = asyncio.get_running_loop().time() + PATIENCE_SECONDS
    while True:
        cursor = await database.execute(query, (list(ids.values()),))
        by_id = {str(row["id"]): dict(row) for row in await cursor.fetchall()}
        found = {name: by_id[track_id] for name, track_id in ids.items()}
        ended = {n: row for n, row in found.items() if _has_ended(CASES[n], row)} | ended
        if len(ended) == len(ids) or asyncio.get_running_loop().time() > end:
            return found | ended
        await asyncio.sleep(0.1)


def _has_ended(case: Case, row: dict[str, Any]) -> bool:
    if row["status"] in ("completed", "error"):
        return True
    return case.end == WAITS and (row["status"], row["error_code"]) == WAITS


async def _one(database: Connection, query: str, *values: Any) -> dict[str, Any]:
    cursor = await database.execute(query.encode(), values)
    row = await cursor.fetchone()
    assert row is not None
    return dict(row)


async def test_no_key_of_ours_comes_back_in_a_row_a_log_or_a_note(
    stack: Stack, user: SignedIn, database: Connection, capfd: pytest.CaptureFixture[str]
) -> None:
    settings = settings_for(stack)
    keys = [
        settings.supabase_secret_key.get_secret_value(),
        settings.mureka_api_key.get_secret_value(),
    ]
    echo = " ".join([*keys, *(base64.b64encode(key.encode()).decode() for key in keys)])
    attacks = {
        "reason": Attack(
            poll=finished(json.dumps({"id": "$ID", "status": "failed", "failed_reason": echo}))
        ),
        "refused": Attack(submit=answers({"error": {"message": f"No: {echo}"}}, status=400)),
        "id": Attack(submit=answers({"id": keys[1]})),
        "region": Attack(
            submit=first(1, answers({"error": {"message": f"Not {echo}"}}, status=403), accepts)
        ),
        "stage": Attack(
            poll=first(
                3,
                finished(
                    json.dumps(
                        {
                            "id": "$ID",
                            "status": echo,
                            "choices": [{"stream_url": f"https://x.example/{keys[1]}"}],
                        }
                    )
                ),
                finished(),
            )
        ),
    }
    ids = {}
    async with serving(attacks) as provider, working(stack, provider.root, capacity=10):
        for name in attacks:
            prompt = {"prompt": f"[{name}]"}
            answer = await user.client.table("music_tracks").insert(prompt).execute()
            ids[name] = rows(answer)[0]["id"]
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                cursor = await database.execute(
                    b"select id from public.music_tracks where id = any(%s)"
                    b" and status in ('completed', 'error')",
                    (list(ids.values()),),
                )
                if len(await cursor.fetchall()) == len(ids):
                    break
                await asyncio.sleep(0.1)
    tables = ("public.music_tracks", "music.generations", "music.events", "music.workers")
    shown = capfd.readouterr().err
    for table in tables:
        cursor = await database.execute(f"select to_jsonb(t)::text as t from {table} t".encode())
        shown += "".join(str(row["t"]) for row in await cursor.fetchall())
    assert "(a key)" in shown
    for key in keys:
        for form in (key, base64.b64encode(key.encode()).decode()):
            assert form not in shown


async def test_a_provider_without_money_in_other_words_stops_the_worker_and_costs_nothing(
    stack: Stack, user: SignedIn, database: Connection
) -> None:
    poor = answers({"error": {"message": "Insufficient balance"}}, status=402)
    async with serving({"poor": Attack(submit=poor)}) as provider:
        provider.billing = first(3, answers('{"balance": 9e999}'), answers({"balance": -1}))
        answer = await user.client.table("music_tracks").insert({"prompt": "[poor]"}).execute()
        track_id = rows(answer)[0]["id"]
        async with working(stack, provider.root), asyncio.timeout(PATIENCE_SECONDS):
            while True:
                row = await _one(
                    database, "select * from public.music_tracks where id = %s", track_id
                )
                if row["error_code"]:
                    break
                await asyncio.sleep(0.1)
        assert (row["status"], row["error_code"]) == ("pending", "quota_exhausted")
    await database.execute(b"delete from public.music_tracks where id = %s", (track_id,))
