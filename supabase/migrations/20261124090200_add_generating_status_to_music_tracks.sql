-- A track being made was indistinguishable from one nobody had taken. It now has a status of its
-- own, so that a claim is one conditional update and clients can show that work has begun.
-- Rows with the older statuses stay as they are.
-- Locks: the table exclusively for one pass that checks the rows.

do $$
declare
  v_strange text;
begin
  select string_agg(distinct quote_literal(status), ', ') into v_strange
  from public.music_tracks
  where status not in ('pending', 'generating', 'completed', 'error');
  if v_strange is not null then
    raise exception 'public.music_tracks has rows with the unknown status %.', v_strange
      using hint = 'Set them to pending, completed or error, then run the migrations again.';
  end if;
end
$$;

alter table public.music_tracks drop constraint if exists music_tracks_status_check;
alter table public.music_tracks add constraint music_tracks_status_check
  check (status in ('pending', 'generating', 'completed', 'error'));

-- What runs without a living claim is found by the claim function through this index.
create index if not exists music_tracks_generating_idx
  on public.music_tracks (user_id) where status = 'generating';

comment on constraint music_tracks_status_check on public.music_tracks is
  'pending: waits for a worker; generating: a worker has it; completed: playable; '
  'error: see error_code.';
