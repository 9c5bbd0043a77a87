-- The service's own place, kept out of the API: helpers, switches and limits, what the Mureka
-- account allows, who is at work. People read it in the dashboard.
--
--   music.settings   one row of limits and switches
--   music.account    one row: what the Mureka account was last seen to allow
--   music.workers    the processes and when they were last seen
--
-- SQLSTATEs of the service, each with a sentence: MU001 a change of status that does not exist,
-- MU002 an argument that makes no sense, MU003 not for app users, MU004 no such journey of yours,
-- MU005 the journey is finished, MU006 a text is missing or too long, MU007 the migrations cannot
-- work with what is there, MU008 what must not be emptied by mistake, MU009 too many tracks wait,
-- MU010 the track was paid for again too often today.
-- Locks: nothing that exists.

create function music.caller() returns text
language sql stable set search_path = ''
as $$
  select coalesce(
    auth.jwt() ->> 'sub', nullif(current_setting('role', true), 'none'), session_user::text)
$$;
comment on function music.caller() is
  'Who is at work, for history: the signed-in user, else the role.';

create function music.is_app_user() returns boolean
language sql stable set search_path = ''
as $$
  select case coalesce(current_setting('role', true), 'none')
    when 'authenticated' then true
    when 'anon' then true
    when 'none' then false
    when 'service_role' then false
    -- A role of the app's own for some of its users, which a token may name.
    else exists (
      select from pg_catalog.pg_roles r
      where r.rolname = current_setting('role', true) and not r.rolbypassrls and not r.rolsuper
        and pg_catalog.pg_has_role(r.oid, 'authenticated', 'member')) end
$$;
comment on function music.is_app_user() is
  'True when the caller came through the API as a user of the app, not as an operator or backend; '
  'also in a role of the app''s own that is a member of authenticated.';

create function music.caller_role() returns text
language sql stable set search_path = ''
as $$ select coalesce(nullif(current_setting('role', true), 'none'), session_user::text) $$;
comment on function music.caller_role() is
  'The role in which the caller is at work, for history beside music.caller().';

create function music.is_guest(p_user_id uuid) returns boolean
language sql stable security definer set search_path = ''
as $$
  select coalesce(
    (p_user_id = music.user_id() and auth.jwt() ->> 'is_anonymous' = 'true')
    -- An older platform has no such column, and no guests.
    or (select to_jsonb(u) ->> 'is_anonymous' = 'true' from auth.users u where u.id = p_user_id),
    false)
$$;
comment on function music.is_guest(uuid) is
  'Whether a user signed in anonymously, as the account says, or the own token.';

-- Which function is at work: a worker's writes are not held to the state machine, a person's are.
-- The mark names the function that left it and holds while that one runs: it is looked for among
-- the calls that are going on. Whatever follows in the same message, block or transaction is not
-- its write. No setting of a function (`set … to …`) could say it: on the platform none but a
-- superuser may attach one of our own to a function.
create function music.act_as_worker() returns void
language plpgsql set search_path = ''
as $$
declare
  v_calls text;
begin
  if music.is_worker() then
    return;  -- called by a worker function: its mark ends later than one of ours would
  end if;
  get diagnostics v_calls = pg_context;
  v_calls := replace(v_calls, 'music.act_as_worker()', '');
  perform set_config('music.worker', coalesce(
    substring(v_calls from '[a-z_]+\.[a-z0-9_]+\([^()"]*\)'), ''), true);
end
$$;
comment on function music.act_as_worker() is
  'For the worker functions: what the function that calls this writes, until it ends, is a '
  'worker''s write.';

create function music.is_worker() returns boolean
language plpgsql stable set search_path = ''
as $$
declare
  v_mark text := coalesce(current_setting('music.worker', true), '');
  v_calls text;
begin
  if v_mark = '' then
    return false;
  end if;
  get diagnostics v_calls = pg_context;
  return position(' ' || v_mark in v_calls) > 0;
end
$$;
comment on function music.is_worker() is
  'True inside a worker function: the one that said so has not ended.';

-- Advisory locks, taken until the end of the transaction. The first of the two numbers names the
-- kind, so that no key made of somebody's id can be the queue's or the budget's.
create function music.lock_queue() returns void
language sql set search_path = ''
as $$ select pg_advisory_xact_lock(4915, 1) $$;
comment on function music.lock_queue() is
  'Claim one after another: what makes limits and fairness exact for any number of workers.';

