-- The state machine. People work by editing a row; this says which edits mean something:
--
--   error      -> pending   retry       (resumes at no cost while the provider still has the task)
--   generating -> pending   requeue     (operators)
--   pending    -> error     cancel
--   generating -> error     cancel
--   completed  -> pending   regenerate  (operators; pays again, keeps the audio until the new
--                                       one is in place; one track in each statement)
--
-- and refuses every other change of status with a sentence. App users may do the first and the two
-- cancels and may change nothing else that is the service's; their retry is no way around waiting
-- or paying. What is changed besides is written to
-- the history, and what makes no sense is refused. A track that has audio while it waits or runs is
-- being regenerated: whatever ends that without music, the track is completed again as it was.
-- Worker functions say that they are at
-- work and are not held to this table: they carry a claim.
-- Locks: music_tracks exclusively for an instant; gives up after five seconds of waiting for it.

set local lock_timeout = '5s';

create function music.check_song_wishes(
  p_wished public.music_tracks, p_before public.music_tracks, p_is_new boolean) returns void
language plpgsql stable set search_path = ''
as $$
declare
  v_prompt text := p_wished.lyrics_prompt;
  v_models jsonb;
begin
  if v_prompt is distinct from p_before.lyrics_prompt then
    if music.fold(v_prompt) is null and v_prompt is not null then
      raise exception 'The lyrics_prompt is empty; say in 1 to 1024 characters what the words '
          'should be about, or leave it out.'
        using errcode = 'check_violation', constraint = 'music_tracks_lyrics_prompt_length';
    end if;
    if length(v_prompt) > 1024 then
      raise exception 'The lyrics_prompt has % characters; at most 1024 are allowed.',
          length(v_prompt)
        using errcode = 'check_violation', constraint = 'music_tracks_lyrics_prompt_length';
    end if;
  end if;
  if p_before.lyrics_prompt is null and v_prompt is not null
     and music.fold(p_wished.lyrics) is not null then
    raise exception 'A track has lyrics, or a lyrics_prompt by which they are written, not both.'
      using errcode = 'check_violation', hint = 'Leave one of the two out.';
  end if;
  if p_wished.title is distinct from p_before.title and not music.is_column_of_app('title')
     and (length(p_wished.title) > 120 or music.fold(p_wished.title) is null)
     and p_wished.title is not null then
    raise exception 'The title has % characters; 1 to 120 are allowed, and not white space alone.',
        length(p_wished.title)
      using errcode = 'check_violation', constraint = 'music_tracks_title_length',
            hint = 'Shorten it, or leave it out.';
  end if;
  if p_wished.vocal_gender is distinct from p_before.vocal_gender
     and p_wished.vocal_gender::text not in ('female', 'male') then
    raise exception 'There is no vocal_gender "%".', p_wished.vocal_gender
      using errcode = 'check_violation', constraint = 'music_tracks_vocal_gender_known',
            hint = 'There are "female" and "male"; leave it out to let the model decide.';
  end if;
  if p_wished.audio_formats is distinct from p_before.audio_formats
     and not (p_wished.audio_formats <@ array['mp3', 'wav', 'flac']
              and 'mp3' = any (p_wished.audio_formats)
              and array_ndims(p_wished.audio_formats) = 1) then
    raise exception 'Of these audio_formats not all can be had: %.',
        coalesce(nullif(array_to_string(p_wished.audio_formats, ', ', 'null'), ''), 'none')
      using errcode = 'check_violation', constraint = 'music_tracks_audio_formats_known',
            hint = 'There is always {mp3}, and with it wav or flac: {mp3,wav}, {mp3,flac}, '
                   '{mp3,wav,flac}.';
  end if;
  if p_wished.model is distinct from p_before.model and p_wished.model is not null then
    v_models := (select s.model_prices_cents from music.settings s);
    if not v_models ? p_wished.model::text then
      raise exception 'There is no model "%"; there are %.', p_wished.model,
          (select string_agg(m.model, ', ' order by m.model)
           from jsonb_object_keys(v_models) as m (model))
        using errcode = 'check_violation', hint = 'Leave it out for the usual one.';
    end if;
  end if;
end
$$;
comment on function music.check_song_wishes(
  public.music_tracks, public.music_tracks, boolean) is
  'The same of what only some tracks have: title, words, voice, model and formats.';

