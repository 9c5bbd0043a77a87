-- One attempt's steps as a worker writes them: intent, receipt, stage, and its three ends
-- (complete, fail, defer).
-- Every write carries the claim and answers no row when the claim is gone: then the worker stops.
-- The exception is the receipt, which is always stored, because the money is spent.
-- Locks: nothing that exists.

create function music.lock_claim(p_claim_id uuid) returns uuid
language plpgsql set search_path = ''
as $$
declare
  v_track_id uuid;
begin
  select c.track_id into v_track_id from music.claims c where c.id = p_claim_id;
  perform from public.music_tracks t where t.id = v_track_id for update;
  -- Looked at again now that nobody else can change it: the claim may have moved on meanwhile.
  perform from music.claims c where c.id = p_claim_id and c.track_id = v_track_id for update;
  return case when found then v_track_id end;
end
$$;
comment on function music.lock_claim(uuid) is
  'Lock the track and the claim, in that order; the track''s id, or null when the claim is not '
  'owned any more.';

create function public.begin_music_generation(
  p_claim_id uuid, p_generation_id uuid, p_request jsonb, p_model text,
  p_expected_cost_cents numeric)
returns setof numeric
language plpgsql set search_path = ''
as $$
declare
  v_track_id uuid := music.lock_claim(p_claim_id);
  v_open music.generations;
  v_user_id uuid;
  v_settings music.settings;
  v_cost_cents numeric;
  v_over text;
begin
  perform music.act_as_worker();
  if v_track_id is null then
    return;
  end if;
  select * into v_open from music.generations g
  where g.track_id = v_track_id and g.state in ('intent', 'accepted', 'unknown');
  if v_open.id is not null then
    if v_open.id = p_generation_id and v_open.state = 'intent' then
      return next v_open.expected_cost_cents;  -- the same again: its answer was lost
    end if;
    return;
  end if;
  perform music.lock_budget();
  v_settings := music.read_settings();
  v_user_id := (select t.user_id from public.music_tracks t where t.id = v_track_id);
  v_cost_cents := case p_request ->> 'kind' when 'lyrics' then v_settings.lyrics_price_cents
    else coalesce(
      music.price_cents(p_model), p_expected_cost_cents,
      -- It was taken off the list meanwhile.
      (select max(m.price::numeric)
       from jsonb_each_text(v_settings.model_prices_cents) as m (model, price))) end;
  v_over := case
    when music.spent_today_cents() + v_cost_cents > v_settings.daily_budget_cents
      then 'all'
    when v_user_id is not null and v_settings.daily_budget_cents_per_user is not null
         and music.spent_today_cents(v_user_id) + v_cost_cents
             > v_settings.daily_budget_cents_per_user
      then 'user'
    when music.is_guest(v_user_id)
         and music.spent_by_guests_today_cents() + v_cost_cents
             > v_settings.daily_budget_cents_of_guests
      then 'guests' end;
  if v_over is not null then
    update public.music_tracks
    set status = 'pending', run_after = music.start_of_tomorrow(), error_code = 'over_budget',
        error_message = music.over_budget_message(v_over <> 'all')
    where id = v_track_id;
    delete from music.claims where id = p_claim_id;
    insert into music.events (track_id, kind, detail) values (v_track_id, 'over_budget',
      jsonb_build_object('of', v_over, 'expected_cost_cents', v_cost_cents));
    return;
  end if;
  insert into music.generations (id, track_id, user_id, request, model, expected_cost_cents)
  values (
    p_generation_id, v_track_id, v_user_id, p_request, p_model, v_cost_cents);
  insert into music.events (track_id, kind, detail)
  values (v_track_id, 'intent',
    jsonb_build_object('generation_id', p_generation_id, 'model', p_model));
  return next v_cost_cents;
end
$$;
comment on function public.begin_music_generation(uuid, uuid, jsonb, text, numeric) is
  'For workers: write the intent of a paid call before it is sent. No row back = do not send it. '
  'Answers what it costs in US cents: what music.settings says of the model or, where that names '
  'none, what the worker expects.';

create function music.take_up_again(p_track public.music_tracks) returns void
language plpgsql set search_path = ''
as $$
begin
  if p_track.status = 'error' and p_track.error_code = 'submission_unknown' then
    update public.music_tracks
    set status = 'pending', run_after = now(), error_code = null, error_message = null
    where id = p_track.id;
  elsif p_track.status = 'pending' then
    update public.music_tracks set run_after = now() where id = p_track.id and run_after > now();
  end if;
