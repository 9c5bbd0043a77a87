"""Finished music, taken from the provider and put into Storage."""

from __future__ import annotations

import asyncio
from pathlib import Path
from uuid import uuid4

import pytest

from music_service.errors import MusicServiceError, PermanentError, TransientError
from music_service.worker.deliver import ATTEMPTS, deliver
from tests.support.builders import a_track, options
from tests.support.clock import now
from tests.support.fakes import FakeAudio, Fakes

AWAY = TransientError("away")
TRACK, GENERATION_ID = a_track(), uuid4()


async def delivered(fakes: Fakes, audio: FakeAudio | None = None) -> tuple[str, str | None, int]:
    return await deliver(
        audio or FakeAudio(),
        TRACK,
        GENERATION_ID,
        provider=fakes.provider,
        audio=fakes.audio,
        options=options(max_audio_bytes=1234),
    )


async def test_what_was_downloaded_is_uploaded_and_its_address_answered() -> None:
    fakes = Fakes()
    assert await delivered(fakes) == ("key", "https://project.example/key", 123_000)
    download, put = fakes.journal.calls
    assert (download.url, download.max_bytes) == (FakeAudio().url, 1234)
    assert (put.content, put.track_id, put.generation_id) == (b"music", TRACK.id, GENERATION_ID)


async def test_a_private_bucket_has_no_address() -> None:
    fakes = Fakes()
    fakes.audio.url = None
    assert (await delivered(fakes))[:2] == ("key", None)


@pytest.mark.parametrize("told", [None, 0])
async def test_a_length_that_the_provider_does_not_tell_is_reckoned(told: int | None) -> None:
    assert (await delivered(Fakes(), FakeAudio(duration_ms=told)))[2] == 99_000


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


async def test_a_step_that_trickles_is_tried_again_when_its_time_is_over() -> None:
    fakes = Fakes()
    fakes.journal.hold("download")
    with pytest.raises(TransientError, match="within 300 seconds"):
        await delivered(fakes)
    assert len(fakes.journal.of("download")) == ATTEMPTS
    assert 900 <= now() <= 904
