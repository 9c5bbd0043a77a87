-- One generation's steps as a worker writes them: announce, receipt, stage, and the four ends.
-- Every write carries the claim and answers no row when the claim is gone: then the worker stops.
-- The exception is the receipt, which is always kept, because the money is spent.
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
comment on function music.lock_claim(uuid) is 'Lock the track and the claim, in that order; the track''s id, or null when the claim is not owned any more.';

create function public.begin_music_generation(
  p_claim_id uuid, p_generation_id uuid, p_request jsonb, p_model text, p_expected_cost_cents numeric)
returns setof uuid
language plpgsql set search_path = ''
as $$
declare
  v_track_id uuid := music.lock_claim(p_claim_id);
  v_open music.generations;
  v_user_id uuid;
  v_settings music.settings;
  v_over text;
begin
  perform music.act_as_worker();
  if v_track_id is null then
    return;
  end if;
  select * into v_open from music.generations g where g.track_id = v_track_id and g.finished_at is null;
  if v_open.id is not null then
    if v_open.id = p_generation_id and v_open.mureka_task_id is null then
      return next p_generation_id;  -- the same announcement again: its answer was lost
    end if;
    return;
  end if;
  perform pg_advisory_xact_lock(4915230002);
  select * into strict v_settings from music.settings;
  v_user_id := (select t.user_id from public.music_tracks t where t.id = v_track_id);
  v_over := case
    when music.spent_today_cents() + p_expected_cost_cents > v_settings.daily_budget_cents then 'all'
    when v_user_id is not null and music.spent_today_cents(v_user_id) + p_expected_cost_cents
           > v_settings.daily_budget_cents_per_user then 'user' end;
  if v_over is not null then
    update public.music_tracks
    set status = 'pending', run_after = music.start_of_tomorrow(), stage = null, stream_url = null, expected_ready_at = null,
        error_code = 'quota_exhausted', error_message = music.over_budget_message(v_over = 'user')
    where id = v_track_id;
    delete from music.claims where id = p_claim_id;
    insert into music.events (track_id, kind, detail) values (v_track_id, 'over_budget',
      jsonb_build_object('of', v_over, 'expected_cost_cents', p_expected_cost_cents));
    return;
  end if;
  insert into music.generations (id, track_id, user_id, request, model, expected_cost_cents)
  select p_generation_id, t.id, t.user_id, p_request, p_model, p_expected_cost_cents
  from public.music_tracks t where t.id = v_track_id;
  insert into music.events (track_id, kind, detail)
  values (v_track_id, 'announced', jsonb_build_object('generation_id', p_generation_id, 'model', p_model));
  return next p_generation_id;
end
$$;
comment on function public.begin_music_generation(uuid, uuid, jsonb, text, numeric) is 'For workers: announce a paid call before it is sent. No row back = do not send it.';

create function public.record_music_task(p_generation_id uuid, p_mureka_task_id text, p_trace_id text)
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
    raise exception 'record_music_task needs the task id that Mureka answered.' using errcode = 'MU002';
  end if;
  select * into v_track from public.music_tracks t
  where t.id = (select g.track_id from music.generations g where g.id = p_generation_id) for update;
  select * into v_generation from music.generations g where g.id = p_generation_id for update;
  if v_generation.id is null then
    return;
  end if;
  if v_generation.mureka_task_id is not null then
    if v_generation.mureka_task_id = p_mureka_task_id then
      return next v_generation.track_id;  -- the same receipt again: its answer was lost
      return;
    end if;
    raise exception 'The generation % already has another receipt.', p_generation_id using errcode = 'MU002';
  end if;
  -- A call that was given up for lost turns out to have been accepted: it counts, and where the
  -- track has not been asked for anew it is taken up again.
  update music.generations g
  set mureka_task_id = p_mureka_task_id, trace_id = p_trace_id, refused = false,
      finished_at = case when not g.outdated and v_track.status in ('pending', 'generating', 'error') and not exists (
          select from music.generations o where o.track_id = v_track.id and o.id <> g.id and o.finished_at is null)
        then null else coalesce(g.finished_at, now()) end,
      failed_reason = case when g.outdated
        then coalesce(g.failed_reason, 'What was asked for was changed after it was ordered.') else g.failed_reason end
  where g.id = p_generation_id;
  update music.generations set failed_reason = null where id = p_generation_id and finished_at is null;
  v_resumes := found;
  if v_resumes and v_track.status = 'error' and v_track.error_code = 'submission_unknown' then
    update public.music_tracks
    set status = 'pending', run_after = now(), error_code = null, error_message = null
    where id = v_track.id;
  elsif v_track.status = 'pending' then
    update public.music_tracks set run_after = now() where id = v_track.id and run_after > now();
  end if;
  if v_track.id is not null then
    insert into music.events (track_id, kind, detail) values (v_track.id, 'submitted',
      jsonb_build_object('generation_id', p_generation_id, 'mureka_task_id', p_mureka_task_id, 'status_then', v_track.status));
    return next v_track.id;
  end if;
