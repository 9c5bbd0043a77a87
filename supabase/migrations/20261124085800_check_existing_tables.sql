-- Look first, change after. An app that already has a `music_tracks` table keeps it, its rows and
-- what it does with them; this file changes nothing and names, all at once, what would keep the
-- service from working with it, each with a statement that can be pasted into the SQL editor.
-- When it has nothing to say, the files after it can do what they do.
--
-- What rows mean is asked, never guessed, wherever a wrong guess would cost money: a status of
-- another name, none at all, or music that seems to be finished. The answer is a table,
-- public.music_status_words (word, status), which the next file reads and drops; until then the
-- app goes on writing what it always wrote.
--
-- The functions are temporary: they are gone with the connection, and at the end of this file.
-- Locks: none; it reads music_tracks once.

-- What the service needs of a column that the app may have, too. kind: uuid; text, in which it
-- writes up to `most` characters; words, which it reads as text; number, whole, time, json.
create function pg_temp.music_columns() returns table (name text, kind text, most int)
language sql set search_path = ''
as $$
  values
    ('user_id', 'uuid', null), ('prompt', 'words', null), ('lyrics', 'words', 5000),
    ('genre', 'words', null), ('mood', 'words', null), ('tempo', 'words or number', null),
    ('duration', 'number', null), ('status', 'text', 10), ('stage', 'text', 100),
    ('expected_ready_at', 'time', null), ('stream_url', 'text', 1000), ('file_url', 'text', 250),
    ('storage_path', 'text', 120), ('duration_ms', 'whole', null), ('error_code', 'text', 20),
    ('error_message', 'text', 400), ('priority', 'whole', null), ('run_after', 'time', null),
    ('attempts', 'whole', null), ('created_at', 'time', null), ('updated_at', 'time', null),
    ('started_at', 'time', null), ('completed_at', 'time', null), ('title', 'words', null),
    ('lyrics_prompt', 'words', null), ('vocal_gender', 'words', null), ('model', 'words', null),
    ('parent_id', 'uuid', null), ('mureka_song_id', 'text', 100),
    ('audio_formats', 'words[]', null), ('audio_files', 'json', null)
$$;

-- Of the app's columns those that share a name with one of ours.
create function pg_temp.music_shared_columns()
returns table (name text, kind text, most int, type text, base text, category text, length int,
  default_value text, is_generated boolean, is_identity boolean)
language sql set search_path = ''
as $$
  select c.name, c.kind, c.most, pg_catalog.format_type(a.atttypid, a.atttypmod), t.typname,
         t.typcategory::text, case when t.typname in ('varchar', 'bpchar') and a.atttypmod > 4
                                   then a.atttypmod - 4 end,
         case when a.attgenerated = '' then pg_catalog.pg_get_expr(d.adbin, d.adrelid) end,
         a.attgenerated <> '', a.attidentity <> ''
  from pg_temp.music_columns() c
  join pg_catalog.pg_attribute a
    on a.attrelid = pg_catalog.to_regclass('public.music_tracks') and a.attname = c.name
       and not a.attisdropped
  join pg_catalog.pg_type t on t.oid = a.atttypid
  left join pg_catalog.pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
$$;

-- What the table is, and whether names of ours are taken.
create function pg_temp.music_table_obstacles() returns setof text
language plpgsql set search_path = ''
as $$
declare
  v_table regclass := pg_catalog.to_regclass('public.music_tracks');
  v_class pg_catalog.pg_class;
  v_name text;
