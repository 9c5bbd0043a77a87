-- Set: journeys
-- The reading-journey app's own tables; the service does without them, and an app that has no use
-- for them leaves this file out. A journey is one reader's way through one book; its stations are
-- reading logs, v0 at its start, v1, v2, … for each thing read, vFinal at its end, each with its
-- track. An app that has tables of these names already means something else by them: they are not
-- touched, and nothing of this is made.
--
-- A reader writes journeys and logs as rows, and the rows themselves keep what is promised of them:
-- logs are numbered without gaps or duplicates however many are written at once, a finished journey
-- gets its vFinal and nothing more, and what is refused is refused with a sentence. Readers may
-- write only the columns that are theirs; a log's number never is. Whoever adds a log holds the
-- journey's row (`for no key update`, which does not stand in the way of tracks that refer to it)
-- until the end of the transaction.
-- Locks: music_tracks exclusively, for an instant; gives up after five seconds of waiting for it.

set local lock_timeout = '5s';

do $if_free$
declare
  v_taken text := (
    select string_agg(format('public.%s', c.relname), ' and ')
    from pg_catalog.pg_class c
    where c.relnamespace = 'public'::regnamespace and c.relname in ('journeys', 'reading_logs'));
  v_functions text := (
    select string_agg(p.oid::regprocedure::text, ' and ')
    from pg_catalog.pg_proc p
    where p.pronamespace = 'public'::regnamespace
      and p.proname in ('create_journey', 'add_reading_log', 'finish_journey'));
begin
  if v_taken is not null or v_functions is not null then
    raise notice 'The app has % already: the journeys of the music service are left out.',
      concat_ws(' and ', v_taken, v_functions);
    return;
  end if;
  if exists (
      select from pg_catalog.pg_attribute a
      where a.attrelid = 'public.music_tracks'::regclass and a.attname = 'journey_id'
        and not a.attisdropped and a.atttypid <> 'uuid'::regtype) then
    raise notice 'public.music_tracks has a journey_id that is not a uuid: the journeys of the '
      'music service are left out.';
    return;
  end if;
  execute $journeys$

create table public.journeys (
  id uuid primary key default gen_random_uuid(),
  user_id uuid default music.user_id() references auth.users (id) on delete cascade,
  book_title text,
  book_author text,
  created_at timestamptz not null default now(),
  finished_at timestamptz,
  -- White space is named character by character: what [[:space:]] means depends on the locale.
  constraint journeys_book_title_length check (
    book_title is null or (length(btrim(book_title)) <= 300
      and book_title ~
        '[^\t-\r\u001c-\u0020\u0085\u00a0\u1680'
        '\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]')),
  constraint journeys_book_author_length check (
    book_author is null or length(book_author) <= 300)
);

create index journeys_user_id_idx on public.journeys (user_id);

alter table public.journeys enable row level security;

comment on table public.journeys is
  'One reader''s way through one book; every reading log and music track of it refers here.';
comment on column public.journeys.id is 'Identity of the journey.';
comment on column public.journeys.user_id is 'The reader; only this user sees the journey.';
comment on column public.journeys.book_title is 'Title of the book, up to 300 characters.';
comment on column public.journeys.book_author is 'Author of the book, up to 300 characters.';
comment on column public.journeys.created_at is 'When the reader set out.';
comment on column public.journeys.finished_at is
  'When the reader finished the book; null while reading.';

-- An app that has this column keeps what it means by it, which may be no journey of ours.
alter table public.music_tracks
  add column if not exists journey_id uuid references public.journeys (id) on delete cascade;
create index if not exists music_tracks_journey_id_idx on public.music_tracks (journey_id);
comment on column public.music_tracks.journey_id is 'The reading journey it belongs to, if any.';

create table public.reading_logs (
  id uuid primary key default gen_random_uuid(),
  journey_id uuid references public.journeys (id) on delete cascade,
  version text,
  quote text,
  memo text,
  emotions text[] not null default '{}',
  track_id uuid references public.music_tracks (id) on delete set null,
  created_at timestamptz not null default now(),
  constraint reading_logs_version_form check (version ~ '^v(0|[1-9][0-9]*|Final)$'),
  constraint reading_logs_text_length check (
    coalesce(length(quote), 0) <= 4000 and coalesce(length(memo), 0) <= 4000),
  constraint reading_logs_emotions_count check (cardinality(emotions) <= 20)
);