create function music.lock_budget() returns void
language sql set search_path = ''
as $$ select pg_advisory_xact_lock(4915, 2) $$;
comment on function music.lock_budget() is
  'Write intents one after another, so that two never share the last cents of a budget.';

create function music.lock_waiting() returns void
language sql set search_path = ''
as $$ select pg_advisory_xact_lock(4915, 3) $$;
comment on function music.lock_waiting() is
  'Let tracks into the last places of the queue one after another, so that two never share one.';

create function music.lock_waiting_of(p_user_id uuid) returns void
language sql set search_path = ''
as $$ select pg_advisory_xact_lock(4917, hashtext(p_user_id::text)) $$;
comment on function music.lock_waiting_of(uuid) is 'The same for the places of one user.';

create function music.lock_repeated_call(p_id uuid) returns void
language sql set search_path = ''
as $$ select pg_advisory_xact_lock(4916, hashtext(p_id::text)) $$;
comment on function music.lock_repeated_call(uuid) is
  'The same call, made twice at once with an id of the client''s choice, waits here for itself.';

create function music.fold(p_text text) returns text
language sql immutable set search_path = ''
as $$
  select nullif(btrim(regexp_replace(
    p_text,
    '[\u0001-\u0020\u007f-\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+',
    ' ', 'g')), '')
$$;
comment on function music.fold(text) is
  'A text as one line: every run of white space and control characters is one space; null when '
  'nothing is left.';

create function music.check_text(p_name text, p_text text, p_most int) returns void
language plpgsql immutable set search_path = ''
as $$
begin
  if length(p_text) > p_most then
    raise exception 'The % has % characters; at most % are allowed.', p_name, length(p_text), p_most
      using errcode = 'MU006', hint = 'Shorten it.';
  end if;
end
$$;
comment on function music.check_text(text, text, int) is
  'Refuse a text that is too long with a sentence that names it.';

create function music.start_of_today() returns timestamptz
language sql stable set search_path = ''
as $$ select date_trunc('day', now() at time zone 'utc') at time zone 'utc' $$;
comment on function music.start_of_today() is 'Last midnight, UTC: when today''s budget began.';

create function music.start_of_tomorrow() returns timestamptz
language sql stable set search_path = ''
as $$ select (date_trunc('day', now() at time zone 'utc') + interval '1 day') at time zone 'utc' $$;
comment on function music.start_of_tomorrow() is
  'Next midnight, UTC: when the next daily budget begins.';

create table music.settings (
  id boolean primary key default true,
  paused boolean not null default false,
  max_concurrent int default 10,
  max_concurrent_per_user int,
  daily_budget_cents numeric(12, 2) default 1000,
  daily_budget_cents_per_user numeric(12, 2),
  daily_budget_cents_of_guests numeric(12, 2) default 500,
  max_pending int default 100000,
  max_pending_per_user int default 1000,
  max_pending_per_guest int default 20,
  on_unknown_submission text not null default 'error',
  max_attempts smallint not null default 10,
  max_paid_retries_per_day int default 3,
  model_prices_cents jsonb not null
    default '{"mureka-7.6": 3, "mureka-8": 4.5, "mureka-9": 4.5, "mureka-9.5": 15}',
  lyrics_price_cents numeric(10, 2) not null default 0.9,
  paused_at timestamptz,
  paused_by text,
  paused_reason text,
  budget_raised_at timestamptz,
  updated_at timestamptz not null default now(),
  constraint settings_one_row check (id),
  constraint settings_max_concurrent_not_negative check (max_concurrent >= 0),
  constraint settings_max_concurrent_per_user_not_negative check (max_concurrent_per_user >= 0),
  constraint settings_daily_budget_not_negative
    check (daily_budget_cents >= 0 and daily_budget_cents <> 'NaN'),
  constraint settings_daily_budget_per_user_not_negative
    check (daily_budget_cents_per_user >= 0 and daily_budget_cents_per_user <> 'NaN'),
  constraint settings_daily_budget_of_guests_not_negative
    check (daily_budget_cents_of_guests >= 0 and daily_budget_cents_of_guests <> 'NaN'),
  constraint settings_max_pending_not_negative check (max_pending >= 0),
  constraint settings_max_pending_per_user_not_negative check (max_pending_per_user >= 0),
  constraint settings_max_pending_per_guest_not_negative check (max_pending_per_guest >= 0),
  constraint settings_on_unknown_submission_known
    check (on_unknown_submission in ('error', 'resubmit')),
  constraint settings_max_attempts_positive check (max_attempts > 0),
  constraint settings_max_paid_retries_per_day_not_negative check (max_paid_retries_per_day >= 0),
  constraint settings_model_prices_are_a_list check (
    jsonb_typeof(model_prices_cents) = 'object' and model_prices_cents <> '{}'
    and not jsonb_path_exists(
      model_prices_cents, '$.* ? (@.type() != "number" || @ < 0 || @ > 100000)')),
  constraint settings_lyrics_price_not_negative
    check (lyrics_price_cents >= 0 and lyrics_price_cents <> 'NaN')
);
insert into music.settings default values;

