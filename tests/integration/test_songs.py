"""Songs with official clients: words written, sung in time, kept in other formats, taken again."""

from __future__ import annotations

import io
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
import soundfile

from local_supabase.stack import Stack
from music_service.client import wait_for_track
from music_service.timed_lyrics import Part, from_json, lines_of
from tests.support.project import SignedIn, ask, rows

MakeUser = Callable[[], Awaitable[SignedIn]]


async def read(user: SignedIn, track_id: uuid.UUID) -> list[dict[str, Any]]:
    """The track with its words in time, as an app asks for them."""
    query = user.client.table("music_tracks").select("*, music_timed_lyrics(sections)")
    return rows(await query.eq("id", str(track_id)).execute())


async def fetch(url: str) -> bytes:
    async with httpx.AsyncClient() as anybody:
        return (await anybody.get(url)).raise_for_status().content


@pytest.mark.usefixtures("worker")
async def test_words_are_written_sung_in_time_and_kept_in_each_format(
    stack: Stack, user: SignedIn, make_user: MakeUser
) -> None:
    prompt = uuid.uuid4().hex
    track_id = await ask(
        user,
        prompt=prompt,
        lyrics_prompt=f"snow over a harbour {prompt}",
        vocal_gender="female",
        model="mureka-8",
        audio_formats=["mp3", "wav", "flac"],
    )
    await wait_for_track(user.client, track_id)
    [track] = await read(user, track_id)
    assert (track["status"], track["error_code"]) == ("completed", None)
    assert track["title"]
    assert track["lyrics"]
    assert [entry["kind"] for entry in stack.simulator.tasks_for(prompt)] == ["lyrics", "song"]
    task = stack.simulator.account.tasks[stack.simulator.tasks_for(prompt)[1]["task_id"]]
    assert (task.body["gender"], task.body["model"]) == ("female", "mureka-8")
    assert track["mureka_song_id"]

    seconds = {}
    for audio_format in ("mp3", "wav", "flac"):
        file = track["audio_files"][audio_format]
        content = await fetch(file["url"])
        assert len(content) == file["bytes"]
        assert file["path"].endswith(f".{audio_format}")
        with soundfile.SoundFile(io.BytesIO(content)) as sound:
            seconds[audio_format] = sound.frames / sound.samplerate
    assert track["audio_files"]["mp3"]["url"] == track["file_url"]
    assert seconds["wav"] == seconds["flac"] == pytest.approx(seconds["mp3"], abs=0.1)

    sections = from_json(track["music_timed_lyrics"]["sections"])
    lines = list(lines_of(sections))
    assert len(lines) > 2
    assert all(line.text in track["lyrics"] for line in lines)
    words = [word for line in lines for word in line.words]
    assert words
    parts: list[Part] = [*sections, *lines, *words]
    for part in parts:
        assert 0 <= part.start_ms <= part.end_ms <= track["duration_ms"]
    assert track["duration_ms"] / 1000 == pytest.approx(seconds["mp3"], abs=0.1)

    stranger = await make_user()
    assert await read(stranger, track_id) == []
    theirs = await stranger.client.table("music_timed_lyrics").select("*").execute()
    assert rows(theirs) == []


@pytest.mark.usefixtures("worker")
async def test_an_instrumental_has_no_words(user: SignedIn) -> None:
    track_id = await ask(user)
    await wait_for_track(user.client, track_id)
    [track] = await read(user, track_id)
    assert track["status"] == "completed"
    assert track["music_timed_lyrics"] is None


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize(
    "fault",
    [{"on": "task", "lacks": ["wav"]}, {"on": "wav", "status": 404, "times": 100}],
    ids=["not named", "not there"],
)
async def test_a_format_that_cannot_be_had_is_left_out(
    stack: Stack, user: SignedIn, fault: dict[str, Any]
) -> None:
    prompt = uuid.uuid4().hex
    stack.simulator.faults.plan(match=prompt, **fault)
    track_id = await ask(user, prompt=prompt, audio_formats=["mp3", "wav", "flac"])
    row = await wait_for_track(user.client, track_id)
    assert row["status"] == "completed"
    assert set(row["audio_files"] or ()) == {"mp3", "flac"}


@pytest.mark.usefixtures("worker")
async def test_another_take_is_a_track_of_its_own(user: SignedIn) -> None:
    first = await ask(user, prompt=uuid.uuid4().hex, title="Rain")
    await wait_for_track(user.client, first)
    [take] = rows(await user.client.rpc("music_another_take", {"p_track_id": str(first)}).execute())
    row = await wait_for_track(user.client, uuid.UUID(take["id"]))
    assert (row["status"], row["parent_id"], row["title"]) == ("completed", str(first), "Rain")
    [before] = await read(user, first)
    assert before["file_url"] != row["file_url"]


async def test_what_cannot_be_sung_is_refused_with_a_sentence(user: SignedIn) -> None:
    with pytest.raises(Exception, match="There is no model") as refused:
        await ask(user, model="mureka-o2")
    assert "mureka-9.5" in str(refused.value)