end
$$;
comment on function music.take_up_again(public.music_tracks) is
  'What a track waited for has come, maybe late: it is due at once, also where it had been given '
  'up as submission_unknown.';

create function public.record_music_task(
  p_generation_id uuid, p_mureka_task_id text, p_trace_id text)
returns setof uuid
language plpgsql set search_path = ''
as $$
declare
  v_generation music.generations;
  v_track public.music_tracks;
  v_resumes boolean;
begin
  perform music.act_as_worker();
  if coalesce(p_mureka_task_id, '') = '' then
    raise exception 'record_music_task needs the task id that Mureka answered.'
      using errcode = 'MU002';
  end if;
  select * into v_track from public.music_tracks t
  where t.id = (select g.track_id from music.generations g where g.id = p_generation_id)
  for update;
  select * into v_generation from music.generations g where g.id = p_generation_id for update;
  if v_generation.id is null then
    return;
  end if;
  if v_generation.kind = 'lyrics' then
    raise exception 'A call for words has no task: it answers the words.'
      using errcode = 'MU002', hint = 'Store them with record_music_lyrics, or retry the track.';
  end if;
  if v_generation.mureka_task_id is not null then
    if v_generation.mureka_task_id = p_mureka_task_id then
      return next v_generation.track_id;  -- the same receipt again: its answer was lost
      return;
    end if;
    raise exception 'The generation % already has another receipt.', p_generation_id
      using errcode = 'MU002';
  end if;
  -- Whatever was thought of the call, it was accepted and counts. Its music is of use unless the
  -- track asks for something else by now, has a newer call, has its music, or is gone.
  v_resumes := v_generation.superseded_at is null
    and coalesce(v_track.status in ('pending', 'generating', 'error'), false)
    and not exists (
      select from music.generations o
      where o.track_id = v_track.id and o.id <> v_generation.id
        and o.state in ('intent', 'accepted', 'unknown'));
  update music.generations g
  set mureka_task_id = p_mureka_task_id, trace_id = p_trace_id, accepted_at = now(),
      place_freed_at = null,
      state = case when v_resumes then 'accepted' else 'abandoned' end,
      finished_at = case when not v_resumes then coalesce(g.finished_at, now()) end,
      failed_reason = case when not v_resumes then coalesce(
        g.failed_reason, case when g.superseded_at is not null
          then 'What was asked for was changed after it was submitted.'
          else 'Its receipt came when nobody waited for its music any more.' end) end
  where g.id = p_generation_id;
  if v_resumes or v_track.status = 'pending' then
    perform music.take_up_again(v_track);
  end if;
  if v_track.id is not null then
    insert into music.events (track_id, kind, detail) values (v_track.id, 'receipt',
      jsonb_build_object('generation_id', p_generation_id,
        'mureka_task_id', p_mureka_task_id, 'status_then', v_track.status));
    return next v_track.id;
  end if;
end
$$;
comment on function public.record_music_task(uuid, text, text) is
  'For workers: store the receipt of a paid call, with or without a claim; a late one puts a '
  'submission_unknown track back to work.';

create function music.title_length() returns int
language sql stable set search_path = ''
as $$
  select least(coalesce(nullif(a.atttypmod, -1) - 4, 120), 120)
  from pg_catalog.pg_attribute a
  where a.attrelid = 'public.music_tracks'::regclass and a.attname = 'title'
$$;
comment on function music.title_length() is
  'How many characters a title may have: 120, or fewer where the column is one of the app''s.';

create function public.record_music_lyrics(
  p_generation_id uuid, p_title text, p_lyrics text)
returns setof uuid
language plpgsql set search_path = ''
as $$
declare
  v_generation music.generations;
  v_track public.music_tracks;
  v_title_length int := music.title_length();
