-- Removes what the migrations of the music service made. Printed by `music-service uninstall`,
-- which runs nothing. Stop the workers first; run it as the owner of the tables, in one go.
--
-- A music_tracks table that the app had before keeps its rows, and gets back what was changed of
-- it. One that the migrations made is dropped, and so are journeys and reading logs, unless the
-- tracks are kept: then these stay, with the words of songs, without the service's triggers.
-- The bucket and its audio stay: delete them in the dashboard under Storage, or by its API.
-- Locks: music_tracks exclusively until it ends.

do $$
declare
  v_keep_tracks constant boolean := false;
  v_changes text[] := array(
    select c.undo from music.table_changes c
    where c.undo <> '' and not (v_keep_tracks and c.what like 'Added the column %')
    order by c.id desc);
  v_is_yours boolean := exists (select from music.table_changes);
  v_has_journeys boolean := to_regprocedure('music.check_track_journey()') is not null;
  v_policies text[] := array(
    select format('drop policy if exists %I on %s', p.polname, p.polrelid::regclass)
    from pg_catalog.pg_policy p
    where (p.polname, p.polrelid) in (
      ('Users see their tracks', to_regclass('public.music_tracks')),
      ('Users ask for tracks', to_regclass('public.music_tracks')),
      ('Users retry and cancel their tracks', to_regclass('public.music_tracks')),
      ('Users read their own music', to_regclass('storage.objects')),
      ('Users hear of their own tracks', to_regclass('realtime.messages'))));
  v_functions text[] := array(
    select format('drop function %s', p.oid::regprocedure)
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
      or (v_has_journeys and p.pronamespace = 'public'::regnamespace
          and p.proname in ('create_journey', 'add_reading_log', 'finish_journey')));
  v_statement text;
begin
  if to_regprocedure('music.remove_alarms()') is not null then
    execute 'select music.remove_alarms()';  -- its jobs and its webhook are not in schema music
  end if;
  foreach v_statement in array v_policies || v_functions || array[
    'drop view if exists public.music_queue_health, public.music_spend_daily, '
    'public.music_review, public.music_track_history',
    case when v_keep_tracks then 'select' else 'drop table public.music_timed_lyrics' end,
    'drop schema music cascade'] loop
    execute v_statement;
  end loop;

  if v_has_journeys and not v_keep_tracks then
    alter table public.music_tracks drop column if exists journey_id;
    drop table public.reading_logs, public.journeys;
  end if;
  if not v_is_yours and not v_keep_tracks then
    drop table public.music_tracks;
  else
    update public.music_tracks
    set status = 'error', error_code = 'cancelled', error_message = 'Cancelled.',
        stage = null, stream_url = null
    where status = 'generating';
  end if;
  if v_keep_tracks and not v_is_yours then
    alter table public.music_tracks alter column user_id set default auth.uid();
    revoke insert, update on public.music_tracks from authenticated;
    create policy "Users see their tracks" on public.music_tracks
      for select to authenticated using (user_id = (select auth.uid()));
  end if;
  if v_is_yours then
    alter table public.music_tracks drop constraint music_tracks_status_check;
    drop index if exists public.music_tracks_generating_idx,
      public.music_tracks_user_id_created_at_idx, public.music_tracks_pending_by_user_idx,
      public.music_tracks_pending_due_idx, public.music_tracks_failed_idx,
      public.music_tracks_completed_idx, public.music_tracks_over_budget_idx,
      public.music_tracks_parent_id_idx;
    foreach v_statement in array v_changes loop
      begin
        execute v_statement;
      exception when others then
        raise warning 'This could not be undone (%): %', sqlerrm, v_statement;
      end;
    end loop;
  end if;
  if to_regclass('supabase_migrations.schema_migrations') is not null then
    delete from supabase_migrations.schema_migrations where name in (
      'check_existing_tables', 'create_music_tracks', 'create_music_schema', 'create_ledger',
      'guard_music_tracks', 'create_place_functions', 'create_budget_functions',
      'create_turn_functions', 'create_recovery_functions', 'create_claim_functions',
      'create_generation_functions', 'add_timed_lyrics', 'add_another_take',
      'announce_music_tracks', 'create_operator_functions', 'limit_waiting_tracks',
      'create_operator_views', 'create_music_tracks_bucket', 'list_orphaned_music',
      'grant_access', 'add_checkup', 'state_schema_version', 'create_journeys');
  end if;
end
$$;
