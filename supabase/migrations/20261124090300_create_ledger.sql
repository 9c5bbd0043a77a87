-- Who holds which track, what was paid for, what happened.
--
--   music.claims       one row while a worker holds a track; its id is the fence of every write
--   music.generations  one row per paid call: the ledger. Its state says how far the call got:
--
--       intent ──► accepted ──► succeeded
--         │           ├───────► failed
--         │           └───────► abandoned   what was asked for was changed
--         ├──► refused
--         └──► unknown ───────► abandoned   the track is asked for again
--
--       Words are answered at once: such a call goes from intent to succeeded.
--       Open are intent, accepted and unknown; of a track at most one is. A late receipt makes
--       refused, unknown or abandoned accepted where the music is still of use, else abandoned.
--   music.events       append-only history
--   music.rejected_tracks  rows that a rule of the app's does not let workers change
--
-- Locks: nothing that exists.

create table music.claims (
  track_id uuid primary key references public.music_tracks (id) on delete cascade,
  id uuid not null default gen_random_uuid(),
  worker_id text not null,
  attempt int not null default 1,
  claimed_at timestamptz not null default now(),
  lease_expires_at timestamptz not null,
  constraint claims_id_unique unique (id)
);
create index claims_worker_id_idx on music.claims (worker_id);

comment on table music.claims is
  'Who holds which track right now. Heartbeats touch this table only, so they cost no Realtime '
  'message.';
comment on column music.claims.track_id is 'The track that is held.';
comment on column music.claims.id is
  'The fence: every write of a worker carries it, and it changes when another worker takes over.';
comment on column music.claims.worker_id is 'The process that holds the track.';
comment on column music.claims.attempt is
  'How many times the track has been claimed in a row by take-over.';
comment on column music.claims.claimed_at is 'When this claim began.';
comment on column music.claims.lease_expires_at is
  'After this, by the database''s clock, any worker may take the track over.';

create table music.generations (
  id uuid primary key,
  track_id uuid references public.music_tracks (id) on delete set null,
  user_id uuid,
  is_guest boolean not null default false,
  state text not null default 'intent',
  request jsonb not null,
  kind text not null generated always as (coalesce(request ->> 'kind', 'instrumental')) stored,
  model text not null,
  intent_at timestamptz not null default now(),
  accepted_at timestamptz,
  mureka_task_id text,
  trace_id text,
  provider_status text,
  expected_cost_cents numeric(10, 2) not null,
  overdue_at timestamptz,
  superseded_at timestamptz,
  place_freed_at timestamptz,
  next_look_at timestamptz,
  finished_at timestamptz,
  failed_reason text,
  constraint generations_mureka_task_id_unique unique (mureka_task_id),
  constraint generations_cost_not_negative
    check (expected_cost_cents >= 0 and expected_cost_cents <> 'NaN'),
  constraint generations_state_known check (state in (
    'intent', 'accepted', 'succeeded', 'failed', 'refused', 'unknown', 'abandoned')),
  constraint generations_receipt_has_time
    check ((mureka_task_id is null) = (accepted_at is null)),
  constraint generations_open_is_unfinished check (
    state not in ('intent', 'accepted', 'unknown')
    or (finished_at is null and failed_reason is null)),
  constraint generations_closed_is_finished check (
    state in ('intent', 'accepted', 'unknown') or finished_at is not null),
  constraint generations_unconfirmed_has_no_receipt check (
    state not in ('intent', 'unknown', 'refused') or mureka_task_id is null),
  constraint generations_accepted_has_receipt check (
    state not in ('accepted', 'succeeded', 'failed') or mureka_task_id is not null
    or (kind = 'lyrics' and state = 'succeeded')),  -- answered at once: there is no task
  constraint generations_failure_has_reason check (
    state not in ('failed', 'refused', 'abandoned') or failed_reason is not null),
  constraint generations_success_has_no_reason check (
    state <> 'succeeded' or failed_reason is null),
  constraint generations_overdue_was_accepted check (
    overdue_at is null or mureka_task_id is not null),
  constraint generations_superseded_is_not_used check (
    superseded_at is null or state not in ('accepted', 'succeeded', 'failed'))
);

create unique index generations_one_open_per_track on music.generations (track_id)
  where state in ('intent', 'accepted', 'unknown');
create index generations_track_id_idx on music.generations (track_id);
create index generations_intent_at_idx on music.generations (intent_at);
create index generations_user_id_intent_at_idx on music.generations (user_id, intent_at desc);
create index generations_succeeded_idx on music.generations (model, finished_at desc)
  where state = 'succeeded' and finished_at - intent_at < interval '1 hour';
create index generations_with_place_idx on music.generations (intent_at)
  where place_freed_at is null and state not in ('refused', 'succeeded');
create index generations_unconfirmed_idx on music.generations (track_id)
  where state in ('intent', 'unknown');

comment on table music.generations is
  'The ledger: one row per paid call, its intent written before the call is sent. It outlives the '
  'track.';
comment on column music.generations.id is 'Identity of the call; chosen by the worker.';
comment on column music.generations.track_id is
  'The track it was made for; null when the track was deleted since.';
comment on column music.generations.user_id is
  'The owner of the track at the time; kept when the account is gone.';
