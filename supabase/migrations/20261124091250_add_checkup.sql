-- What `music-service doctor` asks the database itself, because the API alone does not show it: who
-- may do what, and whether a row that is inserted now would be made. Nothing is believed that can
-- be tried: a stranger's insert, a worker's whole way with a track. Every trial is a block that
-- ends in an error of its own, which takes back all that was written, broadcast or locked. It is
-- MU099: a handler of a code that ends in 000 would take every error of the service for it.
-- Each function answers one value, never a set, so that no limit of the API cuts it; none ends in
-- an error that the API would try again.
-- Locks: nothing that exists.

create function music.trial_row(p_user_id uuid) returns jsonb
language sql stable set search_path = ''
as $$
  with old_row as (
    select to_jsonb(t) as was from public.music_tracks t limit 1
  ), demanded as (
    -- What the app added and demands: as in a row that there is, else something of its type.
    select a.attname as name, exists (
             select from pg_catalog.pg_index i
             where i.indrelid = a.attrelid and i.indisunique and a.attnum = any (i.indkey)
           ) as is_unique,
           case y.typcategory
             when 'N' then to_jsonb(1)
             when 'B' then to_jsonb(false)
             when 'D' then to_jsonb(now())
             when 'A' then '[]'::jsonb
             when 'E' then (
               select to_jsonb(e.enumlabel) from pg_catalog.pg_enum e
               where e.enumtypid = y.oid order by e.enumsortorder limit 1)
             when 'U' then case
               when y.typname = 'uuid' then to_jsonb(gen_random_uuid()) else '{}'::jsonb end
             else to_jsonb('trial ' || gen_random_uuid()) end as sample
    from pg_catalog.pg_attribute a
    join pg_catalog.pg_type y on y.oid = a.atttypid
    where a.attrelid = 'public.music_tracks'::regclass and a.attnum > 0 and not a.attisdropped
      and a.attnotnull and not a.atthasdef and a.attidentity = ''
      and a.attname not in ('id', 'prompt', 'user_id')
  )
  select jsonb_build_object(
           'id', gen_random_uuid(),
           'prompt', 'A trial of music-service doctor; it may be deleted.')
         || case when p_user_id is null then '{}' else jsonb_build_object('user_id', p_user_id) end
         || coalesce(
              (select jsonb_object_agg(
                 d.name,
                 case when d.is_unique then d.sample
                   else coalesce((select o.was -> d.name from old_row o), d.sample) end)
               from demanded d),
              '{}')
$$;
comment on function music.trial_row(uuid) is
  'A new track as an app would insert it, as JSON: what is needed, and what the app''s own columns '
  'demand.';

create function music.trial_insert(p_row jsonb) returns text
language sql immutable set search_path = ''
as $$
  select format(
    'insert into public.music_tracks (%1$s) '
    'select %1$s from jsonb_populate_record(null::public.music_tracks, $1)',
    string_agg(quote_ident(k.name), ', '))
  from jsonb_object_keys(p_row) as k (name)
$$;
comment on function music.trial_insert(jsonb) is
  'The statement that inserts such a row, $1, and leaves all other columns to their defaults.';

create function music.act_as(p_role text, p_user_id uuid) returns void
language sql set search_path = ''
as $$
  select set_config('request.jwt.claims', jsonb_strip_nulls(
           jsonb_build_object('role', p_role, 'sub', p_user_id))::text, true),
         set_config('role', p_role, true)
$$;
comment on function music.act_as(text, uuid) is
  'What follows is done with the rights of a user of the app, until it is taken back; only for a '
  'caller who may set that role.';

create type music.trial_failure as (
  step text, sqlstate text, message text, "column" text, "constraint" text, context text);
comment on type music.trial_failure is 'What a trial failed at, and what the database says of it.';

create function music.reach(p_role text, p_what text, p_track_id uuid, p_bucket text) returns int
language plpgsql set search_path = ''
as $$
declare
  v_user_id uuid := case when p_role = 'authenticated' then gen_random_uuid() end;
  v_row jsonb := music.trial_row(null);
  v_insert text := music.trial_insert(v_row);
  v_topic text :=
    'music:' || case when p_what = 'overhear' then p_track_id::text else 'pending' end;
  v_rows int;
