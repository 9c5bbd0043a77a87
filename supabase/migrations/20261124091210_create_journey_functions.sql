-- The reading journey in three calls, each one transaction: begin it, write down what was read,
-- finish it. Each answers {"journey": {…}, "log": {…}, "track": {…}}, the rows as they are. They run with
-- the reader's own rights and write nothing that the reader could not write row by row.
-- What the music should be is said by music.compose_journey_prompt and nowhere else.
-- SQLSTATEs: MU004, MU005, MU006 as in the migration before this; MU003 nobody is signed in.
-- Locks: nothing that exists.

create function music.shorten(p_text text, p_most int) returns text
language sql immutable set search_path = ''
as $$
  select case
    when length(music.fold(p_text)) <= p_most then music.fold(p_text)
    else rtrim(coalesce(
      substring(left(music.fold(p_text), p_most) from '^(.*\S)\s'),
      left(music.fold(p_text), p_most - 1)), ' ,;:.') || '…'
  end
$$;
comment on function music.shorten(text, int) is 'A text as one line of at most so many characters: cut after a whole word where there is one, with … at the cut.';

create function music.compose_journey_prompt(
  p_journey_id uuid, p_station text, p_quote text, p_memo text, p_emotions text[])
returns text
language plpgsql stable set search_path = ''
as $$
declare
  v_book text;
  v_story text;
  v_felt text := music.shorten(array_to_string(array(
    select music.fold(given.e) from unnest(p_emotions) with ordinality as given (e, place)
    where music.fold(given.e) is not null order by given.place), ', '), 160);
begin
  select '“' || music.shorten(j.book_title, 160) || '”' || coalesce(' by ' || music.shorten(j.book_author, 80), '')
  into v_book from public.journeys j where j.id = p_journey_id;
  v_book := coalesce(v_book, 'a book');
  -- The last three stations, oldest first: what was felt or, where nothing is noted, thought.
  select string_agg(told.station, ', then ' order by told.place) into v_story
  from (
    select music.shorten(coalesce(nullif(array_to_string(l.emotions, ' and '), ''), '“' || l.memo || '”'), 70) as station,
           substr(l.version, 2)::int as place
    from public.reading_logs l
    where l.journey_id = p_journey_id and l.version ~ '^v[0-9]{1,9}$'
      and (cardinality(l.emotions) > 0 or music.fold(l.memo) is not null)
    order by substr(l.version, 2)::int desc
    limit 3
  ) told;
  return music.shorten(concat_ws(' ',
    case p_station
      when 'start' then format('Opening music for a reader who begins %s.', v_book)
      when 'finish' then format('Closing music for a reader who has finished %s.', v_book)
      else format('Music for a reader in the midst of %s.', v_book) end,
    'The feeling: ' || v_felt || '.',
    'A passage that stayed: “' || music.shorten(p_quote, 200) || '”.',
    'The reader''s thought: “' || music.shorten(p_memo, 200) || '”.',
    'The way so far: ' || v_story || '.'), 1000);
end
$$;
comment on function music.compose_journey_prompt(uuid, text, text, text, text[]) is 'What the music of a station should be, from the book, what is felt, read and thought there, and the last three stations; p_station is start, log or finish. THE place to change it: create or replace this function in a new migration, keep the arguments, and answer 1 to 1024 characters. Tracks that exist keep their prompt.';

create function music.read_station(p_log_id uuid) returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_build_object('journey', to_jsonb(j), 'log', to_jsonb(l), 'track', to_jsonb(t))
  from public.reading_logs l
  join public.journeys j on j.id = l.journey_id
  left join public.music_tracks t on t.id = l.track_id
  where l.id = p_log_id
$$;
comment on function music.read_station(uuid) is 'A log with its journey and its track, as the journey functions answer it.';

create function music.add_station(
  p_journey_id uuid, p_station text, p_quote text, p_memo text, p_emotions text[], p_track_id uuid)
returns jsonb
language plpgsql set search_path = ''
as $$
declare
  v_track_id uuid := coalesce(p_track_id, gen_random_uuid());
  v_log_id uuid;
begin
  -- Refused before anything is written where the prompt could not be composed of it.
  perform music.check_text('quote', p_quote, 4000);
  perform music.check_text('memo', p_memo, 4000);
  perform music.check_emotions(p_emotions);
  begin
    insert into public.music_tracks (id, user_id, journey_id, prompt)
    select v_track_id, j.user_id, j.id,
           music.compose_journey_prompt(j.id, p_station, p_quote, p_memo, p_emotions)
    from public.journeys j where j.id = p_journey_id;
  exception when unique_violation then
    raise exception 'There is another track with the id %.', v_track_id
      using errcode = 'MU002', hint = 'Choose a new id, or leave p_track_id out.';
  end;
  insert into public.reading_logs (journey_id, quote, memo, emotions, track_id)
  values (p_journey_id, p_quote, p_memo, coalesce(p_emotions, '{}'), v_track_id)
  returning id into v_log_id;
  return music.read_station(v_log_id);
end
$$;
comment on function music.add_station(uuid, text, text, text, text[], uuid) is 'A log and its pending track; the caller has looked at the journey.';