create unique index reading_logs_one_per_version on public.reading_logs (journey_id, version);
create index reading_logs_track_id_idx on public.reading_logs (track_id);

alter table public.reading_logs enable row level security;

comment on table public.reading_logs is
  'The stations of a reading journey, each with the track that scores it.';
comment on column public.reading_logs.id is 'Identity of the log.';
comment on column public.reading_logs.journey_id is 'The journey it belongs to.';
comment on column public.reading_logs.version is
  'v0 at the start, v1, v2, … for each log, vFinal at the end; once each.';
comment on column public.reading_logs.quote is 'A passage from the book, up to 4000 characters.';
comment on column public.reading_logs.memo is 'What the reader thought, up to 4000 characters.';
comment on column public.reading_logs.emotions is 'What the reader felt, up to 20 words.';
comment on column public.reading_logs.track_id is 'The music of this station.';
comment on column public.reading_logs.created_at is 'When it was written.';

create function music.check_emotions(p_emotions text[]) returns void
language plpgsql immutable set search_path = ''
as $$
begin
  if cardinality(p_emotions) > 100 or length(array_to_string(p_emotions, '')) > 10000 then
    raise exception
      'There are far too many emotions, or they are far too long; '
      'at most 20 of 50 characters are allowed.'
      using errcode = 'MU006', hint = 'Choose the strongest.';
  end if;
end
$$;
comment on function music.check_emotions(text[]) is
  'Refuse what would cost much merely to look at.';

create function music.check_journey() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
  if lower(tg_op) = 'insert' or new.book_title is distinct from old.book_title then
    perform music.check_text('title of the book', new.book_title, 300);
    if music.fold(new.book_title) is null then
      raise exception 'The title of the book is empty.'
        using errcode = 'MU006', hint = 'Give book_title 1 to 300 characters.';
    end if;
  end if;
  if lower(tg_op) = 'insert' or new.book_author is distinct from old.book_author then
    perform music.check_text('author of the book', new.book_author, 300);
  end if;
  if not music.is_app_user() then
    return new;
  end if;
  if lower(tg_op) = 'insert' then
    if new.user_id is distinct from music.require_user_id() then
      raise exception 'A journey can only be begun for yourself.'
        using errcode = 'MU003', hint = 'Leave user_id out of the insert.';
    end if;
  elsif new.finished_at is distinct from old.finished_at then
    if old.finished_at is not null then
      raise exception 'The journey is finished and stays so.'
        using errcode = 'MU005', hint = 'Begin a new journey to read the book again.';
    end if;
    new.finished_at := now();
  end if;
  return new;
end
$$;
comment on function music.check_journey() is
  'Before insert and update: title and author of allowed length; a reader finishes a journey once '
  'and by the database''s clock.';

create function music.next_version(p_journey_id uuid) returns text
language plpgsql set search_path = ''
as $$
declare
  v_journey public.journeys;
begin
  select * into v_journey from public.journeys j where j.id = p_journey_id for no key update;
  if v_journey.id is null then
    return 'v0';  -- the foreign key says what is wrong
  end if;
  if v_journey.finished_at is null then
    return (
      select 'v' || coalesce(max(substr(l.version, 2)::int) + 1, 0)
      from public.reading_logs l where l.journey_id = p_journey_id and l.version ~ '^v[0-9]{1,9}$');
  end if;
  if exists (
      select from public.reading_logs l
      where l.journey_id = p_journey_id and l.version = 'vFinal') then
    raise exception 'The journey is finished; nothing can be added to it.'
      using errcode = 'MU005', hint = 'Begin a new journey to read the book again.';
  end if;
  return 'vFinal';
end
$$;
comment on function music.next_version(uuid) is
  'Lock a journey and answer the number of its next log: v0, v1, v2, …, and vFinal once it is '
  'finished.';

create function music.check_reading_log() returns trigger
language plpgsql security definer set search_path = ''
as $$
declare
  v_emotion text;