begin
  if exists (
      select from pg_catalog.pg_namespace n
      where n.nspname = 'music' and (
        exists (select from pg_catalog.pg_class c where c.relnamespace = n.oid)
        or exists (select from pg_catalog.pg_proc p where p.pronamespace = n.oid)
        or exists (select from pg_catalog.pg_type t where t.typnamespace = n.oid)
        or not pg_catalog.has_schema_privilege(n.oid, 'create'))) then
    return next 'There is a schema "music" already. If it is this service''s, of an earlier '
      'installation, nothing has to be applied; else give it another name: '
      'alter schema music rename to app_music;';
  end if;
  for v_name in
    select format('There is a %s public.%I already, and the service needs the name: '
                  'alter %1$s public.%2$I rename to %3$I;',
                  case c.relkind when 'v' then 'view' when 'm' then 'materialized view'
                                 else 'table' end, c.relname, 'app_' || c.relname)
    from pg_catalog.pg_class c
    where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'v', 'm', 'p', 'f')
      and c.relname in (
        'music_queue_health', 'music_spend_daily', 'music_review', 'music_track_history',
        'music_timed_lyrics')
    union all
    select format('There is a function %s already, and the service needs the name: '
                  'alter function %1$s rename to %2$I;', p.oid::regprocedure, 'app_' || p.proname)
    from pg_catalog.pg_proc p
    where p.pronamespace = 'public'::regnamespace and p.proname in (
      'claim_music_tracks', 'renew_music_claims', 'release_music_claims',
      'begin_music_generation', 'record_music_task', 'report_music_stage',
      'complete_music_track', 'defer_music_track', 'fail_music_track', 'report_music_worker',
      'report_music_account', 'pause_music_queue', 'resume_music_queue', 'retry_music_tracks',
      'cancel_music_tracks', 'regenerate_music_tracks', 'ping_music_realtime',
      'check_music_project', 'try_music_track', 'list_music_numbers', 'list_orphaned_music',
      'refuse_music_generation', 'take_left_over_music', 'close_left_over_music',
      'record_music_lyrics', 'music_another_take', 'music_schema_version')
  loop
    return next v_name;
  end loop;
  if v_table is null then
    return;
  end if;
  select * into strict v_class from pg_catalog.pg_class where oid = v_table;
  if v_class.relkind <> 'r' then
    return query select format(
      'public.music_tracks is a %s, and the service works with a plain table alone: '
      'alter %s public.music_tracks rename to app_music_tracks;',
      case v_class.relkind when 'p' then 'partitioned table' else kind.name end, kind.name)
    from (select case v_class.relkind when 'v' then 'view' when 'm' then 'materialized view'
                 when 'f' then 'foreign table' else 'table' end) as kind (name);
    return;
  end if;
  if v_class.relhassubclass
     or exists (select from pg_catalog.pg_inherits i where i.inhrelid = v_table) then
    return next 'public.music_tracks inherits from another table, or another one from it, and '
      'rules would not hold for all rows: '
      'alter table public.music_tracks rename to app_music_tracks;';
    return;
  end if;
  if not pg_catalog.pg_has_role(v_class.relowner, 'usage') then
    return next format(
      'public.music_tracks belongs to %1$I, and only its owner may add columns to it; as somebody '
      'who administers that role: grant %1$I to %2$I;',
      pg_catalog.pg_get_userbyid(v_class.relowner), current_user);
  end if;
  if v_class.relpersistence <> 'p' then
    return next 'public.music_tracks is unlogged, so Realtime never hears of its rows: '
      'alter table public.music_tracks set logged;';
  end if;
  if v_class.relreplident = 'n' then
    return next 'public.music_tracks has no replica identity, so no row could be changed once '
      'Realtime tells of it: alter table public.music_tracks replica identity default;';
  end if;
  v_name := (
    select pg_catalog.format_type(a.atttypid, a.atttypmod) from pg_catalog.pg_attribute a
    where a.attrelid = v_table and a.attname = 'id' and not a.attisdropped);
  if v_name is distinct from 'uuid' then
    return next format(
      'public.music_tracks %s, and the service knows a track by a uuid. Give the table another '
      'name, here and in your app: alter table public.music_tracks rename to app_music_tracks;',
      coalesce('has an id of type ' || v_name, 'has no column id'));
  elsif not exists (
      select from pg_catalog.pg_index i
      where i.indrelid = v_table and i.indisunique and i.indisvalid and i.indimmediate
        and i.indpred is null and i.indnkeyatts = 1 and i.indkey[0] = (
          select a.attnum from pg_catalog.pg_attribute a
          where a.attrelid = v_table and a.attname = 'id')) then
    select format('begin; alter table public.music_tracks drop constraint %I; ', k.conname)
    into v_name from pg_catalog.pg_constraint k
    where k.conrelid = v_table and k.contype = 'p' and k.condeferrable;
    return next case when v_name is not null then
      'The primary key of public.music_tracks is deferrable, so nothing can refer to a track: '
      || v_name || 'alter table public.music_tracks add primary key (id); commit;'
    else format(
      'Nothing says that the id of public.music_tracks is unique: '
      'alter table public.music_tracks add %s (id);',
      case when exists (select from pg_catalog.pg_index i
                        where i.indrelid = v_table and i.indisprimary)
        then 'unique' else 'primary key' end) end;
  elsif v_class.relreplident = 'd' and not exists (
      select from pg_catalog.pg_index i where i.indrelid = v_table and i.indisprimary) then
    return next 'public.music_tracks has no primary key, so no row could be changed once Realtime '
      'tells of it: alter table public.music_tracks add primary key (id);';
  end if;
  for v_name in
    select format(
      'The rule %I rewrites what is inserted or changed, and a worker''s writes cannot be '
      'rewritten; a trigger can do the same: drop rule %1$I on public.music_tracks;', r.rulename)
    from pg_catalog.pg_rewrite r
    where r.ev_class = v_table and r.ev_type in ('2', '3') and r.ev_enabled <> 'D'
    union all
    select format(
      'The publication %I holds a part of public.music_tracks alone, and Realtime has to tell of '
      'all of it: begin; alter publication %1$I drop table public.music_tracks; '
      'alter publication %1$I add table public.music_tracks; commit;', p.pubname)
    from pg_catalog.pg_publication_rel pr
    join pg_catalog.pg_publication p on p.oid = pr.prpubid
    where pr.prrelid = v_table
      and (pr.prqual is not null
           or (pr.prattrs is not null and p.pubname = 'supabase_realtime'))
  loop
    return next v_name;
  end loop;
  for v_name in
    select format('drop trigger %I on public.music_tracks;', t.tgname)
    from pg_catalog.pg_trigger t
    where t.tgrelid = v_table and t.tgname in (
      'music_tracks_check_insert', 'music_tracks_check_update', 'music_tracks_clear_progress',
      'music_tracks_follow_status', 'music_tracks_follow_wishes', 'music_tracks_note_insert',
      'music_tracks_announce_insert', 'music_tracks_announce_update',
      'music_tracks_tell_owner_insert', 'music_tracks_tell_owner_update')
    union all
    select format('drop policy %I on public.music_tracks;', p.polname)
    from pg_catalog.pg_policy p
    where p.polrelid = v_table and p.polname in (
      'Users see their tracks', 'Users ask for tracks', 'Users retry and cancel their tracks')
  loop
    return next 'A name that the service needs is taken; make yours again under another one '
      'after this: ' || v_name;
  end loop;
