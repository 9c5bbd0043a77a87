-- A reader writes journeys and logs as rows, and the rows themselves keep what is promised of them:
-- logs are numbered v0, v1, v2, … without gaps or duplicates however many are written at once, a
-- finished journey gets its vFinal and nothing more, and what is refused is refused with a sentence.
-- Readers may write only the columns that are theirs; a log's number never is.
--
-- The lock: whoever adds a log holds the journey's row (`for no key update`, which does not stand in
-- the way of tracks that refer to it) until the end of the transaction.
--
-- SQLSTATEs: MU004 no such journey of yours, MU005 the journey is finished, MU006 a text is missing
-- or too long. Each has a hint.
-- Locks: journeys and reading_logs exclusively for an instant.

create function music.fold(p_text text) returns text
language sql immutable set search_path = ''
as $$
  select nullif(btrim(regexp_replace(p_text, '[\u0001-\u0020\u007f-\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+', ' ', 'g')), '')
$$;
comment on function music.fold(text) is 'A text as one line: every run of white space and control characters is one space; null when nothing is left.';

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
comment on function music.check_text(text, text, int) is 'Refuse a text that is too long with a sentence that names it.';

create function music.check_emotions(p_emotions text[]) returns void
language plpgsql immutable set search_path = ''
as $$
begin
  if cardinality(p_emotions) > 100 or length(array_to_string(p_emotions, '')) > 10000 then
    raise exception 'There are far too many emotions, or they are far too long; at most 20 of 50 characters are allowed.'
      using errcode = 'MU006', hint = 'Choose the strongest.';
  end if;
end
$$;
comment on function music.check_emotions(text[]) is 'Refuse what would cost much merely to look at.';

create function music.check_journey() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
  if lower(tg_op) = 'insert' or new.book_title is distinct from old.book_title then
    perform music.check_text('title of the book', new.book_title, 300);
    if music.fold(new.book_title) is null then
      raise exception 'The title of the book is empty.'
        using errcode = 'MU006', hint = 'Give book_title 1 to 300 characters.';
    end if;
  end if;
  if lower(tg_op) = 'insert' or new.book_author is distinct from old.book_author then
    perform music.check_text('author of the book', new.book_author, 300);
  end if;
  if not music.is_app_user() then
    return new;
  end if;
  if lower(tg_op) = 'insert' then
    if new.user_id is distinct from auth.uid() then
      raise exception 'A journey can only be begun for yourself.'
        using errcode = 'MU003', hint = 'Leave user_id out of the insert.';
    end if;
  elsif new.finished_at is distinct from old.finished_at then
    if old.finished_at is not null then
      raise exception 'The journey is finished and stays so.'
        using errcode = 'MU005', hint = 'Begin a new journey to read the book again.';
    end if;
    new.finished_at := now();
  end if;
  return new;
end
$$;
comment on function music.check_journey() is 'Before insert and update: title and author of allowed length; a reader finishes a journey once and by the database''s clock.';

create function music.next_version(p_journey_id uuid) returns text
language plpgsql set search_path = ''
as $$
declare
  v_journey public.journeys;
begin
  select * into v_journey from public.journeys j where j.id = p_journey_id for no key update;
  if v_journey.id is null then
    return 'v0';  -- the foreign key says what is wrong
  end if;
  if v_journey.finished_at is null then
    return (
      select 'v' || coalesce(max(substr(l.version, 2)::int) + 1, 0)
      from public.reading_logs l where l.journey_id = p_journey_id and l.version ~ '^v[0-9]{1,9}$');
  end if;
  if exists (select from public.reading_logs l where l.journey_id = p_journey_id and l.version = 'vFinal') then
    raise exception 'The journey is finished; nothing can be added to it.'
      using errcode = 'MU005', hint = 'Begin a new journey to read the book again.';
  end if;
  return 'vFinal';
end
$$;
comment on function music.next_version(uuid) is 'Lock a journey and answer the number of its next log: v0, v1, v2, …, and vFinal once it is finished.';

create function music.check_reading_log() returns trigger
language plpgsql security definer set search_path = ''
as $$
declare
  v_emotion text;
begin
  perform music.check_text('quote', new.quote, 4000);
  perform music.check_text('memo', new.memo, 4000);
  perform music.check_emotions(new.emotions);
  new.emotions := array(
    select felt.emotion
    from (select music.fold(e) as emotion, min(place) as place
          from unnest(new.emotions) with ordinality as given (e, place) group by 1) felt
    where felt.emotion is not null
    order by felt.place);
  if cardinality(new.emotions) > 20 then
    raise exception 'There are % emotions; at most 20 are allowed.', cardinality(new.emotions)
      using errcode = 'MU006', hint = 'Choose the strongest.';
  end if;
  foreach v_emotion in array new.emotions loop
    perform music.check_text('emotion', v_emotion, 50);
  end loop;
  if lower(tg_op) = 'insert' and (new.version is null or music.is_app_user()) then
    if music.is_app_user() and not exists (
        select from public.journeys j where j.id = new.journey_id and j.user_id = auth.uid()) then
      raise exception 'There is no such journey of yours.'
        using errcode = 'MU004', hint = 'Look at the id; perhaps the journey was deleted.';
    end if;
    new.version := music.next_version(new.journey_id);
  end if;
  return new;
end
$$;
comment on function music.check_reading_log() is 'Before insert and update: texts of allowed length, emotions without blanks and repetitions, and the number, which no reader chooses.';

revoke execute on function music.fold(text), music.check_text(text, text, int), music.check_emotions(text[]), music.check_journey(),
  music.next_version(uuid), music.check_reading_log() from public;
grant execute on function music.fold(text), music.check_text(text, text, int), music.check_emotions(text[]), music.next_version(uuid) to service_role;

create trigger journeys_check before insert or update on public.journeys
  for each row execute function music.check_journey();
create trigger reading_logs_check before insert or update of quote, memo, emotions on public.reading_logs
  for each row execute function music.check_reading_log();

revoke insert, update on public.journeys, public.reading_logs from authenticated;
grant insert (id, user_id, book_title, book_author), update (book_title, book_author, finished_at)
  on public.journeys to authenticated;
grant insert (id, journey_id, quote, memo, emotions, track_id), update (quote, memo, emotions)
  on public.reading_logs to authenticated;
