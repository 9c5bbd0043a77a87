-- What operators do to many tracks or to the whole queue, as one call each, and what follows from
-- an edit of music.settings: a limit that is raised takes effect at once. Everything here can be
-- done by editing rows, too; these say beforehand what is free and what will cost.
-- Locks: music.settings exclusively for an instant.

create function music.follow_budget() returns trigger
language plpgsql set search_path = ''
as $$
begin
  perform music.release_within_budget();
  return null;
end
$$;
comment on function music.follow_budget() is
  'After a budget was raised or lifted: the first of the tracks that wait for tomorrow are due at '
  'once. That wakes workers, and each claim lets more of them go.';

create function music.wake_workers() returns trigger
language plpgsql set search_path = ''
as $$
begin
  perform music.broadcast('music:pending', 'pending', '{}'::jsonb);
  return null;
end
$$;
comment on function music.wake_workers() is
  'After a change of limits that may let tracks go: a hint to all workers.';

create trigger settings_follow_budget after update on music.settings
  for each row when (old.budget_raised_at is distinct from new.budget_raised_at)
  execute function music.follow_budget();
create trigger settings_wake_workers after update on music.settings
  for each row when (
    (old.paused and not new.paused)
    or coalesce(new.max_concurrent, 2147483647) > coalesce(old.max_concurrent, 2147483647)
    or coalesce(new.max_concurrent_per_user, 2147483647)
       > coalesce(old.max_concurrent_per_user, 2147483647))
  execute function music.wake_workers();

create function music.counted_tracks(p_status text) returns text
language sql stable set search_path = ''
as $$
  select case count(*) when 1 then '1 track' else count(*) || ' tracks' end
  from public.music_tracks t where t.status = p_status
$$;
comment on function music.counted_tracks(text) is 'How many tracks are in a status, in words.';

create function public.pause_music_queue(p_reason text default null) returns text
language plpgsql set search_path = ''
as $$
begin
  perform music.read_settings();
  update music.settings
  set paused = true, paused_reason = coalesce(nullif(btrim(p_reason), ''), paused_reason)
  where id;
  return format('Paused. Waiting: %s. Being finished: %s.',
    music.counted_tracks('pending'), music.counted_tracks('generating'));
end
$$;
comment on function public.pause_music_queue(text) is
  'For operators: take up nothing new until resume_music_queue(); what runs is finished. Answers '
  'a sentence. Who, when and why is in music_queue_health.';

create function public.resume_music_queue() returns text
language plpgsql set search_path = ''
as $$
begin
  perform music.read_settings();
  update music.settings set paused = false where id;
  -- Also when it was not paused: whoever calls this wants the workers to look.
  perform music.broadcast('music:pending', 'pending', '{}'::jsonb);
  return format('Going on. Waiting: %s.', music.counted_tracks('pending'));
end
$$;
comment on function public.resume_music_queue() is
  'For operators: take up tracks again, at once. Answers a sentence.';

create function music.is_free_to_retry(p_track_id uuid) returns boolean
language sql stable set search_path = ''
as $$
  select exists (
    select from music.generations g where g.track_id = p_track_id and g.state = 'accepted')
$$;
comment on function music.is_free_to_retry(uuid) is
  'Whether the music of a track was submitted, may still be had and would be fetched by a retry '
  'instead of submitted again.';

create function music.cost_of_retry(p_track_id uuid) returns numeric
language sql stable set search_path = ''
as $$
  select case when music.is_free_to_retry(p_track_id) then 0 else coalesce(
      (select music.price_cents(t.model) from public.music_tracks t where t.id = p_track_id),
      (select g.expected_cost_cents from music.generations g
       where g.track_id = p_track_id and g.kind <> 'lyrics' order by g.intent_at desc limit 1),
      (select g.expected_cost_cents from music.generations g
       where g.kind <> 'lyrics' order by g.intent_at desc limit 1))
    + coalesce(
      (select s.lyrics_price_cents from public.music_tracks t cross join music.settings s
       where t.id = p_track_id and t.lyrics_prompt is not null
         and music.fold(t.lyrics) is null), 0) end
$$;
comment on function music.cost_of_retry(uuid) is
  'What a retry will probably cost in US cents: nothing, or by the model that the track asks for, '
  'or as much as its last music, or the last of all; and its words, where they are to be written. '
  'Null when no music was ever submitted.';

create function public.retry_music_tracks(
  p_track_ids uuid[] default null, p_error_code text default null, p_since timestamptz default null,
  p_dry_run boolean default true)
