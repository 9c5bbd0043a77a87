-- The row is the API: an app inserts a pending track, the service makes it playable.
--
-- An app that already has a `music_tracks` table keeps it and every row in it. What is missing is
-- added; what stood in the way of the service is changed, and each such change is kept in
-- music.table_changes with the statement that undoes it. The app's own triggers do not see this.
-- Old rows need not meet the rules of new ones: a rule that some row breaks is left to the
-- triggers, which ask it of what is inserted or changed, so that nothing old becomes uneditable.
-- No row that has its audio is left pending: such a one is completed.
-- Locks: an existing table exclusively, for one pass over its rows; gives up after five seconds of
-- waiting for it, and can then be run again.

set local lock_timeout = '5s';

create schema if not exists music;
comment on schema music is
  'The music service''s own tables and functions; not exposed through the API.';

-- Whose request it is. Sign-ins elsewhere (Clerk, Firebase) name their users by words that are no
-- uuid, for which auth.uid() raises; in a policy that costs every subscriber of Realtime what it
-- was to hear next. These two read the token as auth.uid() does, and nothing here asks auth.uid().
create function music.user_id() returns uuid
language sql stable set search_path = ''
as $$
  select case when token.sub ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
              then token.sub::uuid end
  from (select coalesce(
    nullif(current_setting('request.jwt.claim.sub', true), ''),
    nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub') as sub) token
$$;
comment on function music.user_id() is
  'The user of the current request; null where nobody is signed in or the id is no uuid. Never '
  'raises, so that policies may ask it.';

create function music.require_user_id() returns uuid
language plpgsql stable set search_path = ''
as $$
declare
  v_user_id uuid := music.user_id();
begin
  if v_user_id is not null then
    return v_user_id;
  end if;
  if nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub' is null then
    raise exception 'Nobody is signed in, so it would belong to nobody.'
      using errcode = 'MU003', hint = 'Sign in first; a guest session will do.';
  end if;
  raise exception 'The id of your user is no uuid, so nothing can belong to you here.'
    using errcode = 'MU003',
          hint = 'Ids of a sign-in elsewhere may be so: let your backend ask for the music.';
end
$$;
comment on function music.require_user_id() is
  'The same for whoever is to own something: refuses with a sentence where there is no such user.';

create table music.table_changes (
  id bigint generated always as identity primary key,
  what text not null,
  undo text not null,
  made_at timestamptz not null default now()
);
alter table music.table_changes enable row level security;
comment on table music.table_changes is
  'What the migrations changed of a music_tracks table that the app had before; empty where they '
  'made the table.';
comment on column music.table_changes.id is 'Order of the changes; undo them backwards.';
comment on column music.table_changes.what is 'What was changed, as a sentence.';
comment on column music.table_changes.undo is
  'The statement that gives back what was there; empty where there is nothing to give back.';
comment on column music.table_changes.made_at is 'When it was changed.';

create function music.change_table(p_what text, p_change text, p_undo text) returns void
language plpgsql set search_path = ''
as $$
begin
  execute p_change;
  insert into music.table_changes (what, undo) values (p_what, p_undo);
  raise notice '% To undo it: %', p_what, p_undo;
end
$$;
comment on function music.change_table(text, text, text) is
  'Change something of the app''s music_tracks table, and note how to undo it.';

do $$
begin
  if to_regclass('public.music_tracks') is not null then
    insert into music.table_changes (what, undo)
    values ('The table public.music_tracks was there before; it is yours.', '');
  end if;
end
$$;

create table if not exists public.music_tracks (
  id uuid primary key default gen_random_uuid()
);

-- The columns, each added where it is missing. In those that workers empty null must be allowed,
-- and a default would be mistaken for their work.
do $$
declare
  v_is_there boolean := exists (select from music.table_changes);
  v_column record;
  v_default text;
  v_is_required boolean;
begin
  for v_column in
    select * from (values
      ('id', 'uuid', false),
      ('user_id',
        'uuid default music.user_id() references auth.users (id) on delete cascade', false),
      ('prompt', 'text', false),
      ('lyrics', 'text', false),
      ('genre', 'text', false),
      ('mood', 'text', false),
      ('tempo', 'text', false),
      ('duration', 'int', false),
      ('status', 'text', false),
      ('stage', 'text', true),
      ('expected_ready_at', 'timestamptz', true),
      ('stream_url', 'text', true),
      ('file_url', 'text', true),
      ('storage_path', 'text', true),
      ('duration_ms', 'int', true),
      ('error_code', 'text', true),
      ('error_message', 'text', true),
      ('priority', 'smallint not null default 0', false),
      ('run_after', 'timestamptz not null default now()', false),
      ('attempts', 'smallint not null default 0', false),
      ('created_at', 'timestamptz not null default now()', false),
      ('updated_at', 'timestamptz not null default now()', false),
      ('started_at', 'timestamptz', true),
      ('completed_at', 'timestamptz', true),
      ('title', 'text', false),
      ('lyrics_prompt', 'text', false),
      ('vocal_gender', 'text', false),
      ('model', 'text', false),
      ('parent_id', 'uuid references public.music_tracks (id) on delete set null', false),
      ('audio_formats', 'text[] not null default ''{mp3}''', false),
      ('mureka_song_id', 'text', true),
      ('audio_files', 'jsonb', true)) as needed (name, definition, is_workers)
  loop
    select pg_catalog.pg_get_expr(d.adbin, d.adrelid), a.attnotnull
    into v_default, v_is_required
    from pg_catalog.pg_attribute a
    left join pg_catalog.pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
    where a.attrelid = 'public.music_tracks'::regclass and a.attname = v_column.name;
    if not found then
      execute format(
        'alter table public.music_tracks add column %I %s', v_column.name, v_column.definition);
      if v_is_there then
        insert into music.table_changes (what, undo) values (
          format('Added the column %s.', v_column.name),
          format('alter table public.music_tracks drop column %I;', v_column.name));
      end if;
      continue;
    end if;
    if v_column.is_workers and v_is_required then
      perform music.change_table(
        format('The column %s may be empty now: a track has none before its music is there.',
               v_column.name),
        format('alter table public.music_tracks alter column %I drop not null', v_column.name),
        format('alter table public.music_tracks alter column %I set not null;', v_column.name));
    end if;
    if v_column.is_workers and v_default is not null then
      perform music.change_table(
        format('The column %s has no default any more: it is the service''s to fill in.',
               v_column.name),
        format('alter table public.music_tracks alter column %I drop default', v_column.name),
        format('alter table public.music_tracks alter column %I set default %s;',
               v_column.name, v_default));
    end if;
    if v_default is null
       and v_column.name in ('id', 'user_id', 'priority', 'attempts', 'run_after', 'created_at',
                             'updated_at') then
      perform music.change_table(
        format('The column %s has a default now.', v_column.name),
        format('alter table public.music_tracks alter column %I set default %s', v_column.name,
          case when v_column.name = 'id' then 'gen_random_uuid()'
               when v_column.name = 'user_id' then 'music.user_id()'
               when v_column.name in ('priority', 'attempts') then '0' else 'now()' end),
        format('alter table public.music_tracks alter column %I drop default;', v_column.name));
    elsif v_column.name = 'status' and coalesce(v_default, '') not like '''pending''::%' then
      perform music.change_table(
        'A row that says nothing of its status is pending now: a worker makes its music.',
        'alter table public.music_tracks alter column status set default ''pending''',
        format('alter table public.music_tracks alter column status %s;',
               coalesce('set default ' || v_default, 'drop default')));
    end if;
  end loop;
end
$$;
alter table public.music_tracks alter column status set default 'pending';

create function music.is_column_of_app(p_column text) returns boolean
language sql stable set search_path = ''
as $$
  select exists (select from music.table_changes)
    and not exists (
      select from music.table_changes c where c.what = format('Added the column %s.', p_column))
$$;
comment on function music.is_column_of_app(text) is
  'Whether a column of music_tracks was there before the service came.';

-- Every check, of whatever name, that refuses one of our statuses makes way for the one below.
do $$
declare
  v_check record;
  v_status text;
  v_is_met boolean;
begin
  for v_check in
    select k.conname, pg_catalog.pg_get_expr(k.conbin, k.conrelid) as condition,
           pg_catalog.pg_get_constraintdef(k.oid) as definition
    from pg_catalog.pg_constraint k
    join pg_catalog.pg_attribute a on a.attrelid = k.conrelid and a.attname = 'status'
    where k.conrelid = 'public.music_tracks'::regclass and k.contype = 'c'
      and (k.conkey = array[a.attnum] or k.conname = 'music_tracks_status_check')
  loop
    v_is_met := v_check.conname <> 'music_tracks_status_check';
    foreach v_status in array array['pending', 'generating', 'completed', 'error'] loop
      begin
        execute format(
          'select $1 and coalesce(%s, true) from (select (jsonb_populate_record('
          'null::public.music_tracks, jsonb_build_object(''status'', $2))).*) as music_tracks',
          v_check.condition) into v_is_met using v_is_met, v_status;
      exception when others then
        v_is_met := false;
      end;
    end loop;
    if not v_is_met then
      perform music.change_table(
        format('Replaced the check %s, which refused a status of a track.', v_check.conname),
        format('alter table public.music_tracks drop constraint %I', v_check.conname),
        format('alter table public.music_tracks add constraint %I %s;',
               v_check.conname, v_check.definition));
    end if;
  end loop;
end
$$;

-- What old rows are: as the operator said, else completed where they have their audio.
do $$
declare
  v_names text[];
  v_modes text[];
begin
  select array_agg(t.tgname::text),
         array_agg(case t.tgenabled when 'R' then 'replica' when 'A' then 'always' else '' end)
  into v_names, v_modes
  from pg_catalog.pg_trigger t
  where t.tgrelid = 'public.music_tracks'::regclass and not t.tgisinternal
    and t.tgenabled <> 'D';
  for place in 1..coalesce(cardinality(v_names), 0) loop
    execute format('alter table public.music_tracks disable trigger %I', v_names[place]);
  end loop;
  if to_regclass('public.music_status_words') is not null then
    update public.music_tracks t set status = w.status
    from public.music_status_words w
    where w.word is not distinct from t.status
      and not (t.status is null and coalesce(t.file_url, '') <> '');
    drop table public.music_status_words;
  end if;
  update public.music_tracks set status = 'completed'
  where (status is null or status = 'pending') and coalesce(file_url, '') <> '';

  update public.music_tracks set completed_at = coalesce(updated_at, created_at, now())
  where status = 'completed' and completed_at is null;
  update public.music_tracks set completed_at = null
  where status <> 'completed' and completed_at is not null;

  -- What can never be claimed must not hold up the others.
  update public.music_tracks
  set status = 'error', error_code = 'invalid_request',
      error_message =
        'It was asked for in a way that this service cannot serve; ask for it again.'
  where status = 'pending'
    and (prompt is null or length(prompt::text) > 1024 or length(lyrics::text) > 5000
         or prompt::text !~
           '[^\t-\r\u001c-\u0020\u0085\u00a0\u1680'
           '\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]'
         or length(genre::text) > 100 or length(mood::text) > 100 or length(tempo::text) > 100);
  update public.music_tracks
  set error_code = coalesce(error_code, 'internal'),
      error_message = coalesce(error_message, 'Failed before this service made the music.')
  where status = 'error' and (error_code is null or error_message is null);

  update public.music_tracks
  set priority = coalesce(priority, 0), attempts = coalesce(attempts, 0),
      run_after = coalesce(run_after, now()), created_at = coalesce(created_at, now()),
      updated_at = coalesce(updated_at, now())
  where priority is null or attempts is null or run_after is null or created_at is null
     or updated_at is null;
  for place in 1..coalesce(cardinality(v_names), 0) loop
    execute format(
      'alter table public.music_tracks enable %s trigger %I', v_modes[place], v_names[place]);
  end loop;
end
$$;

do $$
declare
  v_column text;
begin
  foreach v_column in array array['status', 'priority', 'attempts', 'run_after'] loop
    if not (select a.attnotnull from pg_catalog.pg_attribute a
            where a.attrelid = 'public.music_tracks'::regclass and a.attname = v_column) then
      if exists (select from music.table_changes) then
        insert into music.table_changes (what, undo) values (
          format('The column %s may not be empty any more.', v_column),
          format('alter table public.music_tracks alter column %I drop not null;', v_column));
      end if;
      execute format('alter table public.music_tracks alter column %I set not null', v_column);
    end if;
  end loop;
end
$$;

-- A track being made is told from one that nobody has taken, so that a claim is one conditional
-- update and clients can show that work has begun.
alter table public.music_tracks drop constraint if exists music_tracks_status_check;
alter table public.music_tracks add constraint music_tracks_status_check
  check (status in ('pending', 'generating', 'completed', 'error'));
comment on constraint music_tracks_status_check on public.music_tracks is
  'pending: waits for a worker; generating: a worker has it; completed: playable; '
  'error: see error_code.';

-- White space is named character by character, since what [[:space:]] means depends on the locale.
do $$
declare
  v_rule record;
begin
  for v_rule in
    select * from (values
      ('music_tracks_prompt_length',
        $check$prompt is not null and length(prompt) <= 1024
          and prompt ~
            '[^\t-\r\u001c-\u0020\u0085\u00a0\u1680'
            '\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]'$check$),
      ('music_tracks_lyrics_length', 'lyrics is null or length(lyrics) <= 5000'),
      ('music_tracks_hints_length',
        'coalesce(length(genre), 0) <= 100 and coalesce(length(mood), 0) <= 100 '
        'and coalesce(length(tempo), 0) <= 100'),
      ('music_tracks_title_length', 'title is null or length(title) between 1 and 120'),
      ('music_tracks_lyrics_prompt_length',
        $check$lyrics_prompt is null or (length(lyrics_prompt) <= 1024
          and lyrics_prompt ~
            '[^\t-\r\u001c-\u0020\u0085\u00a0\u1680'
            '\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]')$check$),
      ('music_tracks_vocal_gender_known',
        'vocal_gender is null or vocal_gender in (''female'', ''male'')'),
      ('music_tracks_audio_formats_known',
        'audio_formats is null or (audio_formats <@ array[''mp3'', ''wav'', ''flac''] '
        'and ''mp3'' = any (audio_formats) and array_ndims(audio_formats) = 1)'),
      ('music_tracks_parent_is_another', 'parent_id is null or parent_id <> id'),
      ('music_tracks_duration_range', 'duration is null or duration between 1 and 600'),
      ('music_tracks_duration_ms_positive', 'duration_ms is null or duration_ms > 0'),
      ('music_tracks_completed_has_time',
        '(status = ''completed'') = (completed_at is not null)'),
      ('music_tracks_completed_has_audio',
        'status <> ''completed'' or file_url is not null or storage_path is not null'),
      ('music_tracks_generating_has_start',
        'status <> ''generating'' or started_at is not null'),
      ('music_tracks_error_has_reason',
        'status <> ''error'' or (error_code is not null and error_message is not null)'),
      ('music_tracks_error_code_known', $check$error_code is null or error_code in (
        'invalid_request', 'over_budget', 'moderation_blocked', 'generation_failed',
        'generation_timeout', 'quota_exhausted', 'provider_auth', 'rate_limited',
        'provider_unavailable', 'audio_invalid', 'storage_failed', 'submission_unknown',
        'cancelled', 'attempts_exhausted', 'internal')$check$)) as rules (name, condition)
    where rules.name <> 'music_tracks_title_length' or not music.is_column_of_app('title')
  loop
    begin
      execute format('alter table public.music_tracks add constraint %I check (%s)',
                     v_rule.name, v_rule.condition);
      if exists (select from music.table_changes) then
        insert into music.table_changes (what, undo) values (
          format('Added the check %s.', v_rule.name),
          format('alter table public.music_tracks drop constraint %I;', v_rule.name));
      end if;
    exception when check_violation or undefined_function or duplicate_object then
      raise notice 'Not all old rows meet %; it holds for new rows and changed ones.', v_rule.name;
    end;
  end loop;
end
$$;

do $$
begin
  if exists (select from music.table_changes)
     and not (select c.relrowsecurity from pg_catalog.pg_class c
              where c.oid = 'public.music_tracks'::regclass) then
    perform music.change_table(
      'Row-level security is on now: who could read all rows sees their own. Should visitors see '
      'all of them as before: create policy "Visitors see all tracks" on public.music_tracks '
      'for select to anon, authenticated using (true);',
      'alter table public.music_tracks enable row level security',
      'alter table public.music_tracks disable row level security;');
  end if;
end
$$;

create index if not exists music_tracks_generating_idx
  on public.music_tracks (user_id) where status = 'generating';
create index if not exists music_tracks_user_id_created_at_idx
  on public.music_tracks (user_id, created_at desc);
create index if not exists music_tracks_pending_by_user_idx
  on public.music_tracks (user_id, priority desc, created_at, id) where status = 'pending';
-- Not for who asks for "(run_after <= now()) is true": see music.due_track_ids.
create index if not exists music_tracks_pending_due_idx
  on public.music_tracks (run_after) where status = 'pending' and run_after is not null;

create index if not exists music_tracks_parent_id_idx on public.music_tracks (parent_id);
create index if not exists music_tracks_over_budget_idx
  on public.music_tracks (updated_at) where status = 'pending' and error_code = 'over_budget';

alter table public.music_tracks enable row level security;

-- The app's own columns keep their own comments, or none.
do $$
declare
  v_is_there boolean := exists (select from music.table_changes);
  v_column record;
begin
  if not v_is_there then
    comment on table public.music_tracks is
      'One piece of music: insert it pending, follow status to completed or error. Set status by '
      'hand to retry (error to pending), requeue (generating to pending), cancel (pending or '
      'generating to error) or regenerate at new cost (completed to pending).';
  end if;
  for v_column in
    select * from (values
      ('id',
        'Identity of the track; a client may choose it, so that repeating an insert is harmless.'),
      ('user_id',
        'The owner; null for a track made by a backend, which no app user sees.'),
      ('prompt',
        'What the music should be, 1 to 1024 characters, not white space alone.'),
      ('lyrics',
        'Words to be sung, up to 5000 characters; with lyrics the track is a song, without them an '
        'instrumental. With a lyrics_prompt the service fills them in.'),
      ('genre',
        'A wished genre; part of the prompt sent.'),
      ('mood',
        'A wished mood; part of the prompt sent.'),
      ('tempo',
        'A wished tempo; part of the prompt sent.'),
      ('duration',
        'A wished length in seconds; a hint, the model decides.'),
      ('status',
        'pending, generating, completed or error.'),
      ('stage',
        'What the provider is doing while generating: preparing, queued, running, streaming or '
        'reviewing.'),
      ('expected_ready_at',
        'When the track will probably be ready, from the median of recent generations.'),
      ('stream_url',
        'Where the unfinished music can already be heard; only while generating.'),
      ('file_url',
        'Public URL of the finished audio; null with a private bucket (sign storage_path then).'),
      ('storage_path',
        'Key of the finished audio in the bucket music-tracks.'),
      ('duration_ms',
        'Length of the finished audio in milliseconds.'),
      ('error_code',
        'Why it failed, or why it waits; one of a fixed list.'),
      ('error_message',
        'The reason as a sentence a user can read.'),
      ('priority',
        'Higher goes first; set by operators and backends only.'),
      ('run_after',
        'Not before this time; moved forward when an attempt is put off.'),
      ('attempts',
        'Failed attempts since a person last asked for the track.'),
      ('created_at',
        'When it was inserted.'),
      ('updated_at',
        'When the row last changed.'),
      ('started_at',
        'When a worker first took it up since a person last asked for it.'),
      ('completed_at',
        'When the audio was in place; set exactly while completed.'),
      ('title',
        'A name to show, 1 to 120 characters; with a lyrics_prompt and none given, that of the '
        'words.'),
      ('lyrics_prompt',
        'What words are to be written about, 1 to 1024 characters: they are written first, stored '
        'in lyrics, and then sung.'),
      ('vocal_gender',
        'Who sings: female or male; null = the model decides. Of no meaning for an instrumental.'),
      ('model',
        'The model to use, one of those in model_prices_cents of music.settings; null = the '
        'worker''s.'),
      ('parent_id',
        'The track of which this is another take, of the same user.'),
      ('audio_formats',
        'The formats to keep: mp3 always, and wav or flac where asked for.'),
      ('mureka_song_id',
        'What Mureka calls the finished music, for extending or remixing it.'),
      ('audio_files',
        'What is in the bucket: for each format its path, its size in bytes, and its url where '
        'the bucket is public.')) as described (name, comment)
    where not v_is_there or exists (
      select from music.table_changes c
      where c.what = format('Added the column %s.', described.name))
  loop
    execute format(
      'comment on column public.music_tracks.%I is %L', v_column.name, v_column.comment);
  end loop;
end
$$;
