-- The row is the API: an app inserts a pending track, the service makes it playable.
-- An app that already has a `music_tracks` table keeps it and every row in it: missing columns
-- are added, and rules that old rows may not meet are checked for new and changed rows only (not
-- valid).
-- The statuses here are the older three; the next migration adds `generating`.
-- Locks: an existing table exclusively, for an instant plus one pass over old finished rows.

create table if not exists public.music_tracks (
  id uuid primary key default gen_random_uuid()
);

do $$
begin
  if (select format_type(a.atttypid, a.atttypmod) from pg_catalog.pg_attribute a
      where a.attrelid = 'public.music_tracks'::regclass and a.attname = 'id') <> 'uuid' then
    raise exception 'The existing table public.music_tracks has an id that is not a uuid.'
      using hint = 'Rename that table, run the migrations again and copy its rows over.';
  end if;
end
$$;

alter table public.music_tracks
  add column if not exists user_id uuid default music.user_id()
    references auth.users (id) on delete cascade,
  add column if not exists prompt text,
  add column if not exists lyrics text,
  add column if not exists genre text,
  add column if not exists mood text,
  add column if not exists tempo text,
  add column if not exists duration int,
  add column if not exists status text,
  add column if not exists stage text,
  add column if not exists expected_ready_at timestamptz,
  add column if not exists stream_url text,
  add column if not exists file_url text,
  add column if not exists storage_path text,
  add column if not exists duration_ms int,
  add column if not exists error_code text,
  add column if not exists error_message text,
  add column if not exists priority smallint not null default 0,
  add column if not exists run_after timestamptz not null default now(),
  add column if not exists attempts smallint not null default 0,
  add column if not exists created_at timestamptz not null default now(),
  add column if not exists updated_at timestamptz not null default now(),
  add column if not exists started_at timestamptz,
  add column if not exists completed_at timestamptz;

alter table public.music_tracks
  alter column id set default gen_random_uuid(),
  alter column user_id set default music.user_id(),
  alter column created_at set default now();

-- A row that nobody marked was waiting to be made.
update public.music_tracks set status = 'pending' where status is null;

-- Old rows did not say when they ended or why they failed.
update public.music_tracks set completed_at = coalesce(updated_at, created_at, now())
  where status = 'completed' and completed_at is null;

update public.music_tracks
  set error_code = coalesce(error_code, 'internal'),
      error_message = coalesce(error_message, 'Failed before this service made the music.')
  where status = 'error' and (error_code is null or error_message is null);

-- What the rules below refuse could never be claimed, and one such row would hold up all others.
update public.music_tracks
set status = 'error', error_code = 'invalid_request',
    error_message = 'It was asked for in a way that this service cannot serve; ask for it again.'
where status = 'pending'
  and (prompt is null or length(prompt) > 1024 or length(lyrics) > 5000
       or prompt !~
         '[^\t-\r\u001c-\u0020\u0085\u00a0\u1680'
         '\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]'
       or length(genre) > 100 or length(mood) > 100 or length(tempo) > 100
       or duration not between 1 and 600 or duration_ms <= 0 or completed_at is not null);

alter table public.music_tracks
  alter column status set default 'pending',
  alter column status set not null;

-- White space is named character by character, since what [[:space:]] means depends on the locale.
alter table public.music_tracks drop constraint if exists music_tracks_prompt_length;
alter table public.music_tracks add constraint music_tracks_prompt_length
  check (
    prompt is not null and length(prompt) <= 1024
    and prompt ~
      '[^\t-\r\u001c-\u0020\u0085\u00a0\u1680'
      '\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]') not valid;
alter table public.music_tracks drop constraint if exists music_tracks_lyrics_length;
alter table public.music_tracks add constraint music_tracks_lyrics_length
  check (lyrics is null or length(lyrics) <= 5000) not valid;
alter table public.music_tracks drop constraint if exists music_tracks_hints_length;
alter table public.music_tracks add constraint music_tracks_hints_length
  check (coalesce(length(genre), 0) <= 100 and coalesce(length(mood), 0) <= 100
         and coalesce(length(tempo), 0) <= 100) not valid;
alter table public.music_tracks drop constraint if exists music_tracks_duration_range;
alter table public.music_tracks add constraint music_tracks_duration_range
  check (duration is null or duration between 1 and 600) not valid;
alter table public.music_tracks drop constraint if exists music_tracks_duration_ms_positive;
alter table public.music_tracks add constraint music_tracks_duration_ms_positive
  check (duration_ms is null or duration_ms > 0) not valid;