begin
  perform set_config('realtime.topic', v_topic, true);
  perform music.act_as(p_role, v_user_id);
  case p_what
    when 'insert' then execute v_insert using v_row;
    when 'select' then perform from public.music_tracks where id = p_track_id;
    when 'update' then update public.music_tracks set status = status where id = p_track_id;
    when 'delete' then delete from public.music_tracks where id = p_track_id;
    when 'settings' then update music.settings set paused = paused where id;
    when 'hear', 'overhear' then
      perform from realtime.messages where topic = v_topic and extension = 'broadcast' limit 1;
    when 'broadcast' then
      insert into realtime.messages (topic, extension, event, payload, private)
      values (v_topic, 'broadcast', 'pending', '{}', true);
    when 'upload' then
      insert into storage.objects (bucket_id, name)
      values (p_bucket, format('%s/%s/trial.mp3', p_track_id, p_track_id));
  end case;
  get diagnostics v_rows = row_count;
  raise exception 'A trial ends here.' using errcode = 'MU099';
exception
  when sqlstate 'MU099' then return v_rows;
  when others then return null;
end
$$;
comment on function music.reach(text, text, uuid, text) is
  'How many rows a stranger reaches who has the app''s public key (anon) or an account of their '
  'own (authenticated), taken back at once; null where it is refused.';

create function music.reached_by_strangers(p_bucket text) returns jsonb
language plpgsql set search_path = ''
as $$
declare
  v_row jsonb := music.trial_row(null) || jsonb_build_object(
    'status', 'error', 'error_code', 'cancelled', 'error_message', 'Only a trial.');
  v_track_id uuid := (v_row ->> 'id')::uuid;
  v_reached jsonb;
begin
  begin
    execute music.trial_insert(v_row) using v_row;
  exception when others then
    v_track_id := (select t.id from public.music_tracks t limit 1);
  end;
  begin
    insert into realtime.messages (topic, extension, event, payload, private)
    select 'music:' || t.topic, 'broadcast', 'pending', '{}', true
    from (values ('pending'), (v_track_id::text)) as t (topic);
  exception when others then null;  -- there is no Realtime, or no room for messages yet
  end;
  select jsonb_agg(jsonb_build_object('role', r.role, 'what', w.what)) into v_reached
  from (values ('anon'), ('authenticated')) as r (role)
  cross join (values ('insert'), ('select'), ('update'), ('delete'), ('settings'), ('hear'),
                     ('overhear'), ('broadcast'), ('upload')) as w (what)
  where music.reach(r.role, w.what, v_track_id, p_bucket) > 0;
  raise exception 'A trial ends here.' using errcode = 'MU099';
exception
  when sqlstate 'MU099' then return coalesce(v_reached, '[]');
end
$$;
comment on function music.reached_by_strangers(text) is
  'What anybody can do with what is not theirs, each tried and taken back: [{role, what}].';

create function music.catalogue() returns jsonb
language sql stable set search_path = ''
as $$
  with tables as (
    select c.oid, c.oid::regclass::text as name, c.relrowsecurity as is_guarded
    from pg_catalog.pg_class c
    where c.relkind in ('r', 'p') and (
      c.relnamespace = 'music'::regnamespace
      or c.oid = 'public.music_tracks'::regclass
      or exists (
        select from pg_catalog.pg_trigger t
        join pg_catalog.pg_proc p on p.oid = t.tgfoid
        where t.tgrelid = c.oid and p.pronamespace = 'music'::regnamespace))
  ), closed as (
    select t.oid, t.name from tables t where t.name like 'music.%'
    union all
    select c.oid, c.oid::regclass::text from pg_catalog.pg_class c
    where c.relkind = 'v' and c.relnamespace = 'public'::regnamespace
      and c.relname like 'music\_%'
  ), roles as (
    select r.role from (values ('anon'), ('authenticated')) as r (role)
  )
  select jsonb_build_object(
    'unguarded', (select coalesce(jsonb_agg(t.name), '[]') from tables t where not t.is_guarded),
    'policies', (
      select coalesce(jsonb_agg(jsonb_build_object(
        'table', p.schemaname || '.' || p.tablename, 'name', p.policyname,
        'permissive', p.permissive = 'PERMISSIVE', 'command', lower(p.cmd), 'roles', p.roles,
        'using', p.qual, 'check', p.with_check)), '[]')
      from pg_catalog.pg_policies p
      where p.schemaname || '.' || p.tablename in (
        select t.name from tables t
        union all values ('realtime.messages'), ('storage.objects'))),
    'is_published', exists (
      select from pg_catalog.pg_publication_tables p
      where p.pubname = 'supabase_realtime' and p.schemaname = 'public'
        and p.tablename = 'music_tracks'),
    'triggers', (
      select coalesce(jsonb_agg(jsonb_build_object(
        'name', t.tgname, 'function', t.tgfoid::regproc::text,
        'enabled', t.tgenabled <> 'D')), '[]')
      from pg_catalog.pg_trigger t
      where t.tgrelid = 'public.music_tracks'::regclass and not t.tgisinternal),
    'grants', (
      select coalesce(jsonb_agg(jsonb_build_object('table', g.name, 'role', g.role)), '[]')
      from (
        select c.name, r.role from closed c, roles r
        where has_table_privilege(r.role, c.oid, 'delete, truncate')
           or has_any_column_privilege(r.role, c.oid, 'select, insert, update')) g),
    'executable', (
      select coalesce(jsonb_agg(jsonb_build_object(
        'name', p.proname, 'signature', p.oid::regprocedure::text, 'role', r.role)), '[]')
      from pg_catalog.pg_proc p, roles r
      where p.pronamespace = 'public'::regnamespace and p.proname like '%music%'
        and has_function_privilege(r.role, p.oid, 'execute')))
