"""The client against the simulator: lyrics, words in time, and music without loss."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import miniaudio
import pytest

from local_supabase.ports import Ports
from local_supabase.simulator import Simulator
from music_service.errors import (
    LateAudioError,
    MusicServiceError,
    OverdueError,
    PermanentError,
    ProviderBlockedError,
    RateLimitedError,
    SubmissionUnknownError,
    TransientError,
)
from music_service.mureka.client import Audio, MurekaClient, connect_mureka
from music_service.timed_lyrics import lines_of
from music_service.tracks import MAX_LYRICS_CHARACTERS, AudioFormat, Track, request_for
from tests.support.mureka import KEY

LYRICS = "[Verse]\nRain on the roof\n\n[Chorus]\nSing with me"
QUOTA = "You exceeded your current quota, please check your billing details"
MEGABYTES = 2**20


async def finished(mureka: MurekaClient, lyrics: str | None = LYRICS) -> Audio:
    track = Track(id=uuid.uuid4(), user_id=None, prompt="rain", lyrics=lyrics)
    request = request_for(track, model="mureka-9", stream=True)
    task = await mureka.poll(request.kind, (await mureka.submit(request)).task_id)
    assert task.audio is not None
    return task.audio


async def test_a_song_comes_with_its_words_its_id_and_its_other_forms(
    mureka: MurekaClient, simulator: Simulator
) -> None:
    audio = await finished(mureka)
    assert [each.type for each in audio.sections] == ["intro", "verse", "chorus", "outro"]
    lines = list(lines_of(audio.sections))
    assert [line.text for line in lines] == ["Rain on the roof", "Sing with me"]
    assert [word.text for word in lines[0].words] == ["Rain", "on", "the", "roof"]
    assert audio.duration_ms is not None
    assert audio.sections[-1].end_ms <= audio.duration_ms
    assert audio.song_id == f"{simulator.ledger[0]['task_id']}1"
    assert set(audio.other_urls) == {"wav", "flac"}


async def test_an_instrumental_has_no_words(mureka: MurekaClient) -> None:
    audio = await finished(mureka, lyrics=None)
    assert audio.sections == ()
    assert audio.song_id
    assert set(audio.other_urls) == {"wav", "flac"}


@pytest.mark.parametrize(
    "fault",
    [
        {"lacks": ["words"]},
        {"words": "out_of_order"},
        {"words": "beyond_the_end"},
        {"words": "wrong_types"},
    ],
)
async def test_words_that_are_missing_or_odd_cost_nothing(
    mureka: MurekaClient, simulator: Simulator, fault: dict[str, Any]
) -> None:
    simulator.faults.plan(on="task", **fault)
    audio = await finished(mureka)
    assert audio.sections == ()
    assert audio.url.endswith(".mp3")
    assert audio.song_id


async def test_what_else_is_missing_is_not_there(
    mureka: MurekaClient, simulator: Simulator
) -> None:
    simulator.faults.plan(on="task", lacks=["song_id", "wav", "flac"])
    audio = await finished(mureka)
    assert (audio.song_id, audio.other_urls) == (None, {})
    assert audio.sections


@pytest.mark.parametrize("audio_format", ["wav", "flac"])
async def test_music_without_loss_is_fetched_and_as_long_as_the_mp3(
    mureka: MurekaClient, tmp_path: Path, audio_format: AudioFormat
) -> None:
    audio = await finished(mureka)
    path = tmp_path / "music"
    got = await mureka.download(
        audio.other_urls[audio_format], path, max_bytes=20 * MEGABYTES, audio_format=audio_format
    )
    assert got.size_bytes == path.stat().st_size
    assert got.duration_ms == audio.duration_ms
    decoded = miniaudio.decode(path.read_bytes())
    assert round(decoded.num_frames / decoded.sample_rate * 1000) == got.duration_ms


@pytest.mark.parametrize("audio_format", ["wav", "flac"])
@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ({"status": 404}, LateAudioError),
        ({"status": 410}, OverdueError),
        ({"status": 500}, TransientError),
        ({"audio": "truncated"}, TransientError),
        ({"audio": "tiny"}, LateAudioError),
        ({"audio": "not_audio"}, OverdueError),
    ],
)
async def test_music_without_loss_that_is_none_is_refused(
    mureka: MurekaClient,
    simulator: Simulator,
    tmp_path: Path,
    audio_format: AudioFormat,
    fault: dict[str, Any],
    expected: type[MusicServiceError],
) -> None:
    audio = await finished(mureka)
    simulator.faults.plan(on=audio_format, **fault)
    with pytest.raises(expected) as caught:
        await mureka.download(
            audio.other_urls[audio_format],
            tmp_path / "music",
            max_bytes=20 * MEGABYTES,
            audio_format=audio_format,
        )
    assert type(caught.value) is expected


@pytest.mark.parametrize(
    ("wanted", "sent"), [("wav", "flac"), ("flac", "wav"), ("wav", "mp3"), ("flac", "mp3")]
)
async def test_a_file_of_another_format_is_refused(
    mureka: MurekaClient, tmp_path: Path, wanted: AudioFormat, sent: str
) -> None:
    audio = await finished(mureka)
    url = audio.url if sent == "mp3" else audio.other_urls[sent]
    with pytest.raises(OverdueError, match=f"not a {wanted.upper()} file"):
        await mureka.download(
            url, tmp_path / "music", max_bytes=20 * MEGABYTES, audio_format=wanted
        )


async def test_lyrics_are_written_and_can_be_sung(
    mureka: MurekaClient, simulator: Simulator
) -> None:
    written = await mureka.write_lyrics("a song about rainy evenings")
    assert written.title == "Rainy Evenings Morning"
    assert written.lyrics.startswith("[Verse]\n")
    audio = await finished(mureka, written.lyrics)
    assert len(list(lines_of(audio.sections))) == 16
    assert simulator.ledger[0]["price_cents"] == 0.9  # cents


@pytest.mark.parametrize(
    ("fault", "expected", "code"),
    [
        ({"status": 400}, PermanentError, "invalid_request"),
        ({"status": 401}, ProviderBlockedError, "provider_auth"),
        ({"status": 404}, ProviderBlockedError, "provider_auth"),
        ({"status": 429, "message": QUOTA}, ProviderBlockedError, "quota_exhausted"),
        ({"status": 429, "message": "Rate limit reached"}, RateLimitedError, "rate_limited"),
        ({"status": 451}, PermanentError, "moderation_blocked"),
        ({"status": 500}, SubmissionUnknownError, "submission_unknown"),
        ({"status": 502}, SubmissionUnknownError, "submission_unknown"),
        ({"status": 503}, TransientError, "provider_unavailable"),
        ({"drop": "before"}, SubmissionUnknownError, "submission_unknown"),
        ({"drop": "after"}, SubmissionUnknownError, "submission_unknown"),
        ({"garbage": True}, SubmissionUnknownError, "submission_unknown"),
        ({"lyrics": "empty"}, SubmissionUnknownError, "submission_unknown"),
    ],
)
async def test_every_way_a_call_for_lyrics_fails_has_the_class_of_a_submission(
    mureka: MurekaClient,
    simulator: Simulator,
    fault: dict[str, Any],
    expected: type[MusicServiceError],
    code: str,
) -> None:
    simulator.faults.plan(on="lyrics", **fault)
    with pytest.raises(expected) as failure:
        await mureka.write_lyrics("rain")
    assert type(failure.value) is expected
    assert failure.value.code == code
    assert KEY not in str(failure.value)
    is_charged = fault.get("drop") == "after" or "garbage" in fault or "lyrics" in fault
    assert len(simulator.ledger) == is_charged


async def test_a_call_for_lyrics_that_never_left_may_be_made_again() -> None:
    async with connect_mureka(KEY, f"http://127.0.0.1:{Ports.free().simulator}") as nobody:
        with pytest.raises(TransientError):
            await nobody.write_lyrics("rain")


async def test_lyrics_that_are_too_long_are_cut_between_lines(
    mureka: MurekaClient, simulator: Simulator
) -> None:
    whole = (await mureka.write_lyrics("rain")).lyrics.split("\n")
    simulator.faults.plan(on="lyrics", lyrics="too_long")
    cut = (await mureka.write_lyrics("rain")).lyrics
    assert MAX_LYRICS_CHARACTERS - 60 < len(cut) <= MAX_LYRICS_CHARACTERS
    assert set(cut.split("\n")) <= set(whole)
