"""A user's retry is no way around waiting or paying; one by an operator or a backend may be."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from tests.support.database import Project

RETRY = "update public.music_tracks set status = 'pending' where id = %s"
CANCEL = "update public.music_tracks set status = 'error' where id = %s"
TOO_OFTEN = "MU010"
FAIL = "select public.fail_music_track(%s, %s, 'generation_failed', 'No.')"
DEFER = "select public.defer_music_track(%s, 3600, 'refused', %s, 'Patience.', false)"


async def pay(project: Project, track_id: str, outcome: str = "failed") -> None:
    """Let the track be submitted and end in error."""
    [claim] = await project.claim()
    assert str(claim["track_id"]) == track_id
    if claim["generation_id"] is None:
        await project.submitted(claim)
    await project.as_service(FAIL, claim["claim_id"], outcome)


async def refusal(project: Project, user: str, track_id: str) -> str:
    with pytest.raises(psycopg.Error) as refused:
        await project.as_user(user, RETRY, track_id)
    assert refused.value.sqlstate == TOO_OFTEN
    return refused.value.diag.message_primary or ""


async def as_it_waits(project: Project, track_id: str) -> tuple[Any, ...]:
    track = await project.track(track_id)
    return track["status"], track["error_code"], track["error_message"], track["run_after"]


# --- Paying ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("most", [0, 1, 3])
async def test_a_user_has_a_track_paid_for_again_so_often_a_day(
    project: Project, most: int
) -> None:
    await project.sql("update music.settings set max_paid_retries_per_day = %s where id", most)
    user = await project.new_user()
    track_id = await project.new_track(user)
    await pay(project, track_id)
    for _ in range(most):
        await project.as_user(user, RETRY, track_id)
        await pay(project, track_id)
    assert f"{most} times" in await refusal(project, user, track_id)
    await project.sql("update music.settings set max_paid_retries_per_day = null where id")
    await project.as_user(user, RETRY, track_id)


async def test_operators_and_backends_may_go_beyond(project: Project) -> None:
    await project.sql("update music.settings set max_paid_retries_per_day = 0 where id")
    user = await project.new_user()
    track_id = await project.new_track(user)
    await pay(project, track_id)
    await refusal(project, user, track_id)
    await project.sql(RETRY, track_id)
    await pay(project, track_id)
    await project.as_service(RETRY, track_id)
    await pay(project, track_id)
    assert "2 times today" in await refusal(project, user, track_id)


async def test_a_retry_that_fetches_what_is_paid_for_does_not_count(project: Project) -> None:
    await project.sql("update music.settings set max_paid_retries_per_day = 0 where id")
    user = await project.new_user()
    track_id = await project.new_track(user)
    await pay(project, track_id, "open")
    for _ in range(5):
        await project.as_user(user, RETRY, track_id)
        await pay(project, track_id, "open")
    assert await project.value("select count(*) from music.generations") == 1


async def test_retries_of_calls_that_were_refused_or_never_made_do_not_count(
    project: Project,
) -> None:
    await project.sql("update music.settings set max_paid_retries_per_day = 0 where id")
    user = await project.new_user()
    track_id = await project.new_track(user)
    for _ in range(3):
        [claim] = await project.claim()
        await project.write_intent(claim)
        await project.as_service(FAIL, claim["claim_id"], "refused")
        for query in (RETRY, CANCEL, RETRY):
            await project.as_user(user, query, track_id)


async def test_the_next_day_a_retry_is_allowed_again_and_counts(project: Project) -> None:
    await project.sql("update music.settings set max_paid_retries_per_day = 1 where id")
    user = await project.new_user()
    track_id = await project.new_track(user)
    await pay(project, track_id)
    await project.as_user(user, RETRY, track_id)
    await pay(project, track_id)
    await refusal(project, user, track_id)
    await project.sql("update music.generations set intent_at = intent_at - interval '1 day'")
    await project.as_user(user, RETRY, track_id)
    await pay(project, track_id)
    assert "1 times today" in await refusal(project, user, track_id)


# --- Waiting --------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", ["rate_limited", "quota_exhausted", "provider_unavailable"])
async def test_a_track_that_was_put_off_is_not_due_earlier_by_cancel_and_retry(
    project: Project, code: str
) -> None:
    user = await project.new_user()
    track_id = await project.new_track(user)
    [claim] = await project.claim()
    await project.as_service(DEFER, claim["claim_id"], code)
    before = await as_it_waits(project, track_id)
    assert before[:3] == ("pending", code, "Patience.")
    for _ in range(3):
        await project.as_user(user, CANCEL, track_id)
        await project.as_user(user, RETRY, track_id)
        assert await as_it_waits(project, track_id) == before
    assert await project.claim() == []
    await project.sql(CANCEL, track_id)
    await project.as_service(RETRY, track_id)
    assert len(await project.claim()) == 1, "a backend asks for it now, and knows what it does"


async def test_a_retry_waits_for_the_receipt_of_a_call_that_is_in_the_air(
    project: Project,
) -> None:
    user = await project.new_user()
    track_id = await project.new_track(user)
    [claim] = await project.claim()
    generation_id = await project.write_intent(claim)
    for query in (CANCEL, RETRY):
        await project.as_user(user, query, track_id)
    assert await project.claim() == []
    await project.as_service("select public.record_music_task(%s, 'late', null)", generation_id)
    [claim] = await project.claim()
    assert claim["mureka_task_id"] == "late"


async def test_a_track_over_the_budget_waits_for_tomorrow_or_for_a_raise(project: Project) -> None:
    await project.sql("update music.settings set daily_budget_cents = 0 where id")
    user = await project.new_user()
    track_id = await project.new_track(user)
    assert await project.claim() == []
    before = await as_it_waits(project, track_id)
    assert before[1] == "over_budget"
    await project.as_user(user, CANCEL, track_id)
    await project.as_user(user, RETRY, track_id)
    assert await as_it_waits(project, track_id) == before
    await project.sql("update music.settings set daily_budget_cents = 100 where id")
    [claim] = await project.claim()
    assert str(claim["track_id"]) == track_id


async def test_a_track_cancelled_before_the_raise_does_not_wait_for_tomorrow(
    project: Project,
) -> None:
    await project.sql("update music.settings set daily_budget_cents = 0 where id")
    user = await project.new_user()
    track_id = await project.new_track(user)
    await project.claim()
    await project.as_user(user, CANCEL, track_id)
    await project.sql("update music.settings set daily_budget_cents = 100 where id")
    await project.as_user(user, RETRY, track_id)
    assert (await as_it_waits(project, track_id))[:3] == ("pending", None, None)
    assert len(await project.claim()) == 1


async def test_a_track_that_is_made_later_keeps_its_time_and_says_nothing(
    project: Project,
) -> None:
    user = await project.new_user()
    track_id = await project.new_track(user)
    [claim] = await project.claim()
    await project.as_service(DEFER, claim["claim_id"], "rate_limited")
    await project.sql("update public.music_tracks set error_code = null, error_message = null")
    before = await as_it_waits(project, track_id)
    await project.as_user(user, CANCEL, track_id)
    await project.as_user(user, RETRY, track_id)
    assert await as_it_waits(project, track_id) == before


# --- What is paid for -----------------------------------------------------------------------------


async def paid_and_cancelled(project: Project, user: str, tracks: int) -> list[str]:
    """Tracks whose music is ready at Mureka, and not fetched."""
    ids = [await project.new_track(user) for _ in range(tracks)]
    for claim in await project.claim():
        await project.submitted(claim)
    await project.as_user(user, CANCEL.replace("= %s", "= any (%s)"), ids)
    await project.sql(
        "update music.generations set place_freed_at = now() where user_id = %s", user
    )
    return ids


async def test_paid_music_cancelled_and_retried_without_end_keeps_nobody_out(
    project: Project,
) -> None:
    await project.sql("update music.settings set max_concurrent = 2 where id")
    user, other = await project.new_user(), await project.new_user()
    ids = await paid_and_cancelled(project, user, 2)
    track_id = await project.new_track(other)
    served = []
    async with project.acting_as("authenticated", user) as run:
        for _ in range(3):
            await run(RETRY.replace("= %s", "= any (%s)"), ids)
            await run(CANCEL.replace("= %s", "= any (%s)"), ids)
    for _ in range(3):
        await project.as_user(user, RETRY.replace("= %s", "= any (%s)"), ids)
        served += [str(claim["track_id"]) for claim in await project.claim()]
        await project.as_user(user, CANCEL.replace("= %s", "= any (%s)"), ids)
    assert served == [track_id]


async def test_each_further_retry_of_a_day_waits_twice_as_long(project: Project) -> None:
    user = await project.new_user()
    [track_id] = await paid_and_cancelled(project, user, 1)
    waits = []
    for _ in range(15):
        await project.as_user(user, RETRY, track_id)
        waits.append(
            await project.value(
                "select extract(epoch from run_after - updated_at) from public.music_tracks"
            )
        )
        await project.as_user(user, CANCEL, track_id)
    assert [max(0, round(wait / 5) * 5) for wait in waits[:6]] == [0, 0, 0, 5, 10, 20]
    assert round(waits[-1]) == 3600
    await project.sql("update public.music_tracks set status = 'pending'")
    assert len(await project.claim()) == 1, "an operator's retry is due at once"
    await project.as_user(user, CANCEL, track_id)
    await project.sql("update music.events set at = at - interval '1 day'")
    await project.as_user(user, RETRY, track_id)
    assert len(await project.claim()) == 1


async def test_tracks_that_may_not_resume_yet_take_no_room_of_others(project: Project) -> None:
    await project.sql("update music.settings set max_concurrent = 3 where id")
    user, other = await project.new_user(), await project.new_user()
    ids = await paid_and_cancelled(project, user, 3)
    await project.sql("update music.settings set max_concurrent_per_user = 1 where id")
    track_id = await project.new_track(other)
    await project.as_user(user, RETRY.replace("= %s", "= any (%s)"), ids)
    claimed = [str(claim["track_id"]) for claim in await project.claim()]
    assert len(claimed) == 2
    assert claimed[1] == track_id
