-- What an operator wants to know at a glance, in the dashboard's table editor or by SQL: how the
-- queue is, what was spent, what waits for a person, what happened to one track. They run with the
-- reader's own rights and are granted to the service alone, so no app user reaches them.
-- Nothing here reads finished tracks other than by index, so a million of them cost nothing.
-- Locks: writes to music_tracks while the indexes are built.

create index if not exists music_tracks_failed_idx
  on public.music_tracks (updated_at) where status = 'error';
create index if not exists music_tracks_completed_idx
  on public.music_tracks (completed_at desc nulls last) where status = 'completed';

create view public.music_queue_health with (security_invoker = on) as
with today as (
  select music.is_over_budget() as is_over, array(select music.users_over_budget()) as users_over,
         music.allowed_at_once() as allowed
), running as (
  select p.user_id, p.places as tracks from music.places_taken() p
), waiting as (
  -- Why each pending track waits, in the order in which a claim would find out.
  select t.user_id, t.error_code, case
           when t.run_after > now() and t.error_code = 'over_budget' then 'budget'
           when t.run_after > now() and t.error_code is not null then 'put_off'
           when t.run_after > now() then 'scheduled'
           when s.paused then 'paused'
           when (d.is_over or t.user_id = any (d.users_over)) and not exists (
             select from music.generations g
             where g.track_id = t.id and g.state in ('intent', 'accepted', 'unknown'))
             then 'budget'
           else 'ready' end as reason,
         count(*) as tracks,
         max(extract(epoch from now() - greatest(t.created_at, t.run_after))) as waited_seconds
  from public.music_tracks t, music.settings s, today d
  where t.status = 'pending'
  group by 1, 2, 3
), ready as (
  -- may_run: what the limits of the users leave of them.
  select coalesce(sum(mine.tracks), 0) as tracks, coalesce(sum(mine.may_run), 0) as may_run
  from (
    select sum(w.tracks) as tracks,
           case when w.user_id is null or s.max_concurrent_per_user is null then sum(w.tracks)
             else least(
               sum(w.tracks),
               greatest(s.max_concurrent_per_user - coalesce(min(r.tracks), 0), 0)) end as may_run
    from waiting w
    cross join music.settings s
    left join running r on r.user_id = w.user_id
    where w.reason = 'ready'
    group by w.user_id, s.max_concurrent_per_user
  ) mine
), turn as (
  -- next: what the limit of the fleet leaves of those.
  select r.tracks - r.may_run as over_user_limit, r.may_run,
         least(r.may_run, greatest(
           coalesce(d.allowed - (select coalesce(sum(g.tracks), 0) from running g), r.may_run),
           0)) as next
  from ready r, today d
), reasons as (
  select jsonb_build_object(
    'paused', coalesce(sum(w.tracks) filter (where w.reason = 'paused'), 0)::int,
    'fleet_limit', (select (t.may_run - t.next)::int from turn t),
    'user_limit', (select t.over_user_limit::int from turn t),
    'budget', coalesce(sum(w.tracks) filter (where w.reason = 'budget'), 0)::int,
    'worker', (select t.next::int from turn t),
    'scheduled', coalesce(sum(w.tracks) filter (where w.reason = 'scheduled'), 0)::int,
    'put_off', (
      select coalesce(jsonb_object_agg(p.error_code, p.tracks), '{}')
      from (
        select w.error_code, sum(w.tracks)::int as tracks
        from waiting w where w.reason = 'put_off' group by w.error_code
      ) p)) as waiting,
    coalesce(sum(w.tracks), 0)::int as pending,
    coalesce(sum(w.tracks) filter (where w.waited_seconds >= 0), 0)::int as due,
    round(max(w.waited_seconds) filter (where w.waited_seconds >= 0), 1)::double precision
      as oldest_pending_seconds
  from waiting w
), recent as (
  select extract(epoch from taken.at - greatest(asked.at, due.at)) as pick_up_seconds,
         extract(epoch from done.at - greatest(asked.at, due.at)) as total_seconds
  from (
    select e.track_id, e.at from music.events e
    where e.kind = 'completed' and e.at > now() - interval '24 hours'
    order by e.at desc
    limit 200
  ) done
  join public.music_tracks t on t.id = done.track_id
  cross join lateral (
    select coalesce(max(e.at), t.created_at) as at from music.events e
    where e.track_id = t.id and e.at <= done.at and e.kind in ('created', 'retried', 'regenerated')
  ) asked
  cross join lateral (
    select min(e.at) as at from music.events e
    where e.track_id = t.id and e.at between asked.at and done.at
      and e.kind in ('claimed', 'taken_over')
  ) taken
  cross join lateral (select case when t.run_after <= taken.at then t.run_after end as at) due
), speed as (
  select percentile_cont(array[0.5, 0.95]) within group (order by r.pick_up_seconds) as pick_up,
         percentile_cont(array[0.5, 0.95]) within group (order by r.total_seconds) as total
  from recent r
), workers as (
  select count(*) filter (
           where w.state <> 'stopped' and w.last_seen_at > now() - interval '1 minute') as alive,
         max(w.last_seen_at) as last_seen_at,
         coalesce(
           jsonb_agg(
             jsonb_build_object('id', w.id, 'note', w.note, 'last_seen_at', w.last_seen_at)
             order by w.id)
           filter (where w.state = 'blocked' and w.last_seen_at > now() - interval '1 minute'),
           '[]') as blocked
  from music.workers w
), failures as (
  select coalesce(jsonb_object_agg(f.code, f.failures), '{}') as last_hour
  from (
    select coalesce(e.detail ->> 'error_code', 'internal') as code, count(*)::int as failures
    from music.events e
    where e.kind = 'failed' and e.at > now() - interval '1 hour'
    group by 1
  ) f
)
select s.paused, s.paused_at, s.paused_by, s.paused_reason,
       q.pending, q.due, q.oldest_pending_seconds,
       (select count(*)::int from public.music_tracks t where t.status = 'generating')
         as generating,
       (select count(*)::int from music.left_over()) as left_over,
       q.waiting, f.last_hour as failures_last_hour,
       round(p.pick_up[1]::numeric, 2)::double precision as pick_up_p50_seconds,
       round(p.pick_up[2]::numeric, 2)::double precision as pick_up_p95_seconds,
       round(p.total[1]::numeric, 2)::double precision as total_p50_seconds,
       round(p.total[2]::numeric, 2)::double precision as total_p95_seconds,
       w.alive::int as workers_alive, w.last_seen_at as workers_last_seen_at,
       w.blocked as workers_blocked,
       d.allowed as allowed_at_once, s.max_concurrent, s.max_concurrent_per_user,
       case when a.checked_at > now() - interval '1 day'
         then a.concurrent_request_limit end as account_limit,
       a.balance_cents as account_balance_cents, a.checked_at as account_checked_at,
       music.spent_today_cents() as spent_today_cents, s.daily_budget_cents,
       s.daily_budget_cents_per_user, s.daily_budget_cents_of_guests,
       s.max_pending, s.max_pending_per_user, s.max_pending_per_guest
