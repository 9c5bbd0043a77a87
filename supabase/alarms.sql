-- Alarms of the music service that the database itself gives, also when every worker is dead.
-- Not a migration: run it if you want it, in the dashboard's SQL editor or with psql, as the owner
-- of schema music. It needs the extensions pg_cron and pg_net, refuses with one sentence where
-- one of them is missing, and may be run again at any time. Afterwards:
--
--   select music.set_alarm_webhook('https://…');   where alarms go; until then nothing is sent
--   select music.test_alarm();                     one message, to see that it arrives
--   select music.remove_alarms();                  takes away all that this file made
--
-- Each minute music.check_alarms() looks at what people see, public.music_review and
-- public.music_queue_health, and posts a small JSON body when an alarm begins, as long as it goes
-- on every remind_minutes, and when it is over. Each morning one message says what was spent;
-- where it does not come, the alarms themselves are dead. Old history is deleted if you say so.
--
--   music.alarm_settings   one row: how often, how late is late, what is kept
--   music.alarms           what is wrong at this moment
--   music.alarm_messages   what was sent, and whether the webhook took it
--
-- docs/alarms.md says what each alarm means and what to do.
-- Locks: nothing that exists.

begin;

do $$
begin
  if to_regclass('cron.job') is null or to_regclass('net._http_response') is null then
    raise exception 'The alarms need the extensions pg_cron and pg_net; nothing was changed.'
      using hint = 'Switch both on in the dashboard under Database, Extensions, then run this file '
        'again.';
  end if;
  if to_regclass('public.music_queue_health') is null
     or to_regclass('public.music_review') is null then
    raise exception 'The alarms need the migrations of the music service; nothing was changed.'
      using hint = 'Apply them first ("music-service init" copies them and says how).';
  end if;
end
$$;

create table if not exists music.alarm_settings (
  id boolean primary key default true,
  project text not null default 'music-service',
  remind_minutes int default 60,
  oldest_minutes int default 30,
  daily_spend boolean not null default true,
  keep_history_days int,
  webhook_url text,
  constraint alarm_settings_one_row check (id),
  constraint alarm_settings_remind_positive check (remind_minutes > 0),
  constraint alarm_settings_oldest_positive check (oldest_minutes > 0),
  constraint alarm_settings_history_kept_a_week check (keep_history_days >= 7)
);
insert into music.alarm_settings default values on conflict (id) do nothing;

comment on table music.alarm_settings is
  'One row: how alarms are given; a change takes effect at the next look, within a minute.';
comment on column music.alarm_settings.id is 'Always true: there is one row.';
comment on column music.alarm_settings.project is
  'What messages call this project, for people who have several.';
comment on column music.alarm_settings.remind_minutes is
  'A message again after so many minutes while an alarm goes on; null = none.';
comment on column music.alarm_settings.oldest_minutes is
  'An alarm once a track has been due for so many minutes; null = none.';
comment on column music.alarm_settings.daily_spend is
  'Whether a message each day says what was spent on the day before.';
comment on column music.alarm_settings.keep_history_days is
  'Rows of music.events older than this are deleted once their track has ended; null = none is. '
  'The ledger is kept whatever stands here.';
comment on column music.alarm_settings.webhook_url is
  'Where messages go, where the project has no Vault; with Vault it is the secret '
  'music_alarm_webhook. Set it with music.set_alarm_webhook.';

create table if not exists music.alarms (
  what text primary key,
  since timestamptz not null,
  seen_at timestamptz not null default now(),
  told_at timestamptz,
  tracks int,
  reason text,
  what_to_do text
);

comment on table music.alarms is 'What is wrong at this moment, as the last look found it.';
comment on column music.alarms.what is
  'As in music_review: no_worker, worker_blocked, worker_failing, queue_paused, over_budget, '
  'quota_exhausted, provider_auth; or queue_blocked, oldest_waiting, check_failed.';
comment on column music.alarms.since is 'Since when.';
comment on column music.alarms.seen_at is 'When it was last seen to be so.';
comment on column music.alarms.told_at is 'When a message last said so; null = not yet.';
comment on column music.alarms.tracks is 'How many tracks it concerns.';
comment on column music.alarms.reason is 'Why, in a sentence.';
comment on column music.alarms.what_to_do is 'What to do about it, in a sentence.';