create function music.check_parent(p_track public.music_tracks) returns void
language plpgsql stable set search_path = ''
as $$
begin
  if p_track.parent_id is not null and not exists (
      select from public.music_tracks t
      where t.id = p_track.parent_id and t.id <> p_track.id
        and t.user_id is not distinct from p_track.user_id) then
    raise exception 'There is no such track of the same user to make another take of.'
      using errcode = 'check_violation',
            hint = 'Look at parent_id; perhaps that track was deleted.';
  end if;
end
$$;
comment on function music.check_parent(public.music_tracks) is
  'Refuse another take of a track that is gone or somebody else''s.';

create function music.check_wishes(
  p_wished public.music_tracks, p_before public.music_tracks, p_is_new boolean) returns void
language plpgsql stable set search_path = ''
as $$
declare
  v_prompt text := p_wished.prompt;
begin
  if p_is_new or v_prompt is distinct from p_before.prompt then
    if v_prompt is null
       or v_prompt !~
         '[^\t-\r\u001c-\u0020\u0085\u00a0\u1680'
         '\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]' then
      raise exception 'The prompt is empty; say in 1 to 1024 characters what the music should be.'
        using errcode = 'check_violation', constraint = 'music_tracks_prompt_length';
    end if;
    if length(v_prompt) > 1024 then
      raise exception 'The prompt has % characters; at most 1024 are allowed.', length(v_prompt)
        using errcode = 'check_violation', constraint = 'music_tracks_prompt_length';
    end if;
  end if;
  if p_wished.lyrics is distinct from p_before.lyrics and length(p_wished.lyrics) > 5000 then
    raise exception 'The lyrics have % characters; at most 5000 are allowed.',
        length(p_wished.lyrics)
      using errcode = 'check_violation', constraint = 'music_tracks_lyrics_length';
  end if;
  if p_wished.genre is distinct from p_before.genre then
    perform music.check_text('genre', p_wished.genre::text, 100);
  end if;
  if p_wished.mood is distinct from p_before.mood then
    perform music.check_text('mood', p_wished.mood::text, 100);
  end if;
  if p_wished.tempo is distinct from p_before.tempo then
    perform music.check_text('tempo', p_wished.tempo::text, 100);
  end if;
  if p_wished.duration is distinct from p_before.duration
     and p_wished.duration not between 1 and 600 then
    raise exception 'A duration of % seconds cannot be wished for; 1 to 600 are possible.',
        p_wished.duration
      using errcode = 'check_violation', constraint = 'music_tracks_duration_range',
            hint = 'Leave it out to let the model decide.';
  end if;
  perform music.check_song_wishes(p_wished, p_before, p_is_new);
end
$$;
comment on function music.check_wishes(public.music_tracks, public.music_tracks, boolean) is
  'Refuse what a new row, or a change of one, wishes for and cannot have, with a sentence; the '
  'constraints of the table would name only themselves. What did not change is not asked about.';

create function music.check_status(p_status text) returns void
language plpgsql immutable set search_path = ''
as $$
begin
  if p_status is null or p_status not in ('pending', 'generating', 'completed', 'error') then
    raise exception 'There is no status %.', coalesce('"' || p_status || '"', 'of null')
      using errcode = 'check_violation', constraint = 'music_tracks_status_check',
            hint = 'There are "pending", "generating", "completed" and "error"; leave it out of '
                   'an insert.';
  end if;
end
$$;
comment on function music.check_status(text) is 'Refuse a status that does not exist.';

create function music.check_time(p_name text, p_time timestamptz) returns void
language plpgsql stable set search_path = ''
as $$
begin
  if p_time not between '1970-01-01' and '2200-01-01' then
    raise exception '% = % is no time that can be waited for or looked back at.', p_name, p_time
      using errcode = 'MU002', hint = 'Give it a time between 1970 and 2200.';
  end if;
end
$$;
comment on function music.check_time(text, timestamptz) is
  'Refuse a time that nothing can be reckoned with, such as infinity.';

create function music.wishes(p_track public.music_tracks) returns jsonb
language sql immutable set search_path = ''
as $$
  select jsonb_build_array(
    p_track.prompt, p_track.lyrics, p_track.genre, p_track.mood, p_track.tempo, p_track.duration,
    p_track.lyrics_prompt, p_track.vocal_gender, p_track.model)