begin
  perform music.check_text('quote', new.quote, 4000);
  perform music.check_text('memo', new.memo, 4000);
  perform music.check_emotions(new.emotions);
  new.emotions := array(
    select felt.emotion
    from (select music.fold(e) as emotion, min(place) as place
          from unnest(new.emotions) with ordinality as given (e, place) group by 1) felt
    where felt.emotion is not null
    order by felt.place);
  if cardinality(new.emotions) > 20 then
    raise exception 'There are % emotions; at most 20 are allowed.', cardinality(new.emotions)
      using errcode = 'MU006', hint = 'Choose the strongest.';
  end if;
  foreach v_emotion in array new.emotions loop
    perform music.check_text('emotion', v_emotion, 50);
  end loop;
  if lower(tg_op) = 'insert' and (new.version is null or music.is_app_user()) then
    if music.is_app_user() and not exists (
        select from public.journeys j
        where j.id = new.journey_id and j.user_id = music.user_id()) then
      raise exception 'There is no such journey of yours.'
        using errcode = 'MU004', hint = 'Look at the id; perhaps the journey was deleted.';
    end if;
    new.version := music.next_version(new.journey_id);
  end if;
  return new;
end
$$;
comment on function music.check_reading_log() is
  'Before insert and update: texts of allowed length, emotions without blanks and repetitions, '
  'and the number, which no reader chooses.';

create function music.check_track_journey() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
  if not music.is_app_user() then
    return new;
  end if;
  if lower(tg_op) = 'update' then
    raise exception
      'Only the status of your track can be changed: '
      'to "pending" to retry a failed one, to "error" to cancel.'
      using errcode = 'MU003',
            hint = 'Send status alone; insert a new track to ask for different music.';
  end if;
  if not exists (
      select from public.journeys j
      where j.id = new.journey_id and j.user_id = music.user_id()) then
    raise exception 'There is no such journey of yours.'
      using errcode = '42501', hint = 'Look at the id; perhaps the journey was deleted.';
  end if;
  return new;
end
$$;
comment on function music.check_track_journey() is
  'Before a track is put into a journey: an app user''s belongs to a journey of the user''s own, '
  'and stays there.';

create trigger journeys_check before insert or update on public.journeys
  for each row execute function music.check_journey();
create trigger reading_logs_check
  before insert or update of quote, memo, emotions on public.reading_logs
  for each row execute function music.check_reading_log();

-- Where journey_id is the app's own column it says nothing of our journeys.
do $$
begin
  if not exists (
      select from pg_catalog.pg_constraint k
      where k.conrelid = 'public.music_tracks'::regclass
        and k.confrelid = 'public.journeys'::regclass) then
    return;
  end if;
  create trigger music_tracks_check_journey before insert on public.music_tracks
    for each row when (new.journey_id is not null) execute function music.check_track_journey();
  create trigger music_tracks_keep_journey before update of journey_id on public.music_tracks
    for each row when (old.journey_id is distinct from new.journey_id)
    execute function music.check_track_journey();
end
$$;

-- The same in three calls, each one transaction: begin a journey, write down what was read, finish
-- it. Each answers {"journey": {…}, "log": {…}, "track": {…}}, the rows as they are. They run with
-- the reader's own rights and write nothing that the reader could not write row by row. What the
-- music should be is said by music.compose_journey_prompt and nowhere else.

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
comment on function music.shorten(text, int) is
  'A text as one line of at most so many characters: cut after a whole word where there is one, '
  'with … at the cut.';

create function music.journey_book(p_journey_id uuid) returns text
language sql stable set search_path = ''
as $$
  select coalesce((
    select '“' || music.shorten(j.book_title, 160) || '”'
           || coalesce(' by ' || music.shorten(j.book_author, 80), '')
    from public.journeys j where j.id = p_journey_id), 'a book')
$$;
comment on function music.journey_book(uuid) is 'The book of a journey, as prompts name it.';

create function music.journey_story(p_journey_id uuid, p_stations int) returns text
language sql stable set search_path = ''
as $$
  select string_agg(told.station, ', then ' order by told.place)
  from (
    select music.shorten(coalesce(
             nullif(array_to_string(l.emotions, ' and '), ''), '“' || l.memo || '”'), 70)
             as station,
           substr(l.version, 2)::int as place
    from public.reading_logs l
    where l.journey_id = p_journey_id and l.version ~ '^v[0-9]{1,9}$'
      and (cardinality(l.emotions) > 0 or music.fold(l.memo) is not null)
    order by substr(l.version, 2)::int desc
    limit p_stations
  ) told
$$;
comment on function music.journey_story(uuid, int) is
  'The last stations of a journey, oldest first: what was felt or, where nothing is noted, '
  'thought.';

