"""What the database broadcasts to workers: one message a statement, of what waits by it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.database import Project

TOLD = "select payload from realtime.messages where topic = 'music:pending' order by inserted_at"
ASK = "insert into public.music_tracks (prompt) select 'rain' from generate_series(1, %s)"


async def told(project: Project) -> list[dict[str, Any]]:
    """What workers were told, without the message's own id that the platform adds."""
    found = [row["payload"] for row in await project.sql(TOLD)]
    return [{key: value for key, value in payload.items() if key != "id"} for payload in found]


async def ids_of_all(project: Project) -> set[str]:
    return {str(row["id"]) for row in await project.sql("select id from public.music_tracks")}


@pytest.mark.parametrize("tracks", [1, 50])
async def test_workers_are_told_the_ids_of_up_to_fifty_new_tracks(
    project: Project, tracks: int
) -> None:
    await project.sql(ASK, tracks)
    [message] = await told(project)
    assert set(message["ids"]) == await ids_of_all(project)


async def test_workers_are_told_of_more_than_fifty_tracks_without_their_ids(
    project: Project,
) -> None:
    await project.sql(ASK, 51)
    assert await told(project) == [{}]
    await project.sql("update public.music_tracks set status = 'error'")
    await project.sql("update public.music_tracks set status = 'pending'")
    assert await told(project) == [{}, {}]


@pytest.mark.parametrize(
    ("before", "change"),
    [
        ("status = 'error'", "status = 'pending'"),
        ("run_after = now() + interval '1 hour'", "run_after = now()"),
    ],
    ids=["put back", "due at once"],
)
async def test_workers_are_told_of_what_is_put_back_or_due_at_once(
    project: Project, before: str, change: str
) -> None:
    await project.sql(ASK, 2)
    await project.sql(f"update public.music_tracks set {before}")
    await project.sql(f"update public.music_tracks set {change}")
    _, message = await told(project)
    assert set(message["ids"]) == await ids_of_all(project)


async def test_workers_are_not_told_of_what_does_not_wait_or_waited_before(
    project: Project,
) -> None:
    await project.sql(ASK, 0)
    await project.sql(
        "insert into public.music_tracks (prompt, run_after)"
        " values ('later', now() + interval '1 hour')"
    )
    assert await told(project) == []
    await project.sql(ASK, 1)
    await project.sql("update public.music_tracks set priority = 1")
    await project.claim()
    assert len(await told(project)) == 1
