"""The calls of the client for Python apps, as real users: what is done, and what is refused."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from starlette.responses import JSONResponse
from supabase import AsyncClient

from local_supabase.stack import Stack
from music_service.client import (
    ConfigurationError,
    MusicClient,
    NewTrack,
    RefusedError,
    TransientError,
)
from tests.support.project import Connection, MakeClient, SignedIn

TRACKS = "/rest/v1/music_tracks"


@pytest.fixture
def music(user: SignedIn) -> MusicClient:
    """The tracks of one signed-in user."""
    return MusicClient(user.client)


@pytest.fixture(autouse=True)
def sound_gateway(stack: Stack) -> Any:
    """Each test begins and ends with nothing planned."""
    stack.faults.clear()
    yield
    stack.faults.clear()


async def turn(stack: Stack, track_id: str, status: str) -> None:
    """Let a track be as a worker would leave it, past the state machine."""
    async with stack.database.administrator() as administrator, administrator.transaction():
        await administrator.execute("set local session_replication_role = replica")
        query = (
            b"update public.music_tracks set status = %s, started_at = now(), storage_path = 'x',"
            b" completed_at = case when %s = 'completed' then now() end, error_code = 'internal',"
            b" error_message = 'It failed.'"
            b" where id = %s"
        )
        await administrator.execute(query, (status, status, track_id))


async def test_a_track_is_asked_for_with_its_wishes(user: SignedIn, music: MusicClient) -> None:
    row = await music.create(prompt="a slow tango", mood="wistful", title="Tango")
    wished = (row["prompt"], row["mood"], row["title"], row["user_id"])
    assert wished == ("a slow tango", "wistful", "Tango", user.id)
    assert row["status"] == "pending"


async def test_asking_twice_with_one_id_is_one_track(music: MusicClient) -> None:
    track_id = str(uuid.uuid4())
    first = await music.create(id=track_id, prompt="once")
    assert await music.create(id=track_id, prompt="once") == first


@pytest.mark.parametrize("fault", ["lose_answers", "cut"])
async def test_a_call_whose_answer_is_lost_is_made_once_more_and_makes_one_track(
    stack: Stack, user: SignedIn, music: MusicClient, fault: str
) -> None:
    getattr(stack.faults.gateway, fault)(TRACKS)
    row = await music.create(prompt="lost and found")
    found = await user.client.table("music_tracks").select("id").execute()
    assert found.data == [{"id": row["id"]}]


async def test_a_project_that_stays_away_is_said_after_three_tries(
    stack: Stack, music: MusicClient
) -> None:
    cut = stack.faults.gateway.cut(TRACKS, times=99)
    with pytest.raises(TransientError, match="cannot be reached"):
        await music.create(prompt="nobody hears")
    assert cut.met == 3


@pytest.mark.parametrize(
    ("wishes", "code", "said"),
    [
        ({"prompt": "  "}, "23514", "The prompt is empty"),
        ({"prompt": "x", "priority": 9}, "MU003", "."),
        ({"prompt": "x", "user_id": str(uuid.uuid4())}, "MU003", "."),
        ({"prompt": "x", "parent_id": str(uuid.uuid4())}, "23514", "another take"),
    ],
)
async def test_what_the_database_refuses_is_said_in_its_words(
    music: MusicClient, wishes: NewTrack, code: str, said: str
) -> None:
    with pytest.raises(RefusedError) as refused:
        await music.create(**wishes)
    assert refused.value.code == code
    assert said in str(refused.value)
    assert isinstance(refused.value.hint, str | None)


async def test_an_id_that_another_has_taken_is_no_track_of_ones_own(
    music: MusicClient, make_user: Callable[[], Awaitable[SignedIn]]
) -> None:
    taken = await MusicClient((await make_user()).client).create(prompt="theirs")
    with pytest.raises(ConfigurationError, match="not yours to see"):
        await music.create(id=taken["id"], prompt="mine")


async def test_who_is_not_signed_in_asks_for_nothing(make_client: MakeClient) -> None:
    with pytest.raises(RefusedError) as refused:
        await MusicClient(await make_client()).create(prompt="for nobody")
    assert refused.value.code == "42501"


async def test_a_queue_that_is_full_is_said_with_its_sentence(
    database: Connection, music: MusicClient
) -> None:
    limit = b"update music.settings set max_pending_per_user = %s where id"
    await database.execute(limit, (0,))
    try:
        with pytest.raises(RefusedError, match="may not wait at once") as refused:
            await music.create(prompt="one too many")
    finally:
        await database.execute(limit, (None,))
    assert refused.value.code == "MU009"


async def test_a_failed_track_is_retried_and_the_rest_is_left_as_it_is(
    stack: Stack, music: MusicClient
) -> None:
    row = await music.create(prompt="try")
    for waiting in ("pending", "generating"):
        await turn(stack, row["id"], waiting)
        assert (await music.retry(row["id"]))["status"] == waiting
    await turn(stack, row["id"], "error")
    assert (await music.retry(row["id"]))["status"] == "pending"


async def test_a_completed_track_is_never_made_once_more_by_a_retry(
    stack: Stack, service: AsyncClient
) -> None:
    music = MusicClient(service)  # who could have it regenerated, which is paid for
    row = await music.create(prompt="done")
    await turn(stack, row["id"], "completed")
    with pytest.raises(RefusedError, match="completed") as refused:
        await music.retry(row["id"])
    assert refused.value.code == "MU001"
    assert refused.value.hint
    assert (await music.cancel(row["id"]))["status"] == "completed"


async def test_a_track_is_cancelled_once(music: MusicClient) -> None:
    row = await music.create(prompt="stop")
    for _ in range(2):
        cancelled = await music.cancel(row["id"])
        assert (cancelled["status"], cancelled["error_code"]) == ("error", "cancelled")


async def test_a_retry_is_sent_once_and_a_cancel_until_it_is_answered(
    stack: Stack, music: MusicClient
) -> None:
    row = await music.create(prompt="lost")
    stack.faults.gateway.lose_answers(TRACKS)
    assert (await music.cancel(row["id"]))["status"] == "error"
    away = stack.faults.gateway.answer(TRACKS, JSONResponse({"message": "no"}, 502), times=9)
    with pytest.raises(TransientError):
        await music.retry(row["id"])
    assert away.met == 1


async def test_another_take_is_a_track_of_its_own_and_one_for_each_id(
    music: MusicClient,
) -> None:
    first = await music.create(prompt="encore")
    taken = uuid.uuid4()
    take = await music.another_take(first["id"], new_id=taken)
    assert (take["id"], take["parent_id"], take["prompt"]) == (str(taken), first["id"], "encore")
    assert (await music.another_take(first["id"], new_id=taken))["id"] == str(taken)
    assert (await music.another_take(first["id"]))["id"] != str(taken)


async def test_nobody_touches_the_tracks_of_others(
    music: MusicClient, make_user: Callable[[], Awaitable[SignedIn]]
) -> None:
    theirs = await MusicClient((await make_user()).client).create(prompt="theirs")
    for call in (music.retry, music.cancel):
        with pytest.raises(ConfigurationError, match="not yours to see"):
            await call(theirs["id"])
    with pytest.raises(RefusedError) as refused:
        await music.another_take(theirs["id"])
    assert refused.value.code == "MU004"


async def test_what_is_no_id_is_said_before_anything_is_asked(music: MusicClient) -> None:
    for call in (music.retry, music.cancel, music.another_take):
        with pytest.raises(ConfigurationError, match='"nonsense" is not the id'):
            await call("nonsense")


async def test_a_backend_asks_for_a_user(service: AsyncClient, user: SignedIn) -> None:
    row = await MusicClient(service).create(prompt="for you", user_id=user.id, priority=5)
    assert (row["user_id"], row["priority"]) == (user.id, 5)