from music.settings s
left join music.account a on true
cross join today d
cross join reasons q
cross join failures f
cross join speed p
cross join workers w;

comment on view public.music_queue_health is
  'One row: how the queue is right now. If tracks wait, column waiting says why.';
comment on column public.music_queue_health.paused is
  'True: nothing new is taken up. Go on with: select resume_music_queue();';
comment on column public.music_queue_health.paused_at is 'Since when it is paused.';
comment on column public.music_queue_health.paused_by is 'Who paused it.';
comment on column public.music_queue_health.paused_reason is 'Why, in the words of who paused it.';
comment on column public.music_queue_health.pending is 'Tracks that wait, whatever for.';
comment on column public.music_queue_health.due is
  'Those of them whose time has come (run_after is past).';
comment on column public.music_queue_health.oldest_pending_seconds is
  'For how long the longest waiting due track has been due; null when none is.';
comment on column public.music_queue_health.generating is 'Tracks that are being made.';
comment on column public.music_queue_health.left_over is
  'Paid calls that take a place though no track is being made of them: cancelled, deleted or put '
  'off while Mureka works on them. Workers ask after them, at no cost, until Mureka is done.';
comment on column public.music_queue_health.waiting is
  'How many pending tracks wait for what: paused, fleet_limit, user_limit, budget (of today, all '
  'or user), worker (next in line for any worker with room), scheduled (run_after was set to '
  'later), put_off by error code (the service tries again by itself).';
