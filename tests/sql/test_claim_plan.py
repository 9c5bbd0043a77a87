"""However large the tables grow, the workers' calls read only what waits or runs.

What the statements inside a function read is taken from the statistics of its transaction: how
often each table was read from end to end, and which indexes were used.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from local_supabase.postgres import Postgres
from tests.support.database import Project, connect, copy_of, rows
from tests.support.finished import finished
from tests.support.project import IS_FULL

FINISHED = 1_000_000 if IS_FULL else 200_000
PENDING = 300
GENERATING = 20
CANCELLED = 1000
USERS = 100
GENERATIONS = 100_000
BIG = {"music_tracks", "generations", "events"}
# Each user with something waiting costs a few pages, whatever else there is; a whole reading of
# music_tracks would be some 20,000.
MOST_PAGES = 5_000
CALLS_UNTIL_PLANS_ARE_KEPT = 6

PENDING_INDEX = "music_tracks_pending_by_user_idx"
GENERATING_INDEX = "music_tracks_generating_idx"
OPEN_INDEX = "generations_one_open_per_track"
CLAIM = "select * from public.claim_music_tracks('worker-1', 10, 30)"
FILL = f"""
    set session_replication_role = replica;
    update music.settings set max_concurrent = 400, daily_budget_cents = 1000000;
    insert into auth.users (id, email)
      select gen_random_uuid(), n || '@example.com' from generate_series(1, {USERS}) n;
    insert into public.music_tracks
      (user_id, prompt, status, file_url, created_at, started_at, completed_at)
    select u.id, 'rain', 'completed', 'u', now() - interval '1 day', now(), now()
    from generate_series(1, {FINISHED // USERS}), auth.users u;
    insert into public.music_tracks (user_id, prompt)
    select u.id, 'rain' from generate_series(1, {PENDING // USERS}), auth.users u;
    insert into public.music_tracks (user_id, prompt, status, started_at)
    select u.id, 'rain', 'generating', now() from (select id from auth.users limit {GENERATING}) u;
    insert into music.claims (track_id, worker_id, lease_expires_at)
    select id, 'worker-1', now() + interval '1 hour' from public.music_tracks
    where status = 'generating';
    insert into music.generations
      (id, state, request, model, intent_at, mureka_task_id, accepted_at, failed_reason,
       expected_cost_cents, finished_at)
    select gen_random_uuid(), case when n % 10 > 0 then 'succeeded' else 'refused' end, '{{}}',
           'mureka-9', now() - n * interval '1 minute',
           case when n % 10 > 0 then n::text end, case when n % 10 > 0 then now() end,
           case when n % 10 = 0 then 'Busy.' end, 4.5, now() - (n - 0.5) * interval '1 minute'
    from generate_series(1, {GENERATIONS}) n;
    insert into music.generations (id, track_id, request, model, expected_cost_cents)
    select gen_random_uuid(), id, '{{}}', 'mureka-9', 4.5 from public.music_tracks
    where status = 'generating' limit 5;
    insert into public.music_tracks (user_id, prompt, status, error_code, error_message)
    select u.id, 'rain', 'error', 'cancelled', 'Cancelled.'
    from generate_series(1, {CANCELLED // USERS}), auth.users u;
    insert into music.generations
      (id, track_id, state, request, model, mureka_task_id, accepted_at, expected_cost_cents,
       intent_at)
    select gen_random_uuid(), id, 'accepted', '{{}}', 'mureka-9', id::text, now(), 4.5,
           now() - interval '1 day'
    from public.music_tracks where status = 'error'
       or id in (select id from public.music_tracks where status = 'pending' limit 5);
    insert into music.events (track_id, kind)
    select id, 'created' from public.music_tracks limit {GENERATIONS};
    set session_replication_role = origin;
    update music.account set checked_at = now() where id;
"""


@dataclass(frozen=True)
class Reading:
    """What one call read: tables from end to end, indexes, and pages of 8 kB in all."""

    whole_tables: set[str]
    indexes: set[str]
    pages: int


async def reading_of(project: Project, call: str, prepare: str = "select 1") -> Reading:
    """Make a call as a long-lived session does, when plans no longer depend on the arguments.

    Every call is undone, so that the next one finds the same.
    """
    async with (
        await connect(project.postgres.conninfo("postgres", project.name)) as connection,
        connection.transaction(force_rollback=True),
    ):
        await rows(connection, prepare)

        async def undone(query: str) -> Any:
            async with connection.transaction(force_rollback=True):
                return await rows(connection, query)

        for _ in range(CALLS_UNTIL_PLANS_ARE_KEPT):
            await undone(call)
        before = await statistics(connection)
        await undone(call)
        after = await statistics(connection)
        [explained] = await undone(f"explain (analyze, buffers, format json) {call}")
    plan = next(iter(explained.values()))[0]["Plan"]
    more = {name: scans - before.get(name, 0) for name, scans in after.items()}
    return Reading(
        {name for name, scans in more.items() if name in BIG and scans},
        {name for name, scans in more.items() if name not in BIG and scans},
        plan["Shared Hit Blocks"] + plan["Shared Read Blocks"],
    )


async def statistics(connection: Any) -> dict[str, int]:
    """Readings so far in this transaction: whole tables by table, the others by index."""
    found = await rows(
        connection,
        "select relname as name, seq_scan as scans from pg_stat_xact_user_tables"
        " union all"
        " select indexrelname, pg_stat_get_xact_numscans(indexrelid) from pg_stat_user_indexes"
        " where schemaname in ('public', 'music')",
    )
    return {row["name"]: row["scans"] for row in found}


@pytest.fixture(scope="module")
async def large(cluster: Postgres) -> AsyncIterator[Project]:
    """A project with very many finished tracks and a few hundred that wait or are being made.

    A thousand were cancelled after they were paid for and might still be resumed.
    """
    async with copy_of(cluster, "migrated") as project:
        superuser = cluster.conninfo("supabase_admin", project.name)
        async with await connect(superuser) as administrator:
            await administrator.execute(FILL.encode())
            await administrator.execute(b"analyze")
        yield project


async def test_a_claim_reads_what_waits_and_what_runs_and_nothing_else(large: Project) -> None:
    reading = await reading_of(large, CLAIM)
    assert reading.whole_tables == set()
    assert {PENDING_INDEX, GENERATING_INDEX, OPEN_INDEX} <= reading.indexes
    assert reading.pages < MOST_PAGES
    print(f"a claim touches {reading.pages} pages")


EXPIRE = "update music.claims set lease_expires_at = now() - interval '1 second'"
SAMPLE = "(select array_agg(id) from music.claims)"


@pytest.mark.parametrize(
    ("call", "index"),
    [
        pytest.param(CLAIM, GENERATING_INDEX, id="claiming what other workers lost"),
        pytest.param(
            "select music.close_unconfirmed_submissions()",
            "generations_unconfirmed_idx",
            id="closing calls that were never confirmed",
        ),
        pytest.param("select music.fail_lost_tracks()", GENERATING_INDEX, id="failing lost tracks"),
        pytest.param("select music.spent_today_cents()", None, id="adding up a day"),
        pytest.param(
            "select music.expected_seconds()", "generations_succeeded_idx", id="the median"
        ),
        pytest.param(
            f"select * from public.renew_music_claims('worker-1', {SAMPLE}, 30)",
            None,
            id="renewing",
        ),
        pytest.param(
            f"select * from public.release_music_claims('worker-1', {SAMPLE})",
            "music_tracks_pkey",
            id="releasing",
        ),
        pytest.param(
            "select * from public.begin_music_generation((select c.id from music.claims c"
            " where not exists (select from music.generations g where g.track_id = c.track_id)"
            " limit 1), gen_random_uuid(), '{}', 'mureka-9', 4.5)",
            OPEN_INDEX,
            id="writing an intent",
        ),
        pytest.param(
            "select * from public.complete_music_track("
            "(select id from music.claims limit 1), 'path', 'https://file', 1000)",
            OPEN_INDEX,
            id="completing",
        ),
    ],
)
async def test_no_call_of_a_worker_reads_a_big_table_from_end_to_end(
    large: Project, call: str, index: str | None
) -> None:
    reading = await reading_of(large, call, prepare=EXPIRE)
    assert reading.whole_tables == set()
    assert index is None or index in reading.indexes
    assert reading.pages < MOST_PAGES
    print(f"{reading.pages} pages")


# --- Beside ever more of what is finished ---------------------------------------------------------

FEW, MANY = 1_000, 50_000 if IS_FULL else 20_000
# What it is by chance that another index page, or another of fifty rows, is read.
MORE_ROWS = 200
WAITING = """
    update music.settings set max_concurrent = 400, daily_budget_cents = 10000000,
      daily_budget_cents_of_guests = 10000000 where id;
    insert into auth.users (id, email)
      select gen_random_uuid(), n || '@example.com' from generate_series(1, 50) n;
    insert into public.music_tracks (user_id, prompt)
      select u.id, 'rain' from auth.users u, generate_series(1, 4);
"""
HEALTH = "select * from public.music_queue_health"
INTENT = (
    "select * from public.begin_music_generation("
    "(select id from music.claims limit 1), gen_random_uuid(), '{}', 'mureka-9', 4.5)"
)


async def rows_read(project: Project, call: str) -> int:
    """How many rows of tracks, ledger and history a call reads; undone, in a session that lasts."""
    async with (
        await connect(project.postgres.conninfo("postgres", project.name)) as connection,
        connection.transaction(force_rollback=True),
    ):
        counts = []
        for _ in range(CALLS_UNTIL_PLANS_ARE_KEPT + 1):
            async with connection.transaction(force_rollback=True):
                await rows(connection, call)
            counts.append(await rows_read_so_far(connection))
    return counts[-1] - counts[-2]


async def rows_read_so_far(connection: Any) -> int:
    """Rows of tracks, ledger and history that were read in this transaction."""
    read = (
        "select sum(seq_tup_read + idx_tup_fetch)::bigint as rows from pg_stat_xact_user_tables"
        " where relname = any (%s)"
    )
    [counted] = await rows(connection, read, list(BIG))
    return int(counted["rows"])


@pytest.mark.parametrize(
    "limits",
    [
        pytest.param("", id="limits of the fleet"),
        pytest.param(
            "update music.settings set daily_budget_cents_of_guests = 1 where id",
            id="guests over their budget",
        ),
        pytest.param("update music.settings set daily_budget_cents = 1 where id", id="over budget"),
    ],
)
async def test_claims_health_and_intents_read_no_more_beside_ever_more_that_is_finished(
    cluster: Postgres, limits: str
) -> None:
    calls = {"claim": CLAIM, "health": HEALTH, "intent": INTENT}
    async with copy_of(cluster, "migrated") as project:
        await project.sql(WAITING)
        await project.claim(limit=5)
        if limits:
            await project.sql(limits)
        read: dict[int, dict[str, int]] = {}
        superuser = cluster.conninfo("supabase_admin", project.name)
        there = 0
        for size in (FEW, MANY):
            async with await connect(superuser) as administrator:
                await finished(administrator, size - there)
            there = size
            read[size] = {name: await rows_read(project, call) for name, call in calls.items()}
        print(read)
        assert float(await project.value("select music.spent_today_cents()")) == MANY * 4.5
    assert min(read[FEW].values()) > 0, "nothing was counted"
    for name in calls:
        assert read[MANY][name] <= read[FEW][name] + MORE_ROWS, name


# So many of each after plans were made for a handful; a plan that compares each with each reads
# a hundred thousand rows.
WAITING_USERS, WAITING_EACH, MADE_NOW = 20, 50, 300
MOST_READINGS_OF_A_ROW = 12
GROW = f"""
    set session_replication_role = replica;
    insert into public.music_tracks (user_id, prompt)
    select u.id, 'rain' from auth.users u, generate_series(1, {WAITING_EACH});
    insert into public.music_tracks (prompt, status, started_at)
    select 'rain', 'generating', now() from generate_series(1, {MADE_NOW});
    insert into music.claims (track_id, worker_id, lease_expires_at)
    select id, 'worker-1', now() + interval '1 hour' from public.music_tracks t
    where status = 'generating' on conflict do nothing;
    insert into music.generations
      (id, track_id, state, request, model, mureka_task_id, accepted_at, expected_cost_cents)
    select gen_random_uuid(), id, 'accepted', '{{}}', 'mureka-9', id::text, now(), 4.5
    from public.music_tracks t where status = 'generating'
      and not exists (select from music.generations g where g.track_id = t.id);
    set session_replication_role = origin;
"""


async def test_plans_of_when_there_was_little_do_for_a_burst(cluster: Postgres) -> None:
    async with (
        copy_of(cluster, "migrated") as project,
        await connect(cluster.conninfo("supabase_admin", project.name)) as connection,
    ):
        await project.sql(
            "update music.settings set max_concurrent = null, max_pending_per_user = null,"
            " daily_budget_cents = null"
        )
        await project.sql(
            "insert into auth.users (id, email)"
            " select gen_random_uuid(), n || '@example.com' from generate_series(1, %s) n",
            WAITING_USERS,
        )
        for _ in range(3):
            await project.new_track()
            [claim] = await project.claim()
            await project.submitted(claim)
        await connection.execute("analyze")
        async with connection.transaction(force_rollback=True):
            for _ in range(CALLS_UNTIL_PLANS_ARE_KEPT):
                await rows(connection, CLAIM)
            await connection.execute(GROW.encode())
            before = await rows_read_so_far(connection)
            assert len(await rows(connection, CLAIM)) == 10
            read = await rows_read_so_far(connection) - before
    there = WAITING_USERS * WAITING_EACH + MADE_NOW
    assert there < read < MOST_READINGS_OF_A_ROW * there