create table if not exists music.alarm_messages (
  id bigint primary key generated always as identity,
  at timestamptz not null default now(),
  body jsonb not null,
  tries smallint not null default 0,
  request_id bigint,
  sent_at timestamptz,
  delivered_at timestamptz,
  failure text
);
create index if not exists alarm_messages_undelivered_idx
  on music.alarm_messages (at) where delivered_at is null;

comment on table music.alarm_messages is
  'What was sent to the webhook, and whether it was taken; kept for 90 days.';
comment on column music.alarm_messages.id is 'Order of writing.';
comment on column music.alarm_messages.at is 'When there was something to say.';
comment on column music.alarm_messages.body is
  'What it says: {what, state, project, since, tracks, reason, what_to_do, text}; Slack and '
  'Discord are sent the text alone.';
comment on column music.alarm_messages.tries is 'How often it was posted; five times at most.';
comment on column music.alarm_messages.request_id is
  'The request of pg_net that is not answered yet.';
comment on column music.alarm_messages.sent_at is 'When it was last posted.';
comment on column music.alarm_messages.delivered_at is
  'When the webhook was found to have taken it; null = not yet, or never.';
comment on column music.alarm_messages.failure is 'Why the webhook did not take it.';

alter table music.alarm_settings enable row level security;
alter table music.alarms enable row level security;
alter table music.alarm_messages enable row level security;
revoke all on music.alarm_settings, music.alarms, music.alarm_messages
  from public, anon, authenticated, service_role;

-- Said, since tables without any policy look forgotten. The owner, who runs the jobs, is not held
-- to it.
do $$
declare
  v_table regclass;
begin
  foreach v_table in array array[
    'music.alarm_settings', 'music.alarms', 'music.alarm_messages']::regclass[]
  loop
    if not exists (select from pg_catalog.pg_policy p where p.polrelid = v_table) then
      execute format(
        'create policy "Nobody but operators" on %s for select using (false)', v_table);
    end if;
  end loop;
end
$$;

create or replace function music.has_vault() returns boolean
language sql stable set search_path = ''
as $$ select to_regclass('vault.decrypted_secrets') is not null $$;
comment on function music.has_vault() is 'Whether the project keeps secrets in Vault.';

create or replace function music.alarm_webhook() returns text
language plpgsql stable set search_path = ''
as $$
begin
  if music.has_vault() then
    return (select d.decrypted_secret from vault.decrypted_secrets d
            where d.name = 'music_alarm_webhook');
  end if;
  return (select s.webhook_url from music.alarm_settings s);
end
$$;
comment on function music.alarm_webhook() is 'Where alarms go; null = nowhere yet.';

create or replace function music.set_alarm_webhook(p_url text) returns text
language plpgsql set search_path = ''
as $$
declare
  v_url text := nullif(btrim(p_url), '');
  v_secret_id uuid;
begin
  if v_url !~ '^https?://[^\s/]+\S*$' then
    raise exception 'The address of a webhook begins with https:// and has no spaces.'
      using errcode = 'MU002';
  end if;
  if not music.has_vault() then
    update music.alarm_settings set webhook_url = v_url where id;
  else
    v_secret_id := (select d.id from vault.decrypted_secrets d
                    where d.name = 'music_alarm_webhook');
    if v_url is null then
      delete from vault.secrets s where s.id = v_secret_id;
    elsif v_secret_id is null then
      perform vault.create_secret(
        v_url, 'music_alarm_webhook', 'Where alarms of the music service go.');
    else
      perform vault.update_secret(v_secret_id, v_url);
    end if;
  end if;
  return case when v_url is null then 'Nothing is sent any more.'
    else 'Alarms go there from now on. See that one arrives: select music.test_alarm();' end;
end
$$;
comment on function music.set_alarm_webhook(text) is
  'Send alarms to this address from now on; null sends nothing. It is kept in Vault where there '
  'is one.';

