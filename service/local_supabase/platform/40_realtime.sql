-- Schema `realtime`: messages that the database broadcasts, and who may join a private channel.
-- Columns, functions and grants are those of the platform's Realtime that people meet: in triggers
-- that call realtime.send, in policies on realtime.messages. Owned by supabase_realtime_admin;
-- `postgres` may write rows and policies.

create schema realtime authorization supabase_realtime_admin;
set role supabase_realtime_admin;

create table realtime.messages (
  id uuid primary key default gen_random_uuid(),
  topic text not null,
  extension text not null,
  payload jsonb,
  event text,
  private boolean default false,
  updated_at timestamp not null default now(),
  inserted_at timestamp not null default now()
);
create index messages_inserted_at_idx on realtime.messages (inserted_at);
alter table realtime.messages enable row level security;
comment on table realtime.messages is 'What was broadcast; policies decide who may join a private topic. Kept for three days.';

create function realtime.topic() returns text
language sql stable
as $$ select nullif(current_setting('realtime.topic', true), '')::text $$;
comment on function realtime.topic() is 'The topic that is being joined; for policies on realtime.messages.';

create function realtime.send(payload jsonb, event text, topic text, private boolean default true)
returns void
language plpgsql set search_path = ''
as $$
declare
  v_id uuid := gen_random_uuid();
begin
  insert into realtime.messages (id, payload, event, topic, private, extension)
  values (v_id, case when payload ? 'id' then payload else jsonb_set(payload, '{id}', to_jsonb(v_id)) end,
          event, topic, private, 'broadcast');
exception when others then
  raise warning 'ErrorSendingBroadcastMessage: %', sqlerrm;
end
$$;
comment on function realtime.send(jsonb, text, text, boolean) is 'Broadcast a message to a topic; never fails. A payload without an id is given that of the message.';

create table realtime.unsent (
  id uuid primary key,
  topic text not null,
  event text not null,
  private boolean not null,
  payload jsonb not null
);
comment on table realtime.unsent is 'What the gateway has still to broadcast and is too long for a notification, whatever becomes of the message; the platform reads it in the write-ahead log.';

create function realtime.notify_of_message() returns trigger
language plpgsql security definer set search_path = ''
as $$
declare
  v_message text := jsonb_build_object(
    'id', new.id, 'topic', new.topic, 'event', new.event,
    'private', coalesce(new.private, false), 'payload', coalesce(new.payload, '{}')::text);
begin
  if octet_length(v_message) < 8000 then  -- a notification holds no more
    perform pg_notify('realtime_messages', v_message);
  else
    insert into realtime.unsent (id, topic, event, private, payload)
    values (new.id, new.topic, new.event, coalesce(new.private, false), coalesce(new.payload, '{}'));
    perform pg_notify('realtime_messages', new.id::text);
  end if;
  return null;
end
$$;
comment on function realtime.notify_of_message() is 'Tells the gateway of a new message once it is committed: the message itself, or the id of one that is too long.';
create trigger messages_notify after insert on realtime.messages
  for each row when (new.extension = 'broadcast' and new.event is not null)
  execute function realtime.notify_of_message();

grant usage on schema realtime to postgres, anon, authenticated, service_role, dashboard_user;
grant all on realtime.messages to postgres, dashboard_user;
grant select, insert, update on realtime.messages to anon, authenticated, service_role;
grant execute on all functions in schema realtime to postgres, anon, authenticated, service_role, dashboard_user;

reset role;
