-- The roles of a Supabase project and what they may do in `public`.
-- Run once, by the superuser supabase_admin, on a new cluster. Whoever may log in is given the
-- stack's password afterwards; until then nobody but the superuser gets in.
-- As on the platform since 30 October 2026, nothing is granted automatically on new tables and
-- functions in `public`, not even to service_role: each migration grants what it means to.
-- (Postgres's own default, execute on new functions for everyone, stays; migrations revoke it.)

create role anon nologin;
create role authenticated nologin;
create role service_role nologin bypassrls;
create role authenticator login noinherit;
grant anon, authenticated, service_role to authenticator;

create role supabase_auth_admin login noinherit createrole;
create role supabase_storage_admin login noinherit createrole;
create role supabase_realtime_admin nologin noinherit;
create role dashboard_user createrole createdb replication;

create role postgres login createrole createdb bypassrls replication;
grant anon, authenticated, service_role to postgres with admin option;
-- Of no administrator of auth, storage or realtime: there it owns nothing and alters nothing.
grant authenticator to postgres with admin option;
grant pg_monitor, pg_read_all_data, pg_signal_backend to postgres;

alter database postgres owner to postgres;
alter schema public owner to postgres;

create schema extensions authorization postgres;
grant usage on schema public, extensions to public;
grant usage on schema public, extensions to anon, authenticated, service_role;

alter role anon set statement_timeout = '3s';
alter role authenticated set statement_timeout = '8s';
alter role authenticator set statement_timeout = '8s';
alter role authenticator set lock_timeout = '8s';
alter role postgres set search_path = "$user", public, extensions;
alter role supabase_admin set search_path = "$user", public, auth, extensions;

create publication supabase_realtime;
alter publication supabase_realtime owner to postgres;

-- The API notices changed tables and functions by itself.
create function extensions.pgrst_ddl_watch() returns event_trigger
language plpgsql set search_path = ''
as $$
begin
  notify pgrst, 'reload schema';
end
$$;
create event trigger pgrst_ddl_watch on ddl_command_end execute function extensions.pgrst_ddl_watch();
create event trigger pgrst_drop_watch on sql_drop execute function extensions.pgrst_ddl_watch();