begin
  perform music.act_as_worker();
  if music.fold(p_lyrics) is null or length(p_lyrics) > 5000 then
    raise exception 'record_music_lyrics needs 1 to 5000 characters of lyrics.'
      using errcode = 'MU002';
  end if;
  select * into v_track from public.music_tracks t
  where t.id = (select g.track_id from music.generations g where g.id = p_generation_id)
  for update;
  select * into v_generation from music.generations g where g.id = p_generation_id for update;
  if v_generation.id is null or v_generation.kind <> 'lyrics' then
    return;
  end if;
  if v_generation.state = 'succeeded' then
    return next v_generation.track_id;  -- the same words again: the answer was lost
    return;
  end if;
  -- Paid for, whatever was thought of the call. The words stay with a track that still asks for
  -- them, also where it was cancelled, so that a retry does not pay for them again.
  update music.generations g
  set place_freed_at = now(), finished_at = now(),
      state = case when g.superseded_at is null then 'succeeded' else 'abandoned' end,
      failed_reason = case when g.superseded_at is not null
        then 'What was asked for was changed after it was submitted.' end
  where g.id = p_generation_id;
  if v_track.id is null then
    return;
  end if;
  if v_generation.superseded_at is null and v_track.lyrics_prompt is not null
     and music.fold(v_track.lyrics) is null and v_track.status <> 'completed' then
    begin
      update public.music_tracks t
      set lyrics = p_lyrics,
          title = case when music.fold(t.title) is null
            then coalesce(left(music.fold(p_title), v_title_length), t.title)
            else t.title end
      where t.id = v_track.id;
    exception when others then
      if not music.is_rejection(sqlstate) then
        raise;
      end if;
      -- A rule of the app's may not take such a title; the words are what was paid for.
      update public.music_tracks t set lyrics = p_lyrics where t.id = v_track.id;
    end;
    perform music.take_up_again(v_track);
  end if;
  insert into music.events (track_id, kind, detail) values (v_track.id, 'lyrics',
    jsonb_build_object('generation_id', p_generation_id, 'characters', length(p_lyrics),
      'status_then', v_track.status));
  return next v_track.id;
end
$$;
comment on function public.record_music_lyrics(uuid, text, text) is
  'For workers: store the words that a paid call answered, with or without a claim; the track '
  'gets them, and their title where it has none.';

create function public.refuse_music_generation(p_generation_id uuid, p_reason text)
returns setof uuid
language sql set search_path = ''
as $$
  update music.generations g
  set state = 'refused', place_freed_at = now(), finished_at = coalesce(g.finished_at, now()),
      failed_reason = coalesce(g.failed_reason, p_reason, 'Refused.')
  where g.id = p_generation_id and g.mureka_task_id is null
    and g.state in ('intent', 'unknown', 'abandoned')
  returning g.id
$$;
comment on function public.refuse_music_generation(uuid, text) is
  'For workers: a paid call was certainly not accepted, whatever became of its track: it costs '
  'nothing and gives its place back.';

create function public.report_music_stage(
  p_claim_id uuid, p_stage text, p_stream_url text default null)
returns setof uuid
language plpgsql set search_path = ''
as $$
declare
  v_track_id uuid := music.lock_claim(p_claim_id);
begin
  perform music.act_as_worker();
  if v_track_id is null then
    return;
  end if;
  -- Apps show both to their users: neither is what a provider happens to say.
  if p_stage is null or p_stage not in (
    'preparing', 'queued', 'running', 'streaming', 'reviewing', 'succeeded', 'failed', 'timeouted',
    'cancelled')
  then
    raise exception 'report_music_stage does not know this stage.' using errcode = 'MU002';
  end if;
  if p_stream_url !~ '^https?://[^[:space:]<>"\\]+$' or length(p_stream_url) > 2000 then
    raise exception 'report_music_stage needs an address of http or https.'
      using errcode = 'MU002';
  end if;
  update public.music_tracks t
  set stage = p_stage, stream_url = coalesce(p_stream_url, t.stream_url)
  where t.id = v_track_id
    and (t.stage, t.stream_url) is distinct from (p_stage, coalesce(p_stream_url, t.stream_url));
  if found then
    update music.generations set provider_status = p_stage
    where track_id = v_track_id and state = 'accepted';
    insert into music.events (track_id, kind, detail)
    values (v_track_id, 'stage', jsonb_build_object('stage', p_stage));
  end if;
  return next v_track_id;
end
$$;
comment on function public.report_music_stage(uuid, text, text) is
  'For workers: show what the provider is doing, in a word that is known; writes only what '
  'changed.';

create function public.complete_music_track(
  p_claim_id uuid, p_storage_path text, p_file_url text, p_duration_ms int,
  p_audio_files jsonb default null, p_mureka_song_id text default null,
  p_timed_lyrics jsonb default null)
