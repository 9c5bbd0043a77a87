"""Limits that can be changed at any time: of the fleet, of a user, and of money; and fairness."""

from __future__ import annotations

import asyncio
import itertools
import uuid
from collections import Counter
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from tests.support.database import Claim, Project, rows

BEGIN = "select * from public.begin_music_generation(%s, %s, '{}', 'mureka-9', 4.5)"
RECEIPT = "select public.record_music_task(%s, %s, null)"
COMPLETE = "select * from public.complete_music_track(%s, 'p', 'https://x', 1000)"
CLAIM = "select * from public.claim_music_tracks(%s, %s, 30)"
RELEASE = "select public.release_music_claims('worker-1', %s)"


async def limit(project: Project, **columns: Any) -> None:
    changes = ", ".join(f"{name} = %s" for name in columns)
    await project.sql(f"update music.settings set {changes}", *columns.values())


async def finish(project: Project, claim: Claim) -> None:
    await project.submitted(claim)
    await project.as_service(COMPLETE, claim["claim_id"])


async def many_tracks(project: Project, user: str | None, count: int) -> None:
    await project.sql(
        "insert into public.music_tracks (user_id, prompt)"
        " select %s, 'number ' || n from generate_series(1, %s) n",
        user,
        count,
    )


async def waiting(project: Project) -> Counter[tuple[str | None, str | None]]:
    """How many tracks wait until tomorrow and how many are due, by reason."""
    found = await project.sql(
        "select error_code, case when run_after = music.start_of_tomorrow() then 'tomorrow'"
        " when run_after <= now() then 'now' end as wait"
        " from public.music_tracks where status = 'pending'"
    )
    return Counter((row["error_code"], row["wait"]) for row in found)


# --- Fairness -------------------------------------------------------------------------------------


@pytest.mark.parametrize("at_once", [1, 3])
async def test_a_thousand_tracks_of_one_user_delay_another_by_one_generation_at_most(
    project: Project, at_once: int
) -> None:
    await limit(project, max_concurrent=at_once)
    keen, shy = await project.new_user(), await project.new_user()
    await many_tracks(project, keen, 1000)
    running = await project.claim(limit=10)
    for _ in range(2):  # keen has been served before, too
        await finish(project, running.pop(0))
        running += await project.claim()
    assert len(running) == at_once
    first = await project.new_track(shy)
    await finish(project, running.pop(0))
    assert [str(claim["track_id"]) for claim in await project.claim()] == [first]


async def test_two_users_with_one_worker_take_turns(project: Project) -> None:
    await limit(project, max_concurrent=1)
    users = [await project.new_user(), await project.new_user()]
    for user in users:
        await many_tracks(project, user, 5)
    served = []
    for _ in range(6):
        [claim] = await project.claim()
        served.append(str(claim["user_id"]))
        await finish(project, claim)
    assert Counter(served) == {users[0]: 3, users[1]: 3}
    assert all(one != other for one, other in itertools.pairwise(served))


async def test_a_claim_takes_the_first_of_everybody_before_the_second_of_anybody(
    project: Project,
) -> None:
    users = [await project.new_user() for _ in range(3)]
    for user, count in zip(users, (4, 2, 1), strict=True):  # in this order
        await many_tracks(project, user, count)
    claims = await project.claim(limit=5)
    assert [users.index(str(claim["user_id"])) for claim in claims] == [0, 1, 2, 0, 1]


async def test_a_backend_with_many_tracks_takes_turns_with_users(project: Project) -> None:
    await limit(project, max_concurrent=1)
    await many_tracks(project, None, 100)
    [claim] = await project.claim()
    first = await project.new_track(await project.new_user())
    await finish(project, claim)
    [claim] = await project.claim()
    assert str(claim["track_id"]) == first


