-- Whose turn it is: fair between users, within every limit.
-- Locks: nothing that exists.

create function music.is_for_worker(p_track public.music_tracks, p_version int) returns boolean
language sql immutable set search_path = ''
as $$
  select p_version >= 2
    or ((p_track.lyrics_prompt is null or music.fold(p_track.lyrics) is not null)
        and p_track.model is null and p_track.vocal_gender is null
        and coalesce(p_track.audio_formats, '{mp3}') = '{mp3}')
$$;
comment on function music.is_for_worker(public.music_tracks, int) is
  'Whether a worker made for a version of the schema knows all that a track asks for: words, '
  'voice, model and formats came with version 2.';

create function music.due_track_ids(p_limit int, p_version int default 2) returns setof uuid
language plpgsql stable set search_path = '' set enable_seqscan = off set jit = off
as $$
declare
  v_backends constant uuid := '00000000-0000-0000-0000-000000000000';
  v_settings music.settings;
  v_allowed int := music.allowed_at_once();
  v_is_over_budget boolean := music.is_over_budget();
  -- A call of a function for each track that is looked at would be a third of the time.
  v_knows_all constant boolean := p_version >= 2;
  v_room int;
  v_room_to_resume int;
begin
  select * into strict v_settings from music.settings;
  -- What resumes takes no place besides the one that its task has, or has no task at work any more.
  select greatest(least(p_limit, v_allowed - coalesce(sum(p.places), 0)::int), 0),
         greatest(least(p_limit, v_allowed - coalesce(sum(p.tracks), 0)::int), 0)
  into v_room, v_room_to_resume
  from music.places_taken() p;
  if v_settings.paused or v_room_to_resume = 0 then
    return;
  end if;
  return query
    -- turn: how many generations at once its owner would have with it. Sorted by that, the first
    -- of everybody comes before the second of anybody; the user's limit is one of turns.
    -- waits_since: from when on its owner had it to wait for and nothing newly made. It stays as
    -- it is while they wait, so whoever comes later comes after them, however many do.
    -- What is read of each owner is read in two branches, which differ in "=" and "is null" alone:
    -- an index serves each of them, and none serves "is not distinct from". "is true" keeps it from
    -- the index of run_after, which would be read as a whole for each owner.
    with everybody as materialized (
      -- All backends together (user_id null) are one more owner. served_at: when what was last
      -- submitted for it ended; of what is still open, when it was submitted.
      select w.user_id, coalesce(w.user_id, v_backends) as owner,
             (select coalesce(g.finished_at, g.intent_at)
              from music.generations g where g.user_id = w.user_id
              order by g.intent_at desc limit 1) as served_at
      from music.waiting_users() as w (user_id)
      union all
      select null, v_backends,
             (select coalesce(g.finished_at, g.intent_at)
              from music.generations g where g.user_id is null
              order by g.intent_at desc limit 1)
    ), running as materialized (
      select coalesce(p.user_id, v_backends) as owner, p.places, p.tracks
      from music.places_taken() p
    ), paid as materialized (
      -- However long the queue is: the provider keeps what it made for a limited time.
      select t.id, coalesce(t.user_id, v_backends) as owner, t.priority, t.created_at,
             t.run_after, g.place_freed_at is null as has_place
      from music.generations g
      join public.music_tracks t on t.id = g.track_id
      where g.state = 'accepted' and t.status = 'pending' and t.run_after <= now()
        and t.id not in (select music.tracks_not_to_try())
        and (v_knows_all or music.is_for_worker(t, p_version))
    ), aside as materialized (
      select p.id from paid p
      union all
      select music.tracks_not_to_try()
    ), over_budget as materialized (
      select music.users_over_budget() as owner
    ), busy as materialized (
      -- What resumes will take places, too.
      select b.owner, sum(b.places) as places
      from (
        select r.owner, r.places from running r
        union all
        select p.owner, 1 from paid p where not p.has_place
      ) b
      group by b.owner
    ), next_owners as (
      -- By the first that is new of each. Whose first is not among the first v_room of them gets
      -- nothing new, as nobody's second goes before the own first; so of no others is more read.
      select e.*, coalesce(b.places, 0) as places
      from everybody e
      left join busy b on b.owner = e.owner
      cross join lateral (
        (select t.id, t.priority, t.created_at, t.run_after
         from public.music_tracks t
         where t.status = 'pending' and t.user_id = e.user_id and (t.run_after <= now()) is true
           and (v_knows_all or music.is_for_worker(t, p_version))
           and t.id not in (select a.id from aside a)
         order by t.priority desc, t.created_at, t.id
         limit 1)
        union all
        (select t.id, t.priority, t.created_at, t.run_after
         from public.music_tracks t
         where t.status = 'pending' and t.run_after <= now()
           and t.user_id is null and e.user_id is null
           and (v_knows_all or music.is_for_worker(t, p_version))
           and t.id not in (select a.id from aside a)
         order by t.priority desc, t.created_at, t.id
         limit 1)
      ) first
      where not v_is_over_budget
        and not exists (select from over_budget o where o.owner = e.owner)
        and (v_settings.max_concurrent_per_user is null or e.user_id is null
             or coalesce(b.places, 0) < v_settings.max_concurrent_per_user)
      order by first.priority desc, coalesce(b.places, 0),
               greatest(first.created_at, first.run_after, e.served_at), first.created_at, first.id
      limit v_room
    ), waiting as (
      select p.id, p.owner, p.priority, p.created_at, true as resumes, p.has_place,
             greatest(p.created_at, p.run_after, e.served_at) as waits_since,
             coalesce(r.tracks, 0) + row_number() over (
               partition by p.owner order by p.priority desc, p.created_at, p.id) as turn
      from paid p
      join everybody e on e.owner = p.owner
      left join running r on r.owner = p.owner
      union all
      select mine.id, o.owner, mine.priority, mine.created_at, false, false,
             greatest(mine.created_at, mine.run_after, o.served_at),
             o.places + row_number() over (
               partition by o.owner order by mine.priority desc, mine.created_at, mine.id)
      from next_owners o
      cross join lateral (
        (select t.id, t.priority, t.created_at, t.run_after
         from public.music_tracks t
         where t.status = 'pending' and t.user_id = o.user_id and (t.run_after <= now()) is true
           and (v_knows_all or music.is_for_worker(t, p_version))
           and t.id not in (select a.id from aside a)
         order by t.priority desc, t.created_at, t.id
         limit v_room)
        union all
        (select t.id, t.priority, t.created_at, t.run_after
         from public.music_tracks t
         where t.status = 'pending' and t.run_after <= now()
           and t.user_id is null and o.user_id is null
           and (v_knows_all or music.is_for_worker(t, p_version))
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
      where v_settings.max_concurrent_per_user is null or w.owner = v_backends
         or w.turn <= v_settings.max_concurrent_per_user
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
