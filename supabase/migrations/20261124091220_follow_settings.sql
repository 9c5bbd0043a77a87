-- A limit that is raised takes effect at once: tracks that wait for tomorrow's budget are let go,
-- and idle workers are told to look instead of finding out at their next sweep.
-- Locks: music.settings exclusively for an instant.

create function music.let_go_within_budget() returns trigger
language plpgsql set search_path = ''
as $$
begin
  with waiting as (
    select t.id
    from public.music_tracks t
    where t.status = 'pending' and t.error_code = 'quota_exhausted' and t.run_after = music.start_of_tomorrow()
    order by t.id
    for update
  )
  update public.music_tracks t
  set run_after = now(), error_code = null, error_message = null
  from waiting w where t.id = w.id;
  return null;
end
$$;
comment on function music.let_go_within_budget() is 'After a budget was raised or lifted: let the tracks go that wait for tomorrow. Those that are still over it are put off again by the next claim.';

create function music.wake_workers() returns trigger
language plpgsql set search_path = ''
as $$
begin
  perform music.broadcast('music:pending', 'pending', '{}'::jsonb);
  return null;
end
$$;
comment on function music.wake_workers() is 'After a change of limits that may let tracks go: a hint to all workers.';

revoke execute on function music.let_go_within_budget(), music.wake_workers() from public;
-- Triggers run with the rights of whoever edits the settings.
grant execute on function music.broadcast(text, text, jsonb) to service_role;

create trigger settings_let_go after update of daily_budget_cents, daily_budget_cents_per_user on music.settings
  for each row when (
    coalesce(new.daily_budget_cents, 'infinity') > coalesce(old.daily_budget_cents, 'infinity')
    or coalesce(new.daily_budget_cents_per_user, 'infinity') > coalesce(old.daily_budget_cents_per_user, 'infinity'))
  execute function music.let_go_within_budget();
create trigger settings_wake_workers after update on music.settings
  for each row when (
    (old.paused and not new.paused)
    or coalesce(new.max_concurrent, 2147483647) > coalesce(old.max_concurrent, 2147483647)
    or coalesce(new.max_concurrent_per_user, 2147483647) > coalesce(old.max_concurrent_per_user, 2147483647))
  execute function music.wake_workers();
