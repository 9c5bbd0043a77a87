-- Schema `storage`: the buckets and objects whose files the gateway keeps on disk.
-- Tables, columns, functions and grants are those of the platform's storage server that people
-- meet: in policies on storage.objects, in migrations that insert buckets, in the dashboard.
-- Everything belongs to supabase_storage_admin; `postgres` may write rows, and policies on objects.

create schema storage authorization supabase_storage_admin;
grant create on database postgres to supabase_storage_admin;
set role supabase_storage_admin;

create table storage.buckets (
  id text primary key,
  name text not null,
  owner uuid,
  owner_id text,
  public boolean default false,
  avif_autodetection boolean default false,
  file_size_limit bigint,
  allowed_mime_types text[],
  created_at timestamptz default now(),
  updated_at timestamptz default now(),
  constraint buckets_name_length_check check (length(name) <= 100)
);
create unique index bname on storage.buckets (name);
comment on table storage.buckets is 'A named place for objects, with its limits.';
comment on column storage.buckets.public is 'Whether anyone may read an object by its URL.';
comment on column storage.buckets.owner is 'Deprecated; use owner_id.';
comment on column storage.buckets.file_size_limit is 'Largest object in bytes; null: the global limit.';

create table storage.objects (
  id uuid primary key default gen_random_uuid(),
  bucket_id text references storage.buckets (id),
  name text,
  owner uuid,
  owner_id text,
  version text,
  metadata jsonb,
  user_metadata jsonb,
  path_tokens text[] generated always as (string_to_array(name, '/')) stored,
  created_at timestamptz default now(),
  updated_at timestamptz default now(),
  last_accessed_at timestamptz default now()
);
create unique index bucketid_objname on storage.objects (bucket_id, name);
create index name_prefix_search on storage.objects (name text_pattern_ops);
create index idx_objects_bucket_id_name_lower
  on storage.objects (bucket_id, (lower(name)) collate "C");
comment on table storage.objects is 'One row an object; policies on it decide who may do what.';
comment on column storage.objects.version is 'Names the file of the current content.';
comment on column storage.objects.metadata is
  'eTag, size, mimetype, cacheControl, lastModified, contentLength, httpStatusCode.';
comment on column storage.objects.owner is 'Deprecated; use owner_id.';

alter table storage.buckets enable row level security;
alter table storage.objects enable row level security;

create function storage.foldername(name text) returns text[]
language sql immutable set search_path = ''
return (string_to_array(name, '/'))[1 : cardinality(string_to_array(name, '/')) - 1];
comment on function storage.foldername(text) is 'The folders of an object''s name, outermost first.';

create function storage.filename(name text) returns text
language sql immutable set search_path = ''
return (string_to_array(name, '/'))[cardinality(string_to_array(name, '/'))];
comment on function storage.filename(text) is 'The last part of an object''s name.';

create function storage.extension(name text) returns text
language sql immutable set search_path = ''
return reverse(split_part(reverse(storage.filename(name)), '.', 1));
comment on function storage.extension(text) is 'What follows the last dot of an object''s name.';

create function storage.get_size_by_bucket() returns table (size bigint, bucket_id text)
language sql stable set search_path = ''
as $$
  select sum((o.metadata ->> 'size')::bigint), o.bucket_id
  from storage.objects o group by o.bucket_id
$$;
comment on function storage.get_size_by_bucket() is 'Bytes stored in each bucket.';

create function storage.update_updated_at_column() returns trigger
language plpgsql set search_path = ''
as $$
begin
  new.updated_at = now();
  return new;
end
$$;
comment on function storage.update_updated_at_column() is 'Keeps updated_at.';
create trigger update_objects_updated_at before update on storage.objects
  for each row execute function storage.update_updated_at_column();
create trigger update_buckets_updated_at before update on storage.buckets
  for each row execute function storage.update_updated_at_column();

create function storage.protect_delete() returns trigger
language plpgsql set search_path = ''
as $$
begin
  if coalesce(current_setting('storage.allow_delete_query', true), '') <> 'true' then
    raise exception
      'Direct deletion from storage tables is not allowed. Use the Storage API instead.'
      using errcode = '42501', hint = 'A row deleted here would leave its file behind.';
  end if;
  return null;
end
$$;
comment on function storage.protect_delete() is 'Refuses deletes that do not come from the API.';
create trigger protect_objects_delete before delete on storage.objects
  for each statement execute function storage.protect_delete();
create trigger protect_buckets_delete before delete on storage.buckets
  for each statement execute function storage.protect_delete();

grant usage on schema storage to anon, authenticated, service_role, dashboard_user;
grant usage on schema storage to postgres with grant option;
grant all on storage.buckets, storage.objects to postgres with grant option;
grant all on storage.buckets, storage.objects to anon, authenticated, service_role, dashboard_user;
grant execute on all functions in schema storage to anon, authenticated, service_role, postgres;

reset role;
