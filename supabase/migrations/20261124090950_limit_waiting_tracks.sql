-- A queue has an end. How many tracks may wait, of all and for one user, is in music.settings; what
-- would go above is refused with a sentence, whether it is inserted or put back to pending. Workers
-- are never refused, nor is an operator who takes a track from its worker: it was counted before.
--
-- A user's waiting tracks are counted by index, up to the limit; what an app user inserts at once
-- waits for itself, so that the count is exact. All together may be a hundred thousand, which no
-- insert should count: each statement writes by how much it changes their number to music.waiting,
-- and the sum of these few rows is the number. They wait for no other transaction; where the sum is
-- near its limit, inserts go one after another, so that it is exact, too.
-- Locks: music_tracks exclusively for an instant; gives up after five seconds of waiting for it.

set local lock_timeout = '5s';

create table music.waiting (
  id bigint generated always as identity primary key,
  change int not null
);
alter table music.waiting enable row level security;
comment on table music.waiting is
  'By how much statements changed the number of pending tracks; the sum is that number. Folded '
  'into one row from time to time.';
comment on column music.waiting.id is 'Order of writing.';
comment on column music.waiting.change is 'Tracks that came to wait, less those that left.';

insert into music.waiting (change)
select count(*) from public.music_tracks t where t.status = 'pending';

create function music.fold_waiting() returns void
language sql set search_path = ''
as $$
  with folded as (
    delete from music.waiting w
    where w.id in (
      select o.id from music.waiting o order by o.id limit 1000 for update skip locked)
    returning w.change
  )
  insert into music.waiting (change)
  select sum(f.change) from folded f having count(*) > 0
$$;
comment on function music.fold_waiting() is
  'Make one row of many in music.waiting; what another transaction just folds is left to it.';

create function music.recount_waiting() returns trigger
language plpgsql set search_path = ''
as $$
begin
  insert into music.waiting (change)
  select counted.change
  from (
    select (select count(*) from public.music_tracks t where t.status = 'pending')
           - (select coalesce(sum(w.change), 0) from music.waiting w) as change
  ) counted
  where counted.change <> 0;
  return null;
end
$$;
comment on function music.recount_waiting() is
  'After a worker has asked Mureka for its account, at its start and each hour: put the number of '
  'pending tracks right, should triggers have been switched off meanwhile.';

create trigger account_recount_waiting after update of checked_at on music.account
  for each statement execute function music.recount_waiting();

create function music.check_waiting_of_user(p_user_id uuid) returns void
language plpgsql set search_path = ''
as $$
declare
  v_is_guest boolean := music.is_guest(p_user_id);
  v_settings music.settings := music.read_settings();
  v_most int := least(
    v_settings.max_pending_per_user,
    case when v_is_guest then v_settings.max_pending_per_guest end);
begin
  if v_most is null then
    return;
  end if;
  if music.is_app_user() then
    perform music.lock_waiting_of(p_user_id);
  end if;
  if (select count(*) from (
        select from public.music_tracks t
        where t.user_id = p_user_id and t.status = 'pending' limit v_most::bigint + 1) mine)
     > v_most then
    raise exception 'More than % tracks may not wait at once for one %.', v_most,
        case when v_is_guest then 'guest' else 'user' end
      using errcode = 'MU009', hint = 'Wait until some of them are made, or cancel some. '
        'Operators find the limit in music.settings: '
        || case when v_most = v_settings.max_pending_per_user then 'max_pending_per_user.'
             else 'max_pending_per_guest.' end;
  end if;
end
$$;
comment on function music.check_waiting_of_user(uuid) is
  'Refuse a user more waiting tracks than music.settings allows. What the user''s own sessions '
  'insert at once waits for itself; a backend''s inserts for many users wait for nobody.';

create function music.check_waiting() returns void
language plpgsql set search_path = ''
as $$
declare
  v_most int := (select s.max_pending from music.settings s);
  v_waiting bigint;
  v_rows bigint;
begin
  select sum(w.change), count(*) into v_waiting, v_rows from music.waiting w;
  if v_rows > 200 then
    perform music.fold_waiting();
  end if;
  if v_most is null or v_waiting <= v_most::bigint - 1000 then
    return;
  end if;
  perform music.lock_waiting();
  if (select sum(w.change) from music.waiting w) > v_most then
    raise exception 'More than % tracks may not wait at once.', v_most
      using errcode = 'MU009', hint =
        'Ask again later. Operators find the limit in music.settings: max_pending.';
  end if;
end
$$;
comment on function music.check_waiting() is
  'Refuse more waiting tracks of all users than music.settings allows. Within the last thousand '
  'places statements wait for each other.';

create function music.limit_waiting() returns trigger
language plpgsql security definer set search_path = ''
as $$
declare
  v_change int;
  v_users uuid[];
  v_came int := 0;
begin
  case lower(tg_op)
    when 'insert' then
      select count(*), array_agg(distinct n.user_id order by n.user_id) into v_change, v_users
      from new_tracks n where n.status = 'pending';
      v_came := v_change;
    when 'update' then
      select count(*) filter (where n.status = 'pending')
               - count(*) filter (where o.status = 'pending'),
             count(*) filter (where n.status = 'pending' and o.status <> 'generating'),
             array_agg(distinct n.user_id order by n.user_id)
               filter (where n.status = 'pending' and o.status <> 'generating')
      into v_change, v_came, v_users
      from new_tracks n join old_tracks o on o.id = n.id where o.status <> n.status;
    else
      select -count(*) into v_change from old_tracks o where o.status = 'pending';
  end case;
  if v_change <> 0 then
    insert into music.waiting (change) values (v_change);
  end if;
  if v_came > 0 and not music.is_worker() then
    perform music.check_waiting_of_user(u.id)
    from unnest(v_users) as u (id) where u.id is not null;
    perform music.check_waiting();
  end if;
  return null;
end
$$;
comment on function music.limit_waiting() is
  'After a statement: count the tracks that came to wait and those that left, and refuse what goes '
  'above a limit.';

create trigger music_tracks_limit_waiting_insert after insert on public.music_tracks
  referencing new table as new_tracks
  for each statement execute function music.limit_waiting();
create trigger music_tracks_limit_waiting_update after update on public.music_tracks
  referencing old table as old_tracks new table as new_tracks
  for each statement execute function music.limit_waiting();
create trigger music_tracks_limit_waiting_delete after delete on public.music_tracks
  referencing old table as old_tracks
  for each statement execute function music.limit_waiting();