end
$$;

-- Whether each column of the app can hold what the service puts there.
create function pg_temp.music_column_obstacles() returns setof text
language plpgsql set search_path = ''
as $$
declare
  v_column record;
  v_fits boolean;
  v_number double precision;
begin
  for v_column in select * from pg_temp.music_shared_columns() loop
    v_fits := case v_column.kind
      when 'uuid' then v_column.type = 'uuid'
      when 'text' then v_column.base in ('text', 'varchar', 'citext')
      when 'words' then v_column.category = 'S'
        or (v_column.category = 'E' and v_column.name in ('genre', 'mood'))
      when 'words[]' then v_column.base = '_text'
      when 'json' then v_column.base = 'jsonb'
      when 'words or number' then v_column.category in ('S', 'E')
        or v_column.base in ('int2', 'int4', 'int8', 'numeric', 'float4', 'float8')
      when 'number' then
        v_column.base in ('int2', 'int4', 'int8', 'numeric', 'float4', 'float8')
      when 'whole' then v_column.base in ('int4', 'int8', 'numeric')
        or (v_column.base = 'int2' and v_column.name <> 'duration_ms')
      else v_column.base in ('timestamptz', 'timestamp') end;
    if v_column.is_generated and v_column.kind like 'words%' and v_column.name <> 'prompt' then
      return next format(
        'The column %I is generated, and here it is what whoever asks for a track wishes. Give '
        'yours another name, here and in your app: '
        'alter table public.music_tracks rename column %1$I to %2$I;',
        v_column.name, 'app_' || v_column.name);
    elsif v_column.is_generated then
      return next format(
        'The column %I is generated, and %s has to write it: '
        'alter table public.music_tracks alter column %1$I drop expression;', v_column.name,
        case v_column.name when 'prompt' then 'your app' else 'the service' end);
    elsif v_column.is_identity then
      return next format(
        'The column %I numbers the rows by itself, which is not what the service does with it. '
        'Give it another name, here and in your app: '
        'alter table public.music_tracks rename column %1$I to %2$I;',
        v_column.name, 'app_' || v_column.name);
    elsif not v_fits and v_column.name = 'status' then
      return next format(
        'The column status is of type %s and has to be text; drop views, policies and triggers '
        'that use it first and make them again after: begin; alter table public.music_tracks '
        'alter column status drop default; alter table public.music_tracks '
        'alter column status type text using status::text;%s commit;', v_column.type,
        coalesce(' alter table public.music_tracks alter column status set default '
          || substring(v_column.default_value from '^(''[^'']*'')::') || ';', ''));
    elsif not v_fits and v_column.category in ('S', 'E') and v_column.kind in ('text', 'words') then
      return next format(
        'The column %I is of type %s and has to be text: '
        'alter table public.music_tracks alter column %1$I type text;',
        v_column.name, v_column.type);
    elsif not v_fits and v_column.name = 'user_id' then
      return next format(
        'The column user_id is of type %s, and the service knows the owner of a track by the '
        'uuid of auth.users. Give the column another name, here and in your app: '
        'alter table public.music_tracks rename column user_id to app_user_id;', v_column.type);
    elsif not v_fits then
      return next format(
        'The column %I is of type %s and seems to mean something else than the service does, '
        'which needs a %s. Give it another name, here and in your app: '
        'alter table public.music_tracks rename column %1$I to %4$I;',
        v_column.name, v_column.type,
        case v_column.kind when 'whole' then 'whole number' when 'words' then 'text'
          when 'words or number' then 'text' when 'time' then 'timestamptz'
          when 'words[]' then 'text[]' when 'json' then 'jsonb'
          else v_column.kind end,
        'app_' || v_column.name);
    elsif v_column.length < v_column.most then
      return next format(
        'The column %I is of type %s, and the service writes up to %s characters there: '
        'alter table public.music_tracks alter column %1$I type text;',
        v_column.name, v_column.type, v_column.most);
    elsif v_column.name = 'duration_ms' and v_column.base = 'numeric' then
      begin
        execute format('select 36000000::%s', v_column.type);
      exception when others then
        return next format(
          'The column duration_ms is of type %s, in which a track of some minutes has no room: '
          'alter table public.music_tracks alter column duration_ms type int;', v_column.type);
      end;
    elsif v_column.name in ('duration', 'priority', 'attempts', 'run_after')
          and v_column.default_value is not null then
      begin
        execute format(
          case v_column.name when 'run_after' then 'select extract(epoch from (%s) - now())'
                             else 'select (%s)::double precision' end, v_column.default_value)
          into v_number;
      exception when others then
        v_number := -1;
      end;
      if v_column.name = 'duration' and not coalesce(v_number between 1 and 600, true) then
        return next format(
          'The column duration has the default %s; here it is the wished length in seconds, 1 to '
          '600: alter table public.music_tracks alter column duration drop default;',
          v_column.default_value);
      elsif v_column.name in ('priority', 'attempts') and v_number <> 0 then
        return next format(
          'The column %I has the default %s; here %s. Give yours another name, here and in your '
          'app: alter table public.music_tracks rename column %1$I to %4$I;',
          v_column.name, v_column.default_value, case v_column.name
            when 'priority' then '0 is usual, and a higher number goes first'
            else 'it counts what failed, from 0' end, 'app_' || v_column.name);
      elsif v_column.name = 'run_after' and v_number > 0 then
        return next format(
          'The column run_after has the default %s, before which nothing would be made: '
          'alter table public.music_tracks alter column run_after set default now();',
          v_column.default_value);
      end if;
    end if;
  end loop;