comment on table music.settings is
  'One row of switches and limits; a change takes effect at the next claim, without a restart.';
comment on column music.settings.id is 'Always true: there is one row.';
comment on column music.settings.paused is
  'While true no worker takes up a new track; what runs is finished.';
comment on column music.settings.max_concurrent is
  'Generations at once by all workers together; null = no limit. What the Mureka account allows '
  'is never exceeded.';
comment on column music.settings.max_concurrent_per_user is
  'Generations at once for one user; null = no limit.';
comment on column music.settings.daily_budget_cents is
  'Expected cost of all paid calls of one UTC day, in US cents; null = no limit.';
comment on column music.settings.daily_budget_cents_per_user is
  'The same for each single user; null = no limit.';
comment on column music.settings.daily_budget_cents_of_guests is
  'The same for all guests together, users who signed in anonymously; null = no limit.';
comment on column music.settings.max_pending is
  'Tracks that may wait at once; an insert or retry above is refused. Null = no limit.';
comment on column music.settings.max_pending_per_user is
  'The same for one user; null = no limit.';
comment on column music.settings.max_pending_per_guest is
  'The same for one guest; null = no other limit than a user''s.';
comment on column music.settings.on_unknown_submission is
  'What happens to a paid call whose answer was lost: error = a person decides, resubmit = it is '
  'sent again and may be paid twice.';
comment on column music.settings.max_attempts is
  'Counted failed attempts after which a track ends as attempts_exhausted.';
comment on column music.settings.max_paid_retries_per_day is
  'How often one track may be paid for again in a UTC day before its user''s next retry is '
  'refused; null = no limit. A retry that only fetches what is paid for is never refused, nor is '
  'one by an operator or a backend.';
comment on column music.settings.model_prices_cents is
  'The models that a track may ask for, and what one piece of music by each costs, in US cents: '
  '{"mureka-9": 4.5, …}. The daily budgets go by these prices.';
comment on column music.settings.lyrics_price_cents is
  'What it costs to have the words of one song written, in US cents.';
comment on column music.settings.paused_at is 'Since when it is paused; filled in by itself.';
comment on column music.settings.paused_by is 'Who paused it; filled in by itself.';
comment on column music.settings.paused_reason is
  'Why it is paused, in words for other operators; emptied when the queue goes on.';
comment on column music.settings.budget_raised_at is
  'When a budget was last raised or lifted: tracks that were put off before are due again; filled '
  'in by itself.';
comment on column music.settings.updated_at is 'When the row last changed.';

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
  if coalesce(new.daily_budget_cents, 'infinity') > coalesce(old.daily_budget_cents, 'infinity')
     or coalesce(new.daily_budget_cents_per_user, 'infinity')
        > coalesce(old.daily_budget_cents_per_user, 'infinity')
     or coalesce(new.daily_budget_cents_of_guests, 'infinity')
        > coalesce(old.daily_budget_cents_of_guests, 'infinity') then
    new.budget_raised_at := clock_timestamp();
  end if;
  return new;
end
$$;
comment on function music.stamp_settings() is
  'Before an update of music.settings: note when, who paused, and when a budget was raised.';

create trigger settings_stamp before update on music.settings
  for each row execute function music.stamp_settings();

