"""What a worker needs of Mureka, obeyed by the fake of the unit tests and by the client alike."""

from __future__ import annotations

from pathlib import Path

import pytest

from local_supabase.simulator import Simulator
from music_service.errors import ErrorCode, OverdueError, PermanentError
from music_service.mureka.client import MurekaClient
from music_service.tracks import Kind, request_for
from music_service.worker.ports import Submission
from tests.support.builders import a_track
from tests.support.providers import FakeAtHand, MurekaAtHand, ProviderAtHand

MEGABYTES = 2**20


@pytest.fixture
def fake() -> FakeAtHand:
    return FakeAtHand()


@pytest.fixture
def real(mureka: MurekaClient, simulator: Simulator) -> MurekaAtHand:
    return MurekaAtHand(mureka, simulator)


@pytest.fixture(params=["fake", "real"])
def hand(request: pytest.FixtureRequest) -> ProviderAtHand:
    chosen: ProviderAtHand = request.getfixturevalue(request.param)
    return chosen


async def submitted(hand: ProviderAtHand, lyrics: str | None = None) -> Submission:
    request = request_for(a_track(lyrics=lyrics), model="mureka-9", stream=True)
    return await hand.provider.submit(request)


async def test_each_submission_has_a_receipt_of_its_own(hand: ProviderAtHand) -> None:
    receipts = [await submitted(hand) for _ in range(3)]
    assert len({receipt.task_id for receipt in receipts}) == 3
    assert all(receipt.trace_id for receipt in receipts)


@pytest.mark.parametrize(("lyrics", "kind"), [(None, "instrumental"), ("La la la", "song")])
async def test_finished_music_can_be_fetched(
    hand: ProviderAtHand, tmp_path: Path, lyrics: str | None, kind: Kind
) -> None:
    hand.finish()
    task = await hand.provider.poll(kind, (await submitted(hand, lyrics)).task_id)
    assert (task.is_succeeded, task.is_failed, task.failed_reason) == (True, False, None)
    assert task.audio is not None
    path = tmp_path / "music.mp3"
    got = await hand.provider.download(task.audio.url, path, max_bytes=20 * MEGABYTES)
    assert path.stat().st_size > 0
    assert got.duration_ms > 0
    assert (task.audio.duration_ms or 0) > 0


async def test_a_task_at_work_says_its_stage_and_has_no_audio(hand: ProviderAtHand) -> None:
    hand.take_long()
    task = await hand.provider.poll("instrumental", (await submitted(hand)).task_id)
    assert (task.is_succeeded, task.is_failed, task.audio) == (False, False, None)
    assert task.status


@pytest.mark.parametrize("status", ["failed", "timeouted", "cancelled"])
async def test_a_task_that_ends_badly_says_why(hand: ProviderAtHand, status: str) -> None:
    hand.end(status, "no inspiration")
    task = await hand.provider.poll("instrumental", (await submitted(hand)).task_id)
    assert (task.status, task.is_failed, task.is_succeeded) == (status, True, False)
    assert (task.failed_reason, task.audio) == ("no inspiration", None)


async def test_a_success_may_be_without_audio(hand: ProviderAtHand) -> None:
    hand.finish_empty()
    task = await hand.provider.poll("instrumental", (await submitted(hand)).task_id)
    assert (task.is_succeeded, task.audio) == (True, None)


async def test_a_task_is_known_under_its_own_kind_only(hand: ProviderAtHand) -> None:
    submission = await submitted(hand)
    with pytest.raises(PermanentError):
        await hand.provider.poll("song", submission.task_id)


async def test_a_task_that_was_never_submitted_is_not_known(hand: ProviderAtHand) -> None:
    with pytest.raises(PermanentError):
        await hand.provider.poll("instrumental", "4711")


async def test_audio_larger_than_the_limit_is_of_no_use(
    hand: ProviderAtHand, tmp_path: Path
) -> None:
    task = await hand.provider.poll("instrumental", (await submitted(hand)).task_id)
    assert task.audio is not None
    with pytest.raises(OverdueError) as caught:
        await hand.provider.download(task.audio.url, tmp_path / "music.mp3", max_bytes=4)
    assert caught.value.code is ErrorCode.AUDIO_INVALID


async def test_the_account_says_what_it_holds_and_allows(hand: ProviderAtHand) -> None:
    billing = await hand.provider.billing()
    assert billing.balance_cents > 0
    assert billing.concurrent_request_limit == 25
