-- How a worker takes tracks, keeps them and hands them back. Liveness is the lease: by the
-- database's clock, renewed in one call per worker, taken over by anybody once it has run out.
-- Lock order everywhere: track, then claim, then generation, then account; of several tracks that
-- are waited for, by id. Renewing locks many claims and no track, so it waits for none: one that
-- somebody is just writing is renewed the next time. Claiming is one at a time (an advisory lock of
-- milliseconds), which is what makes limits and fairness hold for any number of workers.
-- Locks: nothing that exists.

create function music.expected_seconds() returns double precision
language sql stable set search_path = ''
as $$
  select percentile_cont(0.5) within group (order by extract(epoch from recent.took))
  from (
    select g.finished_at - g.intent_at as took
    from music.generations g
    where g.model = (select l.model from music.generations l order by l.intent_at desc limit 1)
      and g.state = 'succeeded'
      and g.finished_at - g.intent_at < interval '1 hour'  -- longer is trouble with storing it
    order by g.finished_at desc
    limit 50
  ) recent
$$;
comment on function music.expected_seconds() is
  'Median seconds of the last 50 successful generations of the model used last; null when there '
  'are none.';

create function music.spent_today_cents(p_user_id uuid default null) returns numeric
language sql stable set search_path = ''
as $$
  select coalesce(sum(g.expected_cost_cents), 0)
  from music.generations g
  where g.intent_at >= music.start_of_today() and g.state <> 'refused'
    and (p_user_id is null or g.user_id = p_user_id)
$$;
comment on function music.spent_today_cents(uuid) is
  'Expected cost in US cents of the paid calls of this UTC day, of all or of one user; a call '
  'that was certainly refused does not count.';

create function music.next_cost_cents() returns numeric
language sql stable set search_path = ''
as $$
  select coalesce(
    (select g.expected_cost_cents from music.generations g
     where g.intent_at >= music.start_of_today() order by g.intent_at desc limit 1),
    0.01)
$$;
comment on function music.next_cost_cents() is
  'What the next paid call will probably cost: as much as the last one of today. The first of a '
  'day is always tried, so that a change of model cannot keep everything waiting.';

create function music.is_over_budget() returns boolean
language sql stable set search_path = ''
as $$
  select coalesce(music.spent_today_cents() + music.next_cost_cents() > s.daily_budget_cents, false)
  from music.settings s
$$;
comment on function music.is_over_budget() is
  'Whether today''s budget of all has no room for another paid call.';

create function music.spent_by_guests_today_cents() returns numeric
language sql stable set search_path = ''
as $$
  select coalesce(sum(g.expected_cost_cents), 0)
  from music.generations g
  where g.intent_at >= music.start_of_today() and g.state <> 'refused' and g.is_guest
$$;
comment on function music.spent_by_guests_today_cents() is
  'The same of all guests together.';

create function music.waiting_users() returns setof uuid
language sql stable set search_path = ''
as $$
  -- One index look-up for each: a "distinct user_id" would read the whole queue, which may be a
  -- hundred thousand rows of one user.
  with recursive owners (user_id) as (
    (select t.user_id from public.music_tracks t
     where t.status = 'pending' and t.user_id is not null
     order by t.user_id limit 1)
    union all
    select (select t.user_id from public.music_tracks t
            where t.status = 'pending' and t.user_id > o.user_id order by t.user_id limit 1)
    from owners o where o.user_id is not null
  )
  select o.user_id from owners o where o.user_id is not null
$$;
comment on function music.waiting_users() is 'Users who have something pending.';

create function music.users_over_budget() returns setof uuid
language sql stable set search_path = ''
as $$
  select g.user_id
  from music.settings s
  join music.generations g on g.intent_at >= music.start_of_today() and g.state <> 'refused'
  where s.daily_budget_cents_per_user is not null and g.user_id is not null
  group by g.user_id, s.daily_budget_cents_per_user
  having sum(g.expected_cost_cents) + music.next_cost_cents() > s.daily_budget_cents_per_user
  union
  select w.user_id
  from music.waiting_users() as w (user_id)
  where (
      select music.spent_by_guests_today_cents() + music.next_cost_cents()
             > s.daily_budget_cents_of_guests
      from music.settings s)
    and music.is_guest(w.user_id)
$$;
comment on function music.users_over_budget() is
  'Users whose own budget of today has no room for another paid call; where that of the guests has '
  'none, all of them that wait.';

