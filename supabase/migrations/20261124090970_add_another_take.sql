-- Another take: a new track that asks for the same music once more and knows its parent. The parent
-- keeps its audio, and the child is paid for as any track is.
-- Locks: nothing that exists.

create function public.music_another_take(p_track_id uuid, p_id uuid default null)
returns setof public.music_tracks
language plpgsql set search_path = ''
as $$
declare
  v_id uuid := coalesce(p_id, gen_random_uuid());
  -- Words that were written before are sung again, not written again.
  v_columns text := 'user_id, title, prompt, lyrics, genre, mood, tempo, duration, vocal_gender, '
    'model, audio_formats';
begin
  if not exists (select from public.music_tracks t where t.id = p_track_id) then
    raise exception 'There is no such track of yours to make another take of.'
      using errcode = 'MU004', hint = 'Look at the id; perhaps the track was deleted.';
  end if;
  if exists (
      select from pg_catalog.pg_attribute a
      where a.attrelid = 'public.music_tracks'::regclass and a.attname = 'journey_id'
        and not a.attisdropped) then
    v_columns := v_columns || ', journey_id';
  end if;
  if not exists (select from public.music_tracks t where t.id = v_id and t.parent_id = p_track_id)
  then
    execute format(
      'insert into public.music_tracks (id, parent_id, lyrics_prompt, %1$s) '
      'select $1, t.id, case when coalesce(btrim(t.lyrics), '''') = '''' '
      'then t.lyrics_prompt end, %1$s '
      'from public.music_tracks t where t.id = $2', v_columns) using v_id, p_track_id;
  end if;
  return query select t.* from public.music_tracks t where t.id = v_id;
end
$$;
comment on function public.music_another_take(uuid, uuid) is
  'Ask for the music of a track once more, as a new track whose parent_id names it; answers the '
  'new row. With a p_id of your own choice, repeating the call changes nothing.';

revoke execute on function
  public.music_another_take(uuid, uuid)
  from public, anon, authenticated, service_role;
grant execute on function
  public.music_another_take(uuid, uuid)
  to authenticated, service_role;