end
$$;

-- Each check of the app's, asked about a row of each status as the service would write it. One
-- that speaks of the status alone is replaced by the next file; any other is the app's to change.
create function pg_temp.music_check_obstacles() returns setof text
language plpgsql set search_path = ''
as $$
declare
  v_check record;
  v_row jsonb;
  v_is_met boolean;
  v_path constant text := '00000000-0000-4000-8000-000000000000/'
    '00000000-0000-4000-8000-000000000000/00000000-0000-4000-8000-000000000000.mp3';
begin
  for v_check in
    select k.conname, pg_catalog.pg_get_expr(k.conbin, k.conrelid) as condition
    from pg_catalog.pg_constraint k
    where k.conrelid = pg_catalog.to_regclass('public.music_tracks') and k.contype = 'c'
      and exists (
        select from pg_catalog.pg_attribute a
        where a.attrelid = k.conrelid and a.attnum = any (k.conkey)
          and a.attname in (
            'status', 'stage', 'expected_ready_at', 'stream_url', 'file_url', 'storage_path',
            'duration_ms', 'error_code', 'error_message', 'run_after', 'attempts', 'updated_at',
            'started_at', 'completed_at', 'mureka_song_id', 'audio_files'))
      and not exists (
        select from pg_catalog.pg_attribute a
        where a.attrelid = k.conrelid and a.attname = 'status'
          and k.conkey = array[a.attnum])
  loop
    foreach v_row in array array[
      jsonb_build_object('status', 'pending'),
      jsonb_build_object(
        'status', 'generating', 'started_at', now(), 'stage', 'running',
        'stream_url', 'https://example.com/stream', 'expected_ready_at', now()),
      jsonb_build_object(
        'status', 'completed', 'started_at', now(), 'completed_at', now(), 'duration_ms', 183000,
        'file_url',
        'https://abcdefghijklmnopqrst.supabase.co/storage/v1/object/public/music-tracks/'
        || v_path, 'storage_path', v_path),
      jsonb_build_object(
        'status', 'error', 'started_at', now(), 'attempts', 1,
        'error_code', 'generation_failed', 'error_message', 'Mureka could not make it.')]
    loop
      v_row := jsonb_build_object(
        'id', gen_random_uuid(), 'prompt', 'a quiet morning', 'attempts', 0, 'priority', 0,
        'run_after', now(), 'created_at', now(), 'updated_at', now()) || v_row;
      begin
        execute format(
          'select %s from (select (jsonb_populate_record('
          'null::public.music_tracks, %L::jsonb)).*) as music_tracks', v_check.condition, v_row)
          into v_is_met;
      exception when others then
        v_is_met := false;
      end;
      if not coalesce(v_is_met, true) then
        return next format(
          'The rule %I (%s) would refuse a track that is "%s": '
          'alter table public.music_tracks drop constraint %1$I;',
          v_check.conname, v_check.condition, v_row ->> 'status');
        exit;
      end if;
    end loop;
  end loop;