create function music.joined_emotions(p_emotions text[]) returns text
language sql immutable set search_path = ''
as $$
  select array_to_string(array(
    select music.fold(given.e) from unnest(p_emotions) with ordinality as given (e, place)
    where music.fold(given.e) is not null order by given.place), ', ')
$$;
comment on function music.joined_emotions(text[]) is 'What was felt, on one line.';

create function music.compose_journey_title(
  p_journey_id uuid, p_station text, p_quote text, p_memo text, p_emotions text[])
returns text
language sql stable set search_path = ''
as $$
  select music.shorten(concat_ws(' · ',
    (select music.shorten(j.book_title, 60) from public.journeys j where j.id = p_journey_id),
    case p_station
      when 'start' then 'v0'
      when 'finish' then 'vFinal'
      else (select 'v' || coalesce(max(substr(l.version, 2)::int) + 1, 0)
            from public.reading_logs l
            where l.journey_id = p_journey_id and l.version ~ '^v[0-9]{1,9}$') end,
    music.shorten(coalesce(
      nullif(music.joined_emotions(p_emotions), ''), music.fold(p_quote), music.fold(p_memo)),
      40)), music.title_length())
$$;
comment on function music.compose_journey_title(uuid, text, text, text, text[]) is
  'The title of a station''s track: book, number, and what was felt, read or thought there.';

create function music.compose_journey_lyrics_prompt(
  p_journey_id uuid, p_quote text, p_memo text, p_emotions text[])
returns text
language sql stable set search_path = ''
as $$
  select music.shorten(concat_ws(' ',
    format('A song of a reader''s way through %s.', music.journey_book(p_journey_id)),
    'The way so far: ' || music.journey_story(p_journey_id, 8) || '.',
    'The feeling now: ' || music.shorten(nullif(music.joined_emotions(p_emotions), ''), 160) || '.',
    'A passage that stayed: “' || music.shorten(p_quote, 150) || '”.',
    'The reader''s thought: “' || music.shorten(p_memo, 150) || '”.'), 1000)
$$;
comment on function music.compose_journey_lyrics_prompt(uuid, text, text, text[]) is
  'What the words of a station should be about, where they are to be written: the story of the '
  'journey so far.';

create function music.compose_journey_prompt(
  p_journey_id uuid, p_station text, p_quote text, p_memo text, p_emotions text[])
returns text
language plpgsql stable set search_path = ''
as $$
declare
  v_book text := music.journey_book(p_journey_id);
  v_felt text := music.shorten(music.joined_emotions(p_emotions), 160);
begin
  return music.shorten(concat_ws(' ',
    case p_station
      when 'start' then format('Opening music for a reader who begins %s.', v_book)
      when 'finish' then format('Closing music for a reader who has finished %s.', v_book)
      else format('Music for a reader in the midst of %s.', v_book) end,
    'The feeling: ' || v_felt || '.',
    'A passage that stayed: “' || music.shorten(p_quote, 200) || '”.',
    'The reader''s thought: “' || music.shorten(p_memo, 200) || '”.',
    'The way so far: ' || music.journey_story(p_journey_id, 3) || '.'), 1000);
end
$$;
comment on function music.compose_journey_prompt(uuid, text, text, text, text[]) is
  'What the music of a station should be, from the book, what is felt, read and thought there, '
  'and the last three stations; p_station is start, log or finish. THE place to change it: create '
  'or replace this function in a new migration, keep the arguments, and answer 1 to 1024 '
  'characters. Tracks that exist keep their prompt.';

create function music.read_station(p_log_id uuid) returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_build_object('journey', to_jsonb(j), 'log', to_jsonb(l), 'track', to_jsonb(t))
  from public.reading_logs l
  join public.journeys j on j.id = l.journey_id
  left join public.music_tracks t on t.id = l.track_id
  where l.id = p_log_id
$$;
comment on function music.read_station(uuid) is
  'A log with its journey and its track, as the journey functions answer it.';