create function music.over_budget_message(p_of_user boolean) returns text
language sql immutable set search_path = ''
as $$
  select case
    when p_of_user
      then 'Your budget for music is used up for today; this track continues tomorrow.'
    else 'Today''s budget for music is used up; this track continues tomorrow.' end
$$;
comment on function music.over_budget_message(boolean) is
  'What a track says that waits for tomorrow''s budget, of all or of its user.';

create function music.submission_unknown_message() returns text
language sql immutable set search_path = ''
as $$
  select 'It is not known whether the music was submitted, so it was not submitted twice. '
         'Retry to submit it again.'
$$;
comment on function music.submission_unknown_message() is
  'What a track says whose paid call was never answered.';

create function music.tracks_not_to_try() returns setof uuid
language sql stable set search_path = ''
as $$ select r.track_id from music.rejected_tracks r where r.next_try_at > now() $$;
comment on function music.tracks_not_to_try() is
  'Tracks that a rule of the app''s rejected, and whose next try is not due.';

create function music.defer_over_budget() returns void
language plpgsql set search_path = ''
as $$
declare
  v_is_over boolean := music.is_over_budget();
  v_users uuid[] := array(select music.users_over_budget());
begin
  if not v_is_over and v_users = '{}' then
    return;
  end if;
  perform music.act_as_worker();
  with deferred as (
    select t.id
    from public.music_tracks t
    where t.status = 'pending' and t.run_after <= now()
      and (v_is_over or t.user_id = any (v_users))
      and t.id not in (select music.tracks_not_to_try())
      and not exists (
        select from music.generations g
        where g.track_id = t.id and g.state in ('intent', 'accepted', 'unknown'))
    order by t.run_after
    limit 200
    for update of t skip locked
  ), told as (
    insert into music.events (track_id, kind, detail)
    select d.id, 'over_budget',
           jsonb_build_object('of', case when v_is_over then 'all' else 'user' end)
    from deferred d
  )
  update public.music_tracks t
  set run_after = music.start_of_tomorrow(), error_code = 'over_budget',
      error_message = music.over_budget_message(not v_is_over)
  from deferred d where t.id = d.id;
end
$$;
comment on function music.defer_over_budget() is
  'Tracks that would have to be paid for and cannot be today wait until tomorrow and say so; up '
  'to 200 at a time, the oldest first.';

create function music.release_within_budget() returns void
language plpgsql set search_path = ''
as $$
begin
  perform music.act_as_worker();
  with waiting as (
    select t.id
    from public.music_tracks t
    where t.status = 'pending' and t.error_code = 'over_budget' and t.run_after > now()
      -- What was put off since then was so by the budget as it is now.
      and t.updated_at <= (select s.budget_raised_at from music.settings s)
    order by t.updated_at
    limit 200
    for update of t skip locked
  )
  update public.music_tracks t
  set run_after = now(), error_code = null, error_message = null
  from waiting w where t.id = w.id;
end
$$;
comment on function music.release_within_budget() is
  'Once a budget was raised or lifted: the tracks that wait for tomorrow are due at once, up to '
  '200 at a time, those first that were put off first. Each claim goes on with it, so that the '
  'edit of music.settings need not touch them all. What is still over it is put off again.';

create function music.close_unconfirmed_submissions() returns void
language plpgsql set search_path = ''
as $$
declare
  v_policy text := (select on_unknown_submission from music.settings);
  v_track_ids uuid[];
begin
  perform music.act_as_worker();
  select array_agg(unconfirmed.id) into v_track_ids
  from (
    select t.id
    from music.generations g
    join public.music_tracks t on t.id = g.track_id
    where g.state in ('intent', 'unknown')
      and (t.status = 'generating' or (t.status = 'pending' and t.run_after <= now()))
      and not exists (
        select from music.claims c where c.track_id = t.id and c.lease_expires_at > now())
      and t.id not in (select music.tracks_not_to_try())
    order by t.id
    for update of t skip locked
  ) unconfirmed;
  if v_track_ids is null then
    return;
  end if;
  if v_policy = 'resubmit' then
    update music.generations
    set state = 'abandoned', finished_at = now(),
        failed_reason = 'Never confirmed; sent again because on_unknown_submission = resubmit.'
    where track_id = any (v_track_ids) and state in ('intent', 'unknown');
    return;
  end if;
  update music.generations set state = 'unknown'
  where track_id = any (v_track_ids) and state = 'intent';
  update public.music_tracks
  set status = 'error', error_code = 'submission_unknown',
      error_message = music.submission_unknown_message()
  where id = any (v_track_ids);
  delete from music.claims where track_id = any (v_track_ids);
  insert into music.events (track_id, kind, detail)
  select id, 'failed', '{"error_code": "submission_unknown"}'::jsonb from unnest(v_track_ids) as id;
