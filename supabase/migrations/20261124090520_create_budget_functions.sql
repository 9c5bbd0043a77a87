-- What is spent of a day's budgets, and how tracks wait for the next day's.
-- Locks: nothing that exists.

create function music.spent_today_cents(p_user_id uuid default null) returns numeric
language sql stable set search_path = ''
as $$
  select coalesce(sum(g.expected_cost_cents), 0)
  from music.generations g
  where g.intent_at >= music.start_of_today() and g.state <> 'refused'
    and (p_user_id is null or g.user_id = p_user_id)
$$;
comment on function music.spent_today_cents(uuid) is
  'Expected cost in US cents of the paid calls of this UTC day, of all or of one user; a call '
  'that was certainly refused does not count.';

create function music.next_cost_cents() returns numeric
language sql stable set search_path = ''
as $$
  select coalesce(
    (select g.expected_cost_cents from music.generations g
     where g.intent_at >= music.start_of_today() and g.kind <> 'lyrics'
     order by g.intent_at desc limit 1),
    0.01)
$$;
comment on function music.next_cost_cents() is
  'What the next paid call will probably cost: as much as the last one of today. The first of a '
  'day is always tried, so that a change of model cannot keep everything waiting.';

create function music.is_over_budget() returns boolean
language sql stable set search_path = ''
as $$
  select coalesce(music.spent_today_cents() + music.next_cost_cents() > s.daily_budget_cents, false)
  from music.settings s
$$;
comment on function music.is_over_budget() is
  'Whether today''s budget of all has no room for another paid call.';

create function music.spent_by_guests_today_cents() returns numeric
language sql stable set search_path = ''
as $$
  select coalesce(sum(g.expected_cost_cents), 0)
  from music.generations g
  where g.intent_at >= music.start_of_today() and g.state <> 'refused' and g.is_guest
$$;
comment on function music.spent_by_guests_today_cents() is
  'The same of all guests together.';

create function music.users_over_budget() returns setof uuid
language sql stable set search_path = ''
as $$
  select g.user_id
  from music.settings s
  join music.generations g on g.intent_at >= music.start_of_today() and g.state <> 'refused'
  where s.daily_budget_cents_per_user is not null and g.user_id is not null
  group by g.user_id, s.daily_budget_cents_per_user
  having sum(g.expected_cost_cents) + music.next_cost_cents() > s.daily_budget_cents_per_user
  union
  select w.user_id
  from music.waiting_users() as w (user_id)
  where (
      select music.spent_by_guests_today_cents() + music.next_cost_cents()
             > s.daily_budget_cents_of_guests
      from music.settings s)
    and music.is_guest(w.user_id)
$$;
comment on function music.users_over_budget() is
  'Users whose own budget of today has no room for another paid call; where that of the guests has '
  'none, all of them that wait.';

create function music.over_budget_message(p_of_user boolean) returns text
language sql immutable set search_path = ''
as $$
  select case
    when p_of_user
      then 'Your budget for music is used up for today; this track continues tomorrow.'
    else 'Today''s budget for music is used up; this track continues tomorrow.' end
$$;
comment on function music.over_budget_message(boolean) is
  'What a track says that waits for tomorrow''s budget, of all or of its user.';

create function music.defer_over_budget() returns void
language plpgsql set search_path = ''
as $$
declare
  v_is_over boolean := music.is_over_budget();
  v_users uuid[] := array(select music.users_over_budget());
begin
  if not v_is_over and v_users = '{}' then
    return;
  end if;
  perform music.act_as_worker();
  with deferred as (
    select t.id
    from public.music_tracks t
    where t.status = 'pending' and t.run_after <= now()
      and (v_is_over or t.user_id = any (v_users))
      and t.id not in (select music.tracks_not_to_try())
      and not exists (
        select from music.generations g
        where g.track_id = t.id and g.state in ('intent', 'accepted', 'unknown'))
    order by t.run_after
    limit 200
    for update of t skip locked
  ), told as (
    insert into music.events (track_id, kind, detail)
    select d.id, 'over_budget',
           jsonb_build_object('of', case when v_is_over then 'all' else 'user' end)
    from deferred d
  )
  update public.music_tracks t
  set run_after = music.start_of_tomorrow(), error_code = 'over_budget',
      error_message = music.over_budget_message(not v_is_over)
  from deferred d where t.id = d.id;
end
$$;
comment on function music.defer_over_budget() is
  'Tracks that would have to be paid for and cannot be today wait until tomorrow and say so; up '
  'to 200 at a time, the oldest first.';

create function music.release_within_budget() returns void
language plpgsql set search_path = ''
as $$
begin
  perform music.act_as_worker();
  with waiting as (
    select t.id
    from public.music_tracks t
    where t.status = 'pending' and t.error_code = 'over_budget' and t.run_after > now()
      -- What was put off since then was so by the budget as it is now.
      and t.updated_at <= (select s.budget_raised_at from music.settings s)
    order by t.updated_at
    limit 200
    for update of t skip locked
  )
  update public.music_tracks t
  set run_after = now(), error_code = null, error_message = null
  from waiting w where t.id = w.id;
end
$$;
comment on function music.release_within_budget() is
  'Once a budget was raised or lifted: the tracks that wait for tomorrow are due at once, up to '
  '200 at a time, those first that were put off first. Each claim goes on with it, so that the '
  'edit of music.settings need not touch them all. What is still over it is put off again.';