create function music.add_station(
  p_journey_id uuid, p_station text, p_quote text, p_memo text, p_emotions text[], p_track_id uuid,
  p_lyrics text default null, p_sing boolean default false, p_vocal_gender text default null)
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
    insert into public.music_tracks (
      id, user_id, journey_id, title, prompt, lyrics, lyrics_prompt, vocal_gender)
    select v_track_id, j.user_id, j.id,
           music.compose_journey_title(j.id, p_station, p_quote, p_memo, p_emotions),
           music.compose_journey_prompt(j.id, p_station, p_quote, p_memo, p_emotions),
           p_lyrics,
           case when p_sing and music.fold(p_lyrics) is null then
             music.compose_journey_lyrics_prompt(j.id, p_quote, p_memo, p_emotions) end,
           p_vocal_gender
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
comment on function music.add_station(
  uuid, text, text, text, text[], uuid, text, boolean, text) is
  'A log and its pending track, sung where there are lyrics or p_sing asks for some; the caller '
  'has looked at the journey.';

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
comment on function music.lock_journey(uuid) is
  'The caller''s journey, held until the end of the transaction; refuses one that the caller does '
  'not see.';

create function music.station_of_track(p_track_id uuid) returns jsonb
language sql stable set search_path = ''
as $$
  select music.read_station(l.id) from public.reading_logs l where l.track_id = p_track_id limit 1
$$;
comment on function music.station_of_track(uuid) is
  'The station that a track was made for, so that a repeated call changes nothing; null when '
  'there is none.';

create function public.create_journey(
  p_book_title text, p_book_author text default null, p_emotions text[] default '{}',
  p_track_id uuid default null)
returns jsonb
language plpgsql set search_path = ''
as $$
declare
  v_journey_id uuid;
  v_again jsonb;
begin
  perform music.require_user_id();
  if p_track_id is not null then
    perform music.lock_repeated_call(p_track_id);
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
comment on function public.create_journey(text, text, text[], uuid) is
  'Begin a journey: answers {"journey", "log", "track"} with log v0 and its pending track. With a '
  'p_track_id of your own choice, repeating the call changes nothing and answers the same.';

create function public.add_reading_log(
  p_journey_id uuid, p_quote text default null, p_memo text default null,
  p_emotions text[] default '{}', p_track_id uuid default null, p_lyrics text default null,
  p_sing boolean default false, p_vocal_gender text default null)
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
  return music.add_station(
    p_journey_id, 'log', p_quote, p_memo, p_emotions, p_track_id, p_lyrics, p_sing,
    p_vocal_gender);
end
$$;
comment on function public.add_reading_log(
  uuid, text, text, text[], uuid, text, boolean, text) is
  'Write down what was read: answers {"journey", "log", "track"} with the next log, v1, v2, …, '
  'and its pending track: an instrumental, or a song with p_lyrics, or with p_sing one whose words '
  'are written from the story. With a p_track_id of your own choice, repeating the call changes '
  'nothing and answers the same.';

create function public.finish_journey(
  p_journey_id uuid, p_sing boolean default false, p_vocal_gender text default null)
returns jsonb
language plpgsql set search_path = ''
as $$
declare
  v_journey public.journeys := music.lock_journey(p_journey_id);
  v_final_id uuid := (
    select l.id from public.reading_logs l
    where l.journey_id = p_journey_id and l.version = 'vFinal');
begin
  if v_final_id is not null then
    return music.read_station(v_final_id);
  end if;
  if v_journey.finished_at is null then
    update public.journeys set finished_at = now() where id = p_journey_id;
  end if;
  return music.add_station(
    p_journey_id, 'finish', null, null, '{}', null, null, p_sing, p_vocal_gender);
end
$$;
comment on function public.finish_journey(uuid, boolean, text) is
  'Finish a journey: answers {"journey", "log", "track"} with log vFinal and its pending track, '
  'with p_sing a song whose words are written from the story. A finished journey answers what it '
  'has.';

-- Who may do what.
revoke execute on function
  music.check_emotions(text[]), music.check_journey(), music.next_version(uuid),
  music.check_reading_log(), music.check_track_journey(), music.shorten(text, int),
  music.journey_book(uuid), music.journey_story(uuid, int), music.joined_emotions(text[]),
  music.compose_journey_title(uuid, text, text, text, text[]),
  music.compose_journey_lyrics_prompt(uuid, text, text, text[]),
  music.compose_journey_prompt(uuid, text, text, text, text[]), music.read_station(uuid),
  music.add_station(uuid, text, text, text, text[], uuid, text, boolean, text),
  music.lock_journey(uuid),
  music.station_of_track(uuid)
  from public, anon, authenticated;
