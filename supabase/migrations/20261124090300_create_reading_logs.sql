-- The stations of a journey: v0 at its start, v1, v2, … for each thing read, vFinal at its end.
-- Locks: nothing that exists, beyond the catalog.

create table if not exists public.reading_logs (
  id uuid primary key default gen_random_uuid()
);

alter table public.reading_logs
  add column if not exists journey_id uuid references public.journeys (id) on delete cascade,
  add column if not exists version text,
  add column if not exists quote text,
  add column if not exists memo text,
  add column if not exists emotions text[] not null default '{}',
  add column if not exists track_id uuid references public.music_tracks (id) on delete set null,
  add column if not exists created_at timestamptz not null default now();

alter table public.reading_logs alter column id set default gen_random_uuid();

alter table public.reading_logs drop constraint if exists reading_logs_version_form;
alter table public.reading_logs add constraint reading_logs_version_form
  check (version ~ '^v(0|[1-9][0-9]*|Final)$') not valid;
alter table public.reading_logs drop constraint if exists reading_logs_text_length;
alter table public.reading_logs add constraint reading_logs_text_length
  check (coalesce(length(quote), 0) <= 4000 and coalesce(length(memo), 0) <= 4000) not valid;
alter table public.reading_logs drop constraint if exists reading_logs_emotions_count;
alter table public.reading_logs add constraint reading_logs_emotions_count
  check (cardinality(emotions) <= 20) not valid;

create unique index if not exists reading_logs_one_per_version
  on public.reading_logs (journey_id, version);
create index if not exists reading_logs_track_id_idx on public.reading_logs (track_id);

alter table public.reading_logs enable row level security;

comment on table public.reading_logs is 'The stations of a reading journey, each with the track that scores it.';
comment on column public.reading_logs.id is 'Identity of the log.';
comment on column public.reading_logs.journey_id is 'The journey it belongs to.';
comment on column public.reading_logs.version is 'v0 at the start, v1, v2, … for each log, vFinal at the end; once each.';
comment on column public.reading_logs.quote is 'A passage from the book, up to 4000 characters.';
comment on column public.reading_logs.memo is 'What the reader thought, up to 4000 characters.';
comment on column public.reading_logs.emotions is 'What the reader felt, up to 20 words.';
comment on column public.reading_logs.track_id is 'The music of this station.';
comment on column public.reading_logs.created_at is 'When it was written.';