$$;
comment on function music.wishes(public.music_tracks) is
  'All that says what the music should be. Of its formats, what is asked for when it is ready '
  'counts.';

create function music.check_new_track() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
  new.id := coalesce(new.id, gen_random_uuid());
  new.priority := coalesce(new.priority, 0);
  new.attempts := coalesce(new.attempts, 0);
  new.run_after := coalesce(new.run_after, now());
  new.created_at := coalesce(new.created_at, now());
  new.updated_at := now();
  new.audio_formats := coalesce(new.audio_formats, '{mp3}');
  perform music.check_status(new.status);
  perform music.check_wishes(new, null, true);
  perform music.check_parent(new);
  if not music.is_app_user() then
    -- An app that keeps finished music as it always did: such a row is never made again.
    if new.status = 'pending' and (new.file_url <> '' or new.storage_path <> '') then
      new.status := 'completed';
    end if;
    if new.status = 'completed' then
      new.completed_at := coalesce(new.completed_at, now());
    end if;
    perform music.check_time('created_at', new.created_at::timestamptz);
    perform music.check_time('started_at', new.started_at::timestamptz);
    perform music.check_time('completed_at', new.completed_at::timestamptz);
    perform music.check_time('run_after', new.run_after::timestamptz);
    return new;
  end if;
  if new.status <> 'pending' then
    raise exception 'A new track starts as "pending"; it was given "%".', new.status
      using errcode = 'MU003', hint = 'Leave status out of the insert.';
  end if;
  if new.user_id is distinct from music.require_user_id() then
    raise exception 'A track can only be made for yourself.'
      using errcode = 'MU003', hint = 'Leave user_id out of the insert.';
  end if;
  if (new.stage, new.expected_ready_at, new.stream_url, new.file_url, new.storage_path,
      new.duration_ms, new.error_code, new.error_message, new.started_at, new.completed_at,
      new.mureka_song_id, new.audio_files)
       is distinct from (null, null, null, null, null, null, null, null, null, null, null, null)
     or new.priority <> 0 or new.attempts <> 0 or new.run_after > now() then
    raise exception
      'A new track may set only id, journey_id, parent_id, title, prompt, lyrics, lyrics_prompt, '
      'genre, mood, tempo, duration, vocal_gender, model and audio_formats.'
      using errcode = 'MU003', hint = 'The service fills in the other columns.';
  end if;
  new.created_at := now();
  new.run_after := now();
  return new;
end
$$;
comment on function music.check_new_track() is
  'Before insert: an app user may ask for a track and set nothing that the service sets; a row '
  'that a backend inserts with its audio is completed.';

create function music.check_user_change(p_old public.music_tracks, p_new public.music_tracks)
returns void
language plpgsql stable set search_path = ''
as $$
begin
  if (p_new.id, p_new.user_id, p_new.prompt, p_new.lyrics, p_new.genre, p_new.mood, p_new.tempo,
      p_new.duration, p_new.stage, p_new.expected_ready_at, p_new.stream_url, p_new.file_url,
      p_new.storage_path, p_new.duration_ms, p_new.error_code, p_new.error_message,
      p_new.priority, p_new.run_after, p_new.attempts, p_new.created_at, p_new.started_at,
      p_new.completed_at, p_new.lyrics_prompt, p_new.vocal_gender, p_new.model,
      coalesce(p_new.parent_id, p_old.parent_id), p_new.audio_formats, p_new.mureka_song_id,
      p_new.audio_files)
       is distinct from
     (p_old.id, p_old.user_id, p_old.prompt, p_old.lyrics, p_old.genre, p_old.mood, p_old.tempo,
      p_old.duration, p_old.stage, p_old.expected_ready_at, p_old.stream_url, p_old.file_url,
      p_old.storage_path, p_old.duration_ms, p_old.error_code, p_old.error_message,
      p_old.priority, p_old.run_after, p_old.attempts, p_old.created_at, p_old.started_at,
      p_old.completed_at, p_old.lyrics_prompt, p_old.vocal_gender, p_old.model,
      p_old.parent_id, p_old.audio_formats, p_old.mureka_song_id, p_old.audio_files) then
    raise exception
      'Only the status of your track can be changed: '
      'to "pending" to retry a failed one, to "error" to cancel; and its title.'
      using errcode = 'MU003',
            hint = 'Send status alone; insert a new track to ask for different music.';
  end if;
  if p_new.status = p_old.status then
    return;
  end if;
  if p_old.user_id is distinct from music.require_user_id() then
    raise exception 'Only the owner of a track can retry or cancel it.' using errcode = 'MU003';
  end if;
  if p_old.status || ' to ' || p_new.status
       not in ('error to pending', 'pending to error', 'generating to error') then
    raise exception 'A track cannot go from "%" to "%".', p_old.status, p_new.status
      using errcode = 'MU001',
            hint = 'A failed track can be set to "pending" (retry); '
                   'a pending or generating one to "error" (cancel).';
  end if;