create table music.account (
  id boolean primary key default true,
  concurrent_request_limit int,
  balance_cents numeric(14, 2),
  checked_at timestamptz,
  slowed_down_to int,
  slowed_down_at timestamptz,
  constraint account_one_row check (id),
  constraint account_limit_positive check (concurrent_request_limit > 0),
  constraint account_slow_down_is_whole
    check ((slowed_down_to is null) = (slowed_down_at is null)),
  constraint account_slowed_down_to_positive check (slowed_down_to > 0)
);
insert into music.account default values;

comment on table music.account is
  'One row: what the Mureka account was last seen to allow, and what it was working on when it '
  'last refused a call for coming too fast; written by workers.';
comment on column music.account.id is 'Always true: there is one row.';
comment on column music.account.concurrent_request_limit is
  'Generations at once that the account allows; the fleet never runs more. Null = not known; '
  'ignored when older than a day.';
comment on column music.account.balance_cents is
  'Money left in the account, in US cents. Null = not known.';
comment on column music.account.checked_at is 'When a worker last asked Mureka.';
comment on column music.account.slowed_down_to is
  'Generations at once that Mureka was working on when it last refused a call for its rate; the '
  'fleet keeps to that, and one more every 15 seconds. Null = it never did.';
comment on column music.account.slowed_down_at is 'When Mureka last refused a call for its rate.';

create function music.price_cents(p_model text) returns numeric
language sql stable set search_path = ''
as $$ select (s.model_prices_cents ->> p_model)::numeric from music.settings s $$;
comment on function music.price_cents(text) is
  'What one piece of music by a model costs in US cents; null where music.settings does not say.';

create function music.read_settings() returns music.settings
language plpgsql set search_path = ''
as $$
declare
  v_settings music.settings;
begin
  select * into v_settings from music.settings;
  if found then
    return v_settings;
  end if;
  insert into music.settings default values on conflict (id) do nothing;
  select * into v_settings from music.settings;
  return v_settings;
end
$$;
comment on function music.read_settings() is
  'The row of music.settings. Should somebody have forced it away, it is made again with its '
  'defaults, so that neither the queue stands still nor its budget is gone.';

create function music.keep_rows() returns trigger
language plpgsql set search_path = ''
as $$
begin
  if tg_table_name in ('settings', 'account') then
    raise exception 'The row of music.% stays: workers decide by it.', tg_table_name
      using errcode = 'MU008', hint = 'Change what it says: update music.' || tg_table_name
        || ' set … where id;';
  end if;
  raise exception 'music.% is not emptied at once: it says what was paid and what happened.',
      tg_table_name
    using errcode = 'MU008', hint = format(
      'Delete what is not wanted any more, tracks included, by "delete … where …". If all of it '
      'is to go: alter table music.%1$s disable trigger '
      '%1$s_keep_rows; and afterwards enable it again.', tg_table_name);
end
$$;
comment on function music.keep_rows() is
  'Before a table is emptied that the service or its operators cannot do without: refuse it.';

create trigger settings_keep_rows before delete or truncate on music.settings
  for each statement execute function music.keep_rows();
create trigger account_keep_rows before delete or truncate on music.account
  for each statement execute function music.keep_rows();

create table music.workers (
  id text primary key,
  host text,
  version text,
  capacity int,
  state text not null default 'running',
  note text,
  started_at timestamptz not null default now(),
  last_seen_at timestamptz not null default now(),
  constraint workers_state_known
    check (state in ('running', 'blocked', 'failing', 'draining', 'stopped'))
);

comment on table music.workers is
  'The worker processes. One that was not seen for a minute is gone; its tracks have been taken '
  'over.';
comment on column music.workers.id is 'Unique per process.';
comment on column music.workers.host is 'The machine it runs on.';
comment on column music.workers.version is 'Its version of the service.';
comment on column music.workers.capacity is 'How many generations it runs at once.';
comment on column music.workers.state is
  'running; blocked: Mureka refuses it (see note); failing: its claims fail (see note); '
  'draining: stopping; stopped.';
comment on column music.workers.note is 'What an operator should know, such as why it is blocked.';
comment on column music.workers.started_at is 'When the process started.';
comment on column music.workers.last_seen_at is 'When it last spoke to the database.';

alter table music.settings enable row level security;
alter table music.account enable row level security;
alter table music.workers enable row level security;
