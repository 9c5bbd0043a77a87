"""Which audio belongs to no track any more: what is listed is removed, so all else must not be."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

from tests.support.database import Project

BUCKET = "music-tracks"
ID = "0b0e7f5e-4f0a-4d3c-9d4e-2f6f7e1f9a11"
Listed = dict[str, Any]


async def put(
    project: Project, name: str, *, age: str = "2 hours", bucket: str = BUCKET, size: Any = 1000
) -> str:
    """The row of an object as Storage writes it."""
    await project.sql(
        "insert into storage.objects (bucket_id, name, metadata, created_at, updated_at)"
        " values (%s, %s, %s, now() - %s::interval, now() - %s::interval)",
        *(bucket, name, json.dumps({"size": size}), age, age),
    )
    return name


def key(track_id: str | None = None, *, owner: str | None = None, call: str | None = None) -> str:
    """The name of a track's audio; of a track that is gone unless one is given."""
    return f"{owner or uuid.uuid4()}/{track_id or uuid.uuid4()}/{call or uuid.uuid4()}.mp3"


async def listed(project: Project, *more: Any) -> Listed:
    marks = ", ".join("%s" for _ in more)
    query = f"select public.list_orphaned_music(%s{', ' if more else ''}{marks}) as answer"
    [row] = await project.as_service(query, BUCKET, *more)
    answer: Listed = row["answer"]
    return answer


async def names(project: Project, *more: Any) -> list[str]:
    return [each["name"] for each in (await listed(project, *more))["orphans"]]


async def completed(project: Project, user_id: str | None = None) -> tuple[str, str]:
    """A completed track and the name of its audio, which is in the bucket."""
    track_id = await project.new_track(user_id)
    [claim] = await project.claim()
    generation_id = await project.submitted(claim)
    name = key(track_id, owner=user_id or "service", call=generation_id)
    await project.as_service(
        "select * from public.complete_music_track(%s, %s, %s, 1000)",
        *(claim["claim_id"], name, f"https://x/storage/v1/object/public/{BUCKET}/{name}"),
    )
    return track_id, await put(project, name)


async def test_the_audio_of_a_track_is_listed_once_its_row_is_gone(project: Project) -> None:
    track_id, name = await completed(project)
    assert await names(project) == []
    await project.sql("delete from public.music_tracks where id = %s", track_id)
    answer = await listed(project)
    [orphan] = answer["orphans"]
    assert (orphan["name"], orphan["size_bytes"]) == (name, 1000)
    assert orphan["written_at"]
    assert (answer["looked_at"], answer["looked_until"]) == (1, None)


async def test_the_audio_of_an_account_is_listed_once_the_account_is_gone(
    project: Project,
) -> None:
    alice, bob = await project.new_user(), await project.new_user()
    _, hers = await completed(project, alice)
    await completed(project, bob)
    await project.sql("delete from auth.users where id = %s", alice)
    assert await names(project) == [hers]


async def test_audio_that_a_track_does_not_have_any_more_is_listed(project: Project) -> None:
    track_id, name = await completed(project)
    replaced = await put(project, key(track_id, owner="service"))
    assert name != replaced
    assert await names(project) == [replaced]


@pytest.mark.parametrize(
    "name",
    [
        "cover.jpg",
        f"service/doctor/{ID}.mp3",
        f"{ID}/{ID}.mp3",
        f"{ID}/{ID}/cover.jpg",
        f"{ID}/{ID}/{ID}.mp3.bak",
        f"a/{ID}/{ID}/{ID}.mp3",
        f"{ID}/{ID}/{ID}/{ID}.mp3",
        f"{ID}/{ID}/{ID.upper()}.MP3",
        f"somebody/{ID}/{ID}.mp3",
        f"{ID}/{ID}/{ID}.mp3\n",
    ],
)
async def test_what_has_another_name_is_somebody_elses(project: Project, name: str) -> None:
    await put(project, name)
    assert await names(project) == []


async def test_what_is_in_another_bucket_is_somebody_elses(project: Project) -> None:
    await project.sql("insert into storage.buckets (id, name) values ('app', 'app')")
    await put(project, key(), bucket="app")
    assert await names(project) == []


async def test_what_was_written_lately_may_yet_get_its_row(project: Project) -> None:
    await put(project, key(), age="50 minutes")
    older = await put(project, key(), age="70 minutes")
    assert await names(project) == [older]
    just = await put(project, key(), age="5 minutes")
    found = await names(project, "", 100, 0)
    assert just not in found, "ten minutes are left to a worker whatever is asked for"
    assert len(found) == 2


async def test_what_was_replaced_lately_counts_from_then(project: Project) -> None:
    name = await put(project, key())
    await project.sql("update storage.objects set version = 'x' where name = %s", name)
    assert await names(project) == []


@pytest.mark.parametrize("state", ["intent", "accepted"])
async def test_the_audio_of_an_open_call_is_not_listed(project: Project, state: str) -> None:
    await project.new_track()
    [claim] = await project.claim()
    call = await (project.write_intent if state == "intent" else project.submitted)(claim)
    await put(project, key(call=call))
    assert await names(project) == []


async def test_a_track_that_waits_or_runs_keeps_all_its_audio(project: Project) -> None:
    track_id = await project.new_track()
    await put(project, key(track_id))
    assert await names(project) == []
    await project.claim()
    assert await names(project) == []


async def test_audio_that_a_copied_row_has_is_not_listed(project: Project) -> None:
    track_id, name = await completed(project)
    copy = await project.new_track()
    await project.sql("alter table public.music_tracks disable trigger user")
    await project.sql(
        "update public.music_tracks set storage_path = %s where id = %s", *(name, copy)
    )
    await project.sql("delete from public.music_tracks where id = %s", track_id)
    assert await names(project) == []


async def test_audio_that_a_row_knows_by_its_url_alone_is_not_listed(project: Project) -> None:
    track_id, name = await completed(project)
    await project.sql(
        "update public.music_tracks set storage_path = null, file_url = %s where id = %s",
        *(f"https://ref.supabase.co/storage/v1/object/public/{BUCKET}/{name}", track_id),
    )
    assert await names(project) == []


async def test_a_bucket_is_looked_through_in_parts(project: Project) -> None:
    orphans = sorted([await put(project, key()) for _ in range(7)])
    await put(project, "a cover.jpg")
    found, after, parts = [], "", 0
    while after is not None:
        answer = await listed(project, after, 3)
        assert answer["looked_at"] <= 3
        found += [each["name"] for each in answer["orphans"]]
        after, parts = answer["looked_until"], parts + 1
    assert (found, parts) == (orphans, 3)


@pytest.mark.parametrize("size", [None, "many", {"a": 1}, 1.5])
async def test_an_object_of_unknown_size_is_listed_all_the_same(
    project: Project, size: Any
) -> None:
    name = await put(project, key(), size=size)
    assert await names(project) == [name]


async def test_other_formats_of_a_copied_row_stay(project: Project) -> None:
    track_id, name = await completed(project)
    wav = await put(project, name.replace(".mp3", ".wav"))
    await project.sql(
        "insert into public.music_tracks (prompt, status, storage_path, audio_files)"
        " select prompt, status, storage_path,"
        " jsonb_build_object('wav', jsonb_build_object('path', %s::text))"
        " from public.music_tracks where id = %s",
        wav,
        track_id,
    )
    await project.sql("delete from public.music_tracks where id = %s", track_id)
    assert await names(project) == []
