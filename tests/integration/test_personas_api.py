"""What everybody may do through the API with real keys and tokens, and how they are refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import KW_ONLY, dataclass
from typing import Any

import httpx
import pytest

from local_supabase.stack import Stack
from tests.support.fleet import until
from tests.support.project import MakeClient, SignedIn, ask
from tests.support.workers import StartWorker

PERSONAS = ("anon", "alice", "bob", "service")


@dataclass(frozen=True)
class Refusal:
    """An HTTP status, a code, and the beginning of a sentence."""

    status: int
    code: str
    sentence: str


DONE, NOTHING = "done", "nothing"
Outcome = str | Refusal


@dataclass(frozen=True)
class Case:
    """A request; in path and body `{track}` and the like stand for ids of Alice's."""

    method: str
    path: str
    body: Any
    anon: Outcome
    alice: Outcome
    bob: Outcome
    service: Outcome = DONE
    _: KW_ONLY
    upsert: bool = False

    def __str__(self) -> str:
        return f"{self.method} {self.path} {self.body or ''}"


def denied(thing: str, kind: str = "table") -> tuple[Refusal, Refusal]:
    """What strangers and users are told of a table or function that is not theirs."""
    sentence = f"permission denied for {kind} {thing}"
    return Refusal(401, "42501", sentence), Refusal(403, "42501", sentence)


TRACKS, TRACKS_USER = denied("music_tracks")
LOGS, LOGS_USER = denied("reading_logs")
JOURNEYS, JOURNEYS_USER = denied("journeys")
ROW_SECURITY = Refusal(403, "42501", "new row violates row-level security policy")
ONLY_STATUS = Refusal(400, "MU003", "Only the status of your track can be changed")
SETS_ONLY = Refusal(400, "MU003", "A new track may set only")
OTHERS = Refusal(400, "MU003", "A track can only be made for yourself.")
NOT_YOURS = Refusal(400, "MU004", "There is no such journey of yours.")
PROMPT_EMPTY = Refusal(400, "23514", "The prompt is empty")
TITLE_EMPTY = Refusal(400, "MU006", "The title of the book is empty.")
NO_SUCH_TABLE = Refusal(404, "42P01", 'relation "public.')
NO_SUCH_FUNCTION = Refusal(404, "PGRST202", "Could not find the function")
MINE = "/music_tracks?id=eq.{track}"


def closed(function: str, arguments: Any, service: Outcome = DONE) -> Case:
    stranger, user = denied(function, "function")
    return Case("POST", f"/rpc/{function}", arguments, stranger, user, user, service)


def closed_view(view: str) -> Case:
    stranger, user = denied(view, "view")
    return Case("GET", f"/{view}?limit=0", None, stranger, user, user, NOTHING)


def of_readers(function: str, arguments: Any, alice: Outcome, bob: Outcome) -> Case:
    stranger, service = denied(function, "function")
    return Case("POST", f"/rpc/{function}", arguments, stranger, alice, bob, service)


