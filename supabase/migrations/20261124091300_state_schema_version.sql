-- Which version of the schema this is, so that a worker and a database that do not fit together say
-- so before anything is claimed. A number, since an app's copies of these files have other dates.
-- Whoever adds a migration ends with one that states the next number in the same way; a worker says
-- which numbers it knows in service/music_service/store/schema_version.py.
-- Locks: nothing that exists.

create or replace function music.schema_version() returns int
language sql immutable set search_path = ''
as $$ select 2 $$;
comment on function music.schema_version() is
  'The version of what music-service made in this database: 1, 2, … It rises with each release '
  'that has new migrations.';

create or replace function public.music_schema_version()
returns table (version int, oldest_worker int)
language sql stable set search_path = ''
as $$ select music.schema_version(), 1 $$;
comment on function public.music_schema_version() is
  'For workers: the version of the schema, and the version that a worker must have been made for, '
  'or a later one, to work with it.';

revoke execute on function music.schema_version(), public.music_schema_version()
  from public, anon, authenticated;
grant execute on function music.schema_version(), public.music_schema_version() to service_role;