end
$$;
comment on function public.record_music_task(uuid, text, text) is 'For workers: keep the receipt of a paid call, with or without a claim; a late one puts a submission_unknown track back to work.';

create function public.report_music_stage(p_claim_id uuid, p_stage text, p_stream_url text default null)
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
  update public.music_tracks t set stage = p_stage, stream_url = coalesce(p_stream_url, t.stream_url)
  where t.id = v_track_id
    and (t.stage, t.stream_url) is distinct from (p_stage, coalesce(p_stream_url, t.stream_url));
  if found then
    update music.generations set provider_status = p_stage where track_id = v_track_id and finished_at is null;
    insert into music.events (track_id, kind, detail)
    values (v_track_id, 'stage', jsonb_build_object('stage', p_stage));
  end if;
  return next v_track_id;
end
$$;
comment on function public.report_music_stage(uuid, text, text) is 'For workers: show what the provider is doing; writes only what changed.';

create function public.complete_music_track(p_claim_id uuid, p_storage_path text, p_file_url text, p_duration_ms int)
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
  update public.music_tracks
  set status = 'completed', storage_path = p_storage_path, file_url = p_file_url, duration_ms = p_duration_ms,
      completed_at = now(), stage = null, stream_url = null, error_code = null, error_message = null
  where id = v_track_id;
  update music.generations set finished_at = now(), provider_status = 'succeeded', failed_reason = null
  where track_id = v_track_id and finished_at is null;
  delete from music.claims where id = p_claim_id;
  insert into music.events (track_id, kind, detail)
  values (v_track_id, 'completed', jsonb_build_object('storage_path', p_storage_path, 'duration_ms', p_duration_ms));
  return next v_track_id;
end
$$;
comment on function public.complete_music_track(uuid, text, text, int) is 'For workers: the audio is in place; ends track, generation and claim together.';

create function music.close_generation(p_track_id uuid, p_error_code text, p_reason text) returns boolean
language plpgsql set search_path = ''
as $$
declare
  v_open music.generations;
begin
  select * into v_open from music.generations g
  where g.track_id = p_track_id and g.finished_at is null for update;
  if v_open.id is null then
    return true;
  end if;
  if v_open.mureka_task_id is null then
    if p_error_code in ('rate_limited', 'provider_unavailable', 'quota_exhausted', 'provider_auth',
                        'invalid_request', 'moderation_blocked', 'internal') then
      update music.generations set finished_at = now(), refused = true, failed_reason = p_reason where id = v_open.id;
      return true;
    end if;
    return false;  -- it may have been accepted
  end if;
  if p_error_code in ('generation_failed', 'moderation_blocked', 'invalid_request')
     or (p_error_code in ('generation_timeout', 'audio_invalid') and v_open.failed_reason is not null) then
    update music.generations set finished_at = now(), failed_reason = p_reason where id = v_open.id;
  elsif p_error_code in ('generation_timeout', 'audio_invalid') then
    -- Paid for and perhaps only late: the next attempt looks at it again and costs nothing.
    update music.generations set failed_reason = p_reason where id = v_open.id;
  end if;
  return true;
end
$$;
comment on function music.close_generation(uuid, text, text) is 'End the open generation if this reason means that it yields nothing; false when it is not known whether the paid call was accepted.';

create function public.fail_music_track(p_claim_id uuid, p_error_code text, p_error_message text) returns setof uuid
language plpgsql set search_path = ''
as $$
declare
  v_track_id uuid := music.lock_claim(p_claim_id);
  v_code text := p_error_code;
