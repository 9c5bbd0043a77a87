-- How many generations may run at once, and how many do.
--
-- Whatever a claim asks is plpgsql where it is more than a word: its plans are kept from call to
-- call, while Postgres 17 and older plan a function of language sql again each time. A plan that is
-- kept may be of when the tables were small, when to read a whole one was cheapest: so what reads
-- tracks and calls is planned without sequential scans, and without jit, which their price starts.
-- Locks: nothing that exists.

create function music.tracks_not_to_try() returns setof uuid
language sql stable set search_path = ''
as $$ select r.track_id from music.rejected_tracks r where r.next_try_at > now() $$;
comment on function music.tracks_not_to_try() is
  'Tracks that a rule of the app''s rejected, and whose next try is not due.';

create function music.waiting_users() returns setof uuid
language plpgsql stable set search_path = '' set enable_seqscan = off set enable_sort = off
  set enable_bitmapscan = off set jit = off
as $$
begin
  -- One index look-up for each: a "distinct user_id" would read the whole queue, which may be a
  -- hundred thousand rows of one user.
  return query
    with recursive owners (user_id) as (
      (select t.user_id from public.music_tracks t
       where t.status = 'pending' and t.user_id is not null
       order by t.user_id limit 1)
      union all
      select (select t.user_id from public.music_tracks t
              where t.status = 'pending' and t.user_id > o.user_id order by t.user_id limit 1)
      from owners o where o.user_id is not null
    )
    select o.user_id from owners o where o.user_id is not null;
end
$$;
comment on function music.waiting_users() is 'Users who have something pending.';

create function music.recent_seconds() returns setof double precision
language plpgsql stable set search_path = ''
as $$
begin
  return query
    select extract(epoch from g.finished_at - g.intent_at)::double precision
    from music.generations g
    where g.model = (select l.model from music.generations l
                     where l.kind <> 'lyrics' order by l.intent_at desc limit 1)
      and g.state = 'succeeded'
      and g.finished_at - g.intent_at < interval '1 hour'  -- longer is trouble with storing it
    order by g.finished_at desc
    limit 50;
end
$$;
comment on function music.recent_seconds() is
  'How long each of the last 50 successful generations of the model used last took.';

create function music.expected_seconds() returns double precision
language sql stable set search_path = ''
as $$
  select percentile_cont(0.5) within group (order by r.seconds)
  from music.recent_seconds() as r (seconds)
$$;
comment on function music.expected_seconds() is
  'Median seconds of the last 50 successful generations of the model used last; null when there '
  'are none.';

create function music.unanswered_seconds() returns double precision
language sql stable set search_path = ''
as $$
  select least(600, 60 + coalesce(2 * max(r.seconds), 600))
  from music.recent_seconds() as r (seconds)
$$;
comment on function music.unanswered_seconds() is
  'For how many seconds after its intent a paid call that was never answered is held to be running '
  'at Mureka: a minute for the call and twice the longest of the last 50 generations, at most 600.';

create function music.allowed_at_once() returns int
language plpgsql stable set search_path = ''
as $$
begin
  return least(
    (select s.max_concurrent from music.settings s),
    (select a.concurrent_request_limit from music.account a
     where a.checked_at > now() - interval '1 day'),
    (select least(a.slowed_down_to + greatest(floor(
              (extract(epoch from now()) - extract(epoch from a.slowed_down_at)) / 15), 0),
            2147483647)::int
     from music.account a));
end
$$;
comment on function music.allowed_at_once() is
  'How many generations may run at once: the limit in music.settings, what the Mureka account '
  'allows (as known since a day at most) and, after Mureka refused one for coming too fast, what '
  'it was working on then and one more every 15 seconds; null = no limit.';

create function music.left_over() returns setof music.generations
language plpgsql stable set search_path = '' set enable_seqscan = off set jit = off
as $$
begin
  return query
    select g.*
    from music.generations g
    where g.place_freed_at is null and g.state not in ('refused', 'succeeded')
      and g.kind <> 'lyrics'  -- answered at once, so it is no generation of Mureka's
      and g.intent_at > now() - interval '1 hour'
      and (g.mureka_task_id is not null
           or g.intent_at > now() - make_interval(secs => (select music.unanswered_seconds())))
      -- Not as "not exists", for which the index of what is generating might be read for each call.
      and not (g.state in ('intent', 'accepted', 'unknown') and coalesce((
        select t.status = 'generating' and t.id not in (select music.tracks_not_to_try())
        from public.music_tracks t where t.id = g.track_id), false));
end
$$;
comment on function music.left_over() is
  'Paid calls that Mureka may be working on though no track is being made of them: it was '
  'cancelled, deleted, changed, given up or put off. An hour after the call nothing runs any more.';

create function music.places_taken() returns table (user_id uuid, places bigint, tracks bigint)
language plpgsql stable set search_path = '' set enable_seqscan = off set jit = off
as $$
begin
  return query
    select busy.user_id, count(*), count(*) filter (where busy.is_track)
    from (
      select t.user_id, true as is_track
      from public.music_tracks t
      where t.status = 'generating' and t.id not in (select music.tracks_not_to_try())
      union all
      select l.user_id, false from music.left_over() l
    ) busy
    group by busy.user_id;
end
$$;
comment on function music.places_taken() is
  'How many of the places for generations at once each user has (null: backends): one for every '
  'track that is being made, one for every left-over call; and how many of them are tracks.';
