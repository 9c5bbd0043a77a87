-- How a worker takes tracks, keeps them and hands them back. Liveness is the lease: by the
-- database's clock, renewed in one call per worker, taken over by anybody once it has run out.
-- Lock order everywhere: track, then claim, then generation, then account; of several tracks that
-- are waited for, by id. Renewing locks many claims and no track, so it waits for none: one that
-- somebody is just writing is renewed the next time. Claiming is one at a time (an advisory lock of
-- milliseconds), which is what makes limits and fairness hold for any number of workers.
-- Locks: nothing that exists.

create function music.claim_tracks(
  p_worker_id text, p_limit int, p_lease_seconds double precision, p_version int default 1)
returns table (
  claim_id uuid, attempt int, lease_expires_at timestamptz, track_id uuid, user_id uuid,
  prompt text, lyrics text, genre text, mood text, tempo text, duration int, attempts int,
  lyrics_prompt text, vocal_gender text, model text, audio_formats text[],
  generation_id uuid, generation_request jsonb, generation_intent_at timestamptz,
  mureka_task_id text, generation_age_seconds double precision,
  expected_seconds double precision, waited_seconds double precision,
  asked_at timestamptz, asked_seconds double precision)
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
      and (p_version >= 2 or music.is_for_worker(t, p_version))
    order by t.started_at, t.id
    limit p_limit
    for update of t skip locked
  ) lost;
  v_lost := coalesce(v_lost, '{}');
  select array_agg(due.id) into v_due
  from (
    select t.id
    from music.due_track_ids(p_limit - cardinality(v_lost), p_version)
           with ordinality as turn (id, place)
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
           k.lyrics_prompt::text, k.vocal_gender::text, k.model::text, k.audio_formats,
           g.id, g.request, g.intent_at, g.mureka_task_id,
           extract(epoch from now() - greatest(g.intent_at, k.started_at))::double precision,
           v_expected,
           case when h.attempt = 1 and k.run_after <= k.created_at + interval '1 second'
                then extract(epoch from now() - k.created_at)::double precision end,
           asked.at, extract(epoch from now() - asked.at)::double precision
    from held h
    join taken k on k.id = h.track_id
    cross join lateral (
      select coalesce(max(e.at), k.created_at) as at from music.events e
      where e.track_id = k.id and e.kind in ('retried', 'regenerated')
    ) asked
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
comment on function music.claim_tracks(text, int, double precision, int) is
  'Put what is lost or over budget in order, then take tracks; raises what a rule of the app''s '
  'says of one of them.';

create function public.claim_music_tracks(
  p_worker_id text, p_limit int, p_lease_seconds double precision, p_version int default 1)
returns table (
  claim_id uuid, attempt int, lease_expires_at timestamptz, track_id uuid, user_id uuid,
  prompt text, lyrics text, genre text, mood text, tempo text, duration int, attempts int,
  lyrics_prompt text, vocal_gender text, model text, audio_formats text[],
  generation_id uuid, generation_request jsonb, generation_intent_at timestamptz,
  mureka_task_id text, generation_age_seconds double precision,
  expected_seconds double precision, waited_seconds double precision,
  asked_at timestamptz, asked_seconds double precision)
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
      return query select * from music.claim_tracks(
        p_worker_id, p_limit, p_lease_seconds, p_version);
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
comment on function public.claim_music_tracks(text, int, double precision, int) is
  'For workers: take up to p_limit tracks whose turn it is, or whose worker was lost, for '
  'p_lease_seconds. p_version is the version of the schema that the worker was made for: one of '
  'before 2 is given no track that asks for what it does not know.';

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
