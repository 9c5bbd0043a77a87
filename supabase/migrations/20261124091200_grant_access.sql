-- Who may do what. Nothing is granted automatically, so everything that is meant is granted here,
-- once and last.
--
--   authenticated   own rows of the public tables: tracks are read, asked for, retried, cancelled
--   anon            nothing
--   service_role    the worker functions and all tables (it bypasses row-level security)
--
-- Guests who signed in anonymously are `authenticated`, too, and own what they made.
-- What is revoked first is what Postgres or an older platform gave away by itself.
-- Locks: the tables for an instant.

-- Schema music.
revoke execute on all functions in schema music from public, anon, authenticated, service_role;
grant usage on schema music to service_role, authenticated;
grant select, insert, update, delete on all tables in schema music to service_role;
grant usage on all sequences in schema music to service_role;
grant execute on all functions in schema music to service_role;

-- The journey functions run with the reader's rights, so the reader may execute what they call.
-- Nothing in schema music is reachable through the API by itself, and none of these runs with
-- anyone else's rights.
grant execute on function
  music.fold(text), music.check_text(text, text, int), music.check_emotions(text[]),
  music.shorten(text, int), music.compose_journey_prompt(uuid, text, text, text, text[]),
  music.read_station(uuid), music.add_station(uuid, text, text, text, text[], uuid),
  music.lock_journey(uuid), music.station_of_track(uuid), music.lock_repeated_call(uuid),
  music.require_user_id()
  to authenticated;
-- Policies and defaults ask it on behalf of whoever comes; it tells only what is in the own token.
grant execute on function music.user_id() to public;

-- The tables that apps see.
revoke all on public.music_tracks, public.journeys, public.reading_logs from anon;
revoke delete, truncate, references, trigger on public.music_tracks from authenticated;
revoke insert, update, truncate, references, trigger on public.journeys, public.reading_logs
  from authenticated;
grant select, insert, update, delete on public.music_tracks, public.journeys, public.reading_logs
  to service_role;
grant select, insert, update on public.music_tracks to authenticated;
grant select, delete on public.journeys, public.reading_logs to authenticated;
grant insert (id, user_id, book_title, book_author), update (book_title, book_author, finished_at)
  on public.journeys to authenticated;
grant insert (id, journey_id, quote, memo, emotions, track_id), update (quote, memo, emotions)
  on public.reading_logs to authenticated;

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
    'public.claim_music_tracks(text, int, double precision)',
    'public.renew_music_claims(text, uuid[], double precision)',
    'public.begin_music_generation(uuid, uuid, jsonb, text, numeric)',
    'public.record_music_task(uuid, text, text)',
    'public.report_music_stage(uuid, text, text)',
    'public.complete_music_track(uuid, text, text, int)',
    'public.defer_music_track(uuid, double precision, text, text, text, boolean)',
    'public.fail_music_track(uuid, text, text, text)',
    'public.release_music_claims(text, uuid[])',
    'public.report_music_worker(text, text, text, int, text, text)',
    'public.report_music_account(int, numeric)',
    'public.ping_music_realtime(text)',
    'public.pause_music_queue(text)',
    'public.resume_music_queue()',
    'public.retry_music_tracks(uuid[], text, timestamptz, boolean)',
    'public.cancel_music_tracks(uuid[])']::regprocedure[]
  loop
    execute format('revoke execute on function %s from public, anon, authenticated', v_function);
    execute format('grant execute on function %s to service_role', v_function);
  end loop;
  foreach v_function in array array[
    'public.create_journey(text, text, text[], uuid)',
    'public.add_reading_log(uuid, text, text, text[], uuid)',
    'public.finish_journey(uuid)']::regprocedure[]
  loop
    execute format('revoke execute on function %s from public, anon, service_role', v_function);
    execute format('grant execute on function %s to authenticated', v_function);
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

create policy "Readers see their journeys" on public.journeys
  for select to authenticated using (user_id = (select music.user_id()));
create policy "Readers begin journeys" on public.journeys
  for insert to authenticated with check (user_id = (select music.user_id()));
create policy "Readers change their journeys" on public.journeys
  for update to authenticated
  using (user_id = (select music.user_id())) with check (user_id = (select music.user_id()));
create policy "Readers delete their journeys" on public.journeys
  for delete to authenticated using (user_id = (select music.user_id()));

create policy "Users see their tracks" on public.music_tracks
  for select to authenticated using (user_id = (select music.user_id()));
create policy "Users ask for tracks" on public.music_tracks
  for insert to authenticated with check (
    user_id = (select music.user_id())
    and (journey_id is null or exists (
      select from public.journeys j
      where j.id = journey_id and j.user_id = (select music.user_id()))));
create policy "Users retry and cancel their tracks" on public.music_tracks
  for update to authenticated
  using (user_id = (select music.user_id())) with check (user_id = (select music.user_id()));

create policy "Readers see their logs" on public.reading_logs
  for select to authenticated using (exists (
    select from public.journeys j
    where j.id = journey_id and j.user_id = (select music.user_id())));
create policy "Readers write logs" on public.reading_logs
  for insert to authenticated with check (
    exists (
      select from public.journeys j
      where j.id = journey_id and j.user_id = (select music.user_id()))
    and (track_id is null or exists (
      select from public.music_tracks t
      where t.id = track_id and t.user_id = (select music.user_id()))));
create policy "Readers change their logs" on public.reading_logs
  for update to authenticated
  using (exists (
    select from public.journeys j
    where j.id = journey_id and j.user_id = (select music.user_id())))
  with check (
    exists (
      select from public.journeys j
      where j.id = journey_id and j.user_id = (select music.user_id()))
    and (track_id is null or exists (
      select from public.music_tracks t
      where t.id = track_id and t.user_id = (select music.user_id()))));
create policy "Readers delete their logs" on public.reading_logs
  for delete to authenticated using (exists (
    select from public.journeys j
    where j.id = journey_id and j.user_id = (select music.user_id())));
