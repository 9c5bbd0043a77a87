-- The service's own memory, kept out of the API: who holds which track, what was paid for, what
-- happened, what operators have set, who is at work. People read it in the dashboard.
--
--   music.claims       one row while a worker holds a track; its id is the fence of every write
--   music.generations  one row per paid call: the ledger
--   music.events       append-only history
--   music.settings     one row of limits and switches
--   music.account      one row: what the Mureka account was last seen to allow
--   music.workers      the processes and when they were last seen
--
-- Locks: nothing that exists.

create schema if not exists music;
comment on schema music is 'The music service''s own tables and functions; not exposed through the API.';

create table music.settings (
  id boolean primary key default true,
  paused boolean not null default false,
  max_concurrent int default 10,
  max_concurrent_per_user int,
  daily_budget_cents numeric(12, 2),
  daily_budget_cents_per_user numeric(12, 2),
  on_unknown_submission text not null default 'error',
  max_attempts smallint not null default 10,
  paused_at timestamptz,
  paused_by text,
  paused_reason text,
  updated_at timestamptz not null default now(),
  constraint settings_one_row check (id),
  constraint settings_max_concurrent_not_negative check (max_concurrent >= 0),
  constraint settings_max_concurrent_per_user_not_negative check (max_concurrent_per_user >= 0),
  constraint settings_daily_budget_not_negative check (daily_budget_cents >= 0 and daily_budget_cents <> 'NaN'),
  constraint settings_daily_budget_per_user_not_negative check (daily_budget_cents_per_user >= 0 and daily_budget_cents_per_user <> 'NaN'),
  constraint settings_on_unknown_submission_known check (on_unknown_submission in ('error', 'resubmit')),
  constraint settings_max_attempts_positive check (max_attempts > 0)
);
insert into music.settings default values;

comment on table music.settings is 'One row of switches and limits; a change takes effect at the next claim, without a restart.';
comment on column music.settings.id is 'Always true: there is one row.';
comment on column music.settings.paused is 'While true no worker takes up a new track; what runs is finished.';
comment on column music.settings.max_concurrent is 'Generations at once by all workers together; null = no limit. What the Mureka account allows is never exceeded.';
comment on column music.settings.max_concurrent_per_user is 'Generations at once for one user; null = no limit.';
comment on column music.settings.daily_budget_cents is 'Expected cost of all paid calls of one UTC day, in US cents; null = no limit.';
comment on column music.settings.daily_budget_cents_per_user is 'The same for each single user; null = no limit.';
comment on column music.settings.on_unknown_submission is 'What happens to a paid call whose answer was lost: error = a person decides, resubmit = it is sent again and may be paid twice.';
comment on column music.settings.max_attempts is 'Counted failed attempts after which a track ends as attempts_exhausted.';
comment on column music.settings.paused_at is 'Since when it is paused; filled in by itself.';
comment on column music.settings.paused_by is 'Who paused it; filled in by itself.';
comment on column music.settings.paused_reason is 'Why it is paused, in words for other operators; emptied when the queue goes on.';
comment on column music.settings.updated_at is 'When the row last changed.';

create function music.caller() returns text
language sql stable set search_path = ''
as $$ select coalesce(auth.uid()::text, nullif(current_setting('role', true), 'none'), session_user::text) $$;
comment on function music.caller() is 'Who is at work, for history: the signed-in user, else the role.';

create function music.stamp_settings() returns trigger
language plpgsql set search_path = ''
as $$
begin
  new.updated_at := now();
  if not new.paused then
    new.paused_at := null;
    new.paused_by := null;
    new.paused_reason := null;
  elsif not old.paused then
    new.paused_at := now();
    new.paused_by := music.caller();
  end if;
  return new;
end
$$;
comment on function music.stamp_settings() is 'Before an update of music.settings: note when, and who paused.';
create trigger settings_stamp before update on music.settings
  for each row execute function music.stamp_settings();

create table music.account (
  id boolean primary key default true,
  concurrent_request_limit int,
  balance_cents numeric(14, 2),
  checked_at timestamptz,
  constraint account_one_row check (id),
  constraint account_limit_positive check (concurrent_request_limit > 0)
);
insert into music.account default values;

comment on table music.account is 'One row: what the Mureka account was last seen to allow; written by workers. What is older than a day is ignored.';
comment on column music.account.id is 'Always true: there is one row.';
comment on column music.account.concurrent_request_limit is 'Generations at once that the account allows; the fleet never runs more. Null = not known.';
comment on column music.account.balance_cents is 'Money left in the account, in US cents. Null = not known.';
comment on column music.account.checked_at is 'When a worker last asked Mureka.';

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

comment on table music.claims is 'Who holds which track right now. Heartbeats touch this table only, so they cost no Realtime message.';
comment on column music.claims.track_id is 'The track that is held.';
comment on column music.claims.id is 'The fence: every write of a worker carries it, and it changes when another worker takes over.';
comment on column music.claims.worker_id is 'The process that holds the track.';
comment on column music.claims.attempt is 'How many times the track has been claimed in a row by take-over.';
comment on column music.claims.claimed_at is 'When this claim began.';
comment on column music.claims.lease_expires_at is 'After this, by the database''s clock, any worker may take the track over.';

