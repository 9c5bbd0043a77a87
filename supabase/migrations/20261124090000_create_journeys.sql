-- A journey is one reader's way through one book; its reading logs and tracks hang on it.
-- An app that already has a `journeys` table keeps it: only what is missing is added.
-- Locks: an existing table exclusively, for an instant (columns without a rewrite).

create table if not exists public.journeys (
  id uuid primary key default gen_random_uuid()
);

alter table public.journeys
  add column if not exists user_id uuid default auth.uid() references auth.users (id) on delete cascade,
  add column if not exists book_title text,
  add column if not exists book_author text,
  add column if not exists created_at timestamptz not null default now(),
  add column if not exists finished_at timestamptz;

alter table public.journeys
  alter column id set default gen_random_uuid(),
  alter column user_id set default auth.uid();

-- White space is named character by character, since what [[:space:]] means depends on the locale.
alter table public.journeys drop constraint if exists journeys_book_title_length;
alter table public.journeys add constraint journeys_book_title_length
  check (book_title is null or (length(btrim(book_title)) <= 300
         and book_title ~ '[^\t-\r\u001c-\u0020\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]')) not valid;
alter table public.journeys drop constraint if exists journeys_book_author_length;
alter table public.journeys add constraint journeys_book_author_length
  check (book_author is null or length(book_author) <= 300) not valid;

create index if not exists journeys_user_id_idx on public.journeys (user_id);

alter table public.journeys enable row level security;

comment on table public.journeys is 'One reader''s way through one book; every reading log and music track of it refers here.';
comment on column public.journeys.id is 'Identity of the journey.';
comment on column public.journeys.user_id is 'The reader; only this user sees the journey.';
comment on column public.journeys.book_title is 'Title of the book, up to 300 characters.';
comment on column public.journeys.book_author is 'Author of the book, up to 300 characters.';
comment on column public.journeys.created_at is 'When the reader set out.';
comment on column public.journeys.finished_at is 'When the reader finished the book; null while reading.';