@pytest.mark.parametrize("at_once", [1, 3])
async def test_newcomers_without_end_go_once_before_somebody_who_was_served(
    project: Project, at_once: int
) -> None:
    await limit(project, max_concurrent=at_once, daily_budget_cents=None)
    patient = await project.new_user()
    await many_tracks(project, patient, 2)
    running = await project.claim(limit=1)
    earlier = [await project.new_user() for _ in range(4)]
    for user in earlier:  # they have waited longer by the time the first is served
        await many_tracks(project, user, 1)
    running += await project.claim()
    await finish(project, running.pop(0))
    before_patient: list[str] = []
    while not any(str(claim["user_id"]) == patient for claim in running):
        assert len(before_patient) < 20, "overtaken without end"
        newcomer = await project.new_user()
        await many_tracks(project, newcomer, 3)
        claims = await project.claim()
        running += claims
        before_patient += [str(c["user_id"]) for c in claims if str(c["user_id"]) != patient]
        if not any(str(claim["user_id"]) == patient for claim in running):
            await finish(project, running.pop(0))
    assert set(before_patient) <= set(earlier)
    assert len(before_patient) <= len(earlier)


async def test_a_retry_or_a_deferral_does_not_go_before_those_who_waited_meanwhile(
    project: Project,
) -> None:
    await limit(project, max_concurrent=1)
    early, late = await project.new_user(), await project.new_user()
    again = await project.new_track(early)
    await project.as_user(early, "update public.music_tracks set status = 'error'")
    waits = await project.new_track(late)
    await project.as_user(early, "update public.music_tracks set status = 'pending'")
    served = []
    for _ in range(2):
        [claim] = await project.claim()
        served.append(str(claim["track_id"]))
        await finish(project, claim)
    assert served == [waits, again]


# --- The account ----------------------------------------------------------------------------------

ACCOUNT = "select public.report_music_account(%s, %s)"


async def test_the_fleet_never_runs_more_than_the_account_allows(project: Project) -> None:
    await limit(project, max_concurrent=8)
    await many_tracks(project, None, 10)
    await project.as_service(ACCOUNT, 2, 1000)
    assert await project.value("select music.allowed_at_once()") == 2
    assert len(await project.claim()) == 2
    await limit(project, max_concurrent=None)
    assert await project.claim() == []
    await project.as_service(ACCOUNT, 5, 1000)
    assert len(await project.claim()) == 3
    await limit(project, max_concurrent=1)
    assert await project.value("select music.allowed_at_once()") == 1


@pytest.mark.parametrize("reported", [0, -1, None])
async def test_a_limit_that_the_account_does_not_tell_is_no_limit(
    project: Project, reported: int | None
) -> None:
    await project.as_service(ACCOUNT, reported, None)
    assert await project.value("select music.allowed_at_once()") == 10


async def test_what_was_known_of_the_account_is_forgotten_after_a_day(project: Project) -> None:
    await project.as_service(ACCOUNT, 1, 1000)
    await project.sql("update music.account set checked_at = now() - interval '25 hours'")
    assert await project.value("select music.allowed_at_once()") == 10


async def test_limits_of_fleet_and_user_hold_with_many_workers_and_changes_at_once(
    project: Project,
) -> None:
    await limit(project, max_concurrent=6, max_concurrent_per_user=2)
    users = [await project.new_user() for _ in range(4)]
    for user in users:
        await many_tracks(project, user, 10)
    connections = [await project.another_connection() for _ in range(6)]

    async def work(number: int) -> None:
        for _ in range(4):
            claims = await rows(connections[number], CLAIM, f"worker-{number}", 3)
            running = await rows(
                connections[number],
                "select count(*) as tracks from public.music_tracks where status = 'generating'"
                " group by user_id",
            )
            assert sum(row["tracks"] for row in running) <= 6
            assert all(row["tracks"] <= 2 for row in running)
            for claim in claims:
                generation_id = str(uuid.uuid4())
                await rows(connections[number], BEGIN, claim["claim_id"], generation_id)
                await rows(connections[number], RECEIPT, generation_id, generation_id)
                await rows(connections[number], COMPLETE, claim["claim_id"])

    await asyncio.gather(*(work(number) for number in range(6)))
    assert await project.value("select count(*) from music.generations") > 20
    await limit(project, max_concurrent_per_user=0)
    assert await project.claim() == []


