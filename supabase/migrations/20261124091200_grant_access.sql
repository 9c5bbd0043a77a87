-- Who may do what. Nothing is granted automatically, so everything that is meant is granted here,
-- once and last.
--
--   authenticated   own tracks: read, asked for, retried, cancelled
--   anon            nothing (what the app itself shows to visitors stays)
--   service_role    the worker functions and all tables (it bypasses row-level security)
--
-- Guests who signed in anonymously are `authenticated`, too, and own what they made.
-- What is revoked first is what Postgres or an older platform gave away by itself.
-- Locks: music_tracks exclusively for an instant; gives up after five seconds of waiting for it.
-- Where supautils is older than September 2026, each policy also locks the platform's tables of
-- auth, storage and realtime until the end of this file.

set local lock_timeout = '5s';

-- Schema music.
revoke execute on all functions in schema music from public, anon, authenticated, service_role;
grant usage on schema music to service_role;
grant select, insert, update, delete on all tables in schema music to service_role;
grant usage on all sequences in schema music to service_role;
grant execute on all functions in schema music to service_role;

-- Policies and defaults ask it on behalf of whoever comes; it tells only what is in the own token.
grant execute on function music.user_id() to public;

-- The table that apps see, where the migrations made it.
do $$
begin
  if exists (select from music.table_changes) then
    return;
  end if;
  revoke all on public.music_tracks from public, anon;
  revoke delete, truncate, references, trigger on public.music_tracks from authenticated;
  grant select, insert, update on public.music_tracks to authenticated;
  grant select, insert, update, delete on public.music_tracks to service_role;
end
$$;

-- Where the app had it, its grants stay, but for those by which somebody who did not sign in could
-- have music made, or anybody reach past the policies. What a user of the service needs and does
-- not have is granted for the service's columns alone.
do $$
declare
  v_columns constant text := 'id, user_id, prompt, lyrics, genre, mood, tempo, duration, status, '
    'title, lyrics_prompt, vocal_gender, model, parent_id, audio_formats';
  v_right record;
begin
  if not exists (select from music.table_changes) then
    return;
  end if;
  for v_right in
    select grantee.name, string_agg(held.privilege, ', ' order by held.privilege) as privileges
    from (values ('public', 0), ('anon', 'anon'::regrole::oid),
                 ('authenticated', 'authenticated'::regrole::oid)) as grantee (name, id)
    join lateral (
      select lower(acl.privilege_type) as privilege
      from pg_catalog.pg_class c, aclexplode(c.relacl) acl
      where c.oid = 'public.music_tracks'::regclass and acl.grantee = grantee.id
      union
      select lower(acl.privilege_type) || format(' (%I)', a.attname)
      from pg_catalog.pg_attribute a, aclexplode(a.attacl) acl
      where a.attrelid = 'public.music_tracks'::regclass and acl.grantee = grantee.id
    ) held on held.privilege ~ '^(truncate|references|trigger|maintain)'
           or (grantee.name <> 'authenticated' and held.privilege ~ '^(insert|update|delete)')
    group by grantee.name
  loop
    perform music.change_table(
      format('Took from %s the right to %s.', v_right.name, v_right.privileges),
      format('revoke %s on public.music_tracks from %s', v_right.privileges, v_right.name),
      format('grant %s on public.music_tracks to %s;', v_right.privileges, v_right.name));
  end loop;
  for v_right in
    select needed.privilege
    from (values ('select'), ('insert'), ('update'), ('delete')) as needed (privilege)
    where not has_table_privilege('service_role', 'public.music_tracks', needed.privilege)
  loop
    perform music.change_table(
      format('The service may %s tracks now.', v_right.privilege),
      format('grant %s on public.music_tracks to service_role', v_right.privilege),
      format('revoke %s on public.music_tracks from service_role;', v_right.privilege));
  end loop;
  for v_right in
    select needed.privilege, needed.columns
    from (values
      ('select', v_columns || ', stage, expected_ready_at, stream_url, file_url, storage_path, '
       'duration_ms, error_code, error_message, priority, run_after, attempts, created_at, '
       'updated_at, started_at, completed_at, mureka_song_id, audio_files'),
      ('insert', v_columns), ('update', v_columns)) as needed (privilege, columns)
    where not has_table_privilege('authenticated', 'public.music_tracks', needed.privilege)
  loop
    perform music.change_table(
      format('Users may %s the service''s columns of their tracks now.', v_right.privilege),
      format('grant %s (%s) on public.music_tracks to authenticated',
             v_right.privilege, v_right.columns),
      format('revoke %s (%s) on public.music_tracks from authenticated;',
             v_right.privilege, v_right.columns));
  end loop;
