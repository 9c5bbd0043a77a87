"""Stand-ins of pg_cron, pg_net and Vault, which the local stack has not: the same names and shapes.

A job runs when a test runs it, and a request is answered as a test says.
"""

from __future__ import annotations

from typing import Any

from psycopg.rows import DictRow

from tests.support.database import Project
from tests.support.project import ROOT

ALARMS = (ROOT / "supabase" / "alarms.sql").read_text()

PG_CRON = """
create schema cron;
grant usage on schema cron to public;
create table cron.job (
  jobid bigint primary key generated always as identity, schedule text not null,
  command text not null, nodename text not null default 'localhost', nodeport int default 5432,
  database text not null default current_database(), username text not null default current_user,
  active boolean not null default true, jobname text, unique (jobname, username));
create table cron.job_run_details (
  jobid bigint, runid bigint primary key generated always as identity, job_pid int, database text,
  username text default current_user, command text, status text, return_message text,
  start_time timestamptz, end_time timestamptz);
alter table cron.job enable row level security;
alter table cron.job_run_details enable row level security;
create policy own on cron.job using (username = current_user);
create policy own on cron.job_run_details using (username = current_user);
grant select on cron.job to public;
grant select, delete on cron.job_run_details to public;
create function cron.schedule(job_name text, schedule text, command text) returns bigint
language sql as $$
  insert into cron.job (jobname, schedule, command) values ($1, $2, $3)
  on conflict (jobname, username) do update set schedule = $2, command = $3
  returning jobid $$;
create function cron.unschedule(job_id bigint) returns boolean
language plpgsql as $$ begin
  delete from cron.job where jobid = job_id;
  if not found then raise exception 'could not find valid entry for job %', job_id; end if;
  return true;
end $$;
"""

PG_NET = """
create schema net;
create table net.http_request_queue (
  id bigint generated always as identity, method text not null, url text not null,
  headers jsonb not null, body bytea, timeout_milliseconds int not null);
create table net._http_response (
  id bigint, status_code int, content_type text, headers jsonb, content text, timed_out boolean,
  error_msg text, created timestamptz not null default now());
create function net.http_post(
  url text, body jsonb default '{}', params jsonb default '{}',
  headers jsonb default '{"Content-Type": "application/json"}',
  timeout_milliseconds int default 5000) returns bigint
language plpgsql as $$
declare request_id bigint;
begin
  if headers ->> 'Content-Type' is distinct from 'application/json' then
    raise exception 'Content-Type header must be "application/json"';
  end if;
  if body is null then raise exception 'body must not be null'; end if;
  insert into net.http_request_queue (method, url, headers, body, timeout_milliseconds)
  values ('POST', url, headers, convert_to(body::text, 'UTF8'), timeout_milliseconds)
  returning id into request_id;
  return request_id;
end $$;
"""

VAULT = """
create schema vault;
create table vault.secrets (
  id uuid primary key default gen_random_uuid(), name text unique, description text not null,
  secret text not null);
create view vault.decrypted_secrets as
  select id, name, description, secret, reverse(secret) as decrypted_secret from vault.secrets;
create function vault.create_secret(
  new_secret text, new_name text default null, new_description text default '',
  new_key_id uuid default null) returns uuid
language sql as $$
  insert into vault.secrets (secret, name, description) values (reverse($1), $2, $3)
  returning id $$;
create function vault.update_secret(
  secret_id uuid, new_secret text default null, new_name text default null,
  new_description text default null, new_key_id uuid default null) returns void
language sql as $$
  update vault.secrets set secret = coalesce(reverse($2), secret), name = coalesce($3, name),
    description = coalesce($4, description)
  where id = $1 $$;
"""


async def have(project: Project, *extensions: str) -> None:
    for extension in extensions:
        await project.operator.execute(extension.encode())


async def switch_on(project: Project) -> None:
    """Run the file, as an operator pastes it into the SQL editor."""
    await project.operator.execute(ALARMS.encode())


async def run_job(project: Project, name: str) -> None:
    """What pg_cron does when it is time: the command of the job, as its user."""
    command = await project.value("select command from cron.job where jobname = %s", name)
    await project.operator.execute(str(command).encode())


async def requests(project: Project) -> list[DictRow]:
    """What was posted so far: id, url, body, and how long pg_net may wait."""
    return await project.sql(
        "select id, url, convert_from(body, 'utf8')::jsonb as body, timeout_milliseconds"
        " from net.http_request_queue where method = 'POST' order by id"
    )


async def answer(project: Project, request_id: int, **columns: Any) -> None:
    """An answer of the webhook, or the failure of a request (`error_msg`)."""
    names = ", ".join(columns)
    marks = ", ".join("%s" for _ in columns)
    await project.sql(
        f"insert into net._http_response (id, {names}) values (%s, {marks})",
        request_id,
        *columns.values(),
    )