CASES = [
    Case("GET", MINE, None, TRACKS, DONE, NOTHING),
    Case("GET", "/music_tracks?user_id=eq.{alice}", None, TRACKS, DONE, NOTHING),
    Case("POST", "/music_tracks", {"prompt": "x"}, TRACKS, DONE, DONE),
    Case("POST", "/music_tracks", {"prompt": "x", "user_id": "{alice}"}, TRACKS, DONE, OTHERS),
    Case("POST", "/music_tracks", {"prompt": "x", "user_id": None}, TRACKS, OTHERS, OTHERS),
    Case("POST", "/music_tracks", {"prompt": "x", "priority": 5}, TRACKS, SETS_ONLY, SETS_ONLY),
    Case("POST", "/music_tracks", {"prompt": "x", "file_url": "y"}, TRACKS, SETS_ONLY, SETS_ONLY),
    Case(
        "POST",
        "/music_tracks",
        [{"prompt": "x"}, {"prompt": " "}],
        TRACKS,
        PROMPT_EMPTY,
        PROMPT_EMPTY,
        PROMPT_EMPTY,
    ),
    Case(
        "POST",
        "/music_tracks",
        {"prompt": "x", "journey_id": "{journey}"},
        TRACKS,
        DONE,
        Refusal(403, "42501", "There is no such journey of yours."),
    ),
    Case(
        "POST",
        "/music_tracks",
        {"id": "{track}", "prompt": "stolen"},
        TRACKS,
        ONLY_STATUS,
        ROW_SECURITY,
        upsert=True,
    ),
    Case("PATCH", MINE, {"status": "error"}, TRACKS, DONE, NOTHING),
    Case("PATCH", MINE, {"priority": 9}, TRACKS, ONLY_STATUS, NOTHING),
    Case("PATCH", MINE, {"user_id": "{bob}"}, TRACKS, ONLY_STATUS, NOTHING),
    Case("PATCH", MINE, {"status": "error", "duration": 9}, TRACKS, ONLY_STATUS, NOTHING),
    Case(
        "PATCH",
        MINE,
        {"status": "completed"},
        TRACKS,
        Refusal(400, "MU001", 'A track cannot go from "pending" to "completed".'),
        NOTHING,
        Refusal(400, "MU001", 'A track cannot go from "pending" to "completed".'),
    ),
    Case("PATCH", "/music_tracks?status=eq.pending", {"priority": 1}, TRACKS, ONLY_STATUS, NOTHING),
    Case("DELETE", MINE, None, TRACKS, TRACKS_USER, TRACKS_USER),
    Case(
        "GET",
        "/journeys?select=*,reading_logs(*,music_tracks(*))&id=eq.{journey}",
        None,
        JOURNEYS,
        DONE,
        NOTHING,
    ),
    Case(
        "GET",
        "/reading_logs?select=*,journeys!inner(id)&journeys.user_id=eq.{alice}",
        None,
        LOGS,
        DONE,
        NOTHING,
    ),
    Case("PATCH", "/journeys?id=eq.{journey}", {"book_title": "y"}, JOURNEYS, DONE, NOTHING),
    Case(
        "PATCH",
        "/journeys?id=eq.{journey}",
        {"user_id": "{bob}"},
        JOURNEYS,
        JOURNEYS_USER,
        JOURNEYS_USER,
    ),
    Case("POST", "/reading_logs", {"journey_id": "{journey}"}, LOGS, DONE, NOT_YOURS),
    Case(
        "POST",
        "/reading_logs",
        {"journey_id": "{journey}", "version": "v9"},
        LOGS,
        LOGS_USER,
        LOGS_USER,
    ),
    Case("PATCH", "/reading_logs?id=eq.{log}", {"memo": "y"}, LOGS, DONE, NOTHING),
    Case("PATCH", "/reading_logs?id=eq.{log}", {"version": "v8"}, LOGS, LOGS_USER, LOGS_USER),
    of_readers("create_journey", {"p_book_title": "x"}, DONE, DONE),
    of_readers("create_journey", {"p_book_title": " "}, TITLE_EMPTY, TITLE_EMPTY),
    of_readers("add_reading_log", {"p_journey_id": "{journey}"}, DONE, NOT_YOURS),
    of_readers("finish_journey", {"p_journey_id": "{journey}"}, DONE, NOT_YOURS),
    closed("claim_music_tracks", {"p_worker_id": "w", "p_limit": 0, "p_lease_seconds": 1}, NOTHING),
    closed(
        "record_music_task",
        {"p_generation_id": "{track}", "p_mureka_task_id": "t", "p_trace_id": None},
        NOTHING,
    ),
    closed("take_left_over_music", {"p_limit": 1, "p_pause_seconds": 1}),
    closed("report_music_account", {"p_concurrent_request_limit": 10, "p_balance_cents": 9}),
    closed("pause_music_queue", {"p_reason": "x"}),
    closed("resume_music_queue", {}),
    closed("retry_music_tracks", {"p_error_code": "internal"}, NOTHING),
    closed("cancel_music_tracks", {"p_track_ids": ["{bob}"]}, NOTHING),
    closed("regenerate_music_tracks", {"p_track_ids": ["{bob}"]}, NOTHING),
    closed("list_orphaned_music", {"p_bucket": "music-tracks"}),
    *[
        closed_view(v)
        for v in ("music_queue_health", "music_spend_daily", "music_review", "music_track_history")
    ],
    # Ways around: other schemas, functions of Postgres, the service's own functions.
    *[
        Case(
            "POST",
            f"/rpc/{name}",
            arguments,
            NO_SUCH_FUNCTION,
            NO_SUCH_FUNCTION,
            NO_SUCH_FUNCTION,
            NO_SUCH_FUNCTION,
        )
        for name, arguments in [
            ("set_config", {"setting_name": "music.worker", "new_value": "1", "is_local": True}),
            ("act_as_worker", {}),
            ("add_station", {"p_journey_id": "{journey}"}),
            ("broadcast", {"p_topic": "music:pending", "p_event": "pending", "p_payload": {}}),
            (
                "send",
                {"payload": {}, "event": "pending", "topic": "music:pending", "private": True},
            ),
        ]
    ],
    *[
        Case("GET", f"/{table}", None, NO_SUCH_TABLE, NO_SUCH_TABLE, NO_SUCH_TABLE, NO_SUCH_TABLE)
        for table in ("settings", "generations", "users", "objects", "messages")
    ],
]


