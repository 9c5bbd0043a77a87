-- What `postgres`, who owns nothing in auth, storage and realtime, may do there all the same:
-- create, alter and drop policies on storage.objects and realtime.messages, and nothing else.
-- On the platform supautils does this for the length of one such command. Here two event triggers
-- do: the tables are postgres's from the command's start to its end, and whatever ends in between
-- is undone with its transaction. They write the catalog, since `alter table … owner to` would
-- change the grants, too. Others who create a policy meanwhile wait for the end of the transaction.

create function extensions.lend_tables_for_policies() returns event_trigger
language plpgsql security definer set search_path = ''
as $$
begin
  update pg_catalog.pg_class
  set relowner = 'postgres'::regrole
  where oid in (to_regclass('storage.objects'), to_regclass('realtime.messages'));
end
$$;

create function extensions.take_tables_back() returns event_trigger
language plpgsql security definer set search_path = ''
as $$
begin
  update pg_catalog.pg_class c
  set relowner = n.nspowner
  from pg_catalog.pg_namespace n
  where n.oid = c.relnamespace
    and c.oid in (to_regclass('storage.objects'), to_regclass('realtime.messages'));
end
$$;

create event trigger lend_tables_for_policies on ddl_command_start
  when tag in ('CREATE POLICY', 'ALTER POLICY', 'DROP POLICY')
  execute function extensions.lend_tables_for_policies();
create event trigger take_tables_back on ddl_command_end
  when tag in ('CREATE POLICY', 'ALTER POLICY', 'DROP POLICY')
  execute function extensions.take_tables_back();
