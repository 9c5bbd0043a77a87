"""Whatever a user sends, nothing breaks, nobody else's row is touched and nothing is paid twice.

Bodies, filters and headers are made by hypothesis and go through the gateway with real tokens.
Short by default; `MUSIC_TEST_FULL=1` sends some thousand.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from local_supabase.stack import Stack
from tests.support.fleet import until
from tests.support.project import IS_FULL, Connection, SignedIn
from tests.support.workers import starting_workers_on

COLUMNS = (
    *("id", "user_id", "prompt", "lyrics", "genre", "mood", "tempo", "duration", "status", "stage"),
    *("expected_ready_at", "stream_url", "file_url", "storage_path", "duration_ms", "error_code"),
    *("error_message", "priority", "run_after", "attempts", "created_at", "updated_at"),
    *("started_at", "completed_at", "journey_id", "version", "track_id", "emotions", "book_title"),
    *("title", "lyrics_prompt", "vocal_gender", "model", "parent_id", "audio_formats"),
    *("audio_files", "mureka_song_id", "sections"),
)
# In a value or a filter these stand for what there is.
NAMES = (
    "{alice}",
    "{bob}",
    *(f"{{{who}_{what}}}" for who in "ab" for what in ("waiting", "paid", "done", "journey")),
    "{new}",
)
ODD = st.sampled_from(
    (
        *("pending", "generating", "completed", "error", "cancelled", "", "null", "now()"),
        *("infinity", "-infinity", "2999-01-01", "0001-01-01 BC", "NaN", "1e400", "\u0000"),
        *("'; drop table public.music_tracks; --", "{}", "[]", "a" * 1025, "é" * 5001, "\u2028"),
        *NAMES,
    )
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | ODD
    | st.text(max_size=30)
)
VALUES = SCALARS | st.lists(SCALARS, max_size=3) | st.dictionaries(st.text(max_size=5), SCALARS)
ROWS = st.dictionaries(st.sampled_from(COLUMNS) | st.text(max_size=8), VALUES, max_size=5)
LIKELY = st.fixed_dictionaries(
    {}, optional={"status": ODD, "prompt": ODD, "id": st.sampled_from(NAMES), "user_id": ODD}
)
BODIES = (
    ROWS
    | LIKELY
    | st.lists(ROWS | LIKELY, max_size=4)
    | SCALARS
    | st.just({"status": "pending"})
    | st.just({"status": "error"})
)
FILTERS = st.sampled_from(
    (
        *("", "?status=neq.x", "?on_conflict=id", "?columns=id,prompt,status", "?select=*&limit=1"),
        *(f"?id=eq.{name}" for name in NAMES),
        *("?user_id=eq.{bob}", "?id=in.({a_paid},{b_paid})", "?or=(id.eq.{b_done},id.eq.{a_done})"),
    )
)
PATHS = st.sampled_from(
    (
        *("music_tracks",) * 6,
        *("journeys", "reading_logs", "music_timed_lyrics", "rpc/music_another_take"),
        *("rpc/create_journey", "rpc/add_reading_log", "rpc/finish_journey"),
        *("rpc/retry_music_tracks", "rpc/regenerate_music_tracks", "rpc/complete_music_track"),
        "rpc/record_music_lyrics",
    )
)
PREFER = st.sampled_from(
    (
        *("return=representation", "return=minimal", "resolution=merge-duplicates"),
        *("resolution=ignore-duplicates", "missing=default", "tx=rollback", "count=exact"),
    )
)


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    prefer: tuple[str, ...]
    body: str


REQUESTS = st.builds(
    Request,
    st.sampled_from(("POST", "PATCH", "PATCH", "PUT", "DELETE")),
    st.tuples(PATHS, FILTERS).map("".join),
    st.lists(PREFER, max_size=3).map(tuple),
    BODIES.map(json.dumps) | st.text(max_size=20),
)


@dataclass
class Town:
    """Alice, who sends, and Bob, who must not notice; each has a track in each state."""

    stack: Stack
    database: Connection
    http: httpx.AsyncClient
    token: str
    names: dict[str, str]

    def named(self, text: str) -> str:
        for name, value in (self.names | {"{new}": str(uuid.uuid4())}).items():
            text = text.replace(name, value)
        return text

    async def send(self, request: Request) -> httpx.Response:
        headers = {
            "apikey": self.stack.keys.publishable,
            "authorization": f"Bearer {self.token}",
            "content-type": "application/json",
            "prefer": ",".join(request.prefer),
        }
        return await self.http.request(
            request.method,
            self.named(request.path),
            content=self.named(request.body).encode(errors="replace"),
            headers=headers,
        )

    async def of_bob(self) -> list[Any]:
        """All that is Bob's and a backend's."""
        return [
            await rows(self.database, query, self.names["{alice}"])
            for query in (
                "select * from public.music_tracks where user_id is distinct from %s order by id",
                "select * from public.journeys where user_id is distinct from %s order by id",
                "select l.* from public.reading_logs l join public.journeys j"
                " on j.id = l.journey_id where j.user_id is distinct from %s order by l.id",
                "select * from music.settings where %s::text is not null",
            )
        ]

    async def paid(self) -> list[Any]:
        """The ledger, and the tracks that have their audio."""
        return [
            await rows(self.database, query)
            for query in (
                "select id, track_id, state, superseded_at from music.generations order by id",
                "select id, status, file_url, storage_path, completed_at"
                " from public.music_tracks where storage_path is not null order by id",
            )
        ]

    async def forbidden(self) -> list[Any]:
        """What no app user may set, where it is set all the same."""
        return await rows(
            self.database,
            "select * from public.music_tracks where user_id = %s and id <> all (%s::uuid[])"
            " and (priority <> 0 or attempts <> 0 or run_after > now() or stage is not null"
            "      or storage_path is not null or file_url is not null or started_at is not null"
            "      or status not in ('pending', 'error') or created_at > now())",
            self.names["{alice}"],
            [value for name, value in self.names.items() if name.startswith("{a_")],
        )


async def rows(database: Connection, query: str, *args: Any) -> list[Any]:
    cursor = await database.execute(query.encode(), args or None)
    return await cursor.fetchall() if cursor.description else []


async def with_audio_and_without(
    database: Connection, stack: Stack, user: SignedIn, who: str
) -> dict[str, str]:
    """Have a track made, and cancel another that was paid for; answers their ids by name.

    The prompt of each is its id. A worker is running.
    """
    names = {f"{{{who}_{what}}}": str(uuid.uuid4()) for what in ("done", "paid")}
    done, paid = names.values()
    table = user.client.table("music_tracks")

    async def fulfils(track: str, condition: str) -> bool:
        query = f"select 1 from public.music_tracks t where t.id = %s and {condition}"
        return bool(await rows(database, query, track))

    await table.insert({"id": done, "prompt": done}).execute()
    await until(lambda: fulfils(done, "status = 'completed'"), "it is made")
    with taking(stack, seconds=5):
        await table.insert({"id": paid, "prompt": paid}).execute()
        accepted = (
            "exists (select from music.generations g"
            " where g.track_id = t.id and g.state = 'accepted')"
        )
        await until(lambda: fulfils(paid, accepted), "it is accepted")
        await table.update({"status": "error"}).eq("id", paid).execute()
    return names


async def waiting_and_journey(user: SignedIn, who: str) -> dict[str, str]:
    """A track that waits and a journey; answers their ids by name. No worker is running."""
    waiting = str(uuid.uuid4())
    await user.client.table("music_tracks").insert({"id": waiting, "prompt": waiting}).execute()
    made: Any = (await user.client.rpc("create_journey", {"p_book_title": "Momo"}).execute()).data
    return {f"{{{who}_waiting}}": waiting, f"{{{who}_journey}}": made["journey"]["id"]}


@contextmanager
def taking(stack: Stack, *, seconds: float) -> Iterator[None]:
    """Generations take so long for the length of a block."""
    before, stack.simulator.seconds = stack.simulator.seconds, seconds
    yield
    stack.simulator.seconds = before


@pytest.fixture
async def town(
    stack: Stack, database: Connection, make_user: Callable[[], Awaitable[SignedIn]]
) -> AsyncIterator[Town]:
    alice, bob = await make_user(), await make_user()
    names = {"{alice}": alice.id, "{bob}": bob.id}
    both = (("a", alice), ("b", bob))
    async with starting_workers_on(stack)():
        for who, user in both:
            names |= await with_audio_and_without(database, stack, user, who)
    for who, user in both:
        names |= await waiting_and_journey(user, who)
    session = await alice.client.auth.get_session()
    assert session is not None
    async with httpx.AsyncClient(base_url=f"{stack.url}/rest/v1/", timeout=20) as http:
        yield Town(stack, database, http, session.access_token, names)


@pytest.mark.timeout(1800 if IS_FULL else 240)
async def test_no_request_of_a_user_breaks_reaches_others_or_pays_twice(town: Town) -> None:
    others, paid = await town.of_bob(), await town.paid()

    async def check(request: Request) -> None:
        answer = await town.send(request)
        assert answer.status_code < 500, answer.text
        if answer.status_code >= 400:
            assert answer.json()["message"]
        assert await town.of_bob() == others
        assert await town.paid() == paid
        assert await town.forbidden() == []

    loop = asyncio.get_running_loop()

    @settings(
        max_examples=3000 if IS_FULL else 80, deadline=None, suppress_health_check=list(HealthCheck)
    )
    @given(REQUESTS)
    def attack(request: Request) -> None:
        asyncio.run_coroutine_threadsafe(check(request), loop).result()

    await asyncio.to_thread(attack)
    await makes_each_once(town)


async def makes_each_once(town: Town) -> None:
    """Let a worker finish what is left of Alice's; no track of hers was paid for twice."""
    mine = [town.names[f"{{a_{what}}}"] for what in ("waiting", "paid", "done")]
    await rows(
        town.database,
        "delete from public.music_tracks where user_id = %s and id <> all (%s::uuid[])",
        town.names["{alice}"],
        mine,
    )
    again = "update public.music_tracks set status = 'pending' where status = 'error' and"
    await rows(town.database, f"{again} id = any (%s::uuid[])", mine)
    unfinished = "select 1 from public.music_tracks where status in ('pending', 'generating') and"

    async def are_done() -> bool:
        return not await rows(town.database, f"{unfinished} id = any (%s::uuid[])", mine)

    async with starting_workers_on(town.stack)():
        await until(are_done, "all tracks are made")
    for track in mine:
        assert len(town.stack.simulator.tasks_for(track)) == 1, track