comment on column public.music_queue_health.failures_last_hour is
  'Tracks that ended in error in the last hour, by error code; cancelled ones are not among them.';
comment on column public.music_queue_health.pick_up_p50_seconds is
  'Half of the last 200 tracks of the last 24 hours were taken up within so many seconds after '
  'they were due.';
comment on column public.music_queue_health.pick_up_p95_seconds is 'The same for 95 of 100.';
comment on column public.music_queue_health.total_p50_seconds is
  'Half of the last 200 tracks of the last 24 hours were playable within so many seconds after '
  'they were due.';
comment on column public.music_queue_health.total_p95_seconds is 'The same for 95 of 100.';
comment on column public.music_queue_health.workers_alive is 'Workers seen within the last minute.';
comment on column public.music_queue_health.workers_last_seen_at is
  'When any worker was last seen.';
comment on column public.music_queue_health.workers_blocked is
  'Workers that Mureka refuses, each with its note that says why.';
comment on column public.music_queue_health.allowed_at_once is
  'Generations at once that are allowed at this moment: the least of max_concurrent, '
  'account_limit and, after a refusal for rate, what Mureka could take; null = no limit.';
comment on column public.music_queue_health.max_concurrent is
  'The fleet''s limit in music.settings; null = none.';
comment on column public.music_queue_health.max_concurrent_per_user is
  'The limit of one user in music.settings; null = none.';
comment on column public.music_queue_health.account_limit is
  'Generations at once that the Mureka account allows; null when not known since a day.';
comment on column public.music_queue_health.account_balance_cents is
  'Money in the Mureka account in US cents, as last seen.';
comment on column public.music_queue_health.account_checked_at is
  'When a worker last asked Mureka for limit and balance.';
comment on column public.music_queue_health.spent_today_cents is
  'Expected cost in US cents of the paid calls of this UTC day.';
comment on column public.music_queue_health.daily_budget_cents is
  'The budget of all for one UTC day in US cents; null = none.';
comment on column public.music_queue_health.daily_budget_cents_per_user is
  'The same for each single user; null = none.';

comment on column public.music_queue_health.daily_budget_cents_of_guests is
  'The same for all guests together; null = none.';
comment on column public.music_queue_health.max_pending is
  'How many tracks may wait; null = no limit.';
comment on column public.music_queue_health.max_pending_per_user is 'The same for one user.';
comment on column public.music_queue_health.max_pending_per_guest is 'The same for one guest.';

create view public.music_spend_daily with (security_invoker = on) as
select (g.intent_at at time zone 'utc')::date as utc_day, g.model,
       count(*) filter (where g.state <> 'refused')::int as paid_calls,
       count(*) filter (where g.state = 'refused')::int as refused,
       count(*) filter (where g.state in ('failed', 'abandoned'))::int as failed,
       count(*) filter (where g.state <> 'refused' and g.mureka_task_id is null
                        and not (g.kind = 'lyrics' and g.state = 'succeeded'))::int
         as submission_unknown,
       coalesce(sum(g.expected_cost_cents) filter (where g.state <> 'refused'), 0)
         as expected_cost_cents