end
$$;

-- Keys over what the service writes: it would be refused with music that is paid for already. And
-- triggers that put a row into a status that the service does not know.
create function pg_temp.music_key_obstacles() returns setof text
language plpgsql set search_path = ''
as $$
declare
  v_table constant regclass := 'public.music_tracks';
  v_written constant text[] := array[
    'status', 'stage', 'expected_ready_at', 'stream_url', 'duration_ms', 'error_code',
    'error_message', 'run_after', 'attempts', 'updated_at', 'started_at', 'completed_at',
    'mureka_song_id', 'audio_files'];
  v_key record;
  v_is_in boolean[];
  v_found boolean;
begin
  for v_key in
    select k.conname, k.confrelid::regclass as other, f.attname as other_column,
           cardinality(k.conkey) as columns, a.attname as name
    from pg_catalog.pg_constraint k
    join pg_catalog.pg_attribute a on a.attrelid = v_table and a.attnum = any (k.conkey)
    join pg_catalog.pg_attribute f on f.attrelid = k.confrelid and f.attnum = k.confkey[1]
    where k.conrelid = v_table and k.contype = 'f'
      and a.attname = any (v_written || array['file_url', 'storage_path'])
  loop
    v_found := true;
    if v_key.name = 'status' and v_key.columns = 1 then
      execute format($query$
        select exists (
          select from unnest(array['pending', 'generating', 'completed', 'error']) as w (status)
          where not exists (select from %s o where o.%I::text = w.status))
        $query$, v_key.other, v_key.other_column) into v_found;
    end if;
    if v_found then
      return next format(
        'The column %I refers to %s (%I), which does not hold all that the service writes there: '
        'alter table public.music_tracks drop constraint %3$I;',
        v_key.name, v_key.other, v_key.conname);
    end if;
  end loop;
  for v_key in
    select i.indexrelid, c.relname, k.conname,
           pg_catalog.pg_get_expr(i.indpred, i.indrelid) as condition,
           exists (
             select from pg_catalog.pg_attribute a
             where a.attrelid = v_table and a.attnum = any (i.indkey::smallint[])
               and (a.attname = any (v_written)
                    or (i.indnullsnotdistinct and a.attname in ('file_url', 'storage_path')))
           ) as holds_written
    from pg_catalog.pg_index i
    join pg_catalog.pg_class c on c.oid = i.indexrelid
    left join pg_catalog.pg_constraint k on k.conindid = i.indexrelid and k.conrelid = v_table
    where i.indrelid = v_table and (i.indisunique or i.indisexclusion) and not i.indisprimary
      and not exists (
        select from pg_catalog.pg_attribute a
        where a.attrelid = v_table and a.attname = 'id' and a.attnum = any (i.indkey::smallint[]))
  loop
    v_found := v_key.holds_written;
    if not v_found and v_key.condition ~ '\mstatus\M' then
      -- A track that is being made may come to any other status, where the index must not wait.
      begin
        execute format($query$
          select array_agg(coalesce(%s, true) order by place)
          from unnest(array['generating', 'pending', 'completed', 'error'])
               with ordinality as w (word, place)
          cross join lateral (
            select (jsonb_populate_record(
              null::public.music_tracks, jsonb_build_object('status', w.word))).*) as music_tracks
          $query$, v_key.condition) into v_is_in;
        v_found := not v_is_in[1] and true = any (v_is_in);
      exception when others then
        v_found := false;
      end;
    end if;
    if v_found then
      return next format(
        'The unique key %I would refuse a second track of the same kind once the service has made '
        'or put it off; one over "pending" and "generating" together would not: %s;',
        v_key.relname, case when v_key.conname is not null
          then format('alter table public.music_tracks drop constraint %I', v_key.conname)
          else format('drop index public.%I', v_key.relname) end);
    end if;
  end loop;
  return query
    select format(
      'The trigger %I sets the status "%s", which the service does not know: '
      'alter table public.music_tracks disable trigger %1$I;', t.tgname, min(word.found[1]))
    from pg_catalog.pg_trigger t
    join pg_catalog.pg_proc p on p.oid = t.tgfoid
    cross join lateral regexp_matches(
      p.prosrc, $re$new\."?status"?\s*:?=\s*'([^']*)'(?:::[\w.]+)?\s*;$re$, 'gi') as word (found)
    where t.tgrelid = v_table and not t.tgisinternal and t.tgenabled <> 'D'
      and word.found[1] not in ('pending', 'completed', 'error')
    group by t.tgname;