create or replace function music.what_tracks_wait_for(p_waiting jsonb) returns text
language sql immutable set search_path = ''
as $$
  select string_agg(w.key || ' ' || w.value, ', ' order by w.key)
  from (
    select w.key, w.value from jsonb_each(p_waiting - 'put_off') w
    union all
    select p.key, p.value from jsonb_each(p_waiting -> 'put_off') p
  ) w
  where w.value <> '0'
$$;
comment on function music.what_tracks_wait_for(jsonb) is
  'Column waiting of music_queue_health in words: "user_limit 3, worker 1".';

create or replace function music.find_alarms()
returns table (what text, since timestamptz, tracks int, reason text, what_to_do text)
language sql stable set search_path = ''
as $$
  with health as (
    select h.due, h.pending, h.generating, h.left_over, h.workers_alive, h.waiting,
           h.oldest_pending_seconds, h.paused, (h.waiting ->> 'worker')::int as next,
           music.what_tracks_wait_for(h.waiting) as waits_for
    from public.music_queue_health h
  ), review as (
    -- What concerns the whole queue; single tracks wait for a person without an alarm.
    select r.what, min(r.since) as since, sum(r.tracks)::int as tracks, min(r.reason) as reason,
           min(r.what_to_do) as what_to_do, count(*) as rows
    from public.music_review r
    where r.track_id is null and r.what in (
      'no_worker', 'worker_blocked', 'worker_failing', 'queue_paused', 'over_budget',
      'quota_exhausted', 'provider_auth')
    group by r.what
  ), impaired as (
    select coalesce(sum(r.rows), 0) as workers from review r where r.what like 'worker\_%'
  ), found as (
    select r.what, case when r.what like 'worker\_%' then now() else r.since end as since,
           case when r.what like 'worker\_%' then h.pending else r.tracks end as tracks,
           r.reason, r.what_to_do
    from review r
    cross join impaired i
    left join health h on true  -- none where music.settings has lost its row
    where case
      when r.what like 'worker\_%' then i.workers >= h.workers_alive  -- no other is left
      when r.what = 'queue_paused' then h.pending > 0
      when r.what = 'over_budget' then music.is_over_budget()  -- that of all, not of one user
      else true end
    union all
    select 'queue_blocked', now(), h.due,
           'Tracks are due and the limits let none be taken up: ' || h.waits_for || '.',
           'Raise max_concurrent or max_concurrent_per_user in music.settings.'
    from health h
    where h.due > 0 and not h.paused and h.next = 0 and h.generating = 0 and h.left_over = 0
      and (h.waiting ->> 'fleet_limit')::int + (h.waiting ->> 'user_limit')::int > 0
  )
  select f.what, f.since, f.tracks, f.reason, f.what_to_do from found f
  union all
  select 'oldest_waiting', now() - make_interval(secs => h.oldest_pending_seconds), h.due,
         format('A track has been due for %s minutes. What all wait for: %s.',
                floor(h.oldest_pending_seconds / 60), h.waits_for),
         'Look at column waiting of music_queue_health; if it is "worker", start another one, if '
         'it is "fleet_limit", raise max_concurrent where the Mureka account allows more.'
  from health h, music.alarm_settings s
  where h.oldest_pending_seconds > s.oldest_minutes * 60
    and (exists (select from music.alarms a where a.what = 'oldest_waiting')
         or not exists (select from found))  -- another alarm says why already
$$;
comment on function music.find_alarms() is
  'What is wrong with the queue right now: what music_review says of more than one track, a queue '
  'that its limits block, and a track that has been due for too long.';

create or replace function music.alarm_text(p_body jsonb) returns text
language sql immutable set search_path = ''
as $$
  select concat_ws(', ',
    format('[%s] %s %s', p_body ->> 'project',
      case p_body ->> 'state' when 'begun' then 'ALARM' when 'going_on' then 'STILL'
        when 'over' then 'OVER' end,
      p_body ->> 'what'),
    'tracks: ' || (p_body ->> 'tracks'),
    'since ' || to_char(
      (p_body ->> 'since')::timestamptz at time zone 'utc', 'YYYY-MM-DD HH24:MI "UTC"'))
    || case when p_body ->> 'state' = 'over' then '.'
         else ': ' || concat_ws(' ', p_body ->> 'reason', p_body ->> 'what_to_do') end