# --- The budget -----------------------------------------------------------------------------------


async def test_the_budget_of_all_holds_with_many_workers_at_once(project: Project) -> None:
    await limit(project, daily_budget_cents=20, max_concurrent=None)
    await many_tracks(project, await project.new_user(), 40)
    connections = [await project.another_connection() for _ in range(8)]

    async def work(number: int) -> None:
        for _ in range(4):
            for claim in await rows(connections[number], CLAIM, f"worker-{number}", 2):
                await rows(connections[number], BEGIN, claim["claim_id"], str(uuid.uuid4()))

    await asyncio.gather(*(work(number) for number in range(8)))
    await project.claim()
    assert float(await project.value("select music.spent_today_cents()")) == 18
    assert await waiting(project) == {("over_budget", "tomorrow"): 36}


async def test_the_budget_of_each_user_holds_with_many_workers_at_once(project: Project) -> None:
    await limit(project, daily_budget_cents_per_user=10, max_concurrent=None)
    users = [await project.new_user() for _ in range(3)]
    for user in users:
        await many_tracks(project, user, 10)
    await many_tracks(project, None, 5)  # a backend has no such budget
    connections = [await project.another_connection() for _ in range(8)]

    async def work(number: int) -> None:
        for _ in range(5):
            for claim in await rows(connections[number], CLAIM, f"worker-{number}", 2):
                await rows(connections[number], BEGIN, claim["claim_id"], str(uuid.uuid4()))

    await asyncio.gather(*(work(number) for number in range(8)))
    await project.claim()
    spent = await project.sql(
        "select user_id, sum(expected_cost_cents) as cents from music.generations group by 1"
    )
    assert {str(row["user_id"]): float(row["cents"]) for row in spent} == {
        **dict.fromkeys(users, 9.0),
        "None": 22.5,
    }
    assert await waiting(project) == {("over_budget", "tomorrow"): 24}


@pytest.mark.parametrize("budget", ["daily_budget_cents", "daily_budget_cents_per_user"])
@pytest.mark.parametrize("amount", [Decimal("NaN"), Decimal(-1)])
async def test_a_budget_is_an_amount(project: Project, budget: str, amount: Decimal) -> None:
    with pytest.raises(psycopg.errors.CheckViolation, match="settings_daily_budget"):
        await limit(project, **{budget: amount})


@pytest.mark.parametrize("budget", ["daily_budget_cents", "daily_budget_cents_per_user"])
async def test_an_intent_waits_for_one_that_is_being_written_before_it_reads_the_budget(
    project: Project, budget: str
) -> None:
    await limit(project, **{budget: 5})
    await many_tracks(project, await project.new_user(), 2)
    first, second = await project.claim()
    one, other = await project.another_connection(), await project.another_connection()
    async with one.transaction():
        assert len(await rows(one, BEGIN, first["claim_id"], str(uuid.uuid4()))) == 1
        late = asyncio.create_task(rows(other, BEGIN, second["claim_id"], str(uuid.uuid4())))
        waits = "select count(*) from pg_locks where not granted and locktype = 'advisory'"
        while not await project.value(waits):
            assert not late.done(), "it did not wait"
    assert await late == []


async def spend(project: Project, user: str | None = None) -> None:
    await project.new_track(user)
    [claim] = await project.claim()
    await finish(project, claim)


async def test_tracks_that_no_worker_gets_to_see_say_why_they_wait_and_until_when(
    project: Project,
) -> None:
    await spend(project)
    await limit(project, daily_budget_cents=5)
    await many_tracks(project, await project.new_user(), 450)
    for left in (250, 50, 0):  # a bounded number a call
        assert await project.claim() == []
        assert (await waiting(project))[None, "now"] == left
    [track] = await project.sql(
        "select distinct error_code, error_message from public.music_tracks"
        " where status = 'pending'"
    )
    assert track == {
        "error_code": "over_budget",
        "error_message": "Today's budget for music is used up; this track continues tomorrow.",
    }
    assert (
        await project.value("select count(*) from music.events where kind = 'over_budget'") == 450
    )


