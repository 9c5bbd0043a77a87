"""The ledger: receipt and times bear out its states, and a late receipt is always stored."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import psycopg
import pytest

from tests.support.database import Claim, Project

COMPLETE = "select * from public.complete_music_track(%s, 'u/t/g.mp3', 'https://x/y.mp3', 61234)"
FAIL = "select * from public.fail_music_track(%s, %s, %s, 'A reason.')"
RECEIPT = "select * from public.record_music_task(%s, %s, 'trace')"
NO_RECEIPT: dict[str, str | None] = {"mureka_task_id": None, "accepted_at": None}
RECEIVED: dict[str, str | None] = {"mureka_task_id": "task", "accepted_at": "2026-11-26"}
OPEN: dict[str, str | None] = {"finished_at": None, "failed_reason": None}
ENDED: dict[str, str | None] = {"finished_at": "2026-11-26", "failed_reason": None}
GAVE_NOTHING = ENDED | {"failed_reason": "A reason."}
POSSIBLE: dict[str, list[dict[str, str | None]]] = {
    "intent": [NO_RECEIPT | OPEN],
    "accepted": [RECEIVED | OPEN],
    "succeeded": [RECEIVED | ENDED],
    "failed": [RECEIVED | GAVE_NOTHING],
    "refused": [NO_RECEIPT | GAVE_NOTHING],
    "unknown": [NO_RECEIPT | OPEN],
    "abandoned": [RECEIVED | GAVE_NOTHING, NO_RECEIPT | GAVE_NOTHING],
    "lost": [],
}


@pytest.mark.parametrize("state", POSSIBLE)
async def test_the_ledger_holds_no_state_that_its_receipt_and_times_do_not_bear_out(
    project: Project, state: str
) -> None:
    insert = (
        "insert into music.generations (id, state, request, model, expected_cost_cents,"
        " mureka_task_id, accepted_at, finished_at, failed_reason)"
        " values (gen_random_uuid(), %s, '{}', 'mureka-9', 4.5, %s, %s, %s, %s)"
    )
    half: dict[str, str | None] = {"mureka_task_id": "task", "accepted_at": None}
    for receipt in (NO_RECEIPT, RECEIVED, half):
        for end in (OPEN, ENDED, GAVE_NOTHING, OPEN | {"failed_reason": "A reason."}):
            row = receipt | end
            if row in POSSIBLE[state]:
                await project.sql(insert, state, *row.values())
                await project.sql("delete from music.generations")
            else:
                with pytest.raises(psycopg.errors.CheckViolation):
                    await project.sql(insert, state, *row.values())


@pytest.mark.parametrize(
    ("state", "column"),
    [
        ("intent", "overdue_at"),
        ("unknown", "overdue_at"),
        ("refused", "overdue_at"),
        ("accepted", "superseded_at"),
        ("succeeded", "superseded_at"),
        ("failed", "superseded_at"),
    ],
)
async def test_the_ledger_holds_nothing_overdue_unsent_and_nothing_superseded_that_is_used(
    project: Project, state: str, column: str
) -> None:
    with pytest.raises(psycopg.errors.CheckViolation, match=column.removesuffix("_at")):
        await project.sql(
            "insert into music.generations (id, state, request, model, expected_cost_cents,"
            f" mureka_task_id, accepted_at, finished_at, failed_reason, {column})"
            " values (gen_random_uuid(), %s, '{}', 'mureka-9', 4.5, %s, %s, %s, %s, now())",
            state,
            *POSSIBLE[state][0].values(),
        )


async def test_a_track_that_has_its_music_leaves_no_call_open(project: Project) -> None:
    track_id = await project.new_track()
    [claim] = await project.claim()
    await project.write_intent(claim)
    assert len(await project.as_service(COMPLETE, claim["claim_id"])) == 1
    assert (await project.track(track_id))["status"] == "completed"
    assert await project.value("select state from music.generations") == "abandoned"
    assert await project.value("select music.spent_today_cents()") > 0, "perhaps paid for"


async def make_refused(project: Project, claim: Claim) -> None:
    await project.as_service(FAIL, claim["claim_id"], "refused", "internal")
    await project.sql("update public.music_tracks set status = 'pending'")


async def make_unknown(project: Project, claim: Claim) -> None:
    await project.as_service(FAIL, claim["claim_id"], "unknown", "submission_unknown")


async def make_abandoned(project: Project, claim: Claim) -> None:
    await make_unknown(project, claim)
    await project.sql("update public.music_tracks set status = 'pending'")


async def make_superseded(project: Project, claim: Claim) -> None:
    await make_unknown(project, claim)
    await project.sql("update public.music_tracks set prompt = 'something else'")


async def make_replaced(project: Project, claim: Claim) -> None:
    await make_abandoned(project, claim)
    await project.sql("update public.music_tracks set run_after = now()")
    [again] = await project.claim()
    await project.submitted(again, "newer")


@pytest.mark.parametrize(
    ("make", "before", "after"),
    [
        (make_refused, "refused", "accepted"),
        (make_unknown, "unknown", "accepted"),
        (make_abandoned, "abandoned", "accepted"),
        (make_superseded, "unknown", "abandoned"),
        (make_replaced, "abandoned", "abandoned"),
    ],
    ids=["refused", "unknown", "abandoned", "superseded", "replaced"],
)
async def test_a_late_receipt_is_always_stored_and_resumed_where_its_music_is_of_use(
    project: Project,
    make: Callable[[Project, Claim], Awaitable[None]],
    before: str,
    after: str,
) -> None:
    track_id = await project.new_track()
    [claim] = await project.claim()
    generation_id = await project.write_intent(claim)
    await make(project, claim)
    state = f"select state from music.generations where id = '{generation_id}'"
    assert await project.value(state) == before
    await project.as_service(RECEIPT, generation_id, "late")
    [generation] = await project.sql("select * from music.generations where id = %s", generation_id)
    assert (generation["state"], generation["mureka_task_id"]) == (after, "late")
    assert generation["accepted_at"] is not None
    assert (generation["finished_at"] is None) == (after == "accepted")
    if after == "accepted":
        [again] = await project.claim()
        assert (str(again["track_id"]), again["mureka_task_id"]) == (track_id, "late")


@pytest.mark.parametrize("gone", ["deleted", "completed"])
async def test_a_late_receipt_of_a_call_that_nobody_waits_for_is_kept_as_abandoned(
    project: Project, gone: str
) -> None:
    track_id = await project.new_track()
    [claim] = await project.claim()
    generation_id = await project.write_intent(claim)
    if gone == "deleted":
        await project.sql("delete from public.music_tracks where id = %s", track_id)
    else:
        await project.as_service(COMPLETE, claim["claim_id"])
    await project.as_service(RECEIPT, generation_id, "late")
    [generation] = await project.sql("select * from music.generations")
    assert (generation["state"], generation["mureka_task_id"]) == ("abandoned", "late")
