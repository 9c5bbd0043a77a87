-- Realtime. Workers hear of pending tracks and owners of every change that a client shows, in two
-- ways: postgres_changes, through the publication, and broadcasts from the database, which arrive
-- some sixty times sooner. Both are hints; the row is the truth. Where the platform's
-- `realtime.send` does not exist, or fails, nothing is broadcast and nothing else changes.
--
--   topic music:pending     event pending   {"ids": [up to 50 track ids]}, or {} for more
--   topic music:<user id>   event track     what a client shows of the row
--   topic music:doctor      event ping      {"nonce": …}, so that the doctor wakes no worker
--
-- Locks: music_tracks exclusively for an instant; gives up after five seconds of waiting for it.
-- Where supautils is older than September 2026, the policy also locks the platform's tables of
-- auth, storage and realtime until the end of this file.

set local lock_timeout = '5s';

do $$
begin
  if not exists (select from pg_catalog.pg_publication where pubname = 'supabase_realtime') then
    create publication supabase_realtime;
  end if;
  if not exists (select from pg_catalog.pg_publication_tables
                 where pubname = 'supabase_realtime' and schemaname = 'public'
                   and tablename = 'music_tracks') then
    alter publication supabase_realtime add table public.music_tracks;
    if exists (select from music.table_changes) then
      insert into music.table_changes (what, undo) values (
        'Realtime tells of the table''s changes now.',
        'alter publication supabase_realtime drop table public.music_tracks;');
    end if;
  end if;
end
$$;

create function music.broadcast(p_topic text, p_event text, p_payload jsonb) returns void
language plpgsql security definer set search_path = ''
as $$
begin
  if pg_catalog.to_regprocedure('realtime.send(jsonb, text, text, boolean)') is null then
    return;
  end if;
  execute 'select realtime.send($1, $2, $3, true)' using p_payload, p_event, p_topic;
exception when others then
  -- A hint that cannot be sent must never cost the change it speaks of.
  raise warning 'Nothing was broadcast to %: %', p_topic, sqlerrm;
end
$$;
comment on function music.broadcast(text, text, jsonb) is
  'Send to a private Realtime topic if the platform can; never fails.';

create function music.announce_pending_tracks() returns trigger
language plpgsql security definer set search_path = ''
as $$
declare
  v_ids uuid[];
begin
  if lower(tg_op) = 'insert' then
    select array_agg(n.id) into v_ids from (
      select t.id from new_tracks t where t.status = 'pending' and t.run_after <= now() limit 51) n;
  else
    select array_agg(n.id) into v_ids from (
      select t.id from new_tracks t join old_tracks o on o.id = t.id
      where t.status = 'pending' and t.run_after <= now()
        and (o.status <> 'pending' or o.run_after > now()) limit 51) n;
  end if;
  if v_ids is not null then
    perform music.broadcast('music:pending', 'pending', case
      when cardinality(v_ids) > 50 then '{}'::jsonb else jsonb_build_object('ids', v_ids) end);
  end if;
  return null;
end
$$;
comment on function music.announce_pending_tracks() is
  'After a statement: one broadcast to the workers for all tracks that it inserted or put back.';

create function music.tell_owner() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
  perform music.broadcast('music:' || new.user_id, 'track', jsonb_build_object(
    'id', new.id, 'journey_id', to_jsonb(new) -> 'journey_id',
    'status', new.status, 'stage', new.stage,
    'stream_url', new.stream_url, 'file_url', new.file_url, 'storage_path', new.storage_path,
    'duration_ms', new.duration_ms, 'title', new.title,
    'error_code', new.error_code, 'error_message', new.error_message,
    'started_at', new.started_at, 'expected_ready_at', new.expected_ready_at,
    'completed_at', new.completed_at, 'updated_at', new.updated_at));
  return null;
end
$$;
comment on function music.tell_owner() is
  'After a change that a client shows: broadcast it to the owner''s private topic.';

create function public.ping_music_realtime(p_nonce text) returns timestamptz
language plpgsql set search_path = ''
as $$
begin
  perform music.broadcast('music:doctor', 'ping', jsonb_build_object('nonce', left(p_nonce, 100)));
  return clock_timestamp();
end
$$;
comment on function public.ping_music_realtime(text) is
  'For music-service doctor: broadcast to the private topic music:doctor; answers the database''s '
  'clock.';

create trigger music_tracks_announce_insert after insert on public.music_tracks
  referencing new table as new_tracks
  for each statement execute function music.announce_pending_tracks();
create trigger music_tracks_announce_update after update on public.music_tracks
  referencing old table as old_tracks new table as new_tracks
  for each statement execute function music.announce_pending_tracks();
create trigger music_tracks_tell_owner_insert after insert on public.music_tracks
  for each row when (new.user_id is not null)
  execute function music.tell_owner();
create trigger music_tracks_tell_owner_update after update on public.music_tracks
  for each row when (new.user_id is not null and
    (old.status, old.stage, old.stream_url, old.file_url, old.error_code, old.error_message,
     old.title)
      is distinct from
    (new.status, new.stage, new.stream_url, new.file_url, new.error_code, new.error_message,
     new.title))
  execute function music.tell_owner();

create function music.add_realtime_policy() returns text
language plpgsql set search_path = ''
as $$
begin
  if pg_catalog.to_regclass('realtime.messages') is null
     or pg_catalog.to_regprocedure('realtime.topic()') is null then
    return 'Realtime has no tables here yet; they come with its first connection. Run this again '
      'then: select music.add_realtime_policy();';
  end if;
  drop policy if exists "Users hear of their own tracks" on realtime.messages;
  create policy "Users hear of their own tracks" on realtime.messages
    for select to authenticated
    using (
      extension = 'broadcast'
      and (select realtime.topic()) = 'music:' || (select music.user_id())::text);
  return 'Users hear of their own tracks by broadcast.';
end
$$;
comment on function music.add_realtime_policy() is
  'For operators: let users hear the private topic of their own tracks; harmless to repeat. '
  'The migrations run it, and where Realtime''s tables come later, the doctor says to run it then. '
  'Answers a sentence.';

do $$
begin
  raise notice '%', music.add_realtime_policy();
end
$$;