from music.generations g
group by 1, 2
order by 1 desc, 2;

comment on view public.music_spend_daily is
  'What was spent, by UTC day and model: expected cost by the price list, not Mureka''s bill.';
comment on column public.music_spend_daily.utc_day is 'The day, UTC.';
comment on column public.music_spend_daily.model is 'The model asked for.';
comment on column public.music_spend_daily.paid_calls is
  'Calls that count as paid, those that were never confirmed among them.';
comment on column public.music_spend_daily.refused is
  'Calls that Mureka certainly did not accept; they cost nothing.';
comment on column public.music_spend_daily.failed is 'Paid calls that yielded no music.';
comment on column public.music_spend_daily.submission_unknown is
  'Paid calls without a receipt or the words they were for: sent or about to be sent, never '
  'confirmed.';
comment on column public.music_spend_daily.expected_cost_cents is
  'Expected cost of the paid calls in US cents.';

create view public.music_review with (security_invoker = on) as
with failed as (
  select t.id, t.user_id, t.error_code, t.error_message, t.updated_at,
         music.is_free_to_retry(t.id) as is_free,
         exists (
           select from music.generations g
           where g.track_id = t.id and g.state = 'unknown' and g.kind = 'lyrics')
           as waits_for_words
  from public.music_tracks t
  where t.status = 'error' and t.error_code <> 'cancelled'
    and t.updated_at > now() - interval '30 days'
), waits as (
  select t.error_code as what, min(t.updated_at) as since, count(*)::int as tracks,
         max(t.error_message) as reason
  from public.music_tracks t
  where t.status = 'pending'
    and (t.error_code in ('quota_exhausted', 'provider_auth')
         or (t.error_code = 'over_budget' and t.run_after > now()))
  group by 1
), due as (
  select count(*)::int as tracks, min(t.run_after) as since
  from public.music_tracks t
  where t.status = 'pending' and t.run_after < now() - interval '1 minute'
), seen as (
  select w.id, w.host, w.state, w.note, w.last_seen_at,
         w.last_seen_at > now() - interval '1 minute' as is_alive
  from music.workers w
  where w.last_seen_at > now() - interval '1 day' and w.state <> 'stopped'
)
select f.error_code as what, f.id as track_id, f.user_id, null::text as worker_id,
       f.updated_at as since, 1 as tracks, f.is_free, f.error_message as reason,
       (select g.id from music.generations g
        where g.track_id = f.id and g.state = 'unknown'
        order by g.intent_at desc limit 1) as generation_id,
       case f.error_code
         when 'submission_unknown' then case when f.waits_for_words then
           'Its words were perhaps paid for. Retry it and perhaps pay for them twice, or call '
           'record_music_lyrics with generation_id, a title and the words, should you have them, '
           'or set error_code to "cancelled" to leave it.'
         else
           'Look at Mureka''s usage for the minute of the call; then retry it and perhaps pay '
           'twice, or call record_music_task with generation_id and the task id, or set '
           'error_code to "cancelled" to leave it.' end
         when 'attempts_exhausted' then
           'Fix what the reason names, then retry it'
           || case when f.is_free then ': it is free.' else '.' end
         when 'invalid_request' then
           'Correct the prompt or the lyrics and retry it; if all tracks end so, look at '
           'MUREKA_MODEL.'
         when 'moderation_blocked' then
           'Word it differently and retry it, or leave it to its user.'
         when 'storage_failed' then
           'Make the bucket take audio/mpeg of this size, then retry it'
           || case when f.is_free then ': it is free.' else '.' end
         else case
           when f.is_free then
             'Retry it: the music that was paid for is polled again, which is free.'
           else 'Retry it: it is submitted and paid for again.' end
       end as what_to_do
