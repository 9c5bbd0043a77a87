"""Tracks that were made and paid for today, by the thousand."""

from __future__ import annotations

from typing import Any

import psycopg

# Rows as workers leave them, but for the triggers, which would take minutes; what the triggers
# count is put right as the account's check of each hour does it.
_MAKE = """
set session_replication_role = replica;
with users as (
  select id, row_number() over (order by id) as number, count(*) over () as all_of_them
  from auth.users
), made as (
  insert into public.music_tracks
    (user_id, prompt, status, file_url, created_at, started_at, completed_at)
  select u.id, 'rain', 'completed', 'u', done.at - interval '60 seconds',
         done.at - interval '50 seconds', done.at
  from generate_series(1, %(count)s) n
  join users u on u.number = n % u.all_of_them + 1
  cross join lateral (select now() - n * interval '0.01 seconds' as at) done
  returning id, user_id, completed_at
), paid as (
  insert into music.generations
    (id, track_id, user_id, state, request, model, intent_at, mureka_task_id, accepted_at,
     expected_cost_cents, finished_at, place_freed_at)
  select gen_random_uuid(), id, user_id, 'succeeded', '{}', 'mureka-9',
         greatest(music.start_of_today(), completed_at - interval '40 seconds'), id::text,
         completed_at, 4.5, completed_at, completed_at
  from made
)
insert into music.events (track_id, at, kind)
select m.id, m.completed_at - happened.before, happened.kind
from made m, (values
  ('created', interval '60 seconds'), ('claimed', '50 seconds'), ('completed', '0 seconds')
) as happened (kind, before);
set session_replication_role = origin;
update music.account set checked_at = now() where id;
"""


async def finished(superuser: psycopg.AsyncConnection[Any], count: int) -> None:
    """Add finished tracks of all users by turns, each with its paid call and its history."""
    await superuser.execute(_MAKE.replace("%(count)s", str(count)).encode())
    await superuser.execute(b"vacuum analyze")