end
$$;

-- Columns of the app's that seem to hold finished music under another name.
create function pg_temp.music_audio_columns() returns table (name text, has_audio text)
language sql set search_path = ''
as $$
  select a.attname, format($q$coalesce(%I::text, '') not in ('', 'null', '{}', '[]', '\x')$q$,
                           a.attname)
  from pg_catalog.pg_attribute a
  join pg_catalog.pg_type t on t.oid = a.atttypid
  where a.attrelid = pg_catalog.to_regclass('public.music_tracks') and a.attnum > 0
    and not a.attisdropped
    and (t.typcategory = 'S' or t.typname in ('json', 'jsonb', 'bytea'))
    and (a.attname ~* '^(url|uri|link|src|mp3|wav|audio|file|media)s?$'
         or (a.attname ~* '(audio|song|music|track|mp3|media|sound|file|download|output|result)'
             and a.attname ~* '(url|uri|path|file|src|link|key|data|bytes|blob|base64)$'))
    and a.attname !~* '(reference|input|sample|cover|image|thumb|avatar|upload)'
    and a.attname not in (select c.name from pg_temp.music_columns() c)
$$;

-- What the rows are, where that is not certain.
create function pg_temp.music_row_obstacles() returns setof text
language plpgsql set search_path = ''
as $$
declare
  v_status text := 'null::text';
  v_audio text := 'null::text';
  v_has_audio text;
  v_words boolean := pg_catalog.to_regclass('public.music_status_words') is not null;
  v_waits text;
  v_is_answered boolean := false;
  v_known text := '';
  v_found text;
  v_answer text;
  v_column record;
  v_count bigint;
  v_one text;