returns setof uuid
language plpgsql set search_path = ''
as $$
declare
  v_track_id uuid := music.lock_claim(p_claim_id);
  v_missing text[];
begin
  perform music.act_as_worker();
  if v_track_id is null then
    return;
  end if;
  update public.music_tracks
  set status = 'completed', storage_path = p_storage_path, file_url = p_file_url,
      audio_files = coalesce(p_audio_files, jsonb_build_object(
        'mp3', jsonb_build_object('path', p_storage_path, 'url', p_file_url, 'bytes', null))),
      mureka_song_id = left(p_mureka_song_id, 100),
      duration_ms = p_duration_ms, completed_at = now(), error_code = null, error_message = null
  where id = v_track_id
  returning array(
    select f.format from unnest(audio_formats) as f (format)
    where p_audio_files is not null and not p_audio_files ? f.format) into v_missing;
  perform music.keep_timed_lyrics(v_track_id, p_timed_lyrics);
  update music.generations
  set state = 'succeeded', finished_at = now(), place_freed_at = now(),
      provider_status = 'succeeded'
  where track_id = v_track_id and state = 'accepted';
  -- A track that has its music waits for no other call, whatever became of it.
  update music.generations
  set state = 'abandoned', finished_at = now(),
      failed_reason = 'Never confirmed; the track has its music.'
  where track_id = v_track_id and state in ('intent', 'unknown');
  delete from music.claims where id = p_claim_id;
  insert into music.events (track_id, kind, detail)
  values (v_track_id, 'completed',
    jsonb_build_object('storage_path', p_storage_path, 'duration_ms', p_duration_ms)
    || case when v_missing <> '{}' then jsonb_build_object('missing_formats', v_missing)
         else '{}' end);
  return next v_track_id;
  -- Whom the place may serve; where nobody waits, a claim is spared. By the clock, since now() is
  -- before whoever came while this transaction waited for a lock.
  return query
    select t.id from public.music_tracks t
    where t.status = 'pending' and t.run_after <= (select clock_timestamp()) limit 1;
end
$$;
comment on function public.complete_music_track(uuid, text, text, int, jsonb, text, jsonb) is
  'For workers: the audio is in place; ends track, generation and claim together. Answers the '
  'track and, where any is due, one that waits. p_audio_files: {"mp3": {"path", "url", "bytes"}, '
  '…}; p_timed_lyrics: as music_timed_lyrics.sections has them, null for none.';

create function music.close_generation(p_track_id uuid, p_outcome text, p_reason text)
returns text
language plpgsql set search_path = ''
as $$
declare
  v_open music.generations;
  v_state text;
begin
  if p_outcome is null
     or p_outcome not in ('refused', 'unknown', 'open', 'overdue', 'failed') then
    raise exception '"%" is no outcome of a paid call.', p_outcome
      using errcode = 'MU002',
            hint = 'There are refused, unknown, open, overdue and failed.';
  end if;
  select * into v_open from music.generations g
  where g.track_id = p_track_id and g.state in ('intent', 'accepted', 'unknown') for update;
  if v_open.id is null then
    return null;
  end if;
  v_state := case
    when v_open.state <> 'accepted' and p_outcome = 'refused' then 'refused'
    when v_open.state <> 'accepted' then 'unknown'  -- it may have been accepted
    when p_outcome = 'failed' then 'failed'
    when p_outcome = 'overdue' and v_open.overdue_at is not null then 'failed'
    else 'accepted' end;
  update music.generations g
  set state = v_state,
      overdue_at = case when v_open.state = 'accepted' and p_outcome = 'overdue'
        then coalesce(g.overdue_at, now()) else g.overdue_at end,
      place_freed_at = case when v_state = 'refused' or p_outcome = 'failed' then now() end,
      finished_at = case when v_state in ('failed', 'refused') then now() end,
      failed_reason = case when v_state in ('failed', 'refused') then p_reason end
  where g.id = v_open.id;
  return v_state;
end
$$;
comment on function music.close_generation(uuid, text, text) is
  'Write what a worker knows of the paid call of a track that it gives up for now: refused = '
  'certainly not accepted, unknown = perhaps accepted, open = accepted and may still yield music, '
  'overdue = the same, but late or of no use (the second time it counts as failed), failed = '
  'accepted and yields none. Answers the state then; null when no call was open.';

