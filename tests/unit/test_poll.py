"""A paid task: polled until its music is ready, its stages shown, its deadline kept."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from music_service.errors import (
    ContractError,
    LateAudioError,
    MusicServiceError,
    PermanentError,
    RateLimitedError,
    TransientError,
)
from music_service.tracks import GenerationRequest, Kind
from music_service.worker.cadence import Experiences
from music_service.worker.poll import UNKNOWN_TASK_POLLS
from tests.support.attempts import RUNNING, Making
from tests.support.builders import a_claim, options
from tests.support.clock import now
from tests.support.fakes import DONE, FakeAudio, FakeProvider, FakeSubmission, FakeTask
from tests.support.journal import Journal

AWAY = TransientError("away")


class Composing(FakeProvider):
    """Streams so many seconds after the paid call, and is done at a later one."""

    def __init__(self, journal: Journal, streams_after: float, done_after: float) -> None:
        super().__init__(journal)
        self.began_at = 0.0
        self._streams_after = streams_after
        self._done_after = done_after

    async def submit(self, request: GenerationRequest) -> FakeSubmission:
        self.began_at = now()
        return await super().submit(request)

    async def poll(self, kind: Kind, task_id: str) -> FakeTask:
        passed = now() - self.began_at
        streaming = FakeTask("streaming", "https://stream.example/1")
        task = streaming if passed >= self._streams_after else RUNNING
        self.answers = [DONE if passed >= self._done_after else task]
        return await super().poll(kind, task_id)


def stream_seen_at(making: Making) -> float:
    return next(call.at for call in making.journal.of("stage") if call.stream_url)


def resuming(age_seconds: float = 30, **changes: Any) -> Making:
    return Making(a_claim(receipt="task-7", age_seconds=age_seconds), options(**changes))


async def test_the_stage_is_written_only_when_something_changed() -> None:
    making = Making()
    making.fakes.provider.answers = [
        FakeTask("queued"),
        FakeTask("queued"),
        FakeTask("running"),
        FakeTask("streaming", "https://stream.example/1"),
        FakeTask("streaming", "https://stream.example/1"),
        FakeTask("streaming", "https://stream.example/2"),
        DONE,
    ]
    await making.make()
    assert [(call.stage, call.stream_url) for call in making.journal.of("stage")] == [
        ("queued", None),
        ("running", None),
        ("streaming", "https://stream.example/1"),
        ("streaming", "https://stream.example/2"),
    ]
    assert making.end().step == "complete"


async def test_a_stage_that_could_not_be_written_is_written_at_the_next_poll() -> None:
    making = Making()
    making.fakes.provider.answers = [RUNNING, RUNNING, RUNNING, DONE]
    making.journal.fail("stage", AWAY)
    await making.make()
    assert len(making.journal.of("stage")) == 2
    assert making.end().step == "complete"


async def test_between_two_polls_passes_the_time_that_the_options_say() -> None:
    making = Making(options=options(poll_seconds=4))
    making.fakes.provider.answers = [*[RUNNING] * 20, DONE]
    await making.make()
    times = [call.at for call in making.journal.of("poll")]
    pauses = [later - earlier for earlier, later in pairwise(times)]
    assert all(0.8 <= pause <= 4 for pause in pauses)
    assert all(pause >= 3.2 for pause in pauses[-5:])
    assert len(set(pauses)) > 1


@pytest.mark.parametrize(
    ("expected_seconds", "stream", "first_poll"),
    [
        (None, True, 4),
        (90, True, 4),
        (2, True, 1),
        (None, False, 4),
        (90, False, 45),
        (2, False, 4),
    ],
)
async def test_the_first_poll_comes_when_there_may_be_something_to_see(
    expected_seconds: float | None, stream: bool, first_poll: float
) -> None:
    making = Making(
        a_claim(expected_seconds=expected_seconds), options(stream=stream, poll_seconds=4)
    )
    await making.make()
    assert 0.8 * first_poll <= making.journal.of("poll")[0].at <= first_poll


async def test_music_is_found_within_a_second_once_some_was_made() -> None:
    """What the first generations teach, the next ones use, without asking much more often."""
    experiences = Experiences()
    for number in range(12):
        making = Making(options=options(poll_seconds=4))
        provider = making.fakes.provider = Composing(making.journal, 20, 60)
        making.experiences = experiences
        ended_at = await making.make()
        polls = making.journal.of("poll")
        if number >= 3:
            assert ended_at - provider.began_at - 60 <= 1
            assert stream_seen_at(making) - provider.began_at - 20 <= 1
            assert len(polls) <= 20


async def test_a_refused_poll_makes_the_next_ones_come_later() -> None:
    making = Making(a_claim(expected_seconds=8), options(poll_seconds=4))
    making.fakes.provider.answers = [*[RateLimitedError("busy")] * 5, RUNNING, RUNNING, DONE]
    await making.make()
    times = [call.at for call in making.journal.of("poll")]
    pauses = [later - earlier for earlier, later in pairwise(times)]
    for pause, longest in zip(pauses, [8, 16, 24, 32, 32, 4, 4], strict=True):
        assert 0.2 * longest <= pause <= longest
    assert min(pauses[3:5]) >= 0.8 * 32


async def test_a_poll_waits_as_long_as_mureka_asks() -> None:
    making = Making(options=options(poll_seconds=4, deadline_seconds=600))
    making.fakes.provider.answers = [TransientError("full", retry_after_seconds=50), DONE]
    await making.make()
    first, second = (call.at for call in making.journal.of("poll"))
    assert second - first == pytest.approx(50)


async def test_no_wish_of_mureka_s_makes_a_track_miss_its_deadline() -> None:
    making = Making(options=options(poll_seconds=4, deadline_seconds=600))
    making.fakes.provider.answers = [TransientError("full", retry_after_seconds=3600)]
    assert 600 <= await making.make() <= 601
    assert making.end().code == "generation_timeout"


async def test_a_resumed_task_is_polled_without_delay() -> None:
    assert await resuming().make() == 0


@pytest.mark.parametrize(
    ("error", "times"), [(AWAY, 100), (RateLimitedError("busy"), 15), (ContractError("odd"), 100)]
)
async def test_polls_that_fail_cost_nothing_before_the_deadline(
    error: MusicServiceError, times: int
) -> None:
    making = Making(options=options(deadline_seconds=600))
    making.fakes.provider.answers = [*[error] * times, DONE]
    await making.make()
    assert making.end().step == "complete"
    assert making.journal.steps("submit") == ["submit"]


@pytest.mark.parametrize("answer", [RUNNING, AWAY])
async def test_at_the_deadline_the_track_ends_and_says_that_asking_again_is_free(
    answer: FakeTask | Exception,
) -> None:
    making = Making(options=options(deadline_seconds=600))
    making.fakes.provider.answers = [answer]
    assert 600 <= await making.make() <= 606
    end = making.end()
    assert (end.step, end.code) == ("fail", "generation_timeout")
    assert "no cost" in end.message


async def test_the_deadline_counts_from_the_paid_call_and_not_from_the_claim() -> None:
    making = resuming(age_seconds=500, deadline_seconds=600)
    making.fakes.provider.answers = [RUNNING]
    assert 100 <= await making.make() <= 106


async def test_what_was_finished_after_its_deadline_is_still_delivered() -> None:
    making = resuming(age_seconds=5000, deadline_seconds=600)
    await making.make()
    assert making.end().step == "complete"


@pytest.mark.parametrize(
    ("task", "reason"),
    [
        (FakeTask("failed", failed_reason="unsafe words"), "unsafe words"),
        (FakeTask("failed"), "failed"),
        (FakeTask("timeouted"), "timeouted"),
        (FakeTask("cancelled"), "cancelled"),
        (FakeTask("succeeded", audio=None), "without any music"),
    ],
)
async def test_a_task_without_music_ends_the_track(task: FakeTask, reason: str) -> None:
    making = Making()
    making.fakes.provider.answers = [RUNNING, task]
    await making.make()
    end = making.end()
    assert (end.step, end.code) == ("fail", "generation_failed")
    assert reason in end.message
    assert making.journal.steps("download") == []


async def test_an_address_that_comes_after_the_end_is_waited_for() -> None:
    making = resuming()
    making.fakes.provider.answers = [*[FakeTask()] * 10, AWAY, DONE]
    await making.make()
    assert making.end().step == "complete"
    assert making.journal.steps("stage") == []


async def test_a_task_without_an_address_is_not_waited_for_longer_than_a_minute() -> None:
    for age_seconds, longest in ((100, 60), (630, 30), (5000, 0)):
        making = resuming(age_seconds=age_seconds, deadline_seconds=600)
        making.fakes.provider.answers = [FakeTask()]
        began = now()
        await making.make()
        assert longest <= now() - began <= longest + 6
    assert (making.end().step, making.end().code) == ("fail", "generation_failed")


async def test_who_resumes_a_task_that_ended_long_ago_does_not_wait_a_minute_more() -> None:
    for answer in (FakeTask(ran_seconds=40), FakeTask(ran_seconds=40, audio=FakeAudio())):
        making = resuming(age_seconds=101, deadline_seconds=600)
        making.fakes.provider.answers = [answer]
        making.journal.break_down("download", LateAudioError("not there"))
        assert await making.make() < 6
        assert making.end().step in ("fail", "defer")
    making = resuming(age_seconds=70, deadline_seconds=600)
    making.fakes.provider.answers = [FakeTask(ran_seconds=40)]
    assert 30 <= await making.make() <= 36


@pytest.mark.parametrize("answer", [RUNNING, AWAY])
async def test_a_task_that_was_finished_and_is_no_more_still_has_its_deadline(
    answer: FakeTask | Exception,
) -> None:
    making = Making(options=options(deadline_seconds=600))
    making.fakes.provider.answers = [FakeTask(), answer]
    assert 600 <= await making.make() <= 606
    assert (making.end().step, making.end().code) == ("fail", "generation_timeout")


async def test_audio_that_is_not_at_its_address_is_asked_for_again() -> None:
    making = resuming()
    making.fakes.provider.answers = [DONE, AWAY, FakeTask("running"), DONE]
    making.journal.fail("download", *[LateAudioError("not there")] * 3)
    await making.make()
    assert making.end().step == "complete"
    assert making.journal.steps("poll", "download") == ["poll", "download"] * 4


async def test_a_task_that_is_not_known_is_asked_for_a_few_times() -> None:
    making = Making()
    making.fakes.provider.answers = [PermanentError("unknown")]
    await making.make()
    assert len(making.journal.of("poll")) == UNKNOWN_TASK_POLLS == 3
    assert making.end().step == "fail"


async def test_a_task_that_becomes_known_is_waited_for() -> None:
    making = Making()
    making.fakes.provider.answers = [*[PermanentError("unknown")] * 2, RUNNING, DONE]
    await making.make()
    assert making.end().step == "complete"