end
$$;
comment on function music.close_unconfirmed_submissions() is
  'An intent was written and its worker died before the receipt: end the track for a person to '
  'decide, or allow it to be sent again, as music.settings says.';

create function music.fail_lost_tracks() returns void
language plpgsql set search_path = ''
as $$
declare
  v_max_attempts int := (select max_attempts from music.settings);
  v_track_ids uuid[];
begin
  perform music.act_as_worker();
  select array_agg(spent.id) into v_track_ids
  from (
    select t.id
    from public.music_tracks t
    left join music.claims c on c.track_id = t.id
    where t.status = 'generating' and (c.track_id is null or c.lease_expires_at <= now())
      and t.attempts + 1 >= v_max_attempts
      and t.id not in (select music.tracks_not_to_try())
    for update of t skip locked
  ) spent;
  if v_track_ids is null then
    return;
  end if;
  update public.music_tracks
  set status = 'error', attempts = attempts + 1, error_code = 'attempts_exhausted',
      error_message = format(
        'Given up after %s attempts. The last reason: the worker was lost.', attempts + 1)
  where id = any (v_track_ids);
  delete from music.claims where track_id = any (v_track_ids);
  insert into music.events (track_id, kind, detail)
  select id, 'failed', '{"error_code": "attempts_exhausted"}'::jsonb from unnest(v_track_ids) as id;
end
$$;
comment on function music.fail_lost_tracks() is
  'A track that loses every worker that takes it up must not do so without end: each loss is an '
  'attempt.';

create function music.allowed_at_once() returns int
language sql stable set search_path = ''
as $$
  select least(
    (select s.max_concurrent from music.settings s),
    (select a.concurrent_request_limit from music.account a
     where a.checked_at > now() - interval '1 day'),
    (select least(a.slowed_down_to + greatest(floor(
              (extract(epoch from now()) - extract(epoch from a.slowed_down_at)) / 15), 0),
            2147483647)::int
     from music.account a))
$$;
comment on function music.allowed_at_once() is
  'How many generations may run at once: the limit in music.settings, what the Mureka account '
  'allows (as known since a day at most) and, after Mureka refused one for coming too fast, what '
  'it was working on then and one more every 15 seconds; null = no limit.';

create function music.unanswered_seconds() returns double precision
language sql stable set search_path = ''
as $$
  select least(600, 60 + coalesce(
    (select 2 * max(extract(epoch from recent.took))
     from (
       select g.finished_at - g.intent_at as took
       from music.generations g
       where g.model = (select l.model from music.generations l order by l.intent_at desc limit 1)
         and g.state = 'succeeded'
       order by g.finished_at desc
       limit 50
     ) recent),
    600))::double precision
$$;
comment on function music.unanswered_seconds() is
  'For how many seconds after its intent a paid call that was never answered is held to be running '
  'at Mureka: a minute for the call and twice the longest of the last 50 generations, at most 600.';

create function music.left_over() returns setof music.generations
language sql stable set search_path = ''
as $$
  select g.*
  from music.generations g
  where g.place_freed_at is null and g.state not in ('refused', 'succeeded')
    and g.intent_at > now() - interval '1 hour'
    and (g.mureka_task_id is not null
         or g.intent_at > now() - make_interval(secs => music.unanswered_seconds()))
    and not exists (
      select from public.music_tracks t
      where t.id = g.track_id and t.status = 'generating'
        and g.state in ('intent', 'accepted', 'unknown')
        and t.id not in (select music.tracks_not_to_try()))
$$;
comment on function music.left_over() is
  'Paid calls that Mureka may be working on though no track is being made of them: it was '
  'cancelled, deleted, changed, given up or put off. An hour after the call nothing runs any more.';

create function music.generating() returns table (user_id uuid, tracks bigint)
language sql stable set search_path = ''
as $$
  select t.user_id, count(*)
  from public.music_tracks t
  where t.status = 'generating' and t.id not in (select music.tracks_not_to_try())
  group by t.user_id
$$;
comment on function music.generating() is 'How many tracks of each user are being made.';