create function music.slow_down(p_track_id uuid) returns void
language plpgsql set search_path = ''
as $$
declare
  v_at_once int := (
    select greatest(count(*), 1)
    from music.generations g
    -- Unanswered ones among them, as they take places: or nothing would be taken up until the
    -- limit, 15 seconds at a time, had passed their number.
    where g.place_freed_at is null and g.state not in ('refused', 'succeeded')
      and g.kind <> 'lyrics' and g.intent_at > now() - interval '1 hour'
      and (g.mureka_task_id is not null
           or g.intent_at > now() - make_interval(secs => music.unanswered_seconds())));
begin
  insert into music.account as a (slowed_down_to, slowed_down_at) values (v_at_once, now())
  on conflict (id) do update
    set slowed_down_to = excluded.slowed_down_to, slowed_down_at = excluded.slowed_down_at;
  insert into music.events (track_id, kind, detail)
  values (p_track_id, 'slowed_down', jsonb_build_object('at_once', v_at_once));
end
$$;
comment on function music.slow_down(uuid) is
  'Mureka refused a call for its rate: what it is working on is what it allows, and the fleet '
  'keeps to that for a while. The track''s history says that it was this one.';

create function music.end_in_error(p_track_id uuid, p_error_code text, p_error_message text)
returns void
language plpgsql set search_path = ''
as $$
begin
  update public.music_tracks
  set status = 'error', error_code = p_error_code, error_message = p_error_message
  where id = p_track_id;
  delete from music.claims where track_id = p_track_id;
  insert into music.events (track_id, kind, detail)
  values (p_track_id, 'failed',
    jsonb_build_object('error_code', p_error_code, 'error_message', p_error_message));
end
$$;
comment on function music.end_in_error(uuid, text, text) is
  'End a claimed track in error: row, claim and history together.';

create function music.end_unknown_submission(p_track_id uuid, p_error_message text) returns void
language plpgsql set search_path = ''
as $$
begin
  -- Each is a counted attempt, or a provider that never answers would be paid without end.
  if not exists (
      select from music.settings s, public.music_tracks t
      where t.id = p_track_id and s.on_unknown_submission = 'resubmit'
        and t.attempts + 1 < s.max_attempts) then
    perform music.end_in_error(p_track_id, 'submission_unknown', p_error_message);
    return;
  end if;
  update music.generations
  set state = 'abandoned', finished_at = now(),
      failed_reason = 'Never confirmed; sent again because on_unknown_submission = resubmit.'
  where track_id = p_track_id and state = 'unknown';
  update public.music_tracks
  set status = 'pending', run_after = now(), attempts = attempts + 1
  where id = p_track_id;
  delete from music.claims where track_id = p_track_id;
  insert into music.events (track_id, kind, detail)
  values (p_track_id, 'deferred', '{"error_code": "submission_unknown"}');
end
$$;
comment on function music.end_unknown_submission(uuid, text) is
  'A worker does not know whether its paid call was accepted: leave the track to a person, or '
  'have it submitted again, as music.settings says.';

create function public.fail_music_track(
  p_claim_id uuid, p_outcome text, p_error_code text, p_error_message text)
returns setof uuid
language plpgsql set search_path = ''
as $$
declare
  v_track_id uuid := music.lock_claim(p_claim_id);
begin
  perform music.act_as_worker();
  if v_track_id is null then
    return;
  end if;
  if music.close_generation(v_track_id, p_outcome, p_error_message) = 'unknown' then
    perform music.end_unknown_submission(v_track_id, p_error_message);
  else
    perform music.end_in_error(v_track_id, p_error_code, p_error_message);
  end if;
  return next v_track_id;
end
$$;
comment on function public.fail_music_track(uuid, text, text, text) is
  'For workers: end the track in error. One whose paid call was perhaps accepted always ends as '
  'submission_unknown. p_outcome: see music.close_generation.';

create function public.defer_music_track(
  p_claim_id uuid, p_delay_seconds double precision, p_outcome text, p_error_code text,
  p_error_message text, p_counts_as_attempt boolean)
returns setof text
language plpgsql set search_path = ''
as $$
declare
  v_track_id uuid := music.lock_claim(p_claim_id);
  v_state text;
  v_attempts int;
