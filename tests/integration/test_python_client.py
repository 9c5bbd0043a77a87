"""The client for Python apps, through the official client: tracks are seen to their end."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest
from supabase import AsyncClient, ClientOptions, create_client

from local_supabase.stack import Stack
from music_service.client import (
    ConfigurationError,
    MusicClient,
    TrackDeletedError,
    TransientError,
    wait_for_track,
    wait_for_track_sync,
    watch_track,
    watch_tracks,
)
from music_service.client.hearing import Pace
from tests.support.fleet import until
from tests.support.project import Connection, MakeClient, SignedIn, ask, rows
from tests.support.realtime_link import Link
from tests.support.watching import BY_EVENTS, settled, watching

TITLE = b"update public.music_tracks set title = %s where id = any(%s)"
CANCEL = b"update public.music_tracks set status = 'error' where id = any(%s)"
DELETE = b"delete from public.music_tracks where id = any(%s)"
UNKNOWN = uuid.UUID("00000000-0000-4000-8000-000000000000")

MakeUser = Callable[[], Awaitable[SignedIn]]


@pytest.fixture(autouse=True)
def sound_realtime(stack: Stack) -> Any:
    """Each test begins and ends with nobody on a socket and nothing planned."""
    stack.faults.clear()
    yield
    stack.faults.clear()


@pytest.fixture(params=["user", "backend", "backend for a user"])
async def whose(
    request: pytest.FixtureRequest, user: SignedIn, service: AsyncClient
) -> tuple[AsyncClient, uuid.UUID]:
    """A client and a track that it may see: a user's own, a backend's, a user's for a backend."""
    if request.param == "user":
        return user.client, await ask(user)
    if request.param == "backend":
        return service, uuid.UUID((await MusicClient(service).create(prompt="for all"))["id"])
    return service, await ask(user)


async def test_each_change_is_seen_and_the_end(
    stack: Stack, database: Connection, whose: tuple[AsyncClient, uuid.UUID]
) -> None:
    client, track_id = whose
    async with watching(client, [track_id]) as watched:
        await settled(stack)
        await database.execute(TITLE, ("Rain", [track_id]))
        await watched.sees(lambda: watched.of("title") == [None, "Rain"], "the title is seen")
        await database.execute(CANCEL, ([track_id],))
        await watched.ended()
    assert watched.of("status") == ["pending", "pending", "error"]


async def test_an_owners_changes_are_heard_by_broadcast_alone(
    stack: Stack, database: Connection, user: SignedIn, service: AsyncClient
) -> None:
    stack.faults.realtime.swallow_changes = True
    track_id = await ask(user)
    async with watching(user.client, [track_id]) as own, watching(service, [track_id]) as backend:
        await settled(stack, sockets=2)
        for title in ("one", "two"):
            await database.execute(TITLE, (title, [track_id]))
            for watched in (own, backend):
                await watched.shows("title", title)
        await database.execute(CANCEL, ([track_id],))
        await own.ended()
        await backend.ended()


async def test_a_quiet_track_is_not_read_and_a_change_is_read_once(
    stack: Stack, database: Connection, user: SignedIn
) -> None:
    stack.faults.realtime.swallow_changes = True  # which tell of the same once more
    track_id = await ask(user)
    counted = stack.faults.gateway.count("/rest/v1/music_tracks")
    async with watching(user.client, [track_id], Pace()) as watched:
        await settled(stack)
        for title in ("one", "two"):
            await database.execute(TITLE, (title, [track_id]))
            await watched.shows("title", title)
        before = counted.met
        await asyncio.sleep(4)  # longer than the pause of those who hear nothing
        assert counted.met == before
        await database.execute(TITLE, ("three", [track_id]))
        await watched.shows("title", "three")
        assert counted.met == before + 1


async def test_without_the_policy_changes_are_heard_on_a_public_channel(
    stack: Stack, database: Connection, user: SignedIn
) -> None:
    stack.faults.realtime.refuse_private = True
    track_id = await ask(user)
    async with watching(user.client, [track_id]) as watched:
        await settled(stack)
        await database.execute(CANCEL, ([track_id],))
        await watched.ended()