create function music.lock_journey(p_journey_id uuid) returns public.journeys
language plpgsql set search_path = ''
as $$
declare
  v_journey public.journeys;
begin
  select * into v_journey from public.journeys j where j.id = p_journey_id for no key update;
  if v_journey.id is null then
    raise exception 'There is no such journey of yours.'
      using errcode = 'MU004', hint = 'Look at the id; perhaps the journey was deleted.';
  end if;
  return v_journey;
end
$$;
comment on function music.lock_journey(uuid) is 'The caller''s journey, held until the end of the transaction; refuses one that the caller does not see.';

create function music.station_of_track(p_track_id uuid) returns jsonb
language sql stable set search_path = ''
as $$ select music.read_station(l.id) from public.reading_logs l where l.track_id = p_track_id limit 1 $$;
comment on function music.station_of_track(uuid) is 'The station that a track was made for, so that a repeated call changes nothing; null when there is none.';

create function public.create_journey(
  p_book_title text, p_book_author text default null, p_emotions text[] default '{}', p_track_id uuid default null)
returns jsonb
language plpgsql set search_path = ''
as $$
declare
  v_journey_id uuid;
  v_again jsonb;
begin
  if auth.uid() is null then
    raise exception 'Nobody is signed in, so the journey would belong to nobody.'
      using errcode = 'MU003', hint = 'Sign in first; a guest session will do.';
  end if;
  if p_track_id is not null then
    -- The same call, made twice at once, waits here for itself.
    perform pg_advisory_xact_lock(hashtextextended(p_track_id::text, 0));
    v_again := music.station_of_track(p_track_id);
    if v_again -> 'log' ->> 'version' = 'v0' then
      return v_again;
    end if;
  end if;
  insert into public.journeys (book_title, book_author)
  values (btrim(p_book_title), nullif(btrim(p_book_author), ''))
  returning id into v_journey_id;
  return music.add_station(v_journey_id, 'start', null, null, p_emotions, p_track_id);
end
$$;
comment on function public.create_journey(text, text, text[], uuid) is 'Begin a journey: answers {"journey", "log", "track"} with log v0 and its pending track. With a p_track_id of your own choice, repeating the call changes nothing and answers the same.';

create function public.add_reading_log(
  p_journey_id uuid, p_quote text default null, p_memo text default null, p_emotions text[] default '{}',
  p_track_id uuid default null)
returns jsonb
language plpgsql set search_path = ''
as $$
declare
  v_journey public.journeys := music.lock_journey(p_journey_id);
  v_again jsonb := music.station_of_track(p_track_id);
begin
  if (v_again -> 'journey' ->> 'id')::uuid = p_journey_id then
    return v_again;
  end if;
  if v_journey.finished_at is not null then
    raise exception 'The journey is finished; nothing can be added to it.'
      using errcode = 'MU005', hint = 'Begin a new journey to read the book again.';
  end if;
  return music.add_station(p_journey_id, 'log', p_quote, p_memo, p_emotions, p_track_id);
end
$$;
comment on function public.add_reading_log(uuid, text, text, text[], uuid) is 'Write down what was read: answers {"journey", "log", "track"} with the next log, v1, v2, …, and its pending track. With a p_track_id of your own choice, repeating the call changes nothing and answers the same.';

create function public.finish_journey(p_journey_id uuid) returns jsonb
language plpgsql set search_path = ''
as $$
declare
  v_journey public.journeys := music.lock_journey(p_journey_id);
  v_final_id uuid := (
    select l.id from public.reading_logs l where l.journey_id = p_journey_id and l.version = 'vFinal');
begin
  if v_final_id is not null then
    return music.read_station(v_final_id);
  end if;
  if v_journey.finished_at is null then
    update public.journeys set finished_at = now() where id = p_journey_id;
  end if;
  return music.add_station(p_journey_id, 'finish', null, null, '{}', null);
end
$$;
comment on function public.finish_journey(uuid) is 'Finish a journey: answers {"journey", "log", "track"} with log vFinal and its pending track. A finished journey answers what it has.';

-- They run with the caller's rights, so the caller may execute what they call. Nothing in schema
-- music is reachable through the API by itself, and none of these runs with anyone else's rights.
grant usage on schema music to authenticated;
do $$
declare
  v_function regprocedure;
begin
  foreach v_function in array array[
    'music.fold(text)',
    'music.check_text(text, text, int)',
    'music.check_emotions(text[])',
    'music.shorten(text, int)',
    'music.compose_journey_prompt(uuid, text, text, text, text[])',
    'music.read_station(uuid)',
    'music.add_station(uuid, text, text, text, text[], uuid)',
    'music.lock_journey(uuid)',
    'music.station_of_track(uuid)',
    'public.create_journey(text, text, text[], uuid)',
    'public.add_reading_log(uuid, text, text, text[], uuid)',
    'public.finish_journey(uuid)']::regprocedure[]
  loop
    execute format('revoke execute on function %s from public, anon, service_role', v_function);
    execute format('grant execute on function %s to authenticated', v_function);
  end loop;
end
$$;
grant execute on function music.fold(text), music.check_text(text, text, int), music.check_emotions(text[]), music.shorten(text, int),
  music.compose_journey_prompt(uuid, text, text, text, text[]) to service_role;