begin
  perform music.act_as_worker();
  if v_track_id is null then
    return;
  end if;
  if not music.close_generation(v_track_id, p_error_code, p_error_message) then
    v_code := 'submission_unknown';
    -- Each is a counted attempt, or a provider that never answers would be paid without end.
    if exists (select from music.settings s, public.music_tracks t
               where t.id = v_track_id and s.on_unknown_submission = 'resubmit' and t.attempts + 1 < s.max_attempts) then
      update music.generations set finished_at = now(), failed_reason = 'Never confirmed; sent again because on_unknown_submission = resubmit.'
      where track_id = v_track_id and finished_at is null;
      update public.music_tracks set status = 'pending', run_after = now(), attempts = attempts + 1, stage = null, stream_url = null
      where id = v_track_id;
      delete from music.claims where id = p_claim_id;
      insert into music.events (track_id, kind, detail) values (v_track_id, 'deferred', '{"error_code": "submission_unknown"}');
      return next v_track_id;
      return;
    end if;
  end if;
  update public.music_tracks
  set status = 'error', error_code = v_code, error_message = p_error_message, stage = null, stream_url = null,
      expected_ready_at = null
  where id = v_track_id;
  delete from music.claims where id = p_claim_id;
  insert into music.events (track_id, kind, detail)
  values (v_track_id, 'failed', jsonb_build_object('error_code', v_code, 'error_message', p_error_message));
  return next v_track_id;
end
$$;
comment on function public.fail_music_track(uuid, text, text) is 'For workers: end the track in error. A paid call of unknown fate always ends as submission_unknown.';

create function public.defer_music_track(
  p_claim_id uuid, p_delay_seconds double precision, p_error_code text, p_error_message text, p_counts_as_attempt boolean)
returns setof text
language plpgsql set search_path = ''
as $$
declare
  v_track_id uuid := music.lock_claim(p_claim_id);
  v_attempts int;
  v_was_paid boolean;
begin
  perform music.act_as_worker();
  if v_track_id is null then
    return;
  end if;
  v_was_paid := exists (
    select from music.generations g
    where g.track_id = v_track_id and g.finished_at is null and g.mureka_task_id is not null);
  if not music.close_generation(v_track_id, p_error_code, p_error_message) then
    perform public.fail_music_track(p_claim_id, 'submission_unknown',
      'It is not known whether the music was ordered, so it was not ordered twice. Retry to order it again.');
    return query select t.status from public.music_tracks t where t.id = v_track_id;
    return;
  end if;
  if v_was_paid and not exists (
      select from music.generations g where g.track_id = v_track_id and g.finished_at is null) then
    -- Going on would order it once more: that is for a person to ask.
    perform public.fail_music_track(p_claim_id, p_error_code, p_error_message);
    return next 'error';
    return;
  end if;
  select t.attempts + p_counts_as_attempt::int into v_attempts from public.music_tracks t where t.id = v_track_id;
  if p_counts_as_attempt and v_attempts >= (select s.max_attempts from music.settings s) then
    update public.music_tracks set attempts = v_attempts where id = v_track_id;
    perform public.fail_music_track(p_claim_id, 'attempts_exhausted',
      format('Given up after %s attempts. The last reason: %s', v_attempts, p_error_message));
    return next 'error';
    return;
  end if;
  update public.music_tracks
  set status = 'pending', attempts = v_attempts, stage = null, stream_url = null, expected_ready_at = null,
      run_after = now() + make_interval(secs => greatest(p_delay_seconds, 0)),
      error_code = p_error_code, error_message = p_error_message
  where id = v_track_id;
  delete from music.claims where id = p_claim_id;
  insert into music.events (track_id, kind, detail) values (v_track_id, 'deferred', jsonb_build_object(
    'error_code', p_error_code, 'error_message', p_error_message, 'delay_seconds', p_delay_seconds,
    'counts_as_attempt', p_counts_as_attempt));
  if p_error_code = 'rate_limited' then
    -- What the provider is working on is what it allows: the fleet keeps to that for a while.
    insert into music.events (track_id, kind, detail)
    select v_track_id, 'slowed_down', jsonb_build_object('at_once', greatest(count(*), 1))
    from music.generations g
    join public.music_tracks t on t.id = g.track_id and t.status = 'generating'
    where g.finished_at is null and g.mureka_task_id is not null;
  end if;
  return next 'pending';
end
$$;
comment on function public.defer_music_track(uuid, double precision, text, text, boolean) is 'For workers: try again later; answers pending, or error when the attempts are used up.';