async def test_a_client_is_told_that_its_track_waits_for_tomorrows_budget(
    project: Project,
) -> None:
    await spend(project)
    await limit(project, daily_budget_cents=5)
    user = await project.new_user()
    await project.new_track(user)
    await project.claim()
    told = await project.sql(
        "select payload ->> 'status' as status, payload ->> 'error_code' as code"
        " from realtime.messages where topic = %s order by inserted_at",
        f"music:{user}",
    )
    assert [(row["status"], row["code"]) for row in told] == [
        ("pending", None),
        ("pending", "over_budget"),
    ]


async def test_a_user_over_budget_waits_while_others_go_on(project: Project) -> None:
    keen, shy = await project.new_user(), await project.new_user()
    await spend(project, keen)
    await limit(project, daily_budget_cents_per_user=5)
    mine, theirs = await project.new_track(keen), await project.new_track(shy)
    assert [str(claim["track_id"]) for claim in await project.claim()] == [theirs]
    track = await project.track(mine)
    assert (track["status"], track["error_code"]) == ("pending", "over_budget")
    assert track["error_message"].startswith("Your budget for music is used up for today")


async def test_the_first_claim_finds_a_payable_track_behind_hundreds_of_a_user_over_budget(
    project: Project,
) -> None:
    keen, shy = await project.new_user(), await project.new_user()
    await spend(project, keen)
    await limit(project, daily_budget_cents_per_user=5)
    await many_tracks(project, keen, 500)
    payable = await project.new_track(shy)
    assert [str(claim["track_id"]) for claim in await project.claim()] == [payable]
    for _ in range(2):
        assert await project.claim() == []
    assert (await waiting(project)) == {("over_budget", "tomorrow"): 500}
    told = "select count(*) from music.events"
    before = await project.value(told)
    assert await project.claim() == []
    assert await project.value(told) == before, "put off once more"


async def test_music_that_is_paid_for_is_resumed_whatever_the_budget(project: Project) -> None:
    user = await project.new_user()
    await project.new_track(user)
    [claim] = await project.claim()
    await project.submitted(claim)
    await project.as_service(RELEASE, [claim["claim_id"]])
    await limit(project, daily_budget_cents=0, daily_budget_cents_per_user=0)
    [again] = await project.claim()
    assert again["mureka_task_id"] is not None


async def paid_behind_a_queue(project: Project, user: str | None) -> str:
    """A paid track that waits behind many older and more urgent ones of its user."""
    await project.new_track(user)
    [claim] = await project.claim()
    await project.submitted(claim)
    await project.as_service(RELEASE, [claim["claim_id"]])
    await project.sql(
        "insert into public.music_tracks (user_id, prompt, priority, created_at)"
        " select %s, 'older', 5, now() - interval '1 day' from generate_series(1, 50)",
        user,
    )
    return str(claim["track_id"])


@pytest.mark.parametrize("is_of_user", [True, False], ids=["of a user", "of a backend"])
async def test_music_that_is_paid_for_is_never_kept_behind_a_long_queue(
    project: Project, is_of_user: bool
) -> None:
    paid = await paid_behind_a_queue(project, await project.new_user() if is_of_user else None)
    await many_tracks(project, await project.new_user(), 5)
    first, second = await project.claim(limit=2)
    assert (str(first["track_id"]), first["mureka_task_id"] is not None) == (paid, True)
    assert second["mureka_task_id"] is None


@pytest.mark.parametrize(
    ("column", "shut", "open_"),
    [("paused", True, False), ("max_concurrent", 0, 9), ("max_concurrent_per_user", 0, 9)],
)
async def test_music_that_is_paid_for_keeps_to_pause_and_limits(
    project: Project, column: str, shut: Any, open_: Any
) -> None:
    paid = await paid_behind_a_queue(project, await project.new_user())
    await limit(project, **{column: shut})
    assert await project.claim() == []
    await limit(project, **{column: open_})
    assert [str(claim["track_id"]) for claim in await project.claim(limit=1)] == [paid]


