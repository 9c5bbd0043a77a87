-- What is spent of a day's budgets, and how tracks wait for the next day's.
--
-- The ledger says what was paid. Of all and of all guests together a day may have a hundred
-- thousand calls, which no claim should add up: each change of the ledger writes by how much it
-- changes a day's spend to music.spending, and the sum of these few rows is what was spent. They
-- wait for no other transaction.
-- Locks: nothing that exists.

create table music.spending (
  id bigint generated always as identity primary key,
  utc_day date not null,
  is_guest boolean not null,
  cents numeric(14, 2) not null
);
create index spending_utc_day_idx on music.spending (utc_day);
alter table music.spending enable row level security;
comment on table music.spending is
  'By how much changes of the ledger changed what is spent of a day''s budgets; the sum is what '
  'is spent. Folded every hundred rows; gone when the day is over.';
comment on column music.spending.id is 'Order of writing.';
comment on column music.spending.utc_day is 'The day of the paid call, UTC.';
comment on column music.spending.is_guest is 'Whether a guest asked for it.';
comment on column music.spending.cents is
  'Expected cost in US cents of what came to the ledger, less that of what left it or was refused.';

create function music.utc_day(p_at timestamptz) returns date
language sql immutable set search_path = ''
as $$ select (p_at at time zone 'utc')::date $$;
comment on function music.utc_day(timestamptz) is 'The day of a moment, UTC.';

create function music.fold_spending() returns void
language sql set search_path = ''
as $$
  with folded as (
    delete from music.spending s
    where s.id in (
      select o.id from music.spending o order by o.id limit 1000 for update skip locked)
    returning s.utc_day, s.is_guest, s.cents
  )
  insert into music.spending (utc_day, is_guest, cents)
  select f.utc_day, f.is_guest, sum(f.cents)
  from folded f
  where f.utc_day >= music.utc_day(now()) - 1  -- a transaction may have begun before midnight
  group by f.utc_day, f.is_guest
$$;
comment on function music.fold_spending() is
  'Make few rows of many in music.spending; what another transaction just folds is left to it.';

create function music.note_spending() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
  insert into music.spending (utc_day, is_guest, cents)
  select music.utc_day(line.at), line.is_guest, sum(line.cents)
  from (values
    (old.intent_at, old.is_guest, old.state, -old.expected_cost_cents),
    (new.intent_at, new.is_guest, new.state, new.expected_cost_cents)
  ) as line (at, is_guest, state, cents)
  where line.state <> 'refused'
  group by 1, 2
  having sum(line.cents) <> 0;
  if found and lastval() % 100 = 0 then
    perform music.fold_spending();
  end if;
  return null;
end
$$;
comment on function music.note_spending() is
  'After a change of the ledger: note what it changes of a day''s spend. A call that was certainly '
  'refused costs nothing.';

create trigger generations_note_spending
  after insert or delete or update of state, intent_at, is_guest, expected_cost_cents
  on music.generations for each row execute function music.note_spending();

create function music.recount_spending() returns trigger
language plpgsql set search_path = ''
as $$
begin
  insert into music.spending (utc_day, is_guest, cents)
  select music.utc_day(now()), line.is_guest, sum(line.cents)
  from (
    select g.is_guest, g.expected_cost_cents as cents from music.generations g
    where g.intent_at >= music.start_of_today() and g.intent_at < music.start_of_tomorrow()
      and g.state <> 'refused'
    union all
    select s.is_guest, -s.cents from music.spending s where s.utc_day = music.utc_day(now())
  ) line
  group by line.is_guest
  having sum(line.cents) <> 0;
  return null;
end
$$;
comment on function music.recount_spending() is
  'After a worker has asked Mureka for its account, at its start and each hour: put today''s spend '
  'right by the ledger, should triggers have been switched off meanwhile.';

create trigger account_recount_spending after update of checked_at on music.account
  for each statement execute function music.recount_spending();

create function music.spent_today_cents(p_user_id uuid default null) returns numeric
language plpgsql stable set search_path = ''
as $$
begin
  if p_user_id is null then
    return coalesce(
      (select sum(s.cents) from music.spending s where s.utc_day = music.utc_day(now())), 0);
  end if;
  return coalesce(
    (select sum(g.expected_cost_cents) from music.generations g
     where g.user_id = p_user_id and g.intent_at >= music.start_of_today()
       and g.state <> 'refused'), 0);
end
$$;
comment on function music.spent_today_cents(uuid) is
  'Expected cost in US cents of the paid calls of this UTC day, of all or of one user; a call '
  'that was certainly refused does not count.';

create function music.spent_by_guests_today_cents() returns numeric
language plpgsql stable set search_path = ''
as $$
begin
  return coalesce(
    (select sum(s.cents) from music.spending s
     where s.utc_day = music.utc_day(now()) and s.is_guest), 0);
end
$$;
comment on function music.spent_by_guests_today_cents() is
  'The same of all guests together.';

create function music.next_cost_cents() returns numeric
language plpgsql stable set search_path = ''
as $$
begin
  return coalesce(
    (select least(g.expected_cost_cents, (
       select min(m.price::numeric)
       from music.settings s, jsonb_each_text(s.model_prices_cents) as m (model, price)))
     from music.generations g
     where g.intent_at >= music.start_of_today() and g.kind <> 'lyrics'
     order by g.intent_at desc limit 1),
    0.01);
end
$$;
comment on function music.next_cost_cents() is
  'What the next paid call will cost at least: as much as the last one of today or, since a track '
  'may name its model, as the cheapest of the list. The first of a day is always tried, so that a '
  'change of model cannot keep everything waiting.';

create function music.is_over_budget() returns boolean
language plpgsql stable set search_path = ''
as $$
begin
  return coalesce(
    (select music.spent_today_cents() + music.next_cost_cents() > s.daily_budget_cents
     from music.settings s), false);
end
$$;
comment on function music.is_over_budget() is
  'Whether today''s budget of all has no room for another paid call.';

create function music.users_over_budget() returns setof uuid
language plpgsql stable set search_path = ''
as $$
declare
  v_settings music.settings;
  v_next numeric := music.next_cost_cents();
  v_guests_are_over boolean;
begin
  select * into v_settings from music.settings;
  v_guests_are_over := coalesce(
    music.spent_by_guests_today_cents() + v_next > v_settings.daily_budget_cents_of_guests, false);
  if v_settings.daily_budget_cents_per_user is null and not v_guests_are_over then
    return;
  end if;
  return query
    select w.user_id
    from music.waiting_users() as w (user_id)
    where (v_settings.daily_budget_cents_per_user is not null
           and music.spent_today_cents(w.user_id) + v_next
               > v_settings.daily_budget_cents_per_user)
       or (v_guests_are_over and music.is_guest(w.user_id));
end
$$;
comment on function music.users_over_budget() is
  'Users who wait and whose own budget of today has no room for another paid call; where that of '
  'the guests has none, all of them that wait.';

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