async def test_where_the_table_is_not_published_broadcasts_are_enough(
    stack: Stack, database: Connection, user: SignedIn
) -> None:
    publication = "alter publication supabase_realtime {} table public.music_tracks"
    await database.execute(publication.format("drop").encode())
    try:
        track_id = await ask(user)
        joined = stack.faults.gateway.count("/rest/v1/music_tracks")
        async with watching(user.client, [track_id]) as watched:
            await watched.sees(lambda: joined.met >= 2, "it has read after a join")

            async def is_heard() -> bool:  # the first channel is given up for one without changes
                await database.execute(TITLE, (uuid.uuid4().hex, [track_id]))
                return len(watched.seen) > 3

            await until(is_heard, "titles are heard of")
            await database.execute(CANCEL, ([track_id],))
            await watched.ended()
    finally:
        await database.execute(publication.format("add").encode())


async def test_what_happens_while_the_connection_is_cut_is_read_on_the_rejoin(
    stack: Stack, database: Connection, whose: tuple[AsyncClient, uuid.UUID]
) -> None:
    client, track_id = whose
    async with watching(client, [track_id]) as watched:
        for title in ("one", "two", "three"):
            await settled(stack)
            stack.faults.realtime.swallow()
            stack.faults.realtime.drop_all()
            await database.execute(TITLE, (title, [track_id]))
            await watched.shows("title", title)
            stack.faults.realtime.clear()
        await database.execute(CANCEL, ([track_id],))
        await watched.ended()


async def test_where_realtime_is_refused_the_track_is_polled(
    stack: Stack, database: Connection, make_link: Callable[[], Awaitable[Link]], user: SignedIn
) -> None:
    link = await make_link()
    link.mode = "refuse"
    track_id = await ask(user)
    user.client.supabase_url = type(user.client.supabase_url)(link.url)
    pace = Pace(while_live_seconds=36_000, while_not_seconds=0.2)
    async with watching(user.client, [track_id], pace) as watched:
        await database.execute(TITLE, ("Rain", [track_id]))
        await watched.shows("title", "Rain")
        link.mode = "sound"
        await settled(stack)
        await database.execute(CANCEL, ([track_id],))
        await watched.ended()


async def test_what_realtime_keeps_to_itself_is_found_by_the_clock_and_the_channel_made_again(
    stack: Stack, database: Connection, user: SignedIn
) -> None:
    stack.faults.realtime.swallow()
    track_id = await ask(user)
    pace = Pace(while_live_seconds=1.0, while_not_seconds=36_000, first_pause_seconds=0.2)
    async with watching(user.client, [track_id], pace) as watched:
        await settled(stack)
        first = set(stack.realtime._sockets)

        async def is_another() -> bool:
            await database.execute(TITLE, (uuid.uuid4().hex, [track_id]))
            return not first & stack.realtime._sockets

        await until(is_another, "the channel is made again")
        assert len(watched.seen) > 1
        stack.faults.realtime.clear()
        await database.execute(CANCEL, ([track_id],))
        await watched.ended()


async def test_a_deleted_row_ends_it_with_an_error_that_says_so(
    stack: Stack, database: Connection, whose: tuple[AsyncClient, uuid.UUID]
) -> None:
    client, track_id = whose
    async with watching(client, [track_id]) as watched:
        await settled(stack)
        await database.execute(DELETE, ([track_id],))
        with pytest.raises(TrackDeletedError) as gone:
            await watched.ended()
    assert (gone.value.code, gone.value.track_ids) == ("deleted", (str(track_id),))
    assert watched.of("status") == ["pending"]


async def test_the_others_are_seen_to_their_end_where_one_is_deleted(
    stack: Stack, database: Connection, user: SignedIn
) -> None:
    first, second = await ask(user), await ask(user)
    async with watching(user.client, [first, second]) as watched:
        await settled(stack)
        await database.execute(DELETE, ([first],))
        await database.execute(CANCEL, ([second],))
        with pytest.raises(TrackDeletedError) as gone:
            await watched.ended()
    assert gone.value.track_ids == (str(first),)
    assert (watched.seen[-1]["id"], watched.seen[-1]["status"]) == (str(second), "error")