end
$$;

-- The views and functions of operators and workers, and the functions of readers.
revoke all on
  public.music_queue_health, public.music_spend_daily, public.music_review,
  public.music_track_history
  from public, anon, authenticated;
grant select on
  public.music_queue_health, public.music_spend_daily, public.music_review,
  public.music_track_history
  to service_role;

do $$
declare
  v_function regprocedure;
begin
  foreach v_function in array array[
    'public.claim_music_tracks(text, int, double precision, int)',
    'public.renew_music_claims(text, uuid[], double precision)',
    'public.begin_music_generation(uuid, uuid, jsonb, text, numeric)',
    'public.record_music_task(uuid, text, text)',
    'public.record_music_lyrics(uuid, text, text)',
    'public.refuse_music_generation(uuid, text)',
    'public.take_left_over_music(int, double precision)',
    'public.close_left_over_music(uuid, text)',
    'public.report_music_stage(uuid, text, text)',
    'public.complete_music_track(uuid, text, text, int, jsonb, text, jsonb)',
    'public.defer_music_track(uuid, double precision, text, text, text, boolean)',
    'public.fail_music_track(uuid, text, text, text)',
    'public.release_music_claims(text, uuid[])',
    'public.report_music_worker(text, text, text, int, text, text)',
    'public.report_music_account(int, numeric)',
    'public.ping_music_realtime(text)',
    'public.pause_music_queue(text)',
    'public.resume_music_queue()',
    'public.retry_music_tracks(uuid[], text, timestamptz, boolean)',
    'public.regenerate_music_tracks(uuid[], boolean)',
    'public.cancel_music_tracks(uuid[])',
    'public.list_orphaned_music(text, text, int, double precision)']::regprocedure[]
  loop
    execute format('revoke execute on function %s from public, anon, authenticated', v_function);
    execute format('grant execute on function %s to service_role', v_function);
  end loop;
end
$$;

-- The service's own tables: the worker reads and writes them, nobody else through the API.
create policy "The service reads settings" on music.settings
  for select to service_role using (true);
create policy "The service reads the account" on music.account
  for select to service_role using (true);
create policy "The service reads claims" on music.claims
  for select to service_role using (true);
create policy "The service reads generations" on music.generations
  for select to service_role using (true);
create policy "The service reads events" on music.events
  for select to service_role using (true);
create policy "The service reads workers" on music.workers
  for select to service_role using (true);
create policy "The service reads rejected tracks" on music.rejected_tracks
  for select to service_role using (true);
create policy "The service reads how many wait" on music.waiting
  for select to service_role using (true);
create policy "The service reads what is spent" on music.spending
  for select to service_role using (true);
create policy "The service reads table changes" on music.table_changes
  for select to service_role using (true);

create policy "Users see their tracks" on public.music_tracks
  for select to authenticated using (user_id = (select music.user_id()));
create policy "Users ask for tracks" on public.music_tracks
  for insert to authenticated with check (user_id = (select music.user_id()));
create policy "Users retry and cancel their tracks" on public.music_tracks
  for update to authenticated
  using (user_id = (select music.user_id())) with check (user_id = (select music.user_id()));