end
$$;
comment on function music.check_user_change(public.music_tracks, public.music_tracks) is
  'Of the service''s columns an app user may change status and title alone; a parent that is '
  'deleted may go, too. A column that the app added '
  'is the app''s, and its own policies and grants say who may write it.';

create function music.error_codes() returns text[]
language sql immutable set search_path = ''
as $$
  select array[
    'invalid_request', 'over_budget', 'moderation_blocked', 'generation_failed',
    'generation_timeout', 'quota_exhausted', 'provider_auth', 'rate_limited',
    'provider_unavailable', 'audio_invalid', 'storage_failed', 'submission_unknown', 'cancelled',
    'attempts_exhausted', 'internal']
$$;
comment on function music.error_codes() is
  'The error codes, as music_tracks_error_code_known has them.';

create function music.has_audio(p_track public.music_tracks) returns boolean
language sql immutable set search_path = ''
as $$
  select coalesce(p_track.file_url <> '', false) or coalesce(p_track.storage_path <> '', false)
$$;
comment on function music.has_audio(public.music_tracks) is
  'Whether a track has audio; one that waits or runs and has some is being regenerated.';

create function music.check_times(p_old public.music_tracks, p_new public.music_tracks)
returns void
language plpgsql stable set search_path = ''
as $$
declare
  v_time record;
begin
  for v_time in
    select * from (values
      ('created_at', p_old.created_at::timestamptz, p_new.created_at::timestamptz),
      ('started_at', p_old.started_at::timestamptz, p_new.started_at::timestamptz),
      ('completed_at', p_old.completed_at::timestamptz, p_new.completed_at::timestamptz),
      ('run_after', p_old.run_after::timestamptz, p_new.run_after::timestamptz)
    ) as times (name, was, is_now)
    where times.was is distinct from times.is_now
  loop
    perform music.check_time(v_time.name, v_time.is_now);
    if v_time.name <> 'run_after' and v_time.is_now > clock_timestamp() + interval '5 minutes' then
      raise exception '% = % is in the future.', v_time.name, v_time.is_now
        using errcode = 'MU002',
              hint = 'To have a track made later, set its run_after.';
    end if;
    if v_time.name in ('started_at', 'completed_at') and v_time.is_now < p_new.created_at then
      raise exception 'A track cannot be % before it was asked for (%).',
          case v_time.name when 'started_at' then 'started' else 'completed' end, p_new.created_at
        using errcode = 'MU002', hint = 'Correct ' || v_time.name || ', or created_at.';
    end if;
  end loop;
end
$$;
comment on function music.check_times(public.music_tracks, public.music_tracks) is
  'Refuse times that a person gives a track and that make no sense.';