create function music.places_taken() returns table (user_id uuid, places bigint)
language sql stable set search_path = ''
as $$
  select busy.user_id, sum(busy.places)::bigint
  from (
    select g.user_id, g.tracks as places from music.generating() g
    union all
    select l.user_id, 1 from music.left_over() l
  ) busy
  group by busy.user_id
$$;
comment on function music.places_taken() is
  'How many of the places for generations at once each user has (null: backends): one for every '
  'track that is being made, one for every left-over call.';

create function music.due_track_ids(p_limit int) returns setof uuid
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
           and t.id not in (select a.id from aside a)
         order by t.priority desc, t.created_at, t.id
         limit v_room)
        union all
        (select t.id, t.priority, t.created_at, t.run_after, false, false
         from public.music_tracks t
         where t.status = 'pending' and t.run_after <= now()
           and t.user_id is null and e.user_id is null
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
comment on function music.due_track_ids(int) is
  'Pending tracks whose turn it is: resumable ones first, then by priority, then each user''s '
  'next in turn, then who has waited longest since being served, then by age; within the limits of '
  'music.settings.';

create function music.claim_tracks(
  p_worker_id text, p_limit int, p_lease_seconds double precision)
returns table (
  claim_id uuid, attempt int, lease_expires_at timestamptz, track_id uuid, user_id uuid,
  prompt text, lyrics text, genre text, mood text, tempo text, duration int, attempts int,
  generation_id uuid, generation_request jsonb, generation_intent_at timestamptz,
  mureka_task_id text, generation_age_seconds double precision,
  expected_seconds double precision, waited_seconds double precision)
language plpgsql set search_path = ''
as $$
#variable_conflict use_column
declare
  v_expected double precision;
  v_lost uuid[];
  v_due uuid[];
begin
  perform music.act_as_worker();
  perform music.read_settings();
  perform music.close_unconfirmed_submissions();
  perform music.fail_lost_tracks();
  perform music.release_within_budget();
  perform music.defer_over_budget();
  v_expected := music.expected_seconds();

  -- What a lost worker left comes first: it is in the provider's hands already.
  select array_agg(lost.id) into v_lost
  from (
    select t.id
    from public.music_tracks t
    left join music.claims c on c.track_id = t.id
    where t.status = 'generating' and (c.track_id is null or c.lease_expires_at <= now())
      and t.id not in (select music.tracks_not_to_try())
    order by t.started_at, t.id
    limit p_limit
    for update of t skip locked
  ) lost;
  v_lost := coalesce(v_lost, '{}');
  select array_agg(due.id) into v_due
  from (
    select t.id
    from music.due_track_ids(p_limit - cardinality(v_lost)) with ordinality as turn (id, place)
    join public.music_tracks t on t.id = turn.id
    where t.status = 'pending'
    order by turn.place
    for update of t skip locked
  ) due;
  v_due := coalesce(v_due, '{}');

  return query
    with taken as (
      update public.music_tracks t
      set status = 'generating',
          started_at = coalesce(t.started_at, now()),
          attempts = t.attempts + (t.id = any (v_lost))::int,
          error_code = null, error_message = null,
          expected_ready_at = coalesce(
            t.expected_ready_at, now() + make_interval(secs => coalesce(v_expected, 60)))
      where t.id = any (v_lost || v_due)
      returning t.*
    ), held as (
      insert into music.claims as c (track_id, worker_id, lease_expires_at)
      select k.id, p_worker_id, now() + make_interval(secs => p_lease_seconds) from taken k
      on conflict (track_id) do update
        set id = gen_random_uuid(), worker_id = excluded.worker_id, attempt = c.attempt + 1,
            claimed_at = now(), lease_expires_at = excluded.lease_expires_at
      returning c.*
    ), accepted as (
      delete from music.rejected_tracks r using taken k where r.track_id = k.id
    ), told as (
      insert into music.events (track_id, kind, worker_id, detail)
      select h.track_id, case when h.track_id = any (v_lost) then 'taken_over' else 'claimed' end,
             p_worker_id, jsonb_build_object('claim_id', h.id)
      from held h
    )
    select h.id, h.attempt, h.lease_expires_at, k.id, k.user_id,
           k.prompt::text, k.lyrics::text, k.genre::text, k.mood::text, k.tempo::text,
           k.duration::int, k.attempts::int,
           g.id, g.request, g.intent_at, g.mureka_task_id,
           extract(epoch from now() - greatest(g.intent_at, k.started_at))::double precision,
           v_expected,
           case when k.run_after <= k.created_at + interval '1 second'
                then extract(epoch from now() - k.created_at)::double precision end
    from held h
    join taken k on k.id = h.track_id
    left join music.generations g on g.track_id = k.id and g.state = 'accepted'
    order by array_position(v_lost || v_due, k.id);
  -- What a rule of the app's says at the end of the transaction it says here, and a trigger that
  -- drops a write without a word is no better than one that refuses it.
  set constraints all immediate;
  if exists (
      select from unnest(v_lost || v_due) as t (id)
      where not exists (
        select from music.claims c where c.track_id = t.id and c.lease_expires_at > now())) then
    raise exception 'A trigger of the app drops the change of a track.'
      using errcode = 'triggered_action_exception';
  end if;
end
$$;
comment on function music.claim_tracks(text, int, double precision) is
  'Put what is lost or over budget in order, then take tracks; raises what a rule of the app''s '
  'says of one of them.';

create function music.is_rejection(p_sqlstate text) returns boolean
language sql stable set search_path = ''
as $$
  select p_sqlstate !~ '^(MU|40|53|54|55|57|58|XX)'
    and (p_sqlstate <> '42501'
         or has_table_privilege(current_user, 'public.music_tracks', 'update'))
$$;
comment on function music.is_rejection(text) is
  'Whether an error may be one row''s, as what a trigger of the app''s says of it, and not the '
  'database''s, an argument''s or a missing grant''s.';

create function music.note_rejected_tracks() returns int
language plpgsql set search_path = ''
as $$
declare
  v_track record;
  v_status text;
  v_reason text;
  v_sqlstate text;
  v_found int := 0;
begin
  perform music.act_as_worker();
  for v_track in
    (select t.id, t.status from public.music_tracks t
     where t.status = 'pending' and t.run_after <= now()
       and t.id not in (select music.tracks_not_to_try())
     order by t.run_after limit 200)
    union
    select t.id, t.status from music.due_track_ids(1000) as due (id)
    join public.music_tracks t on t.id = due.id
    union
    select t.id, t.status
    from public.music_tracks t left join music.claims c on c.track_id = t.id
    where t.status = 'generating' and (c.track_id is null or c.lease_expires_at <= now())
      and t.id not in (select music.tracks_not_to_try())
  loop
    begin
      foreach v_status in array array['generating', 'error', 'pending'] loop
        update public.music_tracks t
        set status = v_status, started_at = coalesce(t.started_at, now()),
            error_code = case v_status when 'error' then 'internal' end,
            error_message = case v_status when 'error' then 'Tried out.' end
        where t.id = v_track.id;
        if not found then
          raise exception 'A trigger drops the change and says nothing.'
            using errcode = 'triggered_action_exception';
        end if;
      end loop;
      set constraints all immediate;
      raise exception using errcode = 'MU000';  -- takes back what was only tried
    exception when others then
      get stacked diagnostics v_reason = message_text, v_sqlstate = returned_sqlstate;
      continue when v_sqlstate = 'MU000';
      if not music.is_rejection(v_sqlstate) then
        raise;
      end if;
      insert into music.rejected_tracks as r (track_id, reason, sqlstate, next_try_at)
      values (v_track.id, left(v_reason, 300), v_sqlstate, now() + interval '1 minute')
      on conflict (track_id) do update
        set reason = excluded.reason, sqlstate = excluded.sqlstate, tries = r.tries + 1,
            last_tried_at = now(),
            next_try_at = now() + least(interval '1 minute' * 2 ^ least(r.tries, 10),
                                        interval '1 hour');
      v_found := v_found + 1;
    end;
  end loop;
  return v_found;
end
$$;
comment on function music.note_rejected_tracks() is
  'Try each track that a claim would touch, take it back, and note those that a rule of the app''s '
  'does not let through; answers how many.';

create function public.claim_music_tracks(
  p_worker_id text, p_limit int, p_lease_seconds double precision)
returns table (
  claim_id uuid, attempt int, lease_expires_at timestamptz, track_id uuid, user_id uuid,
  prompt text, lyrics text, genre text, mood text, tempo text, duration int, attempts int,
  generation_id uuid, generation_request jsonb, generation_intent_at timestamptz,
  mureka_task_id text, generation_age_seconds double precision,
  expected_seconds double precision, waited_seconds double precision)
language plpgsql set search_path = ''
as $$
begin
  if coalesce(p_worker_id, '') = '' or p_limit is null or p_limit not between 0 and 1000
     or coalesce(p_lease_seconds, 0) <= 0 then
    raise exception
      'claim_music_tracks needs a worker id, a limit from 0 to 1000 and a lease above 0 seconds.'
      using errcode = 'MU002';
  end if;
  perform music.lock_queue();
  loop
    begin
      return query select * from music.claim_tracks(p_worker_id, p_limit, p_lease_seconds);
      return;
    exception when others then
      -- One row that a rule of the app's rejects must not hold up the others.
      if not music.is_rejection(sqlstate) or music.note_rejected_tracks() = 0 then
        raise;
      end if;
    end;
  end loop;
end
$$;
comment on function public.claim_music_tracks(text, int, double precision) is
  'For workers: take up to p_limit tracks whose turn it is, or whose worker was lost, for '
  'p_lease_seconds.';

create function public.renew_music_claims(
  p_worker_id text, p_claim_ids uuid[], p_lease_seconds double precision)
returns setof uuid
language plpgsql set search_path = ''
as $$
begin
  update music.workers set last_seen_at = now() where id = p_worker_id;
  return query
    with mine as (
      select c.id from music.claims c where c.id = any (p_claim_ids) and c.worker_id = p_worker_id
    ), free as (
      select c.id from music.claims c
      where c.id = any (p_claim_ids) and c.worker_id = p_worker_id
      for update skip locked
    ), renewed as (
      update music.claims c
      set lease_expires_at = now() + make_interval(secs => p_lease_seconds)
      from free where c.id = free.id
    )
    select mine.id from mine;
end
$$;
comment on function public.renew_music_claims(text, uuid[], double precision) is
  'For workers: prolong all leases in one call; answers the claims still owned.';

create function public.release_music_claims(p_worker_id text, p_claim_ids uuid[])
returns setof uuid
language plpgsql set search_path = ''
as $$
declare
  v_track_ids uuid[];
  v_claim_ids uuid[];
begin
  perform music.act_as_worker();
  select array_agg(mine.id) into v_track_ids from (
    select t.id from public.music_tracks t
    where t.id in (
      select c.track_id from music.claims c
      where c.id = any (p_claim_ids) and c.worker_id = p_worker_id)
    order by t.id
    for update
  ) mine;
  with gone as (
    delete from music.claims c
    where c.track_id = any (coalesce(v_track_ids, '{}'))
      and c.id = any (p_claim_ids) and c.worker_id = p_worker_id
    returning c.id, c.track_id
  ), back as (
    update public.music_tracks t set status = 'pending', run_after = now()
    from gone where t.id = gone.track_id and t.status = 'generating'
  ), told as (
    insert into music.events (track_id, kind, worker_id)
    select g.track_id, 'released', p_worker_id from gone g
  )
  select array_agg(id) into v_claim_ids from gone;
  return query select unnest(v_claim_ids);
end
$$;
comment on function public.release_music_claims(text, uuid[]) is
  'For workers that stop: hand tracks back at once, no attempt counted.';

create function public.report_music_worker(
  p_worker_id text, p_host text, p_version text, p_capacity int, p_state text, p_note text)
returns void
language sql set search_path = ''
as $$
  delete from music.workers where last_seen_at < now() - interval '7 days';
  insert into music.workers as w (id, host, version, capacity, state, note)
  values (p_worker_id, p_host, p_version, p_capacity, p_state, p_note)
  on conflict (id) do update
    set host = excluded.host, version = excluded.version, capacity = excluded.capacity,
        state = excluded.state, note = excluded.note, last_seen_at = now();
$$;
comment on function public.report_music_worker(text, text, text, int, text, text) is
  'For workers: who is at work and in what state.';

create function public.report_music_account(
  p_concurrent_request_limit int, p_balance_cents numeric)
returns void
language sql set search_path = ''
as $$
  insert into music.account as a (concurrent_request_limit, balance_cents, checked_at)
  values (
    case when p_concurrent_request_limit > 0 then p_concurrent_request_limit end,
    p_balance_cents, now())
  on conflict (id) do update
    set concurrent_request_limit = excluded.concurrent_request_limit,
        balance_cents = excluded.balance_cents, checked_at = excluded.checked_at;
$$;
comment on function public.report_music_account(int, numeric) is
  'For workers: what Mureka says that the account allows and holds; a limit of 0 or null means '
  'not known.';