begin
  perform music.act_as_worker();
  if v_track_id is null then
    return;
  end if;
  v_state := music.close_generation(v_track_id, p_outcome, p_error_message);
  if v_state = 'unknown' then
    perform music.end_unknown_submission(v_track_id, music.submission_unknown_message());
    return query select t.status::text from public.music_tracks t where t.id = v_track_id;
    return;
  end if;
  if v_state = 'failed' then
    -- Going on would submit it once more: that is for a person to ask.
    perform music.end_in_error(v_track_id, p_error_code, p_error_message);
    return next 'error';
    return;
  end if;
  select t.attempts + p_counts_as_attempt::int into v_attempts
  from public.music_tracks t where t.id = v_track_id;
  if p_counts_as_attempt and v_attempts >= (select s.max_attempts from music.settings s) then
    update public.music_tracks set attempts = v_attempts where id = v_track_id;
    perform music.end_in_error(v_track_id, 'attempts_exhausted', format(
      'Given up after %s attempts. The last reason: %s', v_attempts, p_error_message));
    return next 'error';
    return;
  end if;
  update public.music_tracks
  set status = 'pending', attempts = v_attempts,
      run_after = now() + make_interval(secs => greatest(p_delay_seconds, 0)),
      error_code = p_error_code, error_message = p_error_message
  where id = v_track_id;
  delete from music.claims where id = p_claim_id;
  insert into music.events (track_id, kind, detail) values (v_track_id, 'deferred',
    jsonb_build_object('error_code', p_error_code, 'error_message', p_error_message,
      'delay_seconds', p_delay_seconds, 'counts_as_attempt', p_counts_as_attempt));
  if p_error_code = 'rate_limited' then
    perform music.slow_down(v_track_id);
  end if;
  return next 'pending';
end
$$;
comment on function public.defer_music_track(uuid, double precision, text, text, text, boolean) is
  'For workers: try again later; answers pending, or error when the attempts are used up. '
  'p_outcome: see music.close_generation.';

create function public.take_left_over_music(p_limit int, p_pause_seconds double precision)
returns jsonb
language plpgsql set search_path = ''
as $$
declare
  v_tasks jsonb;
begin
  with due as (
    select g.id
    from music.generations g
    where g.mureka_task_id is not null and coalesce(g.next_look_at, now()) <= now()
      and g.id in (select l.id from music.left_over() l)
    order by g.next_look_at nulls first, g.intent_at
    limit p_limit
    for update of g skip locked
  ), taken as (
    update music.generations g
    set next_look_at = now() + make_interval(
          secs => greatest(p_pause_seconds, extract(epoch from now() - g.intent_at) / 20))
    from due where g.id = due.id
    returning g.*
  )
  select jsonb_agg(jsonb_build_object(
    'generation_id', k.id, 'kind', k.request ->> 'kind', 'mureka_task_id', k.mureka_task_id,
    'age_seconds', extract(epoch from now() - k.intent_at)))
  into v_tasks from taken k;
  return jsonb_build_object(
    'tasks', coalesce(v_tasks, '[]'),
    'running', (select count(*) from music.left_over() l where l.mureka_task_id is not null));
end
$$;
comment on function public.take_left_over_music(int, double precision) is
  'For workers: up to p_limit left-over tasks that Mureka is to be asked about now, each by one '
  'worker and not again before p_pause_seconds, later the older it is; and how many are running. '
  'One row: {"tasks": [{"generation_id", "kind", "mureka_task_id", "age_seconds"}], "running"}.';

create function public.close_left_over_music(p_generation_id uuid, p_provider_status text)
returns setof uuid
language plpgsql set search_path = ''
as $$
declare
  v_track_id uuid;
begin
  select t.id into v_track_id
  from public.music_tracks t
  where t.id = (select g.track_id from music.generations g where g.id = p_generation_id)
  for update;
  -- Its state stays: where music may be had, a retry resumes it for free.
  return query
    update music.generations g
    set place_freed_at = now(), provider_status = p_provider_status,
        state = case when v_track_id is null then 'abandoned' else g.state end,
        finished_at = case when v_track_id is null then coalesce(g.finished_at, now())
          else g.finished_at end,
        failed_reason = case when v_track_id is null
          then coalesce(g.failed_reason, 'Its track was deleted.') else g.failed_reason end
    where g.id = p_generation_id and g.id in (select l.id from music.left_over() l)
    returning g.id;
end
$$;
comment on function public.close_left_over_music(uuid, text) is
  'For workers: Mureka is done with a left-over task, and its place is free again.';