create function music.check_sense(p_old public.music_tracks, p_new public.music_tracks)
returns void
language plpgsql stable set search_path = ''
as $$
begin
  perform music.check_times(p_old, p_new);
  if p_new.status <> 'completed'
     and (p_new.file_url, p_new.storage_path, p_new.audio_files, p_new.duration_ms)
         is distinct from
         (p_old.file_url, p_old.storage_path, p_old.audio_files, p_old.duration_ms) then
    raise exception 'Only a completed track has audio to set; this one is %.', p_new.status
      using errcode = 'MU001', hint =
        'Workers fill in file_url, storage_path, audio_files and duration_ms.';
  end if;
  if p_new.duration_ms is distinct from p_old.duration_ms and p_new.duration_ms <= 0 then
    raise exception 'Music cannot be % ms long.', p_new.duration_ms using errcode = 'MU002';
  end if;
  if p_new.attempts is distinct from p_old.attempts and p_new.attempts < 0 then
    raise exception 'A track cannot have % attempts.', p_new.attempts using errcode = 'MU002';
  end if;
  if p_new.error_code is distinct from p_old.error_code
     and p_new.error_code <> all (music.error_codes()) then
    raise exception 'There is no error code "%".', p_new.error_code
      using errcode = 'MU002',
            hint = 'There are ' || array_to_string(music.error_codes(), ', ') || '.';
  end if;
  if p_new.status <> p_old.status then
    return;  -- the change itself fills in what belongs to the new status
  end if;
  if p_new.status = 'completed' and p_new.completed_at is null then
    raise exception 'A completed track needs its completed_at.' using errcode = 'MU002';
  end if;
  if p_new.status <> 'completed' and p_new.completed_at is not null
     and p_old.completed_at is null then
    raise exception 'A track that is % has no completed_at.', p_new.status
      using errcode = 'MU002';
  end if;
  if p_new.status = 'completed' and music.has_audio(p_old) and not music.has_audio(p_new) then
    raise exception 'A completed track needs its audio: a file_url or a storage_path.'
      using errcode = 'MU002', hint = 'Delete the track, or regenerate it.';
  end if;
  if p_new.status = 'completed' and p_old.error_code is null and p_new.error_code is not null then
    raise exception 'A completed track has no error.' using errcode = 'MU002';
  end if;
  if p_new.status = 'error' and (p_new.error_code is null or p_new.error_message is null)
     and p_old.error_code is not null and p_old.error_message is not null then
    raise exception 'A failed track needs an error_code and an error_message.'
      using errcode = 'MU002',
            hint = 'To have done with it, set error_code to "cancelled"; to retry it, set status '
                   'to "pending".';
  end if;
end
$$;
comment on function music.check_sense(public.music_tracks, public.music_tracks) is
  'Refuse what a person sets by mistake and what would mislead clients or workers, with a '
  'sentence. What did not change is not asked about, since it may be older than this service.';

create function music.note_edit(p_old public.music_tracks, p_new public.music_tracks) returns void
language plpgsql set search_path = ''
as $$
declare
  v_old jsonb := to_jsonb(p_old);
  v_new jsonb := to_jsonb(p_new);
  v_changes jsonb;
begin
  select jsonb_object_agg(edited.name, jsonb_build_object(
    'old', case when length(v_old ->> edited.name) > 200
      then to_jsonb(left(v_old ->> edited.name, 199) || '…') else v_old -> edited.name end,
    'new', case when length(v_new ->> edited.name) > 200
      then to_jsonb(left(v_new ->> edited.name, 199) || '…') else v_new -> edited.name end))
  into v_changes
  from unnest(array[
    'user_id', 'prompt', 'lyrics', 'genre', 'mood', 'tempo', 'duration', 'file_url',
    'storage_path', 'duration_ms', 'error_code', 'error_message', 'priority', 'run_after',
    'attempts', 'created_at', 'started_at', 'completed_at', 'title', 'lyrics_prompt',
    'vocal_gender', 'model', 'parent_id', 'audio_formats', 'audio_files', 'mureka_song_id'
    ]) as edited (name)
  where v_old -> edited.name is distinct from v_new -> edited.name;
  if v_changes is null then
    return;
  end if;
  insert into music.events (track_id, kind, detail) values (
    p_old.id,
    case when p_old.status = 'error' and p_new.status = 'error' and p_new.error_code = 'cancelled'
              and p_old.error_code <> 'cancelled' then 'dismissed' else 'edited' end,
    jsonb_build_object(
      'by', music.caller(), 'role', music.caller_role(), 'changes', v_changes));
end
$$;
comment on function music.note_edit(public.music_tracks, public.music_tracks) is
  'Write to the history what a person changes of a track besides its status: who, and each '
  'column''s old and new value, long texts cut.';

create function music.with_old_audio(p_old public.music_tracks, p_new public.music_tracks)
returns public.music_tracks
language plpgsql set search_path = ''
as $$
begin
  insert into music.events (track_id, kind, detail) values (
    p_old.id, 'kept', jsonb_build_object('error_code', p_new.error_code));
  p_new.status := 'completed';
  p_new.file_url := p_old.file_url;
  p_new.storage_path := p_old.storage_path;
  p_new.audio_files := p_old.audio_files;
  p_new.duration_ms := p_old.duration_ms;
  p_new.error_code := null;
  p_new.error_message := null;
  p_new.completed_at := coalesce(
    (select (e.detail ->> 'completed_at')::timestamptz from music.events e
     where e.track_id = p_old.id and e.kind = 'regenerated'
     order by e.id desc limit 1),
    now());
  return p_new;
