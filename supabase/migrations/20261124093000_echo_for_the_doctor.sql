-- Whether broadcasts from the database arrive can only be seen by sending one. The topic is the
-- doctor's own, so that no worker wakes and no app hears of it; the answer is the database's clock.
-- Locks: nothing.

create function public.ping_music_realtime(p_nonce text) returns timestamptz
language plpgsql set search_path = ''
as $$
begin
  perform music.broadcast('music:doctor', 'ping', jsonb_build_object('nonce', left(p_nonce, 100)));
  return clock_timestamp();
end
$$;
comment on function public.ping_music_realtime(text) is 'For music-service doctor: broadcast to the private topic music:doctor; answers the database''s clock.';

grant execute on function music.broadcast(text, text, jsonb) to service_role;
do $$
declare
  v_function regprocedure;
begin
  foreach v_function in array array[
    'public.ping_music_realtime(text)']::regprocedure[]
  loop
    execute format('revoke execute on function %s from public, anon, authenticated', v_function);
    execute format('grant execute on function %s to service_role', v_function);
  end loop;
end
$$;