begin
  select max(case name when 'status' then 'status::text' end),
         max(case name when 'file_url' then 'file_url::text' end)
  into v_status, v_audio from pg_temp.music_shared_columns();
  v_status := coalesce(v_status, 'null::text');
  v_audio := coalesce(v_audio, 'null::text');
  v_has_audio := concat_ws(' or ', format('coalesce(%s, '''') <> ''''', v_audio),
    (select string_agg(c.has_audio, ' or ') from pg_temp.music_audio_columns() c));
  v_waits := v_status || ' = ''pending''';
  if v_words then
    execute $query$
      select string_agg(format('%L', word), ', ') from public.music_status_words
      where status is null or status not in ('pending', 'completed', 'error')
      $query$ into v_found;
    if v_found is not null then
      return next format(
        'public.music_status_words may map a word to pending, completed or error alone; %s is '
        'mapped to something else: update public.music_status_words set status = ''error'' '
        'where status is null or status not in (''pending'', ''completed'', ''error'');', v_found);
    end if;
    v_known := 'and not exists (select from public.music_status_words w '
      'where w.word is not distinct from found.word)';
    v_waits := format('(%s or exists (select from public.music_status_words w '
      'where w.word is not distinct from %s and w.status = ''pending''))',
      v_waits, replace(v_status, 'status', 'music_tracks.status'));
    execute 'select exists (select from public.music_status_words where word = ''pending'')'
      into v_is_answered;
  end if;
  execute format($query$
    select string_agg(format('%%s (%%s)', coalesce(quote_literal(word), 'none at all'), rows), ', '
                      order by word),
           string_agg(format('(%%s, %%L)', coalesce(quote_literal(word), 'null'), case
             when all_have_audio then 'completed'
             when word ~* '^(done|completed?|finished|succe|ready|published|ok$)' then 'completed'
             when word ~* '^(pending|queued|waiting|requested|scheduled|todo)' then 'pending'
             else 'error' end), ', ' order by word)
    from (
      select %1$s as word, count(*) as rows, bool_and(%4$s) as all_have_audio
      from public.music_tracks
      where coalesce(%1$s, '') not in ('pending', 'completed', 'error')
        and not (%1$s is null and coalesce(%2$s, '') <> '')
      group by 1
    ) found where true %3$s
    $query$, v_status, v_audio, v_known, v_has_audio) into v_found, v_answer;
  if v_found is not null then
    return next format(
      'Rows have a status that the service does not know: %s. Say what each means, in this '
      'statement (pending: a worker makes it, which costs money; completed; error: its owner may '
      'ask for it again): %s %s;', v_found,
      case when v_words then 'insert into public.music_status_words values'
        else 'create table public.music_status_words (word, status) as values' end, v_answer);
  end if;
  -- Waiting by their status, but with something that looks like their audio in another column.
  for v_column in
    select c.name, c.has_audio from pg_temp.music_audio_columns() c where not v_is_answered
  loop
    execute format('select count(*) from public.music_tracks where %s and %s',
                   v_waits, v_column.has_audio) into v_count;
    if v_count > 0 and v_status <> 'null::text' then
      return next format(
        '%s of the rows that wait to be made seem to have their audio already, in %I, and would '
        'be made and paid for again. If it is something else, say that they wait (%s values '
        '(''pending'', ''pending'')); if it is their audio: update public.music_tracks '
        'set status = ''completed'' where %s and %s;', v_count, v_column.name,
        case when v_words then 'insert into public.music_status_words'
          else 'create table public.music_status_words (word, status) as' end,
        v_waits, v_column.has_audio);
    end if;
  end loop;
  for v_column in
    select s.name, case when s.name not in ('duration', 'priority', 'attempts')
             then s.default_value end as default_value, case s.name
             when 'duration' then '%1$I not between 1 and 600'
             when 'attempts' then '%1$I <> 0 and ' || replace(v_waits, '%', '%%')
             when 'lyrics_prompt' then '%1$I is not null'
             when 'vocal_gender' then '%1$I::text not in (''female'', ''male'')'
             when 'model' then '%1$I::text not in '
               '(''mureka-7.6'', ''mureka-8'', ''mureka-9'', ''mureka-9.5'')'
             when 'parent_id' then '%1$I not in (select t.id from public.music_tracks t)'
             when 'audio_formats' then 'not (%1$I <@ array[''mp3'', ''wav'', ''flac''] '
               'and ''mp3'' = any (%1$I))'
             else '%1$I <> 0' end as is_strange
    from pg_temp.music_shared_columns() s
    where (s.name = 'duration'
           and s.base in ('int2', 'int4', 'int8', 'numeric', 'float4', 'float8'))
      or (s.name in ('priority', 'attempts') and s.base in ('int2', 'int4', 'int8', 'numeric'))
      or (s.name in ('lyrics_prompt', 'vocal_gender', 'model') and s.category in ('S', 'E'))
      or (s.name = 'parent_id' and s.base = 'uuid')
      or (s.name = 'audio_formats' and s.base = '_text')
  loop
    execute format('select min(%1$I::text) from public.music_tracks where '
                   || v_column.is_strange, v_column.name) into v_one;
    if v_one is null and v_column.default_value is not null then
      execute format('select min(%1$I::text) from (select %2$s) as fallback (%1$I) where '
                     || v_column.is_strange, v_column.name, v_column.default_value) into v_one;
    end if;
    if v_one is not null then
      return next format(
        'The column %I holds values such as %s; here it is %s. Give yours another name, here and '
        'in your app: alter table public.music_tracks rename column %1$I to %4$I;',
        v_column.name, coalesce(nullif(v_one, ''), 'an empty text'), case v_column.name
          when 'duration' then 'the wished length in seconds, 1 to 600'
          when 'attempts' then '0 for a track that waits and did not fail yet'
          when 'lyrics_prompt' then 'what words are to be written about, which costs money'
          when 'vocal_gender' then 'female or male'
          when 'model' then 'a model of Mureka'
          when 'parent_id' then 'the track of which this is another take'
          when 'audio_formats' then 'formats of audio to keep'
          else '0 for every track that an operator did not put before others' end,
        'app_' || v_column.name);
    end if;
  end loop;