async def test_a_hundred_tracks_share_one_channel_and_their_reads(
    stack: Stack, database: Connection, user: SignedIn
) -> None:
    wishes = [{"prompt": f"number {number}"} for number in range(100)]
    inserted = await user.client.table("music_tracks").insert(wishes).execute()
    track_ids = [row["id"] for row in rows(inserted)]
    counted = stack.faults.gateway.count("/rest/v1/music_tracks")
    async with watching(user.client, track_ids) as watched:
        await settled(stack)
        assert watched.of("id") == track_ids
        await database.execute(CANCEL, ([uuid.UUID(each) for each in track_ids],))
        await watched.ended()
    assert sorted(watched.of("id")[100:]) == sorted(track_ids)
    assert set(watched.of("status")[100:]) == {"error"}
    print(f"100 tracks were followed with {counted.met} reads")
    assert counted.met <= 20, "an event for each, but no read for each"


@pytest.mark.usefixtures("worker")
async def test_a_guest_asks_and_sees_the_track_to_its_end(make_client: MakeClient) -> None:
    client = await make_client()
    await client.auth.sign_in_anonymously()
    track = await MusicClient(client).create(prompt="for a guest")
    seen = [row["status"] async for row in watch_track(client, track["id"])]
    assert seen[-1] == "completed"


async def test_the_track_of_another_user_is_none(user: SignedIn, make_user: MakeUser) -> None:
    other = await make_user()
    track_id = await ask(other)
    for wanted in (track_id, UNKNOWN):
        with pytest.raises(ConfigurationError, match=f"no track {wanted}, or it is not yours"):
            await wait_for_track(user.client, wanted)
    async with watching(user.client, [await ask(user), track_id]) as watched:
        with pytest.raises(ConfigurationError, match=f"no track {track_id}"):
            await watched.ended()
    assert watched.seen == [], "nothing is shown of the one"


async def test_what_is_no_id_is_refused_at_once(user: SignedIn) -> None:
    with pytest.raises(ConfigurationError, match='"nonsense" is not the id of a track'):
        await wait_for_track(user.client, "nonsense")


async def test_no_tracks_have_ended_at_once(user: SignedIn) -> None:
    assert [row async for row in watch_tracks(user.client, [])] == []


async def test_a_project_that_is_away_at_the_start_is_an_error(
    stack: Stack, make_client: MakeClient, user: SignedIn
) -> None:
    stack.faults.gateway.cut("/rest/v1/music_tracks", times=99)
    with pytest.raises(TransientError, match="cannot be reached"):
        await wait_for_track(user.client, UNKNOWN)


async def test_a_project_that_is_away_later_is_waited_for(
    stack: Stack, database: Connection, user: SignedIn
) -> None:
    track_id = await ask(user)
    pace = Pace(while_live_seconds=36_000, while_not_seconds=0.2, first_pause_seconds=0.2)
    async with watching(user.client, [track_id], pace) as watched:
        await settled(stack)
        cut = stack.faults.gateway.cut("/rest/v1/music_tracks", times=99)
        await database.execute(CANCEL, ([track_id],))
        await watched.sees(lambda: cut.met >= 2, "it has read in vain")
        stack.faults.gateway.clear()
        await watched.ended()
    assert watched.of("status") == ["pending", "error"]


@pytest.mark.parametrize("as_another", [False, True])
async def test_who_signs_out_follows_nothing_any_more(
    stack: Stack, user: SignedIn, make_user: MakeUser, *, as_another: bool
) -> None:
    other = await make_user()
    pace = Pace(while_live_seconds=0.5, while_not_seconds=0.5)
    async with watching(user.client, [await ask(user)], pace) as watched:
        await settled(stack)
        if as_another:
            credentials: Any = {"email": other.email, "password": other.password}
            await user.client.auth.sign_in_with_password(credentials)
        else:
            await user.client.auth.sign_out()
        with pytest.raises(ConfigurationError, match="signed out"):
            await watched.ended()


async def test_it_is_given_up_when_its_time_has_passed(user: SignedIn) -> None:
    track_id = await ask(user)
    with pytest.raises(TimeoutError, match=f"within 0.5 s: {track_id}"):
        await wait_for_track(user.client, track_id, timeout=0.5)


