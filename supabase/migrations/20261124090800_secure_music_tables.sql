-- Who may do what. Nothing is granted automatically, so everything that is meant is granted here.
--
--   authenticated   own rows of the public tables: tracks are read, asked for, retried, cancelled
--   anon            nothing
--   service_role    the worker functions and all tables (it bypasses row-level security)
--
-- Guests who signed in anonymously are `authenticated`, too, and own what they made.
-- Locks: the tables for an instant.

grant usage on schema music to service_role;
grant select, insert, update, delete on all tables in schema music to service_role;
grant usage on all sequences in schema music to service_role;

grant select, insert, update, delete on public.journeys, public.music_tracks, public.reading_logs to service_role;
grant select, insert, update, delete on public.journeys, public.reading_logs to authenticated;
grant select, insert, update on public.music_tracks to authenticated;
revoke all on public.journeys, public.music_tracks, public.reading_logs from anon;
revoke delete on public.music_tracks from authenticated;
revoke truncate, references, trigger on public.journeys, public.music_tracks, public.reading_logs from authenticated;

-- Postgres lets everyone execute a new function; the platform used to grant the API's roles besides.
revoke execute on all functions in schema music from public, anon, authenticated;
grant execute on all functions in schema music to service_role;
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
    'public.defer_music_track(uuid, double precision, text, text, boolean)',
    'public.fail_music_track(uuid, text, text)',
    'public.release_music_claims(text, uuid[])',
    'public.report_music_worker(text, text, text, int, text, text)',
    'public.report_music_account(int, numeric)']::regprocedure[]
  loop
    execute format('revoke execute on function %s from public, anon, authenticated', v_function);
    execute format('grant execute on function %s to service_role', v_function);
  end loop;
end
$$;

-- The service's own tables: the worker reads and writes them, nobody else through the API.
create policy "The service reads settings" on music.settings for select to service_role using (true);
create policy "The service reads the account" on music.account for select to service_role using (true);
create policy "The service reads claims" on music.claims for select to service_role using (true);
create policy "The service reads generations" on music.generations for select to service_role using (true);
create policy "The service reads events" on music.events for select to service_role using (true);
create policy "The service reads workers" on music.workers for select to service_role using (true);

create policy "Readers see their journeys" on public.journeys
  for select to authenticated using (user_id = (select auth.uid()));
create policy "Readers begin journeys" on public.journeys
  for insert to authenticated with check (user_id = (select auth.uid()));
create policy "Readers change their journeys" on public.journeys
  for update to authenticated using (user_id = (select auth.uid())) with check (user_id = (select auth.uid()));
create policy "Readers delete their journeys" on public.journeys
  for delete to authenticated using (user_id = (select auth.uid()));

create policy "Users see their tracks" on public.music_tracks
  for select to authenticated using (user_id = (select auth.uid()));
create policy "Users ask for tracks" on public.music_tracks
  for insert to authenticated with check (
    user_id = (select auth.uid())
    and (journey_id is null or exists (
      select from public.journeys j where j.id = journey_id and j.user_id = (select auth.uid()))));
create policy "Users retry and cancel their tracks" on public.music_tracks
  for update to authenticated using (user_id = (select auth.uid())) with check (user_id = (select auth.uid()));

create policy "Readers see their logs" on public.reading_logs
  for select to authenticated using (exists (
    select from public.journeys j where j.id = journey_id and j.user_id = (select auth.uid())));
create policy "Readers write logs" on public.reading_logs
  for insert to authenticated with check (
    exists (select from public.journeys j where j.id = journey_id and j.user_id = (select auth.uid()))
    and (track_id is null or exists (
      select from public.music_tracks t where t.id = track_id and t.user_id = (select auth.uid()))));
create policy "Readers change their logs" on public.reading_logs
  for update to authenticated
  using (exists (
    select from public.journeys j where j.id = journey_id and j.user_id = (select auth.uid())))
  with check (
    exists (select from public.journeys j where j.id = journey_id and j.user_id = (select auth.uid()))
    and (track_id is null or exists (
      select from public.music_tracks t where t.id = track_id and t.user_id = (select auth.uid()))));
create policy "Readers delete their logs" on public.reading_logs
  for delete to authenticated using (exists (
    select from public.journeys j where j.id = journey_id and j.user_id = (select auth.uid())));