create table music.generations (
  id uuid primary key,
  track_id uuid references public.music_tracks (id) on delete set null,
  user_id uuid,
  request jsonb not null,
  model text not null,
  intent_at timestamptz not null default now(),
  mureka_task_id text,
  trace_id text,
  provider_status text,
  expected_cost_cents numeric(10, 2) not null,
  finished_at timestamptz,
  failed_reason text,
  refused boolean not null default false,
  outdated boolean not null default false,
  constraint generations_mureka_task_id_unique unique (mureka_task_id),
  constraint generations_cost_not_negative check (expected_cost_cents >= 0),
  constraint generations_refused_has_no_receipt check (not refused or (mureka_task_id is null and finished_at is not null))
);
create unique index generations_one_open_per_track on music.generations (track_id) where finished_at is null;
create index generations_track_id_idx on music.generations (track_id);
create index generations_intent_at_idx on music.generations (intent_at);
create index generations_user_id_intent_at_idx on music.generations (user_id, intent_at desc);
create index generations_succeeded_idx on music.generations (model, finished_at desc)
  where finished_at is not null and failed_reason is null;
create index generations_unconfirmed_idx on music.generations (track_id)
  where finished_at is null and mureka_task_id is null;

comment on table music.generations is 'The ledger: one row per paid call, written before the call is sent. A row without a receipt was announced but never confirmed.';
comment on column music.generations.id is 'Identity of the call; chosen by the worker.';
comment on column music.generations.track_id is 'The track it was made for; null when the track was deleted since.';
comment on column music.generations.user_id is 'The owner of the track at the time; kept when the account is gone.';
comment on column music.generations.request is 'The request as sent: {"kind": "instrumental"|"song", "body": {…}}; resuming reads only this.';
comment on column music.generations.model is 'The model asked for.';
comment on column music.generations.intent_at is 'When the call was announced, just before it was sent.';
comment on column music.generations.mureka_task_id is 'The receipt: Mureka''s task id. Once it is here the call is never sent again.';
comment on column music.generations.trace_id is 'Mureka''s trace id of the submission, for its support.';
comment on column music.generations.provider_status is 'The last status Mureka reported.';
comment on column music.generations.expected_cost_cents is 'What the call costs by the price list, in US cents.';
comment on column music.generations.finished_at is 'When the call ended, one way or the other; null while it may still yield music.';
comment on column music.generations.failed_reason is 'Why it yielded no music; null when it did.';
comment on column music.generations.outdated is 'What was asked for was changed before the receipt came, so its music is not used.';
comment on column music.generations.refused is 'Mureka certainly did not accept the call, so it cost nothing.';

create table music.events (
  id bigint generated always as identity primary key,
  track_id uuid not null references public.music_tracks (id) on delete cascade,
  at timestamptz not null default clock_timestamp(),
  kind text not null,
  worker_id text,
  detail jsonb not null default '{}'::jsonb
);
create index events_track_id_at_idx on music.events (track_id, at);
create index events_slowed_down_at_idx on music.events (at desc) where kind = 'slowed_down';

comment on table music.events is 'What happened to each track, in order; only ever appended.';
comment on column music.events.id is 'Order of writing.';
comment on column music.events.track_id is 'The track it happened to.';
comment on column music.events.at is 'When it happened, by the database''s clock.';
comment on column music.events.kind is 'claimed, taken_over, announced, submitted, stage, completed, deferred, slowed_down, over_budget, failed, released, retried, requeued, cancelled, regenerated, and so on.';
comment on column music.events.worker_id is 'The worker that did it; null for people.';
comment on column music.events.detail is 'Particulars of the kind as a JSON object.';

create table music.workers (
  id text primary key,
  host text,
  version text,
  capacity int,
  state text not null default 'running',
  note text,
  started_at timestamptz not null default now(),
  last_seen_at timestamptz not null default now(),
  constraint workers_state_known check (state in ('running', 'blocked', 'draining', 'stopped'))
);

comment on table music.workers is 'The worker processes. One that was not seen for a minute is gone; its tracks have been taken over.';
comment on column music.workers.id is 'Unique per process.';
comment on column music.workers.host is 'The machine it runs on.';
comment on column music.workers.version is 'Its version of the service.';
comment on column music.workers.capacity is 'How many generations it runs at once.';
comment on column music.workers.state is 'running; blocked: Mureka refuses it (see note); draining: stopping; stopped.';
comment on column music.workers.note is 'What an operator should know, such as why it is blocked.';
comment on column music.workers.started_at is 'When the process started.';
comment on column music.workers.last_seen_at is 'When it last spoke to the database.';

alter table music.settings enable row level security;
alter table music.account enable row level security;
alter table music.claims enable row level security;
alter table music.generations enable row level security;
alter table music.events enable row level security;
alter table music.workers enable row level security;