grant execute on function
  music.check_emotions(text[]), music.check_journey(), music.next_version(uuid),
  music.check_reading_log(), music.check_track_journey(), music.shorten(text, int),
  music.journey_book(uuid), music.journey_story(uuid, int), music.joined_emotions(text[]),
  music.compose_journey_title(uuid, text, text, text, text[]),
  music.compose_journey_lyrics_prompt(uuid, text, text, text[]),
  music.compose_journey_prompt(uuid, text, text, text, text[]), music.read_station(uuid),
  music.add_station(uuid, text, text, text, text[], uuid, text, boolean, text),
  music.lock_journey(uuid),
  music.station_of_track(uuid)
  to service_role;
revoke execute on function
  public.create_journey(text, text, text[], uuid),
  public.add_reading_log(uuid, text, text, text[], uuid, text, boolean, text),
  public.finish_journey(uuid, boolean, text)
  from public, anon, service_role;
grant execute on function
  public.create_journey(text, text, text[], uuid),
  public.add_reading_log(uuid, text, text, text[], uuid, text, boolean, text),
  public.finish_journey(uuid, boolean, text)
  to authenticated;

-- The journey functions run with the reader's rights, so the reader may execute what they call.
-- Nothing in schema music is reachable through the API by itself, and none of these runs with
-- anyone else's rights.
grant usage on schema music to authenticated;
grant execute on function
  music.fold(text), music.check_text(text, text, int), music.check_emotions(text[]),
  music.title_length(),
  music.journey_book(uuid), music.journey_story(uuid, int), music.joined_emotions(text[]),
  music.compose_journey_title(uuid, text, text, text, text[]),
  music.compose_journey_lyrics_prompt(uuid, text, text, text[]),
  music.shorten(text, int), music.compose_journey_prompt(uuid, text, text, text, text[]),
  music.add_station(uuid, text, text, text, text[], uuid, text, boolean, text),
  music.read_station(uuid), music.lock_journey(uuid), music.station_of_track(uuid),
  music.lock_repeated_call(uuid),
  music.require_user_id()
  to authenticated;

revoke all on public.journeys, public.reading_logs from anon;
revoke insert, update, truncate, references, trigger on public.journeys, public.reading_logs
  from authenticated;
grant select, insert, update, delete on public.journeys, public.reading_logs to service_role;
grant select, delete on public.journeys, public.reading_logs to authenticated;
grant insert (id, user_id, book_title, book_author), update (book_title, book_author, finished_at)
  on public.journeys to authenticated;
grant insert (id, journey_id, quote, memo, emotions, track_id), update (quote, memo, emotions)
  on public.reading_logs to authenticated;

create policy "Readers see their journeys" on public.journeys
  for select to authenticated using (user_id = (select music.user_id()));
create policy "Readers begin journeys" on public.journeys
  for insert to authenticated with check (user_id = (select music.user_id()));
create policy "Readers change their journeys" on public.journeys
  for update to authenticated
  using (user_id = (select music.user_id())) with check (user_id = (select music.user_id()));
create policy "Readers delete their journeys" on public.journeys
  for delete to authenticated using (user_id = (select music.user_id()));

create policy "Readers see their logs" on public.reading_logs
  for select to authenticated using (exists (
    select from public.journeys j
    where j.id = journey_id and j.user_id = (select music.user_id())));
create policy "Readers write logs" on public.reading_logs
  for insert to authenticated with check (
    exists (
      select from public.journeys j
      where j.id = journey_id and j.user_id = (select music.user_id()))
    and (track_id is null or exists (
      select from public.music_tracks t
      where t.id = track_id and t.user_id = (select music.user_id()))));
create policy "Readers change their logs" on public.reading_logs
  for update to authenticated
  using (exists (
    select from public.journeys j
    where j.id = journey_id and j.user_id = (select music.user_id())))
  with check (
    exists (
      select from public.journeys j
      where j.id = journey_id and j.user_id = (select music.user_id()))
    and (track_id is null or exists (
      select from public.music_tracks t
      where t.id = track_id and t.user_id = (select music.user_id()))));
create policy "Readers delete their logs" on public.reading_logs
  for delete to authenticated using (exists (
    select from public.journeys j
    where j.id = journey_id and j.user_id = (select music.user_id())));

  $journeys$;
end
$if_free$;
