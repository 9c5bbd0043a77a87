"""What is spent of a day's budgets is the sum of what changes of the ledger changed."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.support.database import Project

COUNTED = """
    select utc_day, is_guest, sum(cents) as cents from music.spending
    where utc_day > music.utc_day(now()) - 2 group by 1, 2 having sum(cents) <> 0 order by 1, 2"""
ADDED_UP = """
    select music.utc_day(intent_at) as utc_day, is_guest, sum(expected_cost_cents) as cents
    from music.generations where state <> 'refused' group by 1, 2 order by 1, 2"""
CALLS = """
    insert into music.generations (id, request, model, user_id, intent_at, expected_cost_cents)
    select gen_random_uuid(), '{}', 'mureka-9', %s::uuid, now() - n * %s::interval, 4.5
    from generate_series(1, %s) n"""


async def both(project: Project) -> tuple[list[Any], list[Any]]:
    return await project.sql(COUNTED), await project.sql(ADDED_UP)


async def guest_and_user(project: Project) -> tuple[str, str]:
    guest, user = await project.new_user(), await project.new_user()
    await project.sql("update auth.users set is_anonymous = true where id = %s", guest)
    return guest, user


async def test_whatever_happens_to_the_ledger_the_sum_is_the_ledgers(project: Project) -> None:
    for owner in await guest_and_user(project):
        await project.sql(CALLS, owner, "0 s", 6)
    changes = [
        "update music.generations set state = 'refused', finished_at = now(), failed_reason = 'x'"
        " where id in (select id from music.generations order by id limit 5)",
        "update music.generations set state = 'abandoned' where id in"
        " (select id from music.generations where state = 'refused' order by id limit 2)",
        "update music.generations set expected_cost_cents = 13.5 where id in"
        " (select id from music.generations order by id desc limit 3)",
        "update music.generations set intent_at = intent_at - interval '1 day' where id in"
        " (select id from music.generations order by id limit 4)",
        "update music.generations set is_guest = not is_guest where id in"
        " (select id from music.generations order by id desc limit 2)",
        "update music.generations set trace_id = 'x' where true",
        "delete from music.generations where id in"
        " (select id from music.generations order by id limit 3)",
    ]
    for change in changes:
        await project.sql(change)
        counted, added_up = await both(project)
        assert counted == added_up != [], change


async def test_what_is_taken_back_is_not_spent(project: Project) -> None:
    async with project.operator.transaction(force_rollback=True):
        await project.sql(CALLS, None, "0 s", 150)
        assert float(await project.value("select music.spent_today_cents()")) == 150 * 4.5
    assert await project.value("select music.spent_today_cents()") == 0


async def test_a_day_of_calls_is_a_few_rows(project: Project) -> None:
    for owner in await guest_and_user(project):
        for _ in range(5):
            await project.sql(CALLS, owner, "0 s", 300)
    counted, added_up = await both(project)
    assert counted == added_up
    assert await project.value("select count(*) from music.spending") <= 100
    assert float(await project.value("select music.spent_by_guests_today_cents()")) == 1500 * 4.5


async def test_days_that_are_over_are_forgotten(project: Project) -> None:
    await project.sql(CALLS, None, "1 day", 30)
    await project.sql("select music.fold_spending()")
    assert await project.value(
        "select min(utc_day) >= music.utc_day(now()) - 1 from music.spending"
    )


async def test_an_open_transaction_in_the_ledger_holds_up_nobody(project: Project) -> None:
    await project.sql("update music.settings set max_concurrent = 1000 where id")
    await project.sql(CALLS, None, "0 s", 50)
    editor = await project.another_connection()
    async with editor.transaction(force_rollback=True):
        await editor.execute("update music.generations set expected_cost_cents = 9 where true")
        await editor.execute("select music.fold_spending()")
        async with asyncio.timeout(30):
            await project.sql(CALLS, None, "0 s", 150)
            await project.new_track()
            [claim] = await project.claim()
            await project.write_intent(claim)
    counted, added_up = await both(project)
    assert counted == added_up


async def test_the_check_of_the_account_puts_the_sum_right(project: Project) -> None:
    for owner in await guest_and_user(project):
        await project.sql(CALLS, owner, "0 s", 3)
    await project.sql("delete from music.spending where is_guest")
    await project.sql(
        "insert into music.spending (utc_day, is_guest, cents) values"
        " (music.utc_day(now()), false, 1000)"
    )
    await project.as_service("select public.report_music_account(3, 250)")
    counted, added_up = await both(project)
    assert counted == added_up
