-- Audio that belongs to no track any more: rows and accounts are deleted, music is made again,
-- and the files stay in the bucket. This lists them; only the Storage API removes them, since a
-- row that SQL deletes leaves its file behind. `music-service clean` does both.
-- Without Storage there are none.
-- Locks: nothing that exists.

create function public.list_orphaned_music(
  p_bucket text,
  p_after text default '',
  p_objects int default 10000,
  p_min_age_seconds double precision default 3600
) returns jsonb
language plpgsql stable set search_path = ''
as $$
declare
  -- As workers name their audio; whatever has another name is somebody else's.
  v_uuid constant text := '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}';
  v_shape constant text := format('^(?:%1$s|service)/%1$s/%1$s\.(?:mp3|wav|flac)$', v_uuid);
  v_limit constant int := least(greatest(p_objects, 1), 10000);
  v_written_before constant timestamptz :=
    now() - make_interval(secs => greatest(p_min_age_seconds, 600));
  v_answer jsonb;
begin
  if to_regclass('storage.objects') is null then
    return jsonb_build_object('looked_at', 0, 'looked_until', null, 'orphans', '[]'::jsonb);
  end if;
  with some_objects as materialized (
    select o.name, greatest(o.created_at, o.updated_at) as written_at,
           case jsonb_typeof(o.metadata -> 'size')
             when 'number' then (o.metadata -> 'size')::bigint else 0 end as size_bytes
    from storage.objects o
    where o.bucket_id = p_bucket and o.name > p_after
    order by o.name
    limit v_limit
  ), audio as (
    -- Split rather than captured: to capture the parts takes far longer.
    select s.*, split_part(s.name, '/', 2)::uuid as track_id,
           split_part(split_part(s.name, '/', 3), '.', 1)::uuid as generation_id
    from (select o.* from some_objects o where o.name ~ v_shape offset 0) s
  ), candidates as materialized (
    -- Subqueries for single values go by the primary key for each name, however big the tables.
    select a.name, a.size_bytes, a.written_at
    from audio a
    where a.written_at < v_written_before
      -- Its track has it, or is not done and may get it, or back.
      and (
        select t.status::text in ('pending', 'generating') or t.storage_path = a.name
               or strpos(t.file_url, a.name) > 0
               or strpos(t.audio_files::text, a.name) > 0
        from public.music_tracks t where t.id = a.track_id) is not true
      and (
        select g.state in ('intent', 'accepted', 'unknown')
        from music.generations g where g.id = a.generation_id) is not true
  ), copied as (
    -- A row may have been copied; the table is read for this only where there is a candidate.
    select held.path
    from public.music_tracks t
    cross join lateral (
      select t.storage_path as path
      union all
      select file.held #>> '{}' from jsonb_path_query(t.audio_files, '$.*.path') as file (held)
    ) held
    where (held.path in (select c.name from candidates c)) is true  -- hashed, so once
  ), orphans as (
    select c.* from candidates c
    where c.name not in (select k.path from copied k)
  )
  select jsonb_build_object(
    'looked_at', count(*),
    'looked_until', case when count(*) = v_limit then max(s.name) end,
    'orphans', (select coalesce(jsonb_agg(to_jsonb(o) order by o.name), '[]') from orphans o))
  into v_answer
  from some_objects s;
  return v_answer;
end
$$;
comment on function public.list_orphaned_music(text, text, int, double precision) is
  'Audio in a bucket that no track has any more, among so many objects (10000 at most) after a '
  'name: {"looked_at": how many, "looked_until": where to go on, null at the end, "orphans": '
  '[{"name", "size_bytes", "written_at"}]}. Left out are names that are not a worker''s, what is '
  'younger than p_min_age_seconds (600 at least), tracks that wait or run, and open paid calls. '
  'Removes nothing.';