$$;
comment on function music.alarm_text(jsonb) is 'The message in one line, for people.';

create or replace function music.tell(p_body jsonb) returns void
language sql set search_path = ''
as $$
  insert into music.alarm_messages (body)
  select b.body || jsonb_build_object('text', coalesce(b.body ->> 'text', music.alarm_text(b.body)))
  from (
    select jsonb_build_object('project', s.project) || p_body as body from music.alarm_settings s
  ) b
$$;
comment on function music.tell(jsonb) is 'Have a message sent: {what, state, …}.';

create or replace function music.message_for(p_url text, p_body jsonb) returns jsonb
language sql immutable set search_path = ''
as $$
  select case
    when p_url ~ '^https://hooks\.slack(-gov)?\.com/' then jsonb_build_object(
      'text', replace(replace(replace(p_body ->> 'text', '&', '&amp;'), '<', '&lt;'), '>', '&gt;'))
    when p_url ~ '^https://([a-z]+\.)?discord(app)?\.com/' then jsonb_build_object(
      'content', left(p_body ->> 'text', 2000),
      'allowed_mentions', jsonb_build_object('parse', jsonb_build_array()))
    else p_body end
$$;
comment on function music.message_for(text, jsonb) is
  'What is posted to an address: text for Slack and content for Discord, in which nobody can be '
  'called by name; for all others the whole body.';

create or replace function music.send_alarm_messages() returns void
language plpgsql set search_path = ''
as $$
declare
  v_url text := music.alarm_webhook();
begin
  -- pg_net keeps answers for hours, and numbers begin again after a crash of the database.
  update music.alarm_messages m
  set request_id = null,
      delivered_at = case when a.is_taken then now() end,
      failure = case when not a.is_taken then left(a.failure, 300) end
  from (
    select o.id, r.id is not null as is_answered,
           coalesce(r.status_code between 200 and 299, false) as is_taken,
           coalesce('The webhook answered ' || r.status_code || '.', r.error_msg,
                    'No answer within five minutes.') as failure
    from music.alarm_messages o
    left join net._http_response r on r.id = o.request_id and r.created >= o.sent_at
    where o.request_id is not null
  ) a
  where m.id = a.id and (a.is_answered or m.sent_at < now() - interval '5 minutes');

  update music.alarm_messages m
  set tries = m.tries + 1, sent_at = now(),
      request_id = net.http_post(
        url := v_url, body := music.message_for(v_url, m.body),
        headers := '{"Content-Type": "application/json"}', timeout_milliseconds := 10000)
  where v_url is not null and m.delivered_at is null and m.request_id is null and m.tries < 5
    and m.at > now() - interval '1 hour';
end
$$;
comment on function music.send_alarm_messages() is
  'Post what is to be said, and again, up to five times within the hour, what the webhook did not '
  'take.';

create or replace function music.look_for_alarms() returns void
language plpgsql set search_path = ''
as $$
begin
  insert into music.alarms as a (what, since, tracks, reason, what_to_do)
  select f.what, f.since, f.tracks, f.reason, f.what_to_do from music.find_alarms() f
  on conflict (what) do update
  set seen_at = excluded.seen_at, tracks = excluded.tracks, reason = excluded.reason,
      what_to_do = excluded.what_to_do;
exception when others then
  -- A look that fails must not be taken for one that found nothing.
  update music.alarms a set seen_at = now() where a.seen_at < now();
  insert into music.alarms as a (what, since, reason, what_to_do)
  values (
    'check_failed', now(), 'The look at the queue failed: ' || left(sqlerrm, 300),
    'Run "select * from music.find_alarms();" and fix what it complains of; it is tried again '
    'each minute.')
  on conflict (what) do update set seen_at = excluded.seen_at, reason = excluded.reason;
end
$$;
comment on function music.look_for_alarms() is
  'Note in music.alarms what is wrong now; what was not seen this time is over.';

