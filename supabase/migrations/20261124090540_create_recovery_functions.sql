-- What a claim puts in order first: calls that were never confirmed, tracks that lose every worker,
-- and rows that a rule of the app's does not let anybody change.
-- Locks: nothing that exists.

create function music.submission_unknown_message() returns text
language sql immutable set search_path = ''
as $$
  select 'It is not known whether the music was submitted, so it was not submitted twice. '
         'Retry to submit it again.'
$$;
comment on function music.submission_unknown_message() is
  'What a track says whose paid call was never answered.';

create function music.close_unconfirmed_submissions() returns void
language plpgsql set search_path = '' set enable_seqscan = off set jit = off
as $$
declare
  v_policy text := (select on_unknown_submission from music.settings);
  v_track_ids uuid[];
begin
  perform music.act_as_worker();
  select array_agg(unconfirmed.id) into v_track_ids
  from (
    select t.id
    from music.generations g
    join public.music_tracks t on t.id = g.track_id
    where g.state in ('intent', 'unknown')
      and (t.status = 'generating' or (t.status = 'pending' and t.run_after <= now()))
      and not exists (
        select from music.claims c where c.track_id = t.id and c.lease_expires_at > now())
      and t.id not in (select music.tracks_not_to_try())
    order by t.id
    for update of t skip locked
  ) unconfirmed;
  if v_track_ids is null then
    return;
  end if;
  if v_policy = 'resubmit' then
    update music.generations
    set state = 'abandoned', finished_at = now(),
        failed_reason = 'Never confirmed; sent again because on_unknown_submission = resubmit.'
    where track_id = any (v_track_ids) and state in ('intent', 'unknown');
    return;
  end if;
  update music.generations set state = 'unknown'
  where track_id = any (v_track_ids) and state = 'intent';
  update public.music_tracks
  set status = 'error', error_code = 'submission_unknown',
      error_message = music.submission_unknown_message()
  where id = any (v_track_ids);
  delete from music.claims where track_id = any (v_track_ids);
  insert into music.events (track_id, kind, detail)
  select id, 'failed', '{"error_code": "submission_unknown"}'::jsonb from unnest(v_track_ids) as id;
end
$$;
comment on function music.close_unconfirmed_submissions() is
  'An intent was written and its worker died before the receipt: end the track for a person to '
  'decide, or allow it to be sent again, as music.settings says.';

create function music.fail_lost_tracks() returns void
language plpgsql set search_path = ''
as $$
declare
  v_max_attempts int := (select max_attempts from music.settings);
  v_track_ids uuid[];
begin
  perform music.act_as_worker();
  select array_agg(spent.id) into v_track_ids
  from (
    select t.id
    from public.music_tracks t
    left join music.claims c on c.track_id = t.id
    where t.status = 'generating' and (c.track_id is null or c.lease_expires_at <= now())
      and t.attempts + 1 >= v_max_attempts
      and t.id not in (select music.tracks_not_to_try())
    for update of t skip locked
  ) spent;
  if v_track_ids is null then
    return;
  end if;
  update public.music_tracks
  set status = 'error', attempts = attempts + 1, error_code = 'attempts_exhausted',
      error_message = format(
        'Given up after %s attempts. The last reason: the worker was lost.', attempts + 1)
  where id = any (v_track_ids);
  delete from music.claims where track_id = any (v_track_ids);
  insert into music.events (track_id, kind, detail)
  select id, 'failed', '{"error_code": "attempts_exhausted"}'::jsonb from unnest(v_track_ids) as id;
end
$$;
comment on function music.fail_lost_tracks() is
  'A track that loses every worker that takes it up must not do so without end: each loss is an '
  'attempt.';

create function music.is_rejection(p_sqlstate text) returns boolean
language sql stable set search_path = ''
as $$
  select p_sqlstate !~ '^(MU|40|53|54|55|57|58|XX)'
    and (p_sqlstate <> '42501'
         or has_table_privilege(current_user, 'public.music_tracks', 'update'))
$$;
comment on function music.is_rejection(text) is
  'Whether an error may be one row''s, as what a trigger of the app''s says of it, and not the '
  'database''s, an argument''s or a missing grant''s.';

create function music.note_rejected_tracks() returns int
language plpgsql set search_path = ''
as $$
declare
  v_track record;
  v_status text;
  v_reason text;
  v_sqlstate text;
  v_found int := 0;
begin
  perform music.act_as_worker();
  for v_track in
    (select t.id, t.status from public.music_tracks t
     where t.status = 'pending' and t.run_after <= now()
       and t.id not in (select music.tracks_not_to_try())
     order by t.run_after limit 200)
    union
    select t.id, t.status from music.due_track_ids(1000) as due (id)
    join public.music_tracks t on t.id = due.id
    union
    select t.id, t.status
    from public.music_tracks t left join music.claims c on c.track_id = t.id
    where t.status = 'generating' and (c.track_id is null or c.lease_expires_at <= now())
      and t.id not in (select music.tracks_not_to_try())
  loop
    begin
      foreach v_status in array array['generating', 'error', 'pending'] loop
        update public.music_tracks t
        set status = v_status, started_at = coalesce(t.started_at, now()),
            error_code = case v_status when 'error' then 'internal' end,
            error_message = case v_status when 'error' then 'Tried out.' end
        where t.id = v_track.id;
        if not found then
          raise exception 'A trigger drops the change and says nothing.'
            using errcode = 'triggered_action_exception';
        end if;
      end loop;
      set constraints all immediate;
      raise exception using errcode = 'MU000';  -- takes back what was only tried
    exception when others then
      get stacked diagnostics v_reason = message_text, v_sqlstate = returned_sqlstate;
      continue when v_sqlstate = 'MU000';
      if not music.is_rejection(v_sqlstate) then
        raise;
      end if;
      insert into music.rejected_tracks as r (track_id, reason, sqlstate, next_try_at)
      values (v_track.id, left(v_reason, 300), v_sqlstate, now() + interval '1 minute')
      on conflict (track_id) do update
        set reason = excluded.reason, sqlstate = excluded.sqlstate, tries = r.tries + 1,
            last_tried_at = now(),
            next_try_at = now() + least(interval '1 minute' * 2 ^ least(r.tries, 10),
                                        interval '1 hour');
      v_found := v_found + 1;
    end;
  end loop;
  return v_found;
end
$$;
comment on function music.note_rejected_tracks() is
  'Try each track that a claim would touch, take it back, and note those that a rule of the app''s '
  'does not let through; answers how many.';