end
$$;
comment on function music.with_old_audio(public.music_tracks, public.music_tracks) is
  'A track whose regeneration ends without music: completed as it was, and its history says so.';

create function music.check_paid_retries(p_track_id uuid) returns void
language plpgsql stable set search_path = ''
as $$
declare
  v_most int := (select s.max_paid_retries_per_day from music.settings s);
  v_calls bigint;
  v_calls_today bigint;
begin
  if v_most is null or music.is_free_to_retry(p_track_id) then
    return;
  end if;
  select max(kinds.calls), max(kinds.calls_today) into v_calls, v_calls_today
  from (
    select count(*) as calls,
           count(*) filter (where g.intent_at >= music.start_of_today()) as calls_today
    from music.generations g
    where g.track_id = p_track_id and g.state <> 'refused'
      and (g.kind <> 'lyrics' or exists (  -- words that are there are not paid for again
        select from public.music_tracks t where t.id = p_track_id and music.fold(t.lyrics) is null))
    group by g.kind = 'lyrics'  -- the words of a song and its music are no retries of each other
  ) kinds;
  -- The first call of a track is no retry.
  if least(v_calls_today, v_calls - 1) >= v_most then
    raise exception
      'This track was paid for again % times today; retries may do that % times a day at most.',
        least(v_calls_today, v_calls - 1), v_most
      using errcode = 'MU010', hint = 'Retry it tomorrow (UTC), or ask for a new track. '
        'Operators find the limit in music.settings: max_paid_retries_per_day.';
  end if;
end
$$;
comment on function music.check_paid_retries(uuid) is
  'Refuse a retry that would cost once the track was paid for again as often today as '
  'music.settings allows; counted by the ledger, whoever asked for the calls.';

create function music.pause_before_retry(p_track_id uuid) returns interval
language sql stable set search_path = ''
as $$
  select case when count(*) < 3 then interval '0'
    else least(interval '5 seconds' * 2 ^ least(count(*) - 3, 20), interval '1 hour') end
  from music.events e
  where e.track_id = p_track_id and e.kind = 'retried' and e.at > now() - interval '1 day'
    and e.detail ->> 'error_code' = 'cancelled' and e.detail ->> 'by' = music.caller()
$$;
comment on function music.pause_before_retry(uuid) is
  'How long a track that its user cancelled has to wait once the user retries it: three times a '
  'day not at all, the next time 5 seconds, each further time twice as long up to an hour. What is '
  'paid for is taken up before everything else; a few such tracks, cancelled and retried without '
  'end, would keep all others out.';

create function music.keep_put_off(p_old public.music_tracks, p_retried public.music_tracks)
returns public.music_tracks
language plpgsql stable set search_path = ''
as $$
declare
  v_why music.events;
  v_error_code text;
begin
  if p_old.run_after <= p_retried.run_after then
    return p_retried;
  end if;
  select * into v_why from music.events e
  where e.track_id = p_old.id and e.kind in ('deferred', 'over_budget')
  order by e.at desc, e.id desc limit 1;
  v_error_code := case v_why.kind
    when 'over_budget' then 'over_budget' else v_why.detail ->> 'error_code' end;
  if v_error_code = (
      select e.detail ->> 'error_code' from music.events e
      where e.track_id = p_old.id and e.kind = 'cancelled'
      order by e.at desc, e.id desc limit 1) then
    if v_error_code = 'over_budget'
       and v_why.at <= (select s.budget_raised_at from music.settings s) then
      return p_retried;  -- there is money again
    end if;
    p_retried.error_code := v_error_code;
    p_retried.error_message := case v_error_code
      when 'over_budget' then music.over_budget_message(v_why.detail ->> 'of' <> 'all')
      else v_why.detail ->> 'error_message' end;
  end if;
  p_retried.run_after := p_old.run_after;
  return p_retried;
end
$$;
comment on function music.keep_put_off(public.music_tracks, public.music_tracks) is
  'A retried track that was put off when its user cancelled it waits as long as it would have, and '
  'says again why; unless it waited for a budget that was raised since.';

create function music.check_track_change() returns trigger
language plpgsql security definer set search_path = ''
as $$
declare
  v_edit text := old.status || ' to ' || new.status;
  v_keeps_audio boolean := v_edit in ('pending to error', 'generating to error')
    and music.has_audio(old);