@dataclass(frozen=True)
class World:
    """Everybody's keys and tokens, and the ids of what is Alice's."""

    headers: dict[str, dict[str, str]]
    alice: SignedIn
    bob: SignedIn


@pytest.fixture
async def world(stack: Stack, make_user: Callable[[], Awaitable[SignedIn]]) -> World:
    """Alice and Bob with their tokens, anybody with the publishable key, and the service."""
    alice, bob = await make_user(), await make_user()
    headers = {
        "anon": {"apikey": stack.keys.publishable},
        "service": {"apikey": stack.keys.secret},
    }
    for name, user in {"alice": alice, "bob": bob}.items():
        session = await user.client.auth.get_session()
        assert session is not None
        headers[name] = headers["anon"] | {"authorization": f"Bearer {session.access_token}"}
    return World(headers, alice, bob)


@pytest.fixture
async def http(stack: Stack) -> AsyncIterator[httpx.AsyncClient]:
    """A plain client at the door of the tables."""
    async with httpx.AsyncClient(base_url=f"{stack.url}/rest/v1", timeout=20) as client:
        yield client


async def belongings(world: World) -> dict[str, str]:
    """A new journey with a log, and a pending track of no journey."""
    answer = await world.alice.client.rpc("create_journey", {"p_book_title": "Emma"}).execute()
    station: Any = answer.data
    return {
        "{alice}": world.alice.id,
        "{bob}": world.bob.id,
        "{journey}": station["journey"]["id"],
        "{log}": station["log"]["id"],
        "{track}": str(await ask(world.alice)),
    }


