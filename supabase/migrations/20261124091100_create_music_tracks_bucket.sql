-- Where the audio goes: public to read by URL, listed by nobody but the owner of each folder,
-- written by the service alone. Keys: <user id, or "service">/<track id>/<generation id>.mp3
-- (.wav, .flac). A minute of music has 1.5 MB as MP3 and 10.6 MB as WAV. 50 MiB is what a project
-- allows that does not pay; what is too large is left out, and the MP3 never is.
-- A bucket of this name that is there already keeps its settings.
-- Locks: storage.objects for an instant, and where supautils is older than September 2026 the
-- platform's tables of auth, storage and realtime until the end of this file; gives up after five
-- seconds of waiting. Skipped where there is no Storage.

set local lock_timeout = '5s';

do $$
begin
  if to_regclass('storage.buckets') is null then
    return;
  end if;
  insert into storage.buckets (id, name, public, file_size_limit, allowed_mime_types)
  values ('music-tracks', 'music-tracks', true, 52428800,
          array['audio/mpeg', 'audio/wav', 'audio/flac'])
  on conflict (id) do nothing;

  drop policy if exists "Users read their own music" on storage.objects;
  create policy "Users read their own music" on storage.objects
    for select to authenticated
    using (
      bucket_id = 'music-tracks'
      and (storage.foldername(name))[1] = (select music.user_id())::text);
end
$$;