from failed f
union all
select w.what, null, null, null, w.since, w.tracks, null, w.reason, null,
       case w.what
         when 'over_budget' then
           'Raise or lift daily_budget_cents, daily_budget_cents_per_user or '
           'daily_budget_cents_of_guests in music.settings, or leave them for tomorrow.'
         when 'quota_exhausted' then
           'Top up the Mureka account; the workers notice within a minute.'
         else
           'Give the workers a valid MUREKA_API_KEY and the right MUREKA_API_URL, and restart '
           'them.' end
from waits w
union all
select 'queue_paused', null, null, null, s.paused_at,
       (select count(*)::int from public.music_tracks t where t.status = 'pending'), null,
       'Paused by ' || coalesce(s.paused_by, 'somebody') || coalesce(': ' || s.paused_reason, '.'),
       null,
       'select resume_music_queue(); when the reason has passed.'
from music.settings s
where s.paused
union all
select 'no_worker', null, null, null, d.since, d.tracks, null,
       'Tracks are due and no worker was seen for a minute.', null,
       'Start a worker: music-service run.'
from due d
where d.tracks > 0 and not exists (
  select from music.workers w
  where w.state <> 'stopped' and w.last_seen_at > now() - interval '1 minute')
union all
select case when s.is_alive then 'worker_' || s.state else 'worker_lost' end,
       null, null, s.id, s.last_seen_at, null, null, s.note, null,
       case when s.is_alive and s.state = 'failing' then
           'Fix what its note says about the database; it claims again by itself. '
           'music-service doctor names the cause.'
         when s.is_alive then
           'Fix what its note says about the Mureka account; it checks again each minute.'
         else 'Look at the machine ' || coalesce(s.host, '(unknown)')
           || '; its tracks are taken over by other workers. '
              'Delete its row from music.workers when that is done.' end
from seen s
where s.state in ('blocked', 'failing') or not s.is_alive
union all
select 'rejected', r.track_id,
       (select t.user_id from public.music_tracks t where t.id = r.track_id), null, r.since, 1,
       null,
       'A rule of the app does not let its row be changed: ' || r.reason, null,
       'Change the trigger or rule of the app that says so, or the row; it is tried again at '
       || to_char(r.next_try_at at time zone 'utc', 'HH24:MI') || ' UTC.'
from music.rejected_tracks r
where (select t.status from public.music_tracks t where t.id = r.track_id)
      in ('pending', 'generating');

comment on view public.music_review is
  'What waits for a person, and what to do about it. Failed tracks of the last 30 days, tracks '
  'that a rule of the app rejects, what keeps many tracks waiting, and workers that are blocked, '
  'failing or lost. Empty: all is well. To retry a '
  'track: update public.music_tracks set status = ''pending'' where id = ''its id'';';
comment on column public.music_review.what is
  'An error code of tracks, or rejected, over_budget, queue_paused, no_worker, worker_blocked, '
  'worker_failing, worker_lost.';
comment on column public.music_review.track_id is
  'The failed or rejected track; null for what concerns many.';
comment on column public.music_review.user_id is 'Its owner.';
comment on column public.music_review.worker_id is 'The worker that is blocked, failing or lost.';
comment on column public.music_review.since is 'Since when.';
comment on column public.music_review.tracks is 'How many tracks it concerns.';
comment on column public.music_review.is_free is 'Whether a retry of the track costs nothing.';
comment on column public.music_review.reason is 'What the row or the worker says.';
comment on column public.music_review.generation_id is
  'The paid call that was never confirmed; null for all else.';
comment on column public.music_review.what_to_do is 'What to do about it, in a sentence.';