comment on column music.generations.is_guest is
  'Whether the owner was a guest at the time; filled in by itself.';
comment on column music.generations.state is
  'intent: about to be sent, or sent and not answered yet; accepted: Mureka took it (the receipt '
  'is here) and it may yield music; succeeded: its music is in place; failed: it yields none; '
  'refused: certainly not accepted, costs nothing; unknown: sent, never answered, never sent '
  'again by itself; abandoned: nobody waits for it any more.';
comment on column music.generations.request is
  'The request as sent: {"kind": "instrumental"|"song"|"lyrics", "body": {…}}; resuming reads '
  'only this.';
comment on column music.generations.kind is
  'What was asked for: instrumental, song, or lyrics (the words of a song, before it).';
comment on column music.generations.model is 'The model asked for; "lyrics" for words.';
comment on column music.generations.intent_at is
  'When the intent was written, just before the call was sent.';
comment on column music.generations.accepted_at is 'When the receipt was stored.';
comment on column music.generations.mureka_task_id is
  'The receipt: Mureka''s task id. Once it is here the call is never sent again.';
comment on column music.generations.trace_id is
  'Mureka''s trace id of the submission, for its support.';
comment on column music.generations.provider_status is 'The last status Mureka reported.';
comment on column music.generations.expected_cost_cents is
  'What the call costs by the price list, in US cents.';
comment on column music.generations.overdue_at is
  'When a worker first gave up waiting for its music. The next retry polls it once more at no '
  'cost; after that it counts as failed.';
comment on column music.generations.superseded_at is
  'When what was asked for was changed while the receipt was still missing; should it come, its '
  'music is not used.';
comment on column music.generations.place_freed_at is
  'When Mureka was known to be done with it: until then it takes one of the places for generations '
  'at once, whatever became of its track. A call that was never answered gives its place back in '
  'time; see music.unanswered_seconds().';
comment on column music.generations.next_look_at is
  'When a worker asks Mureka next whether a left-over task is done, one that no track waits for; '
  'null = at once.';
comment on column music.generations.finished_at is
  'When the call ended, one way or the other; null while it may still yield music.';
comment on column music.generations.failed_reason is
  'Why it yielded no music, for people; nothing is decided by it.';

create table music.events (
  id bigint generated always as identity primary key,
  track_id uuid not null,  -- refers to nothing: history outlives what users delete
  at timestamptz not null default clock_timestamp(),
  kind text not null,
  worker_id text,
  detail jsonb not null default '{}'::jsonb
);
create index events_track_id_at_idx on music.events (track_id, at);
create index events_completed_at_idx on music.events (at desc) where kind = 'completed';
create index events_failed_at_idx on music.events (at desc) where kind = 'failed';

comment on table music.events is
  'What happened to each track, in order; only ever appended. It outlives the track.';
comment on column music.events.id is 'Order of writing.';
comment on column music.events.track_id is 'The track it happened to.';
comment on column music.events.at is 'When it happened, by the database''s clock.';
comment on column music.events.kind is
  'created, claimed, taken_over, intent, receipt, lyrics, stage, completed, deferred, slowed_down, '
  'over_budget, failed, released, retried, requeued, cancelled, regenerated, kept, edited, '
  'dismissed, deleted.';
comment on column music.events.worker_id is 'The worker that did it; null for people.';
comment on column music.events.detail is 'Particulars of the kind as a JSON object.';

create function music.note_guest() returns trigger
language plpgsql set search_path = ''
as $$
begin
  new.is_guest := music.is_guest(new.user_id);
  return new;
end
$$;
comment on function music.note_guest() is
  'Before a paid call is written: note whether a guest asked for it, who may be gone when today''s '
  'spend is counted.';

create trigger generations_note_guest before insert on music.generations
  for each row execute function music.note_guest();
create trigger generations_keep_rows before truncate on music.generations
  for each statement execute function music.keep_rows();
create trigger events_keep_rows before truncate on music.events
  for each statement execute function music.keep_rows();

create table music.rejected_tracks (
  track_id uuid primary key references public.music_tracks (id) on delete cascade,
  reason text not null,
  sqlstate text not null,
  tries int not null default 1,
  since timestamptz not null default now(),
  last_tried_at timestamptz not null default now(),
  next_try_at timestamptz not null
);

comment on table music.rejected_tracks is
  'Tracks whose row a trigger or rule of the app''s does not let the service change; the others '
  'are not held up by them. Each is tried again later, and leaves when it is taken up.';
comment on column music.rejected_tracks.track_id is 'The track that is not let through.';
comment on column music.rejected_tracks.reason is 'What the rule said.';
comment on column music.rejected_tracks.sqlstate is 'The error''s SQLSTATE.';
comment on column music.rejected_tracks.tries is 'How often it was tried.';
comment on column music.rejected_tracks.since is 'When it was first rejected.';
comment on column music.rejected_tracks.last_tried_at is 'When it was last tried.';
comment on column music.rejected_tracks.next_try_at is
  'When it is tried again: after a minute, then two, four, up to an hour. Delete the row here to '
  'have it tried at once.';

alter table music.claims enable row level security;
alter table music.rejected_tracks enable row level security;
alter table music.generations enable row level security;
alter table music.events enable row level security;