alter table public.music_tracks drop constraint if exists music_tracks_completed_has_time;
alter table public.music_tracks add constraint music_tracks_completed_has_time
  check ((status = 'completed') = (completed_at is not null)) not valid;
alter table public.music_tracks drop constraint if exists music_tracks_completed_has_audio;
alter table public.music_tracks add constraint music_tracks_completed_has_audio
  check (status <> 'completed' or file_url is not null or storage_path is not null) not valid;
alter table public.music_tracks drop constraint if exists music_tracks_generating_has_start;
alter table public.music_tracks add constraint music_tracks_generating_has_start
  check (status <> 'generating' or started_at is not null) not valid;
alter table public.music_tracks drop constraint if exists music_tracks_error_has_reason;
alter table public.music_tracks add constraint music_tracks_error_has_reason
  check (status <> 'error' or (error_code is not null and error_message is not null)) not valid;
alter table public.music_tracks drop constraint if exists music_tracks_error_code_known;
alter table public.music_tracks add constraint music_tracks_error_code_known
  check (error_code is null or error_code in (
    'invalid_request', 'over_budget', 'moderation_blocked', 'generation_failed',
    'generation_timeout', 'quota_exhausted', 'provider_auth', 'rate_limited',
    'provider_unavailable', 'audio_invalid', 'storage_failed', 'submission_unknown', 'cancelled',
    'attempts_exhausted', 'internal')) not valid;

create index if not exists music_tracks_user_id_created_at_idx
  on public.music_tracks (user_id, created_at desc);
create index if not exists music_tracks_pending_by_user_idx
  on public.music_tracks (user_id, priority desc, created_at, id) where status = 'pending';
create index if not exists music_tracks_pending_due_idx
  on public.music_tracks (run_after) where status = 'pending';

alter table public.music_tracks enable row level security;

comment on table public.music_tracks is
  'One piece of music: insert it pending, follow status to completed or error. Set status by hand '
  'to retry (error to pending), requeue (generating to pending), cancel (pending or generating to '
  'error) or regenerate at new cost (completed to pending).';
comment on column public.music_tracks.id is
  'Identity of the track; a client may choose it, so that repeating an insert is harmless.';
comment on column public.music_tracks.user_id is
  'The owner; null for a track made by a backend, which no app user sees.';
comment on column public.music_tracks.prompt is
  'What the music should be, 1 to 1024 characters, not white space alone.';
comment on column public.music_tracks.lyrics is
  'Words to be sung, up to 5000 characters; with lyrics the track is a song, without them an '
  'instrumental.';
comment on column public.music_tracks.genre is 'A wished genre; part of the prompt sent.';
comment on column public.music_tracks.mood is 'A wished mood; part of the prompt sent.';
comment on column public.music_tracks.tempo is 'A wished tempo; part of the prompt sent.';
comment on column public.music_tracks.duration is
  'A wished length in seconds; a hint, the model decides.';
comment on column public.music_tracks.status is 'pending, generating, completed or error.';
comment on column public.music_tracks.stage is
  'What the provider is doing while generating, in its own words: preparing, queued, running, '
  'streaming, and so on.';
comment on column public.music_tracks.expected_ready_at is
  'When the track will probably be ready, from the median of recent generations.';
comment on column public.music_tracks.stream_url is
  'Where the unfinished music can already be heard; only while generating.';
comment on column public.music_tracks.file_url is
  'Public URL of the finished audio; null with a private bucket (sign storage_path then).';
comment on column public.music_tracks.storage_path is
  'Key of the finished audio in the bucket music-tracks.';
comment on column public.music_tracks.duration_ms is
  'Length of the finished audio in milliseconds.';
comment on column public.music_tracks.error_code is
  'Why it failed, or why it waits; one of a fixed list.';
comment on column public.music_tracks.error_message is 'The reason as a sentence a user can read.';
comment on column public.music_tracks.priority is
  'Higher goes first; set by operators and backends only.';
comment on column public.music_tracks.run_after is
  'Not before this time; moved forward when an attempt is put off.';
comment on column public.music_tracks.attempts is
  'Failed attempts since a person last asked for the track.';
comment on column public.music_tracks.created_at is 'When it was inserted.';
comment on column public.music_tracks.updated_at is 'When the row last changed.';
comment on column public.music_tracks.started_at is
  'When a worker first took it up since a person last asked for it.';
comment on column public.music_tracks.completed_at is
  'When the audio was in place; set exactly while completed.';