$$;
comment on function music.catalogue() is
  'Who may do what with the service''s tables and functions, and the triggers of music_tracks, as '
  'one JSON object.';

create function public.check_music_project(p_bucket text) returns jsonb
language plpgsql set search_path = ''
as $$
begin
  return music.catalogue() || jsonb_build_object(
    'reached', music.reached_by_strangers(p_bucket), 'trial_row', music.trial_row(null));
end
$$;
comment on function public.check_music_project(text) is
  'For music-service doctor: policies, grants and triggers that matter, and what a stranger can '
  'reach; leaves nothing behind.';

create function music.try_asking(p_user_id uuid) returns jsonb
language plpgsql set search_path = ''
as $$
declare
  v_row jsonb := music.trial_row(null);
  v_insert text := music.trial_insert(v_row);
  v_id uuid := (v_row ->> 'id')::uuid;
  v_step text := 'insert';
  v_failure music.trial_failure;
begin
  perform music.act_as('authenticated', coalesce(p_user_id, gen_random_uuid()));
  execute v_insert using v_row;
  v_step := 'read';
  perform from public.music_tracks where id = v_id;
  if not found then
    raise exception 'Users do not see their own tracks.' using errcode = 'no_data_found';
  end if;
  v_step := 'cancel';
  update public.music_tracks set status = 'error' where id = v_id;
  if not found then
    raise exception 'Users cannot cancel their own tracks.' using errcode = 'no_data_found';
  end if;
  raise exception 'A trial ends here.' using errcode = 'MU099';
exception
  when sqlstate 'MU099' then return null;
  when others then
    get stacked diagnostics
      v_failure.sqlstate = returned_sqlstate, v_failure.message = message_text,
      v_failure.column = column_name, v_failure.constraint = constraint_name,
      v_failure.context = pg_exception_context;
    -- Without any user of the project the trial can go no further than to the last of all rules.
    if p_user_id is null and v_step = 'insert' and v_failure.sqlstate = '23503' then
      return null;
    end if;
    v_failure.step := v_step;
    return to_jsonb(v_failure);
end
$$;
comment on function music.try_asking(uuid) is
  'A user of the app asks for a track, looks at it and cancels it, and all of it is taken back; '
  'null where that works, else the step that failed, and why.';

create function music.try_making(p_user_id uuid) returns jsonb
language plpgsql set search_path = ''
as $$
declare
  v_row jsonb := music.trial_row(p_user_id) || '{"priority": 32767}';
  v_id uuid := (v_row ->> 'id')::uuid;
  v_worker_id text := 'doctor-' || v_id;
  v_generation_id uuid := gen_random_uuid();
  v_claim_id uuid;
  v_ahead int;
  v_step text := 'settings';
  v_failure music.trial_failure;
