"""Finished music, taken from the provider and put into Storage."""

from __future__ import annotations

import asyncio
from pathlib import Path
from uuid import uuid4

import pytest

from music_service.errors import (
    AudioRefusedError,
    LateAudioError,
    MusicServiceError,
    OverdueError,
    PermanentError,
    TransientError,
)
from music_service.tracks import DeliveredMusic, StoredAudio, Track
from music_service.worker.deliver import ATTEMPTS, deliver
from tests.support.builders import a_track, options
from tests.support.clock import now
from tests.support.fakes import FakeAudio, Fakes

AWAY = TransientError("away")
TRACK, GENERATION_ID = a_track(), uuid4()


MOVED = FakeAudio("https://cdn.example/moved.mp3")
NOT_THERE = LateAudioError("not there (404)")


async def delivered(
    fakes: Fakes,
    audio: FakeAudio | None = None,
    moved: FakeAudio | None = None,
    track: Track = TRACK,
    late_until: float | None = None,
) -> DeliveredMusic:
    async def ask_again() -> FakeAudio | None:
        await fakes.journal.take("asked")
        return moved

    return await deliver(
        audio or FakeAudio(),
        track,
        GENERATION_ID,
        provider=fakes.provider,
        audio=fakes.audio,
        options=options(max_audio_bytes=1234),
        ask_again=ask_again,
        late_until=now() + 60 if late_until is None else late_until,
    )


async def test_what_was_downloaded_is_uploaded_and_its_address_answered() -> None:
    fakes = Fakes()
    assert await delivered(fakes) == DeliveredMusic(
        {"mp3": StoredAudio("key", "https://project.example/key", 5)}, 99_000, "song-1"
    )
    download, put = fakes.journal.calls
    assert (download.url, download.max_bytes) == (FakeAudio().url, 1234)
    assert download.told_ms == 123_000
    assert (put.content, put.track_id, put.generation_id) == (b"music", TRACK.id, GENERATION_ID)


async def test_a_private_bucket_has_no_address() -> None:
    fakes = Fakes()
    fakes.audio.url = None
    assert (await delivered(fakes)).files == {"mp3": StoredAudio("key", None, 5)}


@pytest.mark.parametrize("told", [None, 0, 7, 86_400_000])
async def test_the_length_is_that_of_what_was_fetched_whatever_the_provider_tells(
    told: int | None,
) -> None:
    assert (await delivered(Fakes(), FakeAudio(duration_ms=told))).duration_ms == 99_000


@pytest.mark.parametrize(
    ("step", "steps"),
    [
        ("download", ["download", "download", "download", "put"]),
        ("put", ["download", "put", "put", "put"]),
    ],
)
async def test_a_step_that_fails_is_tried_again_by_itself(step: str, steps: list[str]) -> None:
    fakes = Fakes()
    fakes.journal.fail(step, *[AWAY] * (ATTEMPTS - 1))
    await delivered(fakes)
    assert fakes.journal.steps() == steps
    assert fakes.journal.calls[-1].at > 0


@pytest.mark.parametrize("step", ["download", "put"])
async def test_a_step_that_keeps_failing_says_so_after_a_few_times(step: str) -> None:
    fakes = Fakes()
    fakes.journal.break_down(step, AWAY)
    with pytest.raises(TransientError):
        await delivered(fakes)
    assert len(fakes.journal.of(step)) == ATTEMPTS


@pytest.mark.parametrize("step", ["download", "put"])
@pytest.mark.parametrize(
    "error", [PermanentError("no audio"), MusicServiceError("too large"), RuntimeError("a bug")]
)
async def test_what_will_never_work_is_not_tried_again(step: str, error: Exception) -> None:
    fakes = Fakes()
    fakes.journal.break_down(step, error)
    with pytest.raises(type(error)):
        await delivered(fakes)
    assert len(fakes.journal.of(step)) == 1


@pytest.mark.parametrize("error", [None, PermanentError("refused"), AWAY])
async def test_nothing_is_left_on_the_disk(error: Exception | None) -> None:
    fakes = Fakes()
    if error is not None:
        fakes.journal.break_down("put", error)
        with pytest.raises(type(error)):
            await delivered(fakes)
    else:
        await delivered(fakes)
    path: Path = fakes.journal.of("download")[0].path
    assert not path.parent.exists()