begin
  -- Not the start of the transaction: one that waited for a lock would seem to come before it.
  new.updated_at := greatest(clock_timestamp(), old.updated_at + interval '1 microsecond');
  if music.is_worker() then
    if v_keeps_audio then
      new := music.with_old_audio(old, new);
    end if;
    return new;
  end if;
  perform music.check_status(new.status);
  if music.is_app_user() then
    perform music.check_user_change(old, new);
  end if;
  perform music.check_wishes(new, old, false);
  if new.parent_id is distinct from old.parent_id then
    perform music.check_parent(new);
  end if;
  -- Words that were written by another prompt are not those that are asked for now; without any
  -- prompt they are the track's own.
  if new.lyrics_prompt <> old.lyrics_prompt and new.lyrics is not distinct from old.lyrics then
    new.lyrics := null;
  end if;
  if old.status = 'generating' and music.wishes(new) is distinct from music.wishes(old) then
    raise exception
      'The music is being made already; what was asked for cannot be changed now.'
      using errcode = 'MU001',
            hint = 'Cancel it (set status to "error"), change it, and set status to "pending".';
  end if;
  if old.id <> new.id then
    raise exception 'The id of a track cannot be changed.' using errcode = 'MU001';
  end if;
  perform music.check_sense(old, new);
  perform music.note_edit(old, new);
  if old.status = new.status then
    return new;
  end if;
  case
    when v_edit in ('error to pending', 'generating to pending', 'completed to pending') then
      if old.status = 'error' then
        new.file_url := null;
        new.storage_path := null;
        new.audio_files := null;
        new.duration_ms := null;
      end if;
      new.error_code := null;
      new.error_message := null;
      new.started_at := null;
      new.completed_at := null;
      new.attempts := 0;
      -- A call that is in the air may still bring its receipt; wait for it before asking again.
      new.run_after := greatest(now(), (
        select g.intent_at + interval '90 seconds' from music.generations g
        where g.track_id = old.id and g.state in ('intent', 'unknown')));
      if music.is_app_user() then
        perform music.check_paid_retries(old.id);
        new := music.keep_put_off(old, new);
        if old.error_code = 'cancelled' then
          new.run_after := greatest(new.run_after, now() + music.pause_before_retry(old.id));
        end if;
      end if;
    when v_edit in ('pending to error', 'generating to error') then
      new.error_code :=
        case when new.error_code is distinct from old.error_code then new.error_code end;
      new.error_code := coalesce(new.error_code, 'cancelled');
      new.error_message :=
        case when new.error_message is distinct from old.error_message then new.error_message end;
      new.error_message := coalesce(new.error_message, 'Cancelled.');
      if v_keeps_audio then
        new := music.with_old_audio(old, new);
      end if;
    else
      raise exception 'A track cannot go from "%" to "%".', old.status, new.status
        using errcode = 'MU001', hint = case old.status
          when 'pending' then 'From "pending" you can set "error" (cancel); workers do the rest.'
          when 'generating' then
            'From "generating" you can set "pending" (requeue) or "error" (cancel).'
          when 'completed' then
            'From "completed" you can set "pending" (generates again and pays again).'
          else 'From "error" you can set "pending" (retry).' end;
  end case;
  return new;
end
$$;
comment on function music.check_track_change() is
  'Before update: the state machine for people''s edits.';

create function music.clear_progress() returns trigger
language plpgsql set search_path = ''
as $$
begin
  new.stage := null;
  new.stream_url := null;
  new.expected_ready_at := null;
  return new;
end
$$;
comment on function music.clear_progress() is
  'Before a row is written that is not generating: such a track has no stage, no stream and no '
  'expected time, whoever writes it.';

create function music.follow_track_change() returns trigger
language plpgsql security definer set search_path = ''
as $$
declare
  v_kind text;