def filled(value: Any, ids: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {name: filled(each, ids) for name, each in value.items()}
    if isinstance(value, list):
        return [filled(each, ids) for each in value]
    if isinstance(value, str):
        for name, each in ids.items():
            value = value.replace(name, each)
    return value


def outcome(answer: httpx.Response) -> Outcome:
    body = answer.json() if answer.content else None
    if answer.is_error:
        assert isinstance(body, dict), answer.text
        return Refusal(answer.status_code, body["code"], body["message"])
    return NOTHING if body == [] else DONE


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_everybody_gets_what_is_theirs_and_a_sentence_for_the_rest(
    world: World, http: httpx.AsyncClient, service: Any, case: Case
) -> None:
    prefer = "return=representation" + (",resolution=merge-duplicates" if case.upsert else "")
    for persona in PERSONAS:
        ids = await belongings(world)
        answer = await http.request(
            case.method,
            filled(case.path, ids),
            json=filled(case.body, ids) if case.body is not None else None,
            headers=world.headers[persona] | {"prefer": prefer},
        )
        found, meant = outcome(answer), getattr(case, persona)
        if isinstance(meant, Refusal) and isinstance(found, Refusal):
            assert (found.status, found.code) == (meant.status, meant.code), (persona, found)
            assert found.sentence.startswith(meant.sentence), (persona, found)
        else:
            assert found == meant, (persona, answer.text)
    await service.rpc("resume_music_queue").execute()
    await (
        service.table("music_tracks")
        .delete()
        .in_("user_id", [world.alice.id, world.bob.id])
        .execute()
    )


async def test_no_schema_but_public_is_reached_by_asking_for_it(
    world: World, http: httpx.AsyncClient
) -> None:
    for persona in PERSONAS:
        for schema in ("music", "auth", "storage", "realtime"):
            headers = world.headers[persona] | {"accept-profile": schema}
            answer = await http.get("/settings", headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (406, "PGRST106")


async def test_alice_retries_her_failed_track_by_a_conditional_update(
    world: World, service: Any
) -> None:
    track_id = str(await ask(world.alice))
    failed = {"status": "error", "error_code": "internal", "error_message": "No."}
    await service.table("music_tracks").update(failed).eq("id", track_id).execute()

    async def retry(user: SignedIn) -> list[Any]:
        update = user.client.table("music_tracks").update({"status": "pending"})
        return list((await update.eq("id", track_id).eq("status", "error").execute()).data)

    assert await retry(world.bob) == []
    [row] = await retry(world.alice)
    assert (row["status"], row["error_code"]) == ("pending", None)
    assert await retry(world.alice) == [], "it is pending already"
    await service.table("music_tracks").delete().eq("id", track_id).execute()


async def test_bob_neither_lists_nor_overwrites_alices_music(world: World, service: Any) -> None:
    path = f"{world.alice.id}/theirs/x.mp3"
    bucket = "music-tracks"
    await service.storage.from_(bucket).upload(path, b"ID3", {"content-type": "audio/mpeg"})
    listed = {
        name: await user.client.storage.from_(bucket).list(f"{world.alice.id}/theirs")
        for name, user in {"alice": world.alice, "bob": world.bob}.items()
    }
    assert [each["name"] for each in listed["alice"]] == ["x.mp3"]
    assert listed["bob"] == []
    for user in (world.alice, world.bob):
        for upsert in ("true", "false"):
            with pytest.raises(Exception, match="row-level security"):
                await user.client.storage.from_(bucket).upload(
                    path, b"evil", {"content-type": "audio/mpeg", "upsert": upsert}
                )
        assert await user.client.storage.from_(bucket).remove([path]) == []
    with pytest.raises(Exception, match="not found"):
        await world.bob.client.storage.from_(bucket).create_signed_url(path, 60)


async def listen(user: SignedIn, topic: str, heard: list[Any]) -> str:
    """Join a private topic with broadcasts and changes; answers how that ended."""
    states: asyncio.Queue[str] = asyncio.Queue()
    session = await user.client.auth.get_session()
    assert session is not None
    await user.client.realtime.set_auth(session.access_token)
    channel = user.client.channel(topic, {"config": {"private": True}})  # type: ignore[arg-type]
    channel.on_broadcast("*", heard.append)
    channel.on_broadcast("track", heard.append)
    channel.on_postgres_changes("*", heard.append, table="music_tracks", schema="public")  # type: ignore[arg-type]
    channel.on_system(lambda message: states.put_nowait(str(message.status)))
    await channel.subscribe(lambda state, error: states.put_nowait(f"{state.value} {error or ''}"))
    async with asyncio.timeout(15):
        while True:
            state = await states.get()
            if "ok" in state:
                return "listening"
            if "ERROR" in state:
                return state


async def test_alice_hears_of_her_tracks_and_bob_never_does(
    world: World, start_worker: StartWorker, make_client: MakeClient
) -> None:
    alices: list[Any] = []
    bobs: list[Any] = []
    assert await listen(world.alice, f"music:{world.alice.id}", alices) == "listening"
    assert await listen(world.bob, f"music:{world.bob.id}", bobs) == "listening"
    for user, topic in [
        (world.bob, f"music:{world.alice.id}"),
        (world.bob, "music:pending"),
        (world.alice, "music:pending"),
    ]:
        nothing: list[Any] = []
        eavesdropper = SignedIn(user.id, user.email, user.password, await make_client())
        await eavesdropper.client.auth.sign_in_with_password(
            {"email": user.email, "password": user.password}
        )
        assert "Unauthorized" in await listen(eavesdropper, topic, nothing)
        assert nothing == []

    async with start_worker():
        track_id = str(await ask(world.alice))

        async def heard_both_ways() -> bool:
            done = [message for message in alices if "completed" in str(message)]
            return {"data" in message for message in done} == {True, False}

        await until(heard_both_ways, "Alice has heard of her finished track in both ways")
        own = str(await ask(world.bob))

        async def bob_heard() -> bool:
            return own in str(bobs)

        await until(bob_heard, "Bob hears of his own")
    assert track_id in str(alices)
    assert track_id not in str(bobs)
    assert world.alice.id not in str(bobs)
