"""One claimed track, from the paid call or its receipt to the playable file."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from structlog.testing import capture_logs

from music_service.errors import (
    ConfigurationError,
    ContractError,
    ErrorCode,
    LostClaimError,
    MusicServiceError,
    PermanentError,
    ProviderBlockedError,
    SubmissionUnknownError,
    TransientError,
)
from music_service.tracks import DeliveredMusic, GenerationRequest, Status, StoredAudio
from music_service.worker.attempt import Phase
from tests.support.attempts import RUNNING, Making
from tests.support.builders import a_claim, a_track, options
from tests.support.clock import settled
from tests.support.fakes import DONE, FakeLyrics, FakeTask

AWAY = TransientError("away")


def resuming(age_seconds: float = 30, **changes: Any) -> Making:
    return Making(a_claim(receipt="task-7", age_seconds=age_seconds), options(**changes))


async def test_a_track_is_submitted_polled_delivered_and_completed() -> None:
    making = Making()
    await making.make()
    assert making.journal.steps() == [
        "intent", "submit", "receipt", "poll", "download", "put", "complete"
    ]  # fmt: skip
    end = making.end()
    assert end.claim_id == making.claim.id
    assert end.music == DeliveredMusic(
        {"mp3": StoredAudio("key", "https://project.example/key", 5)}, 99_000, "song-1"
    )
    (put,) = making.journal.of("put")
    assert put.generation_id == making.journal.of("intent")[0].generation_id


async def test_words_that_are_asked_for_are_written_first_and_then_sung() -> None:
    making = Making(a_claim(a_track(lyrics_prompt="snow", vocal_gender="female")))
    await making.make()
    assert making.journal.steps() == [
        "intent", "write_lyrics", "lyrics",
        "intent", "submit", "receipt", "poll", "download", "put", "complete",
    ]  # fmt: skip
    words, song = making.journal.of("intent")
    assert (words.request.kind, words.request.body) == ("lyrics", {"prompt": "snow"})
    assert (words.model, words.expected_cost_cents) == ("lyrics", None)
    assert making.journal.of("lyrics")[0].generation_id == words.generation_id
    assert song.request.kind == "song"
    assert song.request.body["lyrics"] == FakeLyrics().lyrics
    assert song.request.body["gender"] == "female"


async def test_words_that_are_there_are_not_written_again() -> None:
    making = Making(a_claim(a_track(lyrics_prompt="snow", lyrics="It falls")))
    await making.make()
    assert making.journal.steps()[:2] == ["intent", "submit"]


@pytest.mark.parametrize("step", ["intent", "write_lyrics", "lyrics"])
async def test_a_worker_that_stops_while_words_are_written_sings_nothing(step: str) -> None:
    making = Making(a_claim(a_track(lyrics_prompt="snow")))
    go_on = making.journal.hold(step)
    attempt = making.attempt()
    running = asyncio.create_task(attempt.run())
    await making.journal.reached(step)
    assert attempt.stop() is True
    go_on.set()
    await running
    assert making.journal.steps() == ["intent", "write_lyrics", "lyrics"]


@pytest.mark.parametrize(
    ("error", "step"),
    [(AWAY, "defer"), (PermanentError("No."), "fail"), (SubmissionUnknownError("Gone."), "fail")],
)
async def test_without_words_no_song_is_paid_for(error: MusicServiceError, step: str) -> None:
    making = Making(a_claim(a_track(lyrics_prompt="snow")))
    making.journal.fail("write_lyrics", error)
    await making.make()
    assert making.end().step == step
    assert making.journal.steps("submit") == []
    is_refused = not isinstance(error, SubmissionUnknownError)
    assert making.end().outcome == ("refused" if is_refused else "unknown")


async def test_a_track_may_name_its_model() -> None:
    making = Making(a_claim(a_track(model="mureka-9.5")))
    await making.make()
    (intent,) = making.journal.of("intent")
    assert (intent.model, intent.request.body["model"]) == ("mureka-9.5", "mureka-9.5")
    assert intent.expected_cost_cents is None  # the database knows


async def test_a_receipt_is_resumed_and_nothing_is_submitted() -> None:
    making = resuming()
    await making.make()
    assert making.journal.steps() == ["poll", "download", "put", "complete"]
    assert making.journal.of("poll")[0].task_id == "task-7"
    assert making.claim.generation is not None
    assert making.journal.of("put")[0].generation_id == making.claim.generation.id


@pytest.mark.parametrize(("frozen", "lyrics"), [("song", None), ("instrumental", "new words")])
async def test_a_resumed_task_is_polled_as_what_was_submitted(
    frozen: Any, lyrics: str | None
) -> None:
    request = GenerationRequest(frozen, {"n": 1})
    making = Making(a_claim(a_track(lyrics=lyrics), receipt="task-7", request=request))
    await making.make()
    assert making.journal.of("poll")[0].kind == frozen


@pytest.mark.parametrize("step", ["submit", "poll"])
async def test_a_blocked_account_defers_the_track_and_tells_the_worker(step: str) -> None:
    making = Making()
    making.journal.fail(step, ProviderBlockedError("No money.", code=ErrorCode.QUOTA_EXHAUSTED))
    await making.make()
    end = making.end()
    assert (end.step, end.code, end.counts_as_attempt) == ("defer", "quota_exhausted", False)
    assert len(making.blocked) == 1


@pytest.mark.parametrize(
    ("step", "counts"), [("intent", True), ("poll", False), ("download", False), ("put", False)]
)
async def test_an_unexpected_error_defers_the_track(step: str, counts: bool) -> None:
    making = Making()
    making.journal.fail(step, RuntimeError("a bug"))
    await making.make()
    end = making.end()
    assert (end.step, end.code, end.counts_as_attempt) == ("defer", "internal", counts)
    assert "RuntimeError" in end.message
    assert "a bug" not in end.message


async def test_an_unexpected_error_of_the_paid_call_ends_the_track_as_unknown() -> None:
    making = Making()
    making.journal.fail("submit", RuntimeError("a bug"))
    await making.make()
    assert (making.end().step, making.end().code) == ("fail", "submission_unknown")


@pytest.mark.parametrize(
    ("error", "step"), [(SubmissionUnknownError("lost"), "fail"), (AWAY, "defer")]
)
async def test_a_paid_call_that_failed_is_written_to_the_row(
    error: MusicServiceError, step: str
) -> None:
    making = Making()
    making.journal.fail("submit", error)
    await making.make()
    assert making.end().step == step
    assert making.journal.steps("submit", "poll") == ["submit"]


async def test_paid_trouble_knows_the_age_of_the_paid_call_across_claims() -> None:
    making = resuming(age_seconds=400)
    making.journal.break_down("put", AWAY)
    await making.make()
    assert making.end().counts_as_attempt is False
    assert 100 <= making.end().delay_seconds <= 160  # a quarter of the age, jittered


@pytest.mark.parametrize("step", ["intent", "stage", "complete", "fail", "defer"])
async def test_after_a_lost_claim_nothing_more_is_written(step: str) -> None:
    making = Making()
    making.fakes.provider.answers = {
        "fail": [FakeTask("failed")],
        "defer": [RuntimeError("a bug")],
    }.get(step, [RUNNING, DONE])  # type: ignore[assignment]
    making.journal.fail(step, LostClaimError("gone"))
    await making.make()
    assert making.journal.steps()[-1] == step
    assert len(making.journal.of(step)) == 1


async def test_a_bug_while_the_outcome_is_written_does_not_leave_the_attempt() -> None:
    making = Making()
    making.fakes.provider.answers = [FakeTask("failed")]
    making.journal.fail("fail", ValueError("a bug of a library"))
    await making.make()


async def test_an_outcome_that_the_database_refuses_for_good_is_a_sentence_in_the_log() -> None:
    making = resuming()
    making.journal.break_down("poll", PermanentError("gone"))
    refusal = ConfigurationError("Supabase refuses the secret key.")
    making.journal.break_down("fail", refusal)
    making.journal.break_down("defer", refusal)
    with capture_logs() as logged:
        await making.make()
    [line] = [line for line in logged if line["event"] == "outcome_not_written"]
    assert (line["log_level"], line["reason"]) == ("error", str(refusal))
    assert "exc_info" not in line


async def test_an_attempt_that_is_cancelled_writes_nothing_but_its_receipt() -> None:
    making = Making()
    answer = making.journal.hold("submit")
    running = asyncio.create_task(making.attempt().run())
    await making.journal.reached("submit")
    running.cancel()
    await asyncio.wait([running])
    answer.set()
    await making.submits[0]
    assert running.cancelled()
    assert making.journal.steps() == ["intent", "submit", "receipt"]


@pytest.mark.parametrize(
    ("step", "must_finish"),
    [
        ("intent", True),
        ("submit", True),
        ("receipt", True),
        ("poll", False),
        ("download", False),
        ("put", False),
        ("complete", False),
    ],
)
async def test_only_a_paid_call_in_the_air_must_finish(step: str, must_finish: bool) -> None:
    making = Making()
    go_on = making.journal.hold(step)
    attempt = making.attempt()
    running = asyncio.create_task(attempt.run())
    await making.journal.reached(step)
    assert attempt.stop() is must_finish
    go_on.set()
    if must_finish:
        await running
        assert making.journal.steps()[-1] == "receipt"
    running.cancel()


@pytest.mark.parametrize(("error", "step"), [(AWAY, "defer"), (PermanentError("No."), "fail")])
async def test_what_became_of_a_paid_call_is_written_before_a_stop(
    error: MusicServiceError, step: str
) -> None:
    making = Making()
    making.journal.fail("submit", error)
    go_on = making.journal.hold(step)
    attempt = making.attempt()
    running = asyncio.create_task(attempt.run())
    await making.journal.reached(step)
    assert attempt.stop() is True
    go_on.set()
    await settled()
    assert running.done()


@pytest.mark.parametrize(
    ("step", "phase"),
    [
        ("intent", Phase.SUBMITTING),
        ("submit", Phase.SUBMITTING),
        ("receipt", Phase.SUBMITTING),
        ("poll", Phase.POLLING),
        ("download", Phase.DELIVERING),
        ("put", Phase.DELIVERING),
        ("complete", Phase.COMPLETING),
    ],
)
async def test_an_attempt_has_one_phase_at_a_time(step: str, phase: Phase) -> None:
    making = Making()
    go_on = making.journal.hold(step)
    attempt = making.attempt()
    phases = [attempt.phase]
    running = asyncio.create_task(attempt.run())
    await making.journal.reached(step)
    phases.append(attempt.phase)
    go_on.set()
    await running
    assert [*phases, attempt.phase] == [Phase.STARTING, phase, Phase.ENDED]


async def test_the_worker_hears_of_a_deferral_once_and_only_when_it_is_written() -> None:
    making = Making()
    making.journal.fail("submit", AWAY)
    making.journal.fail("defer", AWAY)
    await making.make()
    assert making.deferred == [making.journal.of("defer")[-1].delay_seconds]


async def test_a_blocked_account_stops_the_worker_even_when_the_claim_is_gone() -> None:
    making = Making()
    making.journal.fail("submit", ProviderBlockedError("No money."))
    making.journal.break_down("defer", LostClaimError("gone"))
    await making.make()
    assert (len(making.blocked), making.deferred) == (1, [])


@pytest.mark.parametrize(
    ("error", "step"),
    [(AWAY, "defer"), (PermanentError("No."), "fail"), (SubmissionUnknownError("?"), "fail")],
)
async def test_an_outcome_is_written_again_until_the_database_takes_it(
    error: MusicServiceError, step: str
) -> None:
    making = Making()
    making.journal.fail("submit", error)
    making.journal.fail(step, AWAY, ContractError("odd"), ConfigurationError("key"))
    await making.make()
    assert [round(call.at) for call in making.journal.of(step)] == [0, 1, 2, 3]
    assert making.fakes.queue.row(making.claim.track.id).status is not Status.GENERATING


async def test_pauses_of_ours_are_not_the_same_for_all_tracks() -> None:
    delays = []
    for _ in range(5):
        making = Making()
        making.journal.fail("submit", AWAY)
        await making.make()
        delays.append(making.end().delay_seconds)
    assert len(set(delays)) == 5
    assert all(5 <= delay <= 7.5 for delay in delays)