begin
  if music.is_worker() then
    return null;
  end if;
  v_kind := case old.status || ' to ' || new.status
    when 'error to pending' then 'retried'
    when 'generating to pending' then 'requeued'
    when 'completed to pending' then 'regenerated'
    else 'cancelled' end;
  delete from music.claims where track_id = new.id;
  if v_kind in ('retried', 'requeued', 'regenerated') then
    update music.generations
    set state = 'abandoned', finished_at = now(),
        failed_reason = 'Never confirmed; a person asked for the track again.'
    where track_id = new.id and state in ('intent', 'unknown');
  end if;
  insert into music.events (track_id, kind, detail)
  values (new.id, v_kind, jsonb_build_object(
    'by', music.caller(), 'from', old.status, 'error_code', old.error_code)
    || case when v_kind = 'regenerated'
         then jsonb_build_object('completed_at', old.completed_at) else '{}' end);
  return null;
end
$$;
comment on function music.follow_track_change() is
  'After a person''s edit of the status: take the track from its worker and write history.';

create function music.follow_wishes() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
  if music.is_worker() then
    return null;  -- the words that were asked for
  end if;
  update music.generations
  set state = 'abandoned', finished_at = now(),
      failed_reason = 'What was asked for was changed after it was submitted.'
  where track_id = new.id and state = 'accepted';
  -- One whose receipt may still come stays as it is, so that nothing is submitted meanwhile.
  update music.generations g set superseded_at = now()
  where g.track_id = new.id and g.mureka_task_id is null
    and g.state not in ('refused', 'succeeded')
    and (g.kind <> 'lyrics' or new.lyrics_prompt is distinct from old.lyrics_prompt);
  return null;
end
$$;
comment on function music.follow_wishes() is
  'After an operator''s change of what the music should be: the next attempt submits that, instead '
  'of resuming what was submitted before.';

create function music.note_new_track() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
  insert into music.events (track_id, kind) select id, 'created' from new_tracks;
  return null;
end
$$;
comment on function music.note_new_track() is
  'After insert: the first line of the track''s history.';

create function music.note_deleted_tracks() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
  insert into music.events (track_id, kind, detail)
  select o.id, 'deleted', jsonb_build_object(
           'by', music.caller(), 'role', music.caller_role(), 'from', o.status)
  from old_tracks o;
  return null;
end
$$;
comment on function music.note_deleted_tracks() is
  'After delete: the last line of the track''s history, which stays.';

create function music.check_regenerated() returns trigger
language plpgsql set search_path = ''
as $$
begin
  if (select count(*) from (
        select from new_tracks n join old_tracks o on o.id = n.id
        where o.status = 'completed' and n.status = 'pending' limit 2) again) > 1 then
    raise exception
      'This would have several completed tracks made again, and each paid for once more.'
      using errcode = 'MU001', hint =
        'select * from regenerate_music_tracks(p_track_ids => …) says what it would cost; with '
        'p_dry_run => false it does it. To retry what failed: … where status = ''error''.';
  end if;
  return null;
end
$$;
comment on function music.check_regenerated() is
  'After update: one statement has at most one completed track made again, so that a forgotten '
  'condition cannot order the whole table once more.';

create trigger music_tracks_check_insert before insert on public.music_tracks
  for each row execute function music.check_new_track();
create trigger music_tracks_check_update before update on public.music_tracks
  for each row execute function music.check_track_change();
create trigger music_tracks_clear_progress before insert or update on public.music_tracks
  for each row when (new.status <> 'generating' and
    (new.stage is not null or new.stream_url is not null or new.expected_ready_at is not null))
  execute function music.clear_progress();
create trigger music_tracks_follow_status after update of status on public.music_tracks
  for each row when (old.status is distinct from new.status)
  execute function music.follow_track_change();
create trigger music_tracks_follow_wishes
  after update of prompt, lyrics, genre, mood, tempo, duration, lyrics_prompt, vocal_gender, model
  on public.music_tracks
  for each row when (
    (old.prompt, old.lyrics, old.genre, old.mood, old.tempo, old.duration, old.lyrics_prompt,
     old.vocal_gender, old.model) is distinct from
    (new.prompt, new.lyrics, new.genre, new.mood, new.tempo, new.duration, new.lyrics_prompt,
     new.vocal_gender, new.model))
  execute function music.follow_wishes();
create trigger music_tracks_note_insert after insert on public.music_tracks
  referencing new table as new_tracks for each statement execute function music.note_new_track();
create trigger music_tracks_note_delete after delete on public.music_tracks
  referencing old table as old_tracks for each statement
  execute function music.note_deleted_tracks();
create trigger music_tracks_check_regenerated after update on public.music_tracks
  referencing old table as old_tracks new table as new_tracks
  for each statement execute function music.check_regenerated();