@pytest.mark.parametrize("seconds", [0, 0.1])
async def test_a_delivery_can_be_cancelled_in_a_step_and_between_two_tries(seconds: float) -> None:
    fakes = Fakes()
    fakes.journal.break_down("put", AWAY)
    if not seconds:
        fakes.journal.hold("put")
    delivering = asyncio.create_task(delivered(fakes))
    await fakes.journal.reached("put")
    await asyncio.sleep(seconds)
    delivering.cancel()
    await asyncio.wait([delivering])
    assert delivering.cancelled()
    assert len(fakes.journal.of("put")) == 1


@pytest.mark.parametrize(
    ("step", "code"), [("download", "provider_unavailable"), ("put", "storage_failed")]
)
async def test_all_tries_of_a_step_have_one_deadline(step: str, code: str) -> None:
    fakes = Fakes()
    fakes.journal.fail(step, AWAY)
    fakes.journal.hold(step)
    with pytest.raises(TransientError, match="within 300 seconds") as caught:
        await delivered(fakes)
    assert caught.value.code == code
    assert 300 <= now() <= 301


async def test_audio_that_is_not_there_yet_is_fetched_where_it_is_a_little_later() -> None:
    fakes = Fakes()
    fakes.journal.fail("download", NOT_THERE, NOT_THERE)
    await delivered(fakes, moved=MOVED)
    assert fakes.journal.steps() == ["download", "asked", "download", "asked", "download", "put"]
    urls = [call.url for call in fakes.journal.of("download")]
    assert urls == [FakeAudio().url, MOVED.url, MOVED.url]
    assert now() == pytest.approx(8)


async def test_after_its_first_minute_audio_that_is_not_there_is_given_up() -> None:
    fakes = Fakes()
    fakes.journal.break_down("download", NOT_THERE)
    with pytest.raises(LateAudioError) as caught:
        await delivered(fakes)
    assert caught.value.code == "audio_invalid"
    assert now() == pytest.approx(60)
    assert fakes.journal.steps("put") == []


IN_WAV = a_track(audio_formats=("mp3", "wav"))
BOTH = FakeAudio(other_urls={"wav": "https://cdn.example/music.wav"})


async def test_a_format_that_is_asked_for_is_carried_after_the_mp3() -> None:
    fakes = Fakes()
    got = await delivered(fakes, BOTH, track=IN_WAV)
    assert set(got.files) == {"mp3", "wav"}
    assert got.files["wav"].path == "key.wav"
    downloads = fakes.journal.of("download")
    assert [call.audio_format for call in downloads] == ["mp3", "wav"]
    assert downloads[1].url == BOTH.other_urls["wav"]
    assert downloads[1].max_bytes == options().max_lossless_bytes


async def test_a_format_that_nobody_asked_for_is_left_where_it_is() -> None:
    fakes = Fakes()
    assert set((await delivered(fakes, BOTH)).files) == {"mp3"}
    assert len(fakes.journal.of("download")) == 1


@pytest.mark.parametrize(
    ("step", "error"),
    [
        ("download", OverdueError("no WAV")),
        ("put", AudioRefusedError("too large")),
    ],
)
async def test_a_format_that_cannot_be_had_does_not_cost_the_track(
    step: str, error: Exception
) -> None:
    fakes = Fakes()
    fakes.journal.fail(step, None, error)
    assert set((await delivered(fakes, BOTH, track=IN_WAV)).files) == {"mp3"}


async def test_a_format_that_the_provider_does_not_name_is_not_waited_for() -> None:
    assert set((await delivered(Fakes(), FakeAudio(), track=IN_WAV)).files) == {"mp3"}
    assert now() == 0


async def test_a_format_in_trouble_is_waited_for_only_as_long_as_it_may_be_late() -> None:
    fakes = Fakes()
    fakes.journal.fail("put", None, *[AWAY] * ATTEMPTS)
    with pytest.raises(TransientError):
        await delivered(fakes, BOTH, track=IN_WAV)
    later = Fakes()
    later.journal.fail("put", None, *[AWAY] * ATTEMPTS)
    assert set((await delivered(later, BOTH, track=IN_WAV, late_until=now())).files) == {"mp3"}