@pytest.mark.parametrize("how", ["cancelled", "left", "timed out"])
async def test_nothing_is_left_behind(stack: Stack, user: SignedIn, how: str) -> None:
    track_id = await ask(user)
    user.client.auth._auto_refresh_token = False
    before = asyncio.all_tasks()

    async def follow() -> None:
        async for _ in watch_track(user.client, track_id, timeout=2):
            if how == "left":
                await settled(stack)
                break

    following = asyncio.create_task(follow())
    if how == "cancelled":
        await settled(stack)
        following.cancel()
    [ended] = await asyncio.gather(following, return_exceptions=True)
    expected = {"cancelled": asyncio.CancelledError, "left": type(None), "timed out": TimeoutError}
    assert type(ended) is expected[how]

    async def is_tidy() -> bool:
        return not stack.realtime._sockets and asyncio.all_tasks() <= before

    await until(is_tidy, "no task and no socket is left")


@pytest.mark.usefixtures("worker")
async def test_the_client_that_blocks_waits_by_polling(stack: Stack, user: SignedIn) -> None:
    track_id = await ask(user)
    row = await asyncio.to_thread(blocking, stack, user, track_id, timeout=60, poll_seconds=0.1)
    assert (row["id"], row["status"]) == (str(track_id), "completed")


async def test_the_client_that_blocks_gives_up_in_time_and_knows_what_is_gone(
    stack: Stack, database: Connection, user: SignedIn
) -> None:
    track_id = await ask(user)
    with pytest.raises(TimeoutError, match=f"within 0.3 s: {track_id}"):
        await asyncio.to_thread(blocking, stack, user, track_id, timeout=0.3, poll_seconds=0.1)
    with pytest.raises(ConfigurationError, match="no track"):
        await asyncio.to_thread(blocking, stack, user, UNKNOWN)
    counted = stack.faults.gateway.count("/rest/v1/music_tracks")
    waiting = asyncio.create_task(
        asyncio.to_thread(blocking, stack, user, track_id, poll_seconds=0.1)
    )

    async def has_read() -> bool:
        return counted.met >= 2

    await until(has_read, "it has begun to wait")
    await database.execute(DELETE, ([track_id],))
    with pytest.raises(TrackDeletedError):
        await waiting


def blocking(stack: Stack, user: SignedIn, track_id: uuid.UUID, **options: Any) -> Any:
    """Sign in with the client that blocks and wait."""
    with httpx.Client(timeout=20) as http:
        client = create_client(stack.url, stack.keys.publishable, ClientOptions(httpx_client=http))
        client.auth.sign_in_with_password({"email": user.email, "password": user.password})
        try:
            return wait_for_track_sync(client, track_id, **options)
        finally:
            client.auth.sign_out({"scope": "local"})  # else a timer of the client's goes on


@pytest.fixture
async def make_link(stack: Stack) -> AsyncIterator[Callable[[], Awaitable[Link]]]:
    """Opens links to the gateway, to be spoiled; they are closed after the test."""
    links: list[Any] = []

    async def make() -> Link:
        links.append(Link(int(stack.url.rsplit(":", 1)[1])).opened())
        opened: Link = await links[-1].__aenter__()
        return opened

    yield make
    for link in links:
        await link.__aexit__(None, None, None)


@pytest.mark.usefixtures("worker")
async def test_many_followers_of_one_user_see_their_own_tracks(user: SignedIn) -> None:
    tracks = [await MusicClient(user.client).create(prompt=f"number {n}") for n in range(5)]
    ended = await asyncio.gather(*(wait_for_track(user.client, row["id"]) for row in tracks))
    assert [(row["id"], row["status"]) for row in ended] == [
        (row["id"], "completed") for row in tracks
    ]


async def test_a_token_that_an_app_sets_by_hand_is_a_users(
    stack: Stack, database: Connection, make_client: MakeClient, user: SignedIn
) -> None:
    session = await user.client.auth.get_session()
    assert session is not None
    client = await make_client()
    client.options.headers["Authorization"] = f"Bearer {session.access_token}"
    track_id = await ask(user)
    stack.faults.realtime.swallow_changes = True
    async with watching(client, [track_id], BY_EVENTS) as watched:
        await settled(stack)
        await database.execute(CANCEL, ([track_id],))
        await watched.ended()
    assert watched.of("status") == ["pending", "error"]