returns table (
  track_id uuid, user_id uuid, error_code text, is_free boolean, expected_cost_cents numeric,
  retried boolean)
language plpgsql set search_path = ''
as $$
#variable_conflict use_column
begin
  if p_track_ids is null and p_error_code is null and p_since is null then
    raise exception
      'retry_music_tracks needs at least one of p_track_ids, p_error_code and p_since.'
      using errcode = 'MU002', hint = 'For all that failed today: p_since => current_date.';
  end if;
  return query
    with failed as (
      select t.id, t.user_id, t.error_code, t.updated_at,
             music.is_free_to_retry(t.id) as is_free, music.cost_of_retry(t.id) as cents
      from public.music_tracks t
      where t.status = 'error'
        and (p_track_ids is null or t.id = any (p_track_ids))
        and (p_error_code is null or t.error_code = p_error_code)
        -- What somebody cancelled is wanted again only where it is named.
        and (t.error_code <> 'cancelled' or p_track_ids is not null or p_error_code is not null)
        and (p_since is null or t.updated_at >= p_since)
      order by t.id
      for update of t skip locked
    ), again as (
      update public.music_tracks t set status = 'pending'
      from failed f
      where t.id = f.id and not coalesce(p_dry_run, true)
      returning t.id
    )
    select f.id, f.user_id, f.error_code::text, f.is_free, f.cents, a.id is not null
    from failed f
    left join again a on a.id = f.id
    order by f.updated_at, f.id;
end
$$;
comment on function public.retry_music_tracks(uuid[], text, timestamptz, boolean) is
  'For operators: retry all failed tracks that meet every condition given (at least one); '
  'cancelled ones only by id or code. Unless p_dry_run is false it only says which these are, '
  'what is free and what the others will probably cost in US cents.';

create function public.regenerate_music_tracks(
  p_track_ids uuid[], p_dry_run boolean default true)
returns table (
  track_id uuid, user_id uuid, completed_at timestamptz, is_free boolean,
  expected_cost_cents numeric, regenerated boolean)
language plpgsql set search_path = ''
as $$
#variable_conflict use_column
declare
  v_track record;
begin
  if p_track_ids is null then
    raise exception 'regenerate_music_tracks needs the ids of the tracks.'
      using errcode = 'MU002', hint = 'Give p_track_ids an array of ids.';
  end if;
  for v_track in
    select t.id, t.user_id, t.completed_at, music.is_free_to_retry(t.id) as is_free,
           music.cost_of_retry(t.id) as cents
    from public.music_tracks t
    where t.id = any (p_track_ids) and t.status = 'completed'
    order by t.id
    for update of t skip locked
  loop
    if not coalesce(p_dry_run, true) then
      -- One by one: a statement that has more of them made again is refused.
      update public.music_tracks set status = 'pending' where id = v_track.id;
    end if;
    return query select v_track.id, v_track.user_id, v_track.completed_at, v_track.is_free,
      v_track.cents, not coalesce(p_dry_run, true);
  end loop;
end
$$;
comment on function public.regenerate_music_tracks(uuid[], boolean) is
  'For operators: have completed tracks made once more, each paid for again; the old audio stays '
  'until the new is in place. Unless p_dry_run is false it only says which these are and what it '
  'will probably cost in US cents.';

create function public.cancel_music_tracks(p_track_ids uuid[])
returns table (track_id uuid, user_id uuid, status_before text)
language plpgsql set search_path = ''
as $$
#variable_conflict use_column
begin
  if p_track_ids is null then
    raise exception 'cancel_music_tracks needs the ids of the tracks.'
      using errcode = 'MU002', hint = 'Give p_track_ids an array of ids.';
  end if;
  return query
    with waiting as (
      select t.id, t.user_id, t.status, t.created_at
      from public.music_tracks t
      where t.id = any (p_track_ids) and t.status in ('pending', 'generating')
      order by t.id
      for update
    ), cancelled as (
      update public.music_tracks t set status = 'error'
      from waiting w where t.id = w.id
      returning t.id
    )
    select w.id, w.user_id, w.status::text
    from waiting w join cancelled c on c.id = w.id
    order by w.created_at, w.id;
end
$$;
comment on function public.cancel_music_tracks(uuid[]) is
  'For operators: cancel those of the tracks that wait or run; answers which and what they were. '
  'Music that was submitted is paid for all the same.';
