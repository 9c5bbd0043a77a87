-- The words of a song in time: sections, lines and words with milliseconds. They have 30 to 60 kB,
-- so they are kept beside the track, where following a track does not carry them along: nothing of
-- them is broadcast or published. Whoever sees a track may read its words:
--
--   select *, music_timed_lyrics(sections)       through the API, with the track
--
-- A track that is made again gets the words of its new music, or none, in the same statement.
-- Locks: nothing that exists.

create function music.is_timed(p_part jsonb, p_keys text[]) returns boolean
language sql immutable set search_path = ''
as $$
  select coalesce(
    jsonb_typeof(p_part) = 'object'
    and array(select jsonb_object_keys(p_part) order by 1) = p_keys
    and jsonb_typeof(p_part -> 'start_ms') = 'number'
    and jsonb_typeof(p_part -> 'end_ms') = 'number'
    and (p_part ->> 'start_ms')::numeric between 0 and (p_part ->> 'end_ms')::numeric
    and (p_part ->> 'end_ms')::numeric <= 86400000
    and jsonb_typeof(coalesce(p_part -> 'text', p_part -> 'type')) = 'string', false)
$$;
comment on function music.is_timed(jsonb, text[]) is
  'Whether something is a part of a song with a beginning, an end and a text or type, and has just '
  'these keys, which are in alphabetical order.';

create function music.is_timed_lyrics(p_sections jsonb) returns boolean
language sql immutable set search_path = ''
as $$
  select case jsonb_typeof(p_sections) when 'array' then jsonb_array_length(p_sections) > 0
    and (
      select bool_and(
        music.is_timed(s.section, '{end_ms,lines,start_ms,type}')
        and case jsonb_typeof(s.section -> 'lines') when 'array' then (
          select coalesce(bool_and(
            music.is_timed(l.line, '{end_ms,start_ms,text,words}')
            and case jsonb_typeof(l.line -> 'words') when 'array' then (
              select coalesce(bool_and(music.is_timed(w.word, '{end_ms,start_ms,text}')), true)
              from jsonb_array_elements(l.line -> 'words') as w (word)) else false end), true)
          from jsonb_array_elements(s.section -> 'lines') as l (line)) else false end)
      from jsonb_array_elements(p_sections) as s (section)) else false end
$$;
comment on function music.is_timed_lyrics(jsonb) is
  'Whether something has the shape of music_timed_lyrics.sections.';

create table public.music_timed_lyrics (
  track_id uuid primary key references public.music_tracks (id) on delete cascade,
  sections jsonb not null,
  created_at timestamptz not null default now(),
  constraint music_timed_lyrics_shape check (music.is_timed_lyrics(sections)),
  constraint music_timed_lyrics_size check (pg_column_size(sections) <= 1000000)
);
alter table public.music_timed_lyrics enable row level security;

comment on table public.music_timed_lyrics is
  'The words of a song in time; absent for instrumentals and where the provider told no times.';
comment on column public.music_timed_lyrics.track_id is 'The track whose words they are.';
comment on column public.music_timed_lyrics.sections is
  '[{"type": "verse", "start_ms", "end_ms", "lines": [{"start_ms", "end_ms", "text", "words": '
  '[{"start_ms", "end_ms", "text"}]}]}]; milliseconds from the beginning of the music, in order; '
  'lines and words may be empty.';
comment on column public.music_timed_lyrics.created_at is 'When the music was in place.';

create function music.keep_timed_lyrics(p_track_id uuid, p_sections jsonb) returns void
language plpgsql set search_path = ''
as $$
begin
  if not coalesce(music.is_timed_lyrics(p_sections), false) then
    -- Also where the worker's words are of no use: the music must not wait for them.
    delete from public.music_timed_lyrics where track_id = p_track_id;
    return;
  end if;
  insert into public.music_timed_lyrics as l (track_id, sections) values (p_track_id, p_sections)
  on conflict (track_id) do update set sections = excluded.sections, created_at = now();
end
$$;
comment on function music.keep_timed_lyrics(uuid, jsonb) is
  'The words of the music that a track has now, or none.';

create policy "Words are seen with their track" on public.music_timed_lyrics
  for select to authenticated using (exists (
    select from public.music_tracks t where t.id = track_id));

revoke all on public.music_timed_lyrics from public, anon, authenticated;
grant select on public.music_timed_lyrics to authenticated;
grant select, insert, update, delete on public.music_timed_lyrics to service_role;