end
$$;

do $$
declare
  v_obstacles text[] := array(select pg_temp.music_table_obstacles());
begin
  if exists (
      select from pg_catalog.pg_class c
      join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attname = 'id'
      where c.oid = pg_catalog.to_regclass('public.music_tracks') and c.relkind = 'r'
        and a.atttypid = 'uuid'::regtype)
     and not exists (
       select from unnest(v_obstacles) as o (said)
       where o.said like '%public.music_tracks rename to app_music_tracks;') then
    v_obstacles := v_obstacles || array(select pg_temp.music_column_obstacles())
      || array(select pg_temp.music_check_obstacles())
      || array(select pg_temp.music_key_obstacles())
      || array(select pg_temp.music_row_obstacles());
  end if;
  if v_obstacles <> '{}' then
    raise exception 'Nothing was changed. In the way of the music service: %', (
        select string_agg(format(E'\n%s. %s', place, obstacle), '' order by place)
        from unnest(v_obstacles) with ordinality as found (obstacle, place))
      using errcode = 'MU007',
            hint = 'Run the statements in the SQL editor, then apply the migrations again.';
  end if;
end
$$;

drop function pg_temp.music_row_obstacles(), pg_temp.music_audio_columns(),
  pg_temp.music_key_obstacles(), pg_temp.music_check_obstacles(), pg_temp.music_column_obstacles(),
  pg_temp.music_table_obstacles(), pg_temp.music_shared_columns(), pg_temp.music_columns();
