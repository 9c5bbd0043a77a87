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
-- writes up to `most` characters; words, which it reads as text; number, whole, time.
create function pg_temp.music_columns() returns table (name text, kind text, most int)
language sql set search_path = ''
as $$
  values
    ('user_id', 'uuid', null), ('prompt', 'words', null), ('lyrics', 'words', null),
    ('genre', 'words', null), ('mood', 'words', null), ('tempo', 'words or number', null),
    ('duration', 'number', null), ('status', 'text', 10), ('stage', 'text', 100),
    ('expected_ready_at', 'time', null), ('stream_url', 'text', 1000), ('file_url', 'text', 250),
    ('storage_path', 'text', 120), ('duration_ms', 'whole', null), ('error_code', 'text', 20),
    ('error_message', 'text', 400), ('priority', 'whole', null), ('run_after', 'time', null),
    ('attempts', 'whole', null), ('created_at', 'time', null), ('updated_at', 'time', null),
    ('started_at', 'time', null), ('completed_at', 'time', null)
$$;

-- Of the app's columns those that share a name with one of ours.
create function pg_temp.music_shared_columns()
returns table (name text, kind text, most int, type text, base text, category text, length int,
  default_value text, is_generated boolean)
language sql set search_path = ''
as $$
  select c.name, c.kind, c.most, pg_catalog.format_type(a.atttypid, a.atttypmod), t.typname,
         t.typcategory::text, case when t.typname in ('varchar', 'bpchar') and a.atttypmod > 4
                                   then a.atttypmod - 4 end,
         case when a.attgenerated = '' then pg_catalog.pg_get_expr(d.adbin, d.adrelid) end,
         a.attgenerated <> '' or a.attidentity = 'a'
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
  if pg_catalog.to_regnamespace('music') is not null and exists (
      select from pg_catalog.pg_class
      where relnamespace = pg_catalog.to_regnamespace('music')) then
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
        'music_queue_health', 'music_spend_daily', 'music_review', 'music_track_history')
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
      'music_schema_version')
  loop
    return next v_name;
  end loop;
  if v_table is null then
    return;
  end if;
  select * into strict v_class from pg_catalog.pg_class where oid = v_table;
  if v_class.relkind <> 'r' then
    return next format(
      'public.music_tracks is a %s, and rows can only be made in a table: '
      'alter %1$s public.music_tracks rename to app_music_tracks;',
      case v_class.relkind when 'v' then 'view' when 'm' then 'materialized view'
        when 'f' then 'foreign table' else 'partitioned table' end);
    return;
  end if;
  if v_class.relhassubclass
     or exists (select from pg_catalog.pg_inherits i where i.inhrelid = v_table) then
    return next 'public.music_tracks inherits from another table, or another one from it, and '
      'rules would not hold for all rows: '
      'alter table public.music_tracks rename to app_music_tracks;';
  end if;
  if not pg_catalog.pg_has_role(v_class.relowner, 'usage') then
    return next format(
      'public.music_tracks belongs to %I, and only its owner may add columns to it; as that '
      'role: alter table public.music_tracks owner to %I;',
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
      where i.indrelid = v_table and i.indisunique and i.indisvalid and i.indpred is null
        and i.indnkeyatts = 1 and i.indkey[0] = (
          select a.attnum from pg_catalog.pg_attribute a
          where a.attrelid = v_table and a.attname = 'id')) then
    return next format(
      'Nothing says that the id of public.music_tracks is unique: '
      'alter table public.music_tracks add %s (id);',
      case when exists (select from pg_catalog.pg_index i
                        where i.indrelid = v_table and i.indisprimary)
        then 'unique' else 'primary key' end);
  elsif v_class.relreplident = 'd' and not exists (
      select from pg_catalog.pg_index i where i.indrelid = v_table and i.indisprimary) then
    return next 'public.music_tracks has no primary key, so no row could be changed once Realtime '
      'tells of it: alter table public.music_tracks add primary key (id);';
  end if;
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
      when 'words' then v_column.category in ('S', 'E')
      when 'words or number' then v_column.category in ('S', 'E')
        or v_column.base in ('int2', 'int4', 'int8', 'numeric', 'float4', 'float8')
      when 'number' then
        v_column.base in ('int2', 'int4', 'int8', 'numeric', 'float4', 'float8')
      when 'whole' then v_column.base in ('int4', 'int8', 'numeric')
        or (v_column.base = 'int2' and v_column.name <> 'duration_ms')
      else v_column.base in ('timestamptz', 'timestamp') end;
    if v_column.is_generated and v_column.kind not in ('words', 'words or number') then
      return next format(
        'The column %I is generated, and the service has to write it: '
        'alter table public.music_tracks alter column %1$I drop expression;', v_column.name);
    elsif not v_fits and v_column.name = 'status' then
      return next format(
        'The column status is of type %s and has to be text; drop views, policies and triggers '
        'that use it first and make them again after: begin; alter table public.music_tracks '
        'alter column status drop default; alter table public.music_tracks '
        'alter column status type text using status::text;%s commit;', v_column.type,
        coalesce(' alter table public.music_tracks alter column status set default '
          || substring(v_column.default_value from '^(''[^'']*'')::') || ';', ''));
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
          else v_column.kind end,
        'app_' || v_column.name);
    elsif v_column.length < v_column.most then
      return next format(
        'The column %I is of type %s, and the service writes up to %s characters there: '
        'alter table public.music_tracks alter column %1$I type text;',
        v_column.name, v_column.type, v_column.most);
    elsif v_column.name in ('duration', 'priority') and v_column.default_value is not null then
      begin
        execute 'select (' || v_column.default_value || ')::double precision' into v_number;
      exception when others then
        v_number := -1;
      end;
      if v_column.name = 'duration' and not coalesce(v_number between 1 and 600, true) then
        return next format(
          'The column duration has the default %s; here it is the wished length in seconds, 1 to '
          '600: alter table public.music_tracks alter column duration drop default;',
          v_column.default_value);
      elsif v_column.name = 'priority' and v_number <> 0 then
        return next format(
          'The column priority has the default %s; here 0 is usual, and a higher number goes '
          'first. Give yours another name, here and in your app: '
          'alter table public.music_tracks rename column priority to app_priority;',
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
            'started_at', 'completed_at'))
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