create or replace function music.check_alarms() returns void
language plpgsql set search_path = ''
as $$
declare
  v_remind interval := (
    select make_interval(mins => s.remind_minutes) from music.alarm_settings s);
  v_alarm music.alarms;
  v_state text;
begin
  if music.alarm_webhook() is null then
    return;
  end if;
  lock table music.alarms in share row exclusive mode;  -- one look after another
  perform music.look_for_alarms();
  for v_alarm in select a.* from music.alarms a order by a.since, a.what loop
    -- What is seen for the first time may be gone at the next look: a worker that starts, a call
    -- that is refused once. The minute is short of some seconds, since jobs begin early or late.
    v_state := case
      when v_alarm.seen_at < now() then case when v_alarm.told_at is not null then 'over' end
      when v_alarm.told_at is null then
        case when v_alarm.since <= now() - interval '50 seconds' then 'begun' end
      when v_alarm.told_at <= now() - v_remind + interval '10 seconds' then 'going_on' end;
    if v_state is not null then
      perform music.tell(
        to_jsonb(v_alarm) - array['seen_at', 'told_at'] || jsonb_build_object('state', v_state));
      update music.alarms a set told_at = now() where a.what = v_alarm.what;
    end if;
  end loop;
  delete from music.alarms a where a.seen_at < now();
  perform music.send_alarm_messages();
end
$$;
comment on function music.check_alarms() is
  'Each minute: look, and say what begins, what still goes on after remind_minutes, and what is '
  'over.';

create or replace function music.test_alarm() returns text
language plpgsql set search_path = ''
as $$
begin
  if music.alarm_webhook() is null then
    raise exception 'There is no webhook yet.'
      using errcode = 'MU002', hint = 'select music.set_alarm_webhook(''https://…'');';
  end if;
  perform music.tell(jsonb_build_object(
    'what', 'test', 'state', 'test',
    'text', format('[%s] A test: alarms of the music service arrive here.', (
      select s.project from music.alarm_settings s))));
  perform music.send_alarm_messages();
  return 'Sent. If it does not arrive, look in a minute: '
    'select tries, delivered_at, failure from music.alarm_messages order by id desc limit 1;';
end
$$;
comment on function music.test_alarm() is
  'Send one message to the webhook, to see that alarms arrive.';

create or replace function music.report_spend() returns void
language plpgsql set search_path = ''
as $$
declare
  v_day date := music.utc_day(now()) - 1;
  v_budget numeric := (select s.daily_budget_cents from music.settings s);
  v_spent record;
begin
  if music.alarm_webhook() is null
     or not exists (select from music.alarm_settings s where s.daily_spend) then
    return;
  end if;
  select coalesce(sum(d.expected_cost_cents), 0) as cents,
         coalesce(sum(d.paid_calls), 0)::int as paid_calls,
         coalesce(sum(d.failed), 0)::int as failed,
         coalesce(sum(d.submission_unknown), 0)::int as unknown
  into v_spent
  from public.music_spend_daily d
  where d.utc_day = v_day;
  perform music.tell(jsonb_build_object(
    'what', 'daily_spend', 'state', 'report', 'utc_day', v_day,
    'expected_cost_cents', v_spent.cents, 'daily_budget_cents', v_budget,
    'paid_calls', v_spent.paid_calls, 'failed', v_spent.failed,
    'submission_unknown', v_spent.unknown,
    'text', format(
      '[%s] On %s (UTC) %s US cents were spent%s, by %s paid calls; %s of them made no music, %s '
      'were never confirmed.',
      (select s.project from music.alarm_settings s), v_day, v_spent.cents,
      coalesce(' of ' || v_budget || ' allowed', ''), v_spent.paid_calls, v_spent.failed,
      v_spent.unknown)));
  perform music.send_alarm_messages();
end
$$;
comment on function music.report_spend() is
  'Each day: say what the day before cost, by music_spend_daily.';

create or replace function music.delete_old_history(p_most int default 20000) returns bigint
language plpgsql set search_path = ''
as $$
declare
  v_before timestamptz := (
    select now() - make_interval(days => s.keep_history_days) from music.alarm_settings s);
  v_after bigint := 0;
  v_page record;
  v_gone bigint;
  v_deleted bigint := 0;