create view public.music_track_history with (security_invoker = on) as
select e.track_id, e.id as event_id, e.at, e.kind,
       case e.kind
         when 'created' then 'It was asked for.'
         when 'claimed' then 'A worker took it up.'
         when 'taken_over' then 'A worker took it over, because the one before was lost.'
         when 'intent' then format(
           'A paid call of %s is about to be submitted, expected to cost %s cents.',
           coalesce(e.detail ->> 'model', 'an unknown model'),
           coalesce(g.expected_cost_cents::text, 'unknown'))
         when 'receipt' then format('Mureka accepted it as task %s.', e.detail ->> 'mureka_task_id')
         when 'lyrics' then
           format('The words were written, %s characters.', e.detail ->> 'characters')
         when 'stage' then format('Mureka says: %s.', e.detail ->> 'stage')
         when 'deferred' then format('Put off%s because of %s%s',
           coalesce(' for ' || round((e.detail ->> 'delay_seconds')::numeric) || ' s', ''),
           e.detail ->> 'error_code', coalesce(': ' || (e.detail ->> 'error_message'), '.'))
         when 'slowed_down' then format(
           'Mureka was asked too fast; all workers together keep to %s at once for a while.',
           e.detail ->> 'at_once')
         when 'over_budget' then case e.detail ->> 'of'
           when 'user' then 'Its user''s budget for today is used up; it waits for tomorrow.'
           when 'guests' then
             'The budget of all guests is used up for today; it waits for tomorrow.'
           else 'Today''s budget is used up; it waits for tomorrow.' end
         when 'released' then 'The worker stopped and handed it back.'
         when 'completed' then format('The music is in place%s.',
           coalesce(', ' || round((e.detail ->> 'duration_ms')::numeric / 1000) || ' s long', ''))
         when 'failed' then format('It ended in error as %s%s', e.detail ->> 'error_code',
           coalesce(': ' || (e.detail ->> 'error_message'), '.'))
         when 'retried' then
           format('Retried after %s.', coalesce(e.detail ->> 'error_code', 'an error'))
         when 'requeued' then 'Taken from its worker and put back.'
         when 'cancelled' then 'Cancelled.'
         when 'regenerated' then
           'Asked for once more, at new cost; its audio stays until the new is in place.'
         when 'kept' then format(
           'It was not made once more (%s); it is completed with the audio that it had.',
           coalesce(e.detail ->> 'error_code', 'given up'))
         when 'edited' then format('Edited: %s.', (
           select string_agg(format('%s from %s to %s', c.key,
                    coalesce(c.value -> 'old', 'null'), coalesce(c.value -> 'new', 'null')), '; ')
           from jsonb_each(e.detail -> 'changes') as c))
         when 'dismissed' then format('Nobody has to review it any more; it was %s.',
           e.detail -> 'changes' -> 'error_code' ->> 'old')
         when 'deleted' then 'Its row was deleted.'
         else e.kind end as what_happened,
       coalesce(e.worker_id, e.detail ->> 'by', case
         when e.kind = 'created' then coalesce(t.user_id::text, 'a backend')
         when e.kind = 'over_budget' then 'the budget'
         -- Late: by the worker that asked for it, or by a person who was told by Mureka.
         when e.kind = 'receipt' and e.detail ->> 'status_then' <> 'generating' then null
         else (
           select c.worker_id from music.events c
           where c.track_id = e.track_id and c.at <= e.at and c.id < e.id
             and c.worker_id is not null
           order by c.at desc, c.id desc limit 1) end) as by_whom
from music.events e
left join public.music_tracks t on t.id = e.track_id
left join music.generations g
  on g.id = case when e.kind = 'intent' then (e.detail ->> 'generation_id')::uuid end
order by e.track_id, e.id;

comment on view public.music_track_history is
  'What happened to a track, in sentences; ask for one track_id.';
comment on column public.music_track_history.track_id is 'The track.';
comment on column public.music_track_history.event_id is 'Order of what happened.';
comment on column public.music_track_history.at is 'When, by the database''s clock.';
comment on column public.music_track_history.kind is
  'What happened, in one word; see music.events.';
comment on column public.music_track_history.what_happened is 'What happened, as a sentence.';
comment on column public.music_track_history.by_whom is
  'The worker, the user or the role that did it; null where that is not known.';