-- What the rows are, where that is not certain.
create function pg_temp.music_row_obstacles() returns setof text
language plpgsql set search_path = ''
as $$
declare
  v_status text := 'null::text';
  v_audio text := 'null::text';
  v_words boolean := pg_catalog.to_regclass('public.music_status_words') is not null;
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
  end if;
  execute format($query$
    select string_agg(format('%%s (%%s)', coalesce(quote_literal(word), 'none at all'), rows), ', '
                      order by word),
           string_agg(format('(%%s, %%L)', coalesce(quote_literal(word), 'null'), case
             when word ~* '^(done|completed?|finished|succe|ready|published|ok$)' then 'completed'
             when word ~* '^(queued|waiting|requested|scheduled|todo)' then 'pending'
             else 'error' end), ', ' order by word)
    from (
      select %1$s as word, count(*) as rows from public.music_tracks
      where coalesce(%1$s, '') not in ('pending', 'completed', 'error')
        and not (%1$s is null and coalesce(%2$s, '') <> '')
      group by 1
    ) found where true %3$s
    $query$, v_status, v_audio, v_known) into v_found, v_answer;
  if v_found is not null then
    return next format(
      'Rows have a status that the service does not know: %s. Say what each means, in this '
      'statement (pending: a worker makes it, which costs money; completed; error: its owner may '
      'ask for it again): %s %s;', v_found,
      case when v_words then 'insert into public.music_status_words values'
        else 'create table public.music_status_words (word, status) as values' end, v_answer);
  end if;
  if v_status <> 'null::text' then
    -- Waiting by their status, but with something that looks like their audio in another column.
    for v_column in
      select a.attname as name from pg_catalog.pg_attribute a
      join pg_catalog.pg_type t on t.oid = a.atttypid and t.typcategory = 'S'
      where a.attrelid = 'public.music_tracks'::regclass and a.attnum > 0 and not a.attisdropped
        and a.attname ~ '(audio|song|music|track|mp3|media|sound|file|download|output|result)'
        and a.attname ~ '(url|uri|path|file|src|link|key)$'
        and a.attname not in (select c.name from pg_temp.music_columns() c)
    loop
      execute format($query$
        select count(*) from public.music_tracks
        where %1$s = 'pending' and coalesce(%2$I, '') <> ''
        $query$, v_status, v_column.name) into v_count;
      if v_count > 0 then
        return next format(
          '%s of the rows that are "pending" seem to have their audio already, in %I, and would '
          'be made and paid for again: update public.music_tracks set status = ''completed'' '
          'where status = ''pending'' and %2$I <> '''';', v_count, v_column.name);
      end if;
    end loop;
  end if;
  for v_column in
    select s.name, case s.name when 'duration' then '%1$I not between 1 and 600'
                               else '%1$I <> 0' end as is_strange
    from pg_temp.music_shared_columns() s
    where (s.name = 'duration'
           and s.base in ('int2', 'int4', 'int8', 'numeric', 'float4', 'float8'))
      or (s.name = 'priority' and s.base in ('int2', 'int4', 'int8', 'numeric'))
  loop
    execute format('select min(%1$I::text) from public.music_tracks where '
                   || v_column.is_strange, v_column.name) into v_one;
    if v_one is not null then
      return next format(
        'The column %I holds values such as %s; here it is %s. Give yours another name, here and '
        'in your app: alter table public.music_tracks rename column %1$I to %4$I;',
        v_column.name, v_one, case v_column.name
          when 'duration' then 'the wished length in seconds, 1 to 600'
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
        and a.atttypid = 'uuid'::regtype) then
    v_obstacles := v_obstacles || array(select pg_temp.music_column_obstacles())
      || array(select pg_temp.music_check_obstacles())
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

drop function pg_temp.music_row_obstacles(), pg_temp.music_check_obstacles(),
  pg_temp.music_column_obstacles(), pg_temp.music_table_obstacles(),
  pg_temp.music_shared_columns(), pg_temp.music_columns();