begin
  delete from music.alarm_messages m where m.at < now() - interval '90 days';
  if has_table_privilege('cron.job_run_details', 'delete') then  -- pg_cron keeps them all
    delete from cron.job_run_details d
    where d.end_time < now() - interval '7 days'
      and d.jobid in (
        select j.jobid from cron.job j
        where j.jobname in ('music-alarms', 'music-history', 'music-spend'));
  end if;
  -- In order of writing, so that nothing is read that is younger. Open tracks keep their rows, and
  -- are passed over.
  while v_before is not null and v_deleted < p_most loop
    select max(p.id) as last_id, min(p.at) as oldest into v_page
    from (
      select e.id, e.at from music.events e where e.id > v_after order by e.id limit 5000
    ) p;
    exit when v_page.last_id is null or v_page.oldest >= v_before;
    delete from music.events e
    where e.id > v_after and e.id <= v_page.last_id and e.at < v_before
      and not exists (
        select from public.music_tracks t
        where t.id = e.track_id and t.status in ('pending', 'generating'));
    get diagnostics v_gone = row_count;
    v_deleted := v_deleted + v_gone;
    v_after := v_page.last_id;
  end loop;
  return v_deleted;
end
$$;
comment on function music.delete_old_history(int) is
  'Every ten minutes: delete rows of music.events older than keep_history_days whose track has '
  'ended, some 20,000 at a time; answers how many. The ledger stays.';

create or replace function music.remove_alarms() returns text
language plpgsql set search_path = ''
as $$
begin
  if to_regclass('cron.job') is not null then
    perform cron.unschedule(j.jobid) from cron.job j
    where j.jobname in ('music-alarms', 'music-history', 'music-spend');
  end if;
  if music.has_vault() then
    delete from vault.secrets s where s.name = 'music_alarm_webhook';
  end if;
  drop table music.alarm_messages, music.alarms, music.alarm_settings;
  drop function music.has_vault(), music.alarm_webhook(), music.set_alarm_webhook(text),
    music.what_tracks_wait_for(jsonb), music.find_alarms(), music.alarm_text(jsonb),
    music.tell(jsonb), music.message_for(text, jsonb), music.send_alarm_messages(),
    music.look_for_alarms(), music.check_alarms(), music.test_alarm(), music.report_spend(),
    music.delete_old_history(int), music.remove_alarms();
  return 'Jobs, webhook, tables and functions of the alarms are gone.';
end
$$;
comment on function music.remove_alarms() is
  'Take away all that the SQL of music-service alarms made: jobs, webhook, tables and functions.';

do $$
declare
  v_function regprocedure;
begin
  foreach v_function in array array[
    'music.has_vault()', 'music.alarm_webhook()', 'music.set_alarm_webhook(text)',
    'music.what_tracks_wait_for(jsonb)', 'music.find_alarms()', 'music.alarm_text(jsonb)',
    'music.tell(jsonb)', 'music.message_for(text, jsonb)', 'music.send_alarm_messages()',
    'music.look_for_alarms()', 'music.check_alarms()', 'music.test_alarm()',
    'music.report_spend()', 'music.delete_old_history(int)', 'music.remove_alarms()'
  ]::regprocedure[]
  loop
    execute format(
      'revoke execute on function %s from public, anon, authenticated, service_role', v_function);
  end loop;
  -- A job of an earlier run goes first: older versions of pg_cron do not replace it.
  perform cron.unschedule(j.jobid) from cron.job j
  where j.jobname in ('music-alarms', 'music-history', 'music-spend');
  perform cron.schedule('music-alarms', '* * * * *', 'select music.check_alarms()');
  perform cron.schedule('music-history', '*/10 * * * *', 'select music.delete_old_history()');
  perform cron.schedule('music-spend', '5 0 * * *', 'select music.report_spend()');
end
$$;

commit;

select 'The alarms are in place.' || case when music.alarm_webhook() is null
  then ' Say where they go: select music.set_alarm_webhook(''https://…'');' else '' end as alarms;