async def test_music_that_is_paid_for_waits_until_its_time(project: Project) -> None:
    paid = await paid_behind_a_queue(project, await project.new_user())
    set_time = "update public.music_tracks set run_after = now() + %s::interval where id = %s"
    await project.sql(set_time, "1 hour", paid)
    assert paid not in [str(claim["track_id"]) for claim in await project.claim(limit=5)]
    await project.sql(set_time, "0", paid)
    assert [str(claim["track_id"]) for claim in await project.claim(limit=1)] == [paid]


@pytest.mark.parametrize(
    ("low", "high"),
    [
        ({"daily_budget_cents": 5}, {"daily_budget_cents": 100}),
        ({"daily_budget_cents": 5}, {"daily_budget_cents": None}),
        ({"daily_budget_cents_per_user": 5}, {"daily_budget_cents_per_user": 100}),
        ({"daily_budget_cents_per_user": 5}, {"daily_budget_cents_per_user": None}),
    ],
)
async def test_raising_a_budget_lets_the_waiting_go_at_once_and_tells_the_workers(
    project: Project, low: dict[str, int], high: dict[str, int | None]
) -> None:
    user = await project.new_user()
    await spend(project, user)
    await limit(project, **low)
    await many_tracks(project, user, 3)
    assert await project.claim() == []
    told = "select count(*) from realtime.messages where topic = 'music:pending'"
    before = await project.value(told)
    await limit(project, **high)
    assert await waiting(project) == {(None, "now"): 3}
    assert await project.value(told) == before + 1
    assert len(await project.claim()) == 3
    await limit(project, **low)
    await limit(project, **high)
    assert await project.value(told) == before + 1, "nothing was let go"


async def test_a_budget_raised_too_little_puts_off_again(project: Project) -> None:
    await spend(project)
    await limit(project, daily_budget_cents=5)
    await many_tracks(project, None, 3)
    await project.claim()
    await limit(project, daily_budget_cents=6)
    assert await project.claim() == []
    assert await waiting(project) == {("over_budget", "tomorrow"): 3}


async def test_what_the_provider_refuses_for_money_is_not_released_by_a_budget(
    project: Project,
) -> None:
    await project.new_track()
    [claim] = await project.claim()
    await project.as_service(
        "select * from public.defer_music_track("
        "%s, 60, 'refused', 'quota_exhausted', 'No money.', false)",
        claim["claim_id"],
    )
    await limit(project, daily_budget_cents=5)
    await limit(project, daily_budget_cents=None)
    assert await waiting(project) == {("quota_exhausted", None): 1}


async def test_a_dearer_model_of_yesterday_does_not_keep_the_budget_of_today_closed(
    project: Project,
) -> None:
    await spend(project)
    await project.sql(
        "update music.generations set expected_cost_cents = 13.5,"
        " intent_at = intent_at - interval '1 day'"
    )
    await limit(project, daily_budget_cents=10)
    await project.new_track()
    assert len(await project.claim()) == 1


async def test_a_user_cannot_escape_the_budget_by_cancel_and_retry(project: Project) -> None:
    user = await project.new_user()
    await spend(project, user)
    await limit(project, daily_budget_cents_per_user=5)
    track_id = await project.new_track(user)
    for status in ("error", "pending"):
        await project.claim()
        await project.as_user(
            user, "update public.music_tracks set status = %s where id = %s", status, track_id
        )
    assert await project.claim() == []
    assert (await project.track(track_id))["error_code"] == "over_budget"


@pytest.mark.parametrize(
    ("column", "values"),
    [("paused", (True, False)), ("max_concurrent", (0, 5)), ("max_concurrent_per_user", (1, None))],
)
async def test_a_lifted_limit_tells_idle_workers_at_once(
    project: Project, column: str, values: tuple[Any, Any]
) -> None:
    told = "select count(*) from realtime.messages where topic = 'music:pending'"
    for value, messages in zip(values, (0, 1), strict=True):
        await limit(project, **{column: value})
        assert await project.value(told) == messages