begin
  -- Pause, limits and budgets are findings of their own, and would keep the trial from its turn.
  update music.settings
  set paused = false, max_concurrent = null, max_concurrent_per_user = null,
      daily_budget_cents = null, daily_budget_cents_per_user = null
  where id;
  update music.account
  set concurrent_request_limit = null, slowed_down_to = null, slowed_down_at = null where id;
  v_step := 'insert';
  execute music.trial_insert(v_row) using v_row;
  v_step := 'claim';
  -- What is in Mureka's hands goes before any priority.
  v_ahead := (
      select count(*) from public.music_tracks t
      left join music.claims c on c.track_id = t.id
      where t.status = 'generating' and (c.track_id is null or c.lease_expires_at <= now()))
    + (
      select count(*) from music.generations g
      join public.music_tracks t on t.id = g.track_id
      where g.state = 'accepted' and t.status = 'pending' and t.run_after <= now());
  perform public.claim_music_tracks(
    v_worker_id, least(v_ahead + 1, 1000), 30, music.schema_version());
  v_claim_id := (select c.id from music.claims c where c.track_id = v_id);
  if v_claim_id is null then
    -- Whatever keeps it from being claimed says so when the same is written by itself.
    perform music.act_as_worker();
    update public.music_tracks set status = 'generating', started_at = now() where id = v_id;
    raise exception 'It was not among the tracks that were claimed.'
      using errcode = 'no_data_found';
  end if;
  v_step := 'intent';
  perform public.begin_music_generation(
    v_claim_id, v_generation_id, '{"kind": "instrumental", "body": {}}', 'trial', 0);
  v_step := 'receipt';
  perform public.record_music_task(v_generation_id, 'trial-' || v_id, null);
  v_step := 'stage';
  perform public.report_music_stage(v_claim_id, 'running', null);
  v_step := 'defer';
  begin
    perform public.defer_music_track(v_claim_id, 60, 'open', 'rate_limited', 'A trial.', false);
    raise exception 'A trial ends here.' using errcode = 'MU099';
  exception when sqlstate 'MU099' then null;
  end;
  v_step := 'fail';
  begin
    perform public.fail_music_track(v_claim_id, 'failed', 'generation_failed', 'A trial.');
    raise exception 'A trial ends here.' using errcode = 'MU099';
  exception when sqlstate 'MU099' then null;
  end;
  v_step := 'complete';
  perform public.complete_music_track(
    v_claim_id, format('service/%s/%s.mp3', v_id, v_generation_id), 'https://trial.invalid/', 1);
  perform from public.music_tracks t
  where t.id = v_id and t.status = 'completed' and t.file_url is not null;
  if not found then
    raise exception 'The track does not keep what the service writes.'
      using errcode = 'no_data_found';
  end if;
  set constraints all immediate;
  raise exception 'A trial ends here.' using errcode = 'MU099';
exception
  when sqlstate 'MU099' then return null;
  when others then
    get stacked diagnostics
      v_failure.sqlstate = returned_sqlstate, v_failure.message = message_text,
      v_failure.column = column_name, v_failure.constraint = constraint_name,
      v_failure.context = pg_exception_context;
    v_failure.step := v_step;
    return to_jsonb(v_failure);
end
$$;
comment on function music.try_making(uuid) is
  'A track is inserted and goes a worker''s whole way through the worker functions, and all of it '
  'is taken back; null where that works, else the step that failed, and why.';

create function public.try_music_track(p_user_id uuid default null) returns jsonb
language plpgsql set search_path = '' set lock_timeout = '3s'
as $$
begin
  return jsonb_build_object(
    'asking', music.try_asking(p_user_id), 'making', music.try_making(p_user_id));
end
$$;
comment on function public.try_music_track(uuid) is
  'For music-service doctor: whether a track that is inserted now would be made, tried for a user '
  '(null: none) and taken back, so that nobody sees it and nothing is spent.';

create function public.list_music_numbers(p_count int) returns setof int
language sql immutable set search_path = ''
as $$ select generate_series(1, least(p_count, 1000)) $$;
comment on function public.list_music_numbers(int) is
  'For music-service doctor: so many rows, up to 1000, to see how many of them the API hands out.';

do $$
declare
  v_function regprocedure;
begin
  foreach v_function in array array[
    'music.trial_row(uuid)',
    'music.trial_insert(jsonb)',
    'music.act_as(text, uuid)',
    'music.reach(text, text, uuid, text)',
    'music.reached_by_strangers(text)',
    'music.catalogue()',
    'music.try_asking(uuid)',
    'music.try_making(uuid)',
    'public.check_music_project(text)',
    'public.try_music_track(uuid)',
    'public.list_music_numbers(int)']::regprocedure[]
  loop
    execute format('revoke execute on function %s from public, anon, authenticated', v_function);
    execute format('grant execute on function %s to service_role', v_function);
  end loop;
end
$$;
