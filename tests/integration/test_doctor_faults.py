"""Faults made on purpose: the doctor names each, and "all is well" only where a track is made."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import JSONResponse

from local_supabase.ports import Ports
from local_supabase.stack import Stack
from music_service.cli.doctor import summary
from music_service.doctor.findings import Finding, Verdict, is_well
from music_service.errors import ConfigurationError
from music_service.store import preflight
from music_service.store.client import connect
from tests.support.doctor import ALIVE, administrate, broken, findings_of, given, rows
from tests.support.programs import environment, run_program
from tests.support.project import ROOT
from tests.support.times import QUICK

TRACKS = "public.music_tracks"
SETTINGS = "update music.settings set {} where id"
WORKER = "update music.workers set state = '{}', note = {} where id = 'alive'"
REFUSE = (
    "create function public.app_rule() returns trigger language plpgsql as"
    " $$ begin raise exception 'the app wants no stages'; end $$;"
    f" create trigger app_rule before update on {TRACKS} for each row"
    " when (new.stage is not null) execute function public.app_rule()"
)
# Everything that a trial could leave behind where somebody would see it.
LEFT = (
    f"select (select count(*) from {TRACKS}), (select count(*) from music.claims),"
    " (select count(*) from music.generations), (select count(*) from storage.objects),"
    " (select count(*) from music.events e where e.kind not in ('created', 'deleted')),"
    " (select count(*) from realtime.messages where topic <> 'music:doctor'),"
    " (select to_jsonb(s) from music.settings s), (select to_jsonb(a) from music.account a)"
)


@dataclass(frozen=True)
class Fault:
    """How it is made and undone with SQL, and what the doctor says of it."""

    made: str
    undone: str
    check: str
    found: str
    fix: str
    verdict: Verdict = Verdict.WRONG


def policy(name: str, table: str, what: str) -> tuple[str, str]:
    return f"create policy {name} on {table} {what}", f"drop policy {name} on {table}"


FAULTS = {
    "row-level security is off": Fault(
        f"alter table {TRACKS} disable row level security",
        f"alter table {TRACKS} enable row level security",
        "access",
        f"Row-level security is switched off on {TRACKS}",
        f"alter table {TRACKS} enable row level security;",
    ),
    "a policy holds for every row": Fault(
        *policy("open_door", TRACKS, "to authenticated using (true) with check (true)"),
        "access",
        f'Every signed-in user may read and change any row of {TRACKS} (policy "open_door")',
        f'drop policy "open_door" on {TRACKS};',
    ),
    "a policy holds for every row, in other words": Fault(
        *policy("open_door", TRACKS, "to public using (status is not null)"),
        "access",
        'Every signed-in user can change other users\' tracks (policy "open_door")',
        f'drop policy "open_door" on {TRACKS};',
    ),
    "guests may spend": Fault(
        f"grant insert on {TRACKS} to anon; create policy guests on {TRACKS} for insert to anon"
        f" with check (user_id is null); alter table {TRACKS}"
        " disable trigger music_tracks_check_insert",
        f"drop policy guests on {TRACKS}; revoke insert on {TRACKS} from anon; alter table {TRACKS}"
        " enable trigger music_tracks_check_insert",
        "access",
        "Anybody with the public key can ask for tracks that belong to nobody and are paid for",
        f'drop policy "guests" on {TRACKS};',
    ),
    "a gallery shows everybody's tracks": Fault(
        *policy("gallery", TRACKS, "for select to authenticated using (true)"),
        "access",
        f'Every signed-in user may read any row of {TRACKS} (policy "gallery")',
        "None",
        Verdict.NOTE,
    ),
    "a worker function is for everybody": Fault(
        "grant execute on function public.claim_music_tracks to public",
        "revoke execute on function public.claim_music_tracks from public",
        "access",
        "Anybody with the public key may execute claim_music_tracks",
        "revoke execute on function public.claim_music_tracks(text,integer,double precision,"
        "integer) from public, anon, authenticated;",
    ),
    "app users may change the settings": Fault(
        "grant select, update on music.settings to authenticated;"
        " create policy open_door on music.settings to authenticated using (true)",
        "drop policy open_door on music.settings; revoke all on music.settings from authenticated",
        "access",
        "Every signed-in user may use music.settings, which is for the service alone",
        "revoke all on music.settings from public, anon, authenticated;",
    ),
    "everybody hears everything of Realtime": Fault(
        *policy("open_door", "realtime.messages", "for select to authenticated using (true)"),
        "access",
        "Every signed-in user can hear what workers are told and hear of other users' tracks"
        ' (policy "open_door")',
        'drop policy "open_door" on realtime.messages;',
    ),
    "Realtime's tables came after the migrations": Fault(
        'drop policy "Users hear of their own tracks" on realtime.messages',
        "select music.add_realtime_policy()",
        "owners",
        "Users cannot hear of their own tracks by broadcast",
        "select music.add_realtime_policy();",
        Verdict.WARNING,
    ),
    "everybody broadcasts": Fault(
        *policy("open_door", "realtime.messages", "for insert to authenticated with check (true)"),
        "access",
        'Every signed-in user can broadcast to workers and other users (policy "open_door")',
        'drop policy "open_door" on realtime.messages;',
    ),
    "everybody writes into the bucket": Fault(
        *policy(
            "open_door", "storage.objects", "for insert with check (bucket_id = 'music-tracks')"
        ),
        "access",
        'Anybody with the public key can put files into the bucket (policy "open_door")',
        'drop policy "open_door" on storage.objects;',
    ),
    "a trigger is switched off": Fault(
        f"alter table {TRACKS} disable trigger music_tracks_check_update",
        f"alter table {TRACKS} enable trigger music_tracks_check_update",
        "triggers",
        "The trigger music_tracks_check_update of public.music_tracks is switched off",
        f"alter table {TRACKS} enable trigger music_tracks_check_update;",
    ),
    "a trigger is missing": Fault(
        f"alter trigger music_tracks_note_insert on {TRACKS} rename to gone",
        f"alter trigger gone on {TRACKS} rename to music_tracks_note_insert",
        "triggers",
        "Not there: music_tracks_note_insert",
        "Apply the migrations",
    ),
    "the queue is paused": Fault(
        SETTINGS.format("paused = true, paused_reason = 'A move.'"),
        SETTINGS.format("paused = false"),
        "queue",
        "It is paused by supabase_admin: A move. New tracks wait.",
        "music-service resume",
    ),
    "the fleet may do nothing": Fault(
        SETTINGS.format("max_concurrent = 0"),
        SETTINGS.format("max_concurrent = 10"),
        "queue",
        "max_concurrent is 0 in music.settings, so nothing is taken up",
        "update music.settings set max_concurrent = 10 where id;",
    ),
    "no user may have anything": Fault(
        SETTINGS.format("max_concurrent_per_user = 0"),
        SETTINGS.format("max_concurrent_per_user = null"),
        "queue",
        "max_concurrent_per_user is 0 in music.settings, so nothing is taken up for any user",
        "update music.settings set max_concurrent_per_user = 2 where id;",
    ),
    "the settings row is gone": Fault(
        "alter table music.settings disable trigger settings_keep_rows;"
        " delete from music.settings;"
        " alter table music.settings enable trigger settings_keep_rows",
        "insert into music.settings (daily_budget_cents, daily_budget_cents_of_guests)"
        " values (null, null) on conflict (id) do nothing",
        "queue",
        "The row of music.settings is gone; a worker makes it again",
        "insert into music.settings default values;",
    ),
    "today's budget is used up": Fault(
        SETTINGS.format("daily_budget_cents = 4"),
        SETTINGS.format("daily_budget_cents = null"),
        "budget",
        "Today's budget of 4 US cents has no room for another track (0 spent)",
        "update music.settings set daily_budget_cents = 1004 where id;",
    ),
    "a user's budget buys nothing": Fault(
        SETTINGS.format("daily_budget_cents_per_user = 4"),
        SETTINGS.format("daily_budget_cents_per_user = null"),
        "budget",
        "A user's budget of 4 US cents a day is less than a track costs (4.5)",
        "daily_budget_cents_per_user = 100",
    ),
    "the only worker is blocked": Fault(
        WORKER.format("blocked", "'The key is refused.'"),
        WORKER.format("running", "null"),
        "workers",
        "alive is blocked: The key is refused.",
        "Fix what its note says about the Mureka account",
    ),
    "the only worker's claims fail": Fault(
        WORKER.format("failing", "'permission denied for table claims'"),
        WORKER.format("running", "null"),
        "workers",
        "alive is failing: permission denied for table claims.",
        "Fix what its note says about the database",
    ),
    "one of two workers is blocked": Fault(
        "insert into music.workers (id, state, note) values ('other', 'blocked', 'No money.')",
        "delete from music.workers where id = 'other'",
        "workers",
        "other is blocked: No money.",
        "Fix what its note says",
        Verdict.WARNING,
    ),
    "something waits for a person": Fault(
        f"insert into {TRACKS} (id, prompt, status, error_code, error_message) values"
        " ('00000000-0000-0000-0000-00000000000a', 'x', 'error', 'internal', 'It broke.')",
        f"delete from {TRACKS}",
        "review",
        "1 thing waits for a person; the first is internal"
        " (00000000-0000-0000-0000-00000000000a): It broke.",
        "music-service review",
        Verdict.WARNING,
    ),
    "an older check refuses a status": Fault(
        f"alter table {TRACKS} add constraint old_words"
        " check (status in ('pending', 'completed', 'error'))",
        f"alter table {TRACKS} drop constraint old_words",
        "trial",
        "A track inserted now would not be made: a worker cannot claim it: new row for relation"
        ' "music_tracks" violates check constraint "old_words" (23514)',
        f'alter table {TRACKS} drop constraint "old_words";',
    ),
    "a column of another type": Fault(
        f"alter table {TRACKS} alter column storage_path type varchar(3)",
        f"alter table {TRACKS} alter column storage_path type text",
        "trial",
        "A track inserted now would not be made: a worker cannot complete it: value too long"
        " for type character varying(3) (22001)",
        f"Look at columns, rules and triggers of {TRACKS}",
    ),
    "a trigger of the app refuses the work": Fault(
        REFUSE,
        f"drop trigger app_rule on {TRACKS}; drop function public.app_rule()",
        "trial",
        "a worker cannot show its stage: the app wants no stages (P0001)",
        f'alter table {TRACKS} disable trigger "app_rule";',
    ),
    "a trigger of the app spoils what the service writes": Fault(
        "create function public.app_rule() returns trigger language plpgsql as"
        " $$ begin new.completed_at := null; return new; end $$;"
        f" create trigger zz_app_rule before update on {TRACKS} for each row"
        " execute function public.app_rule()",
        f"drop trigger zz_app_rule on {TRACKS}; drop function public.app_rule()",
        "trial",
        'a worker cannot complete it: new row for relation "music_tracks" violates check constraint'
        ' "music_tracks_completed_has_time" (23514)',
        "This rule is the service's own",
    ),
    "a default that the service refuses": Fault(
        f"alter table {TRACKS} alter column attempts set default 2",
        f"alter table {TRACKS} alter column attempts set default 0",
        "trial",
        "A user of the app cannot ask for a track: A new track may set only",
        "",
    ),
    "nobody owns what is asked for": Fault(
        f"alter table {TRACKS} alter column user_id drop default",
        f"alter table {TRACKS} alter column user_id set default music.user_id()",
        "trial",
        "A user of the app cannot ask for a track: A track can only be made for yourself",
        "",
    ),
    "a right is missing deep inside": Fault(
        "revoke insert on music.generations from service_role",
        "grant insert on music.generations to service_role",
        "trial",
        "a worker cannot write the intent of its paid call: permission denied for table"
        " generations (42501)",
        "grant select, insert, update, delete on music.generations to service_role;",
    ),
    "app users may not ask": Fault(
        f"revoke insert on {TRACKS} from authenticated",
        f"grant insert on {TRACKS} to authenticated",
        "trial",
        "A user of the app cannot ask for a track: permission denied for table music_tracks",
        f"grant select, insert, update on {TRACKS} to authenticated;",
    ),
    "app users do not see what is theirs": Fault(
        f'alter policy "Users see their tracks" on {TRACKS} using (false)',
        f'alter policy "Users see their tracks" on {TRACKS} using (user_id = (select auth.uid()))',
        "trial",
        "A user of the app cannot see a track of their own",
        f"Look at the policies of {TRACKS}",
    ),
}


@pytest.fixture(scope="module")
async def own_stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """A stack that tests may break; at their end it is well, and no trial has left anything."""
    data_dir = tmp_path_factory.mktemp("doctor-faults")
    async with Stack(data_dir, Ports.free(), project_dir=ROOT, times=QUICK, durable=False) as stack:
        await administrate(
            stack, f"insert into auth.users (email) values ('first@example.com'); {ALIVE}"
        )
        before = await rows(stack, LEFT)
        yield stack
        findings = await findings_of(given(stack))
        assert summary(findings).startswith("All is well: ")
        after = await rows(stack, LEFT)
        assert after[0][:5] == before[0][:5]  # a switch that goes back tells the workers


def named(findings: list[Finding], fault: Fault) -> list[Finding]:
    return [
        finding
        for finding in findings
        if (finding.check, finding.verdict) == (fault.check, fault.verdict)
        and fault.found in finding.found
        and fault.fix in str(finding.fix)
    ]


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
async def test_a_fault_is_named_with_its_fix(own_stack: Stack, fault: Fault) -> None:
    async with broken(own_stack, fault.made, fault.undone):
        findings = await findings_of(given(own_stack))
    others = [finding for finding in findings if finding.verdict is not Verdict.OK]
    assert len(named(findings, fault)) == 1, others
    assert is_well(findings) is (fault.verdict is not Verdict.WRONG), others


async def test_a_trial_leaves_nothing_and_nobody_hears_of_it(own_stack: Stack) -> None:
    before = await rows(own_stack, LEFT)
    findings = await findings_of(given(own_stack))
    assert summary(findings).startswith("All is well: ")
    assert await rows(own_stack, LEFT) == before
    assert own_stack.simulator.ledger == []


async def test_a_low_limit_of_rows_is_found_and_no_worker_starts_that_it_would_cut(
    own_stack: Stack,
) -> None:
    async with broken(
        own_stack,
        "alter role authenticator set pgrst.db_max_rows = '5'; notify pgrst, 'reload config'",
        "alter role authenticator reset pgrst.db_max_rows; notify pgrst, 'reload config'",
    ):
        wrong = await until(own_stack, "rows", Verdict.WRONG)
        async with connect(own_stack.url, own_stack.keys.secret) as client:
            await preflight.check(client, "music-tracks", public=True, capacity=5)
            with pytest.raises(ConfigurationError, match="hands out 5 rows at once"):
                await preflight.check(client, "music-tracks", public=True, capacity=6)
    assert "The API cuts every answer at 5 rows" in wrong.found
    assert "Max rows to 1000" in str(wrong.fix)
    await until(own_stack, "rows", Verdict.OK)


async def until(stack: Stack, check: str, verdict: Verdict) -> Finding:
    """The finding, once the API has read its configuration again; nothing else may be wrong."""
    async with asyncio.timeout(30):
        while True:
            findings = await findings_of(given(stack))
            for finding in findings:
                if (finding.check, finding.verdict) == (check, verdict):
                    others = [f for f in findings if f.check != check]
                    assert is_well(others), others
                    return finding


async def test_a_private_bucket_of_another_name_needs_its_policy(own_stack: Stack) -> None:
    await administrate(
        own_stack, "insert into storage.buckets (id, name, public) values ('songs', 'songs', false)"
    )
    project = given(own_stack, bucket="songs", bucket_public=False)
    [wrong] = [f for f in await findings_of(project) if f.verdict is Verdict.WRONG]
    assert wrong.found.startswith("No policy of storage.objects lets users read their own")
    statement = str(wrong.fix).removeprefix("Run in the SQL editor: ")
    drop = 'drop policy "Users read their own music in songs" on storage.objects'
    async with broken(own_stack, statement, drop):
        assert is_well(await findings_of(project))


async def test_no_money_is_not_a_bad_key(own_stack: Stack) -> None:
    empty = {"error": {"message": "You exceeded your current quota, check your billing."}}
    with faulty(own_stack):
        own_stack.faults.mureka.answer("/v1/account/billing", JSONResponse(empty, 429))
        [wrong] = [f for f in await findings_of(given(own_stack)) if f.verdict is Verdict.WRONG]
    assert "has no money left" in wrong.found
    assert str(wrong.fix).startswith("Top up the account")


@contextmanager
def faulty(stack: Stack) -> Iterator[None]:
    """Faults of the stack's parts for the length of a block."""
    try:
        yield
    finally:
        stack.faults.clear()


async def test_a_secret_in_an_address_is_never_said(own_stack: Stack, tmp_path: Path) -> None:
    for url in (
        "http://me:hidden@127.0.0.1:9",
        "http://127.0.0.1:9/?apikey=hidden",
        "http://me:hid/den@127.0.0.1",
    ):
        for name in ("SUPABASE_URL", "MUREKA_API_URL"):
            said = await doctor(own_stack, tmp_path, **{name: url})
            assert said.code in (1, 2)
            assert "hid" not in said.out + said.err


async def doctor(stack: Stack, directory: Path, *arguments: str, **changes: str) -> Any:
    return await run_program(directory, environment(stack, **changes), "doctor", *arguments)
