-- Whose turn it is: fair between users, within every limit.
-- Locks: nothing that exists.

create function music.is_for_worker(p_track public.music_tracks, p_version int) returns boolean
language sql immutable set search_path = ''
as $$
  select p_version >= 2
    or ((p_track.lyrics_prompt is null or coalesce(p_track.lyrics, '') <> '')
        and p_track.model is null and p_track.vocal_gender is null
        and coalesce(p_track.audio_formats, '{mp3}') = '{mp3}')
$$;
comment on function music.is_for_worker(public.music_tracks, int) is
  'Whether a worker made for a version of the schema knows all that a track asks for: words, '
  'voice, model and formats came with version 2.';

create function music.due_track_ids(p_limit int, p_version int default 2) returns setof uuid
language plpgsql stable set search_path = ''
as $$
declare
  v_settings music.settings;
  v_room int;
  v_room_to_resume int;
  v_is_over_budget boolean := music.is_over_budget();
begin
  select * into strict v_settings from music.settings;
  if v_settings.paused or p_limit <= 0 then
    return;
  end if;
  v_room := greatest(least(p_limit, music.allowed_at_once()
    - coalesce((select sum(p.places)::int from music.places_taken() p), 0)), 0);
  -- What resumes takes no place besides the one that its task has, or has no task at work any more.
  v_room_to_resume := greatest(least(p_limit, music.allowed_at_once()
    - coalesce((select sum(g.tracks)::int from music.generating() g), 0)), 0);
  return query
    with everybody as (
      -- All backends together (user_id null) are one more owner. served_at: when what was last
      -- submitted for it ended; of what is still open, when it was submitted.
      select o.user_id,
             (select coalesce(g.finished_at, g.intent_at)
              from music.generations g where g.user_id = o.user_id
              order by g.intent_at desc limit 1) as served_at
      from music.waiting_users() as o (user_id)
      union all
      select null::uuid,
             (select coalesce(g.finished_at, g.intent_at)
              from music.generations g where g.user_id is null
              order by g.intent_at desc limit 1)
    ), running as (
      select p.user_id, p.places from music.places_taken() p
    ), generating as (
      select g.user_id, g.tracks from music.generating() g
    ), spent as (
      select u.user_id from music.users_over_budget() as u (user_id)
    ), paid as (
      select t.id, t.user_id, t.priority, t.created_at, t.run_after,
             g.place_freed_at is null as has_place
      from music.generations g
      join public.music_tracks t on t.id = g.track_id
      where g.state = 'accepted' and t.status = 'pending' and t.run_after <= now()
        and t.id not in (select music.tracks_not_to_try())
    ), aside as (
      -- Taken up through the branch above, or not to be tried now.
      select p.id from paid p
      union all
      select music.tracks_not_to_try()
    ), waiting as (
      -- turn: how many generations at once its owner would have with it. Sorted by that, the
      -- first of everybody comes before the second of anybody; the user's limit is one of turns.
      -- waits_since: from when on its owner had it to wait for and nothing newly made. It stays
      -- as it is while they wait, so whoever comes later comes after them, however many do.
      select mine.id, mine.priority, mine.created_at, mine.resumes, mine.has_place, e.user_id,
             greatest(mine.created_at, mine.run_after, e.served_at) as waits_since,
             case when mine.resumes then coalesce(g.tracks, 0)
               else coalesce(r.places, 0) + (
                 select count(*) from paid p
                 where p.user_id is not distinct from e.user_id and not p.has_place) end
             + row_number() over (
                 partition by e.user_id, mine.resumes
                 order by mine.priority desc, mine.created_at, mine.id) as turn
      from everybody e
      left join running r on r.user_id is not distinct from e.user_id
      left join generating g on g.user_id is not distinct from e.user_id
      cross join lateral (
        -- However long the queue is: the provider keeps what it made for a limited time.
        select p.id, p.priority, p.created_at, p.run_after, true as resumes, p.has_place
        from paid p where p.user_id is not distinct from e.user_id
        union all
        -- No owner can get more than the whole room, so no more of anybody's are read. The two
        -- branches differ in "= e.user_id" and "is null" alone: an index serves each of them, and
        -- none serves "is not distinct from".
        (select t.id, t.priority, t.created_at, t.run_after, false, false
         from public.music_tracks t
         where t.status = 'pending' and t.run_after <= now() and t.user_id = e.user_id
           and music.is_for_worker(t, p_version)
           and t.id not in (select a.id from aside a)
         order by t.priority desc, t.created_at, t.id
         limit v_room)
        union all
        (select t.id, t.priority, t.created_at, t.run_after, false, false
         from public.music_tracks t
         where t.status = 'pending' and t.run_after <= now()
           and t.user_id is null and e.user_id is null
           and music.is_for_worker(t, p_version)
           and t.id not in (select a.id from aside a)
         order by t.priority desc, t.created_at, t.id
         limit v_room)
      ) mine
    ), allowed as (
      select w.*, row_number() over (
               partition by w.resumes
               order by w.priority desc, w.turn, w.waits_since, w.created_at, w.id
             ) as place
      from waiting w
      where (v_settings.max_concurrent_per_user is null or w.user_id is null
             or w.turn <= v_settings.max_concurrent_per_user)
        and (w.resumes
             or not (v_is_over_budget or exists (select from spent s where s.user_id = w.user_id)))
    )
    select a.id
    from allowed a
    where case when a.resumes then a.place <= v_room_to_resume
      else a.place <= v_room - (
        select count(*) from allowed r
        where r.resumes and not r.has_place and r.place <= v_room_to_resume) end
    order by a.resumes desc, a.place
    limit p_limit;
end
$$;
comment on function music.due_track_ids(int, int) is
  'Pending tracks whose turn it is: resumable ones first, then by priority, then each user''s '
  'next in turn, then who has waited longest since being served, then by age; within the limits of '
  'music.settings.';
