"""The doctor: all green on a sound project, and each fault that is really made is named."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import JSONResponse, PlainTextResponse

from local_supabase.ports import Ports
from local_supabase.stack import Stack
from music_service.doctor.checkup import Given, checkup
from music_service.doctor.expected import (
    CONSTRAINTS,
    FUNCTIONS,
    RELATIONS,
    TABLE,
    TABLES,
    TRACK_COLUMNS,
    TRIGGERS,
)
from music_service.doctor.findings import Finding, Verdict, is_well
from music_service.store.schema_version import MADE_FOR, OLDEST_SCHEMA
from tests.support.doctor import (
    ALIVE,
    administrate,
    broken,
    findings_of,
    given,
    mureka,
    rows,
)
from tests.support.programs import environment, run_program
from tests.support.project import ROOT
from tests.support.times import QUICK

NOWHERE = "http://127.0.0.1:9"

Statement = tuple[str, str]


@pytest.fixture(scope="module")
async def own_stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """A stack that tests may break."""
    data_dir = tmp_path_factory.mktemp("doctor")
    async with Stack(data_dir, Ports.free(), project_dir=ROOT, times=QUICK, durable=False) as stack:
        yield stack


@pytest.fixture
async def healthy(own_stack: Stack) -> AsyncIterator[Stack]:
    """That stack with a worker just seen, and with nothing left behind afterwards."""
    await administrate(own_stack, ALIVE)
    yield own_stack
    assert await rows(own_stack, f"select id from public.{TABLE}") == []
    assert await rows(own_stack, "select name from storage.objects") == []


async def patient(project: Given) -> list[Finding]:
    """With more patience than the test has."""
    return [finding async for finding in checkup(project, patience_seconds=0.5)]


async def only(project: Given, verdict: Verdict) -> list[Finding]:
    """The findings of one verdict."""
    return [finding for finding in await findings_of(project) if finding.verdict is verdict]


async def test_a_sound_project_is_all_green(healthy: Stack) -> None:
    findings = await findings_of(given(healthy))
    assert [finding for finding in findings if finding.verdict is not Verdict.OK] == []
    assert [finding.check for finding in findings] == [
        *("settings", "address", "key", "migrations", "grants", "version", "access"),
        *("triggers", "queue"),
        *("trial", "rows", "broadcast", "publication", "changes", "workers", "review", "budget"),
        *("clock", "bucket", "upload"),
        *("mureka", "balance", "concurrency", "model"),
    ]


async def test_a_legacy_key_and_a_private_bucket_are_as_good(healthy: Stack) -> None:
    async with broken(healthy, _bucket("public = false"), _bucket("public = true")):
        project = given(healthy, key=healthy.keys.service_role, bucket_public=False)
        assert is_well(await findings_of(project))


async def test_what_the_doctor_sends_wakes_no_worker_and_costs_nothing(healthy: Stack) -> None:
    messages = "select count(*) from realtime.messages where topic <> 'music:doctor'"
    before = await rows(healthy, messages)
    await findings_of(given(healthy))
    assert await rows(healthy, messages) == before
    assert healthy.simulator.ledger == []


def _bucket(change: str) -> str:
    return f"update storage.buckets set {change} where id = 'music-tracks'"


def _function(name: str, signature: str) -> Statement:
    right = f"execute on function public.{name}({signature})"
    return f"revoke {right} from service_role", f"grant {right} to service_role"


def _version(version: int, oldest_worker: int) -> Statement:
    def states(version: int, oldest: int) -> str:
        return (
            "create or replace function public.music_schema_version()"
            " returns table (version int, oldest_worker int) language sql stable"
            f" set search_path = '' as $$ select {version}, {oldest} $$"
        )

    return states(version, oldest_worker), states(MADE_FOR, MADE_FOR)


def _table(right: str, table: str) -> Statement:
    return (
        f"revoke {right} on {table} from service_role",
        f"grant {right} on {table} to service_role",
    )


FAULTS = {
    "a function is missing": (
        (
            "alter function public.resume_music_queue() rename to gone",
            "alter function public.gone() rename to resume_music_queue",
        ),
        "migrations",
        "function resume_music_queue",
        "music-service init",
    ),
    "a function is of an older version": (
        (
            "alter function public.pause_music_queue(text) rename to later;"
            " create function public.pause_music_queue(p_why text, p_until text) returns text"
            " language sql set search_path = '' as $$ select 'old' $$",
            "drop function public.pause_music_queue(text, text);"
            " alter function public.later(text) rename to pause_music_queue",
        ),
        "migrations",
        "Of another version of the service: function pause_music_queue",
        "music-service init",
    ),
    "a column is missing": (
        (
            "alter table public.music_tracks rename column tempo to speed",
            "alter table public.music_tracks rename column speed to tempo",
        ),
        "migrations",
        "column music_tracks.tempo",
        "music-service init",
    ),
    "a view is missing": (
        (
            "alter view public.music_review rename to gone",
            "alter view public.gone rename to music_review",
        ),
        "migrations",
        "view music_review",
        "music-service init",
    ),
    "the schema is older than the service needs": (
        _version(OLDEST_SCHEMA - 1, 1),
        "version",
        f"this worker needs {OLDEST_SCHEMA} or newer",
        "Run music-service init",
    ),
    "the service is older than the schema needs": (
        _version(MADE_FOR + 2, MADE_FOR + 1),
        "version",
        f"(made for {MADE_FOR}) is too old for",
        "Install the version of music-service",
    ),
    "a function may not be called": (
        _function("claim_music_tracks", "text, int, double precision, int"),
        "grants",
        "execute claim_music_tracks",
        "grant execute on function public.claim_music_tracks to service_role;",
    ),
    "tracks may not be changed": (
        _table("update", "public.music_tracks"),
        "grants",
        "update rows of music_tracks",
        "grant update on public.music_tracks to service_role;",
    ),
    "tracks may not be read": (
        _table("select", "public.music_tracks"),
        "grants",
        "read music_tracks",
        "grant select on public.music_tracks to service_role;",
    ),
    "the service's own table may not be read": (
        _table("select", "music.settings"),
        "grants",
        "read music_queue_health",
        "grant select on music.settings to service_role;",
    ),
    "the service's own schema may not be used": (
        _table("usage", "schema music"),
        "grants",
        "do what renew_music_claims does",
        "grant usage on schema music to service_role;",
    ),
    "the bucket is private": (
        (_bucket("public = false"), _bucket("public = true")),
        "bucket",
        "nobody could open a file_url",
        "MUSIC_BUCKET_PUBLIC=false",
    ),
    "the bucket takes no music": (
        (
            _bucket("allowed_mime_types = array['image/png']"),
            _bucket("allowed_mime_types = array['audio/mpeg']"),
        ),
        "bucket",
        "does not take audio/mpeg, only image/png",
        "set allowed_mime_types = array['audio/mpeg']",
    ),
    "the bucket takes small files only": (
        (_bucket("file_size_limit = 1000000"), _bucket("file_size_limit = 20971520")),
        "bucket",
        "files of up to 1000000 bytes",
        "set file_size_limit = 20971520",
    ),
}


@pytest.mark.parametrize(("statement", "check", "found", "fix"), FAULTS.values(), ids=FAULTS.keys())
async def test_a_fault_of_the_database_is_named_with_its_fix(
    healthy: Stack, statement: Statement, check: str, found: str, fix: str
) -> None:
    async with broken(healthy, *statement):
        wrong = await only(given(healthy), Verdict.WRONG)
    named = [each.fix for each in wrong if each.check == check and found in each.found]
    assert [str(each) for each in named if fix in str(each)] != [], wrong
    assert is_well(await findings_of(given(healthy)))


async def test_a_table_left_out_of_the_publication_is_noted_and_no_fault(healthy: Stack) -> None:
    publication = "alter publication supabase_realtime {} table public.music_tracks"
    async with broken(healthy, publication.format("drop"), publication.format("add")):
        findings = await findings_of(given(healthy))
    assert is_well(findings), findings
    [found] = [each for each in findings if each.check == "publication"]
    assert found.verdict is Verdict.NOTE
    assert "Workers live by broadcasts and their sweep" in found.found
    assert publication.format("add") in found.found


async def test_a_grant_that_the_doctor_names_fixes_it(healthy: Stack) -> None:
    async with broken(healthy, *_table("update", "music.claims")):
        [wrong] = await only(given(healthy), Verdict.WRONG)
        assert wrong.fix is not None
        await administrate(healthy, wrong.fix.removeprefix("Run in the SQL editor: "))
        assert await only(given(healthy), Verdict.WRONG) == []


async def test_a_project_without_the_migrations_is_told_so(tmp_path: Path) -> None:
    async with Stack(tmp_path / "bare", Ports.free(), times=QUICK, durable=False) as bare:
        wrong = await only(given(bare), Verdict.WRONG)
    checks = {finding.check: finding for finding in wrong}
    assert checks.keys() == {"migrations", "publication", "bucket"}
    assert f"and {len(FUNCTIONS) + len(RELATIONS) - 5} more" in checks["migrations"].found
    assert "music-service init" in str(checks["migrations"].fix)
    assert "does not exist" in checks["bucket"].found


async def test_a_bucket_that_does_not_exist_is_named(healthy: Stack) -> None:
    [wrong] = await only(given(healthy, bucket="nowhere"), Verdict.WRONG)
    assert wrong.found == 'The bucket "nowhere" does not exist.'
    assert "MUSIC_BUCKET" in str(wrong.fix)


async def test_a_public_bucket_that_is_meant_to_be_private_is_a_warning(healthy: Stack) -> None:
    [finding] = await only(given(healthy, bucket_public=False), Verdict.WARNING)
    assert "whoever has a URL can listen" in finding.found


@contextmanager
def faulty(stack: Stack) -> Iterator[None]:
    """Realtime, simulator and gateway with faults for the length of a block."""
    try:
        yield
    finally:
        stack.faults.clear()


async def test_a_silent_realtime_is_wrong_and_its_broadcast_a_warning(healthy: Stack) -> None:
    with faulty(healthy):
        healthy.faults.realtime.swallow()
        findings = {finding.check: finding for finding in await findings_of(given(healthy))}
    assert findings["publication"].verdict is Verdict.OK
    assert findings["broadcast"].verdict is Verdict.WARNING
    assert "did not arrive within 1 s" in findings["broadcast"].found
    assert findings["changes"].verdict is Verdict.WRONG
    assert "their sweep, every 15 s" in str(findings["changes"].fix)


async def test_broadcasts_that_do_not_come_are_a_warning_only(healthy: Stack) -> None:
    with faulty(healthy):
        healthy.faults.realtime.swallow_broadcasts = True
        findings = await findings_of(given(healthy))
    assert is_well(findings)
    assert [f.check for f in findings if f.verdict is Verdict.WARNING] == ["broadcast"]


async def test_a_refused_private_channel_is_a_warning_and_changes_come_all_the_same(
    healthy: Stack,
) -> None:
    with faulty(healthy):
        healthy.faults.realtime.refuse_private = True
        findings = {finding.check: finding for finding in await findings_of(given(healthy))}
    assert findings["broadcast"].verdict is Verdict.WARNING
    assert "refuses private channels" in findings["broadcast"].found
    assert "Unauthorized" in findings["broadcast"].found
    assert findings["changes"].verdict is Verdict.OK


async def test_a_database_that_does_not_answer_is_named(healthy: Stack) -> None:
    away = JSONResponse({"code": "PGRST002", "message": "Could not query the database"}, 503)
    with faulty(healthy):
        healthy.faults.gateway.answer("/rest/v1", away, times=100)
        wrong = await only(given(healthy), Verdict.WRONG)
    assert [(finding.check, "PGRST002" in finding.found) for finding in wrong] == [("key", True)]


async def test_a_clock_that_is_wrong_is_a_warning(
    healthy: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("music_service.doctor.fleet.time.time", lambda: 1_000_000_000.0)
    [finding] = await only(given(healthy), Verdict.WARNING)
    assert finding.check == "clock"


async def test_nobody_at_work_is_a_warning(healthy: Stack) -> None:
    async with broken(healthy, "delete from music.workers", "select 1"):
        [finding] = await only(given(healthy), Verdict.WARNING)
    assert (finding.check, finding.fix) == ("workers", "Start one: music-service run")


async def test_money_without_limit_is_a_warning_that_its_sql_fixes(
    healthy: Stack, tmp_path: Path
) -> None:
    budget = "update music.settings set daily_budget_cents = {}"
    async with broken(healthy, budget.format("null"), budget.format(1000)):
        said = await doctor(healthy, tmp_path, "--skip-mureka", MUREKA_API_KEY="")
        assert (said.code, said.sentence) == (
            0,
            "No problem, 1 warning, 1 check skipped; 19 of 21 checks are well.",
        )
        [finding] = await only(given(healthy, mureka=None), Verdict.WARNING)
        assert finding.check == "budget"
        fix = str(finding.fix).partition("may cost: ")[2]
        async with broken(healthy, fix, budget.format("null")):
            assert await only(given(healthy, mureka=None), Verdict.WARNING) == []


async def test_a_budget_for_each_user_is_a_budget(healthy: Stack) -> None:
    budget = "update music.settings set daily_budget_cents_per_user = {}"
    async with broken(healthy, budget.format(50), budget.format("null")):
        assert await only(given(healthy, mureka=None), Verdict.WARNING) == []


async def test_a_fleet_that_wants_more_than_the_account_allows_is_a_warning(
    healthy: Stack,
) -> None:
    settings = "update music.settings set max_concurrent = {}"
    async with broken(healthy, settings.format(100), settings.format(10)):
        [finding] = await only(given(healthy), Verdict.WARNING)
    assert "allows 25 tasks at once; music.settings allows 100" in finding.found
    assert "set max_concurrent = 25" in str(finding.fix)


async def test_a_wrong_mureka_key_is_named(healthy: Stack) -> None:
    [wrong] = await only(given(healthy, mureka=mureka(healthy, key="wrong")), Verdict.WRONG)
    assert "Mureka refused the API key" in wrong.found
    assert "MUREKA_API_KEY" in str(wrong.fix)


async def test_a_mureka_out_of_reach_is_named(healthy: Stack) -> None:
    [wrong] = await only(given(healthy, mureka=mureka(healthy, url=NOWHERE)), Verdict.WRONG)
    assert "Mureka cannot be reached" in wrong.found
    assert "MUREKA_API_URL" in str(wrong.fix)


async def test_a_mureka_that_answers_nonsense_is_named(healthy: Stack) -> None:
    with faulty(healthy):
        nonsense = PlainTextResponse("<html>gateway</html>")
        healthy.faults.mureka.answer("/v1/account/billing", nonsense)
        [wrong] = await only(given(healthy), Verdict.WRONG)
    assert "Mureka's answer was not understood" in wrong.found


async def test_an_account_without_money_is_told_to_be_topped_up(
    healthy: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("local_supabase.simulator.tasks.FIRST_BALANCE_CENTS", 4)
    [wrong] = await only(given(healthy), Verdict.WRONG)
    assert wrong.found == "4 US cents are left: 0 tracks by mureka-9."
    assert "Top up" in str(wrong.fix)


async def test_a_model_without_a_price_is_a_warning(healthy: Stack) -> None:
    [finding] = await only(given(healthy, mureka=mureka(healthy, model="auto")), Verdict.WARNING)
    assert finding.check == "model"


async def test_the_doctors_row_goes_even_when_it_is_interrupted(healthy: Stack) -> None:
    inserted = "select count(*) from music.events where kind = 'created'"
    with faulty(healthy):
        healthy.faults.realtime.swallow()
        running = asyncio.create_task(asyncio.wait_for(patient(given(healthy)), 60), name="checkup")
        async with asyncio.timeout(20):
            while (await rows(healthy, inserted))[0][0] == 0:
                assert not running.done()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    # the fixture makes sure that no row is left


async def test_what_the_doctor_expects_is_what_the_migrations_make(healthy: Stack) -> None:
    functions = await rows(
        healthy,
        "select p.proname, p.proargnames[1:p.pronargs]"
        " from pg_proc p where p.pronamespace = 'public'::regnamespace"
        " and has_function_privilege('service_role', p.oid, 'execute')"
        " and not has_function_privilege('authenticated', p.oid, 'execute')",
    )
    assert {name: set(names or []) for name, names in functions} == {
        name: set(parameters) for name, parameters in FUNCTIONS.items()
    }
    views = await rows(
        healthy,
        "select relname from pg_class where relnamespace = 'public'::regnamespace"
        " and relkind = 'v'",
    )
    assert {name for (name,) in views} == RELATIONS.keys() - set(TABLES)
    columns = await rows(
        healthy,
        "select attname from pg_attribute where attrelid = 'public.music_tracks'::regclass"
        " and attnum > 0 and not attisdropped",
    )
    # journey_id comes with the second set, which the service does without.
    assert {name for (name,) in columns} - {"journey_id"} == set(TRACK_COLUMNS.split(","))
    triggers = await rows(
        healthy,
        "select tgname from pg_trigger"
        " where tgrelid = 'public.music_tracks'::regclass and not tgisinternal",
    )
    of_journeys = {"music_tracks_check_journey", "music_tracks_keep_journey"}
    assert {name for (name,) in triggers} - of_journeys == set(TRIGGERS)
    constraints = await rows(
        healthy,
        "select conname from pg_constraint"
        " where conrelid = 'public.music_tracks'::regclass and contype = 'c'",
    )
    assert {name for (name,) in constraints} == set(CONSTRAINTS)


async def doctor(stack: Stack, directory: Path, *arguments: str, **changes: str) -> Any:
    return await run_program(directory, environment(stack, **changes), "doctor", *arguments)


async def test_the_command_exits_0_with_a_line_for_each_check(
    healthy: Stack, tmp_path: Path
) -> None:
    said = await doctor(healthy, tmp_path)
    assert said.code == 0
    lines = said.out.splitlines()
    assert len(lines) == 24
    assert all(line.startswith("OK ") for line in lines)
    assert said.sentence == "All is well: 24 checks."
    in_json = await doctor(healthy, tmp_path, "--json", "--skip-mureka", MUREKA_API_KEY="")
    found = [json.loads(line) for line in in_json.out.splitlines()]
    assert (in_json.code, in_json.err) == (0, "")
    assert found[-1] == {
        "check": "mureka",
        "verdict": "skipped",
        "found": "Not checked, as --skip-mureka says.",
        "fix": None,
    }


@pytest.mark.parametrize(
    ("changes", "check", "words"),
    [
        ({"SUPABASE_URL": NOWHERE}, "address", "Nothing answers at"),
        ({"SUPABASE_URL": "my-project"}, "address", "must start with https://"),
        ({"SUPABASE_URL": "http://[x"}, "address", "SUPABASE_URL"),
        ({"SUPABASE_SECRET_KEY": "sb_secret_wrong"}, "key", "Supabase refuses the secret key"),
        ({"SUPABASE_SECRET_KEY": "sb_publishable_x"}, "key", "is the public key of the project"),
        ({"SUPABASE_SECRET_KEY": "n\u00f6nsense"}, "key", "holds characters that no key has"),
        ({"MUREKA_API_KEY": ""}, "mureka", "MUREKA_API_KEY is not set"),
        ({"MUREKA_API_KEY": "wrong"}, "mureka", "Mureka refused the API key"),
        ({"MUREKA_POLL_SECONDS": "soon"}, "settings", "MUREKA_POLL_SECONDS"),
    ],
)
async def test_a_wrong_setting_exits_1_and_the_rest_is_looked_at_all_the_same(
    healthy: Stack, tmp_path: Path, changes: dict[str, str], check: str, words: str
) -> None:
    said = await doctor(healthy, tmp_path, **changes)
    wrong = [line for line in said.out.splitlines() if line.startswith("WRONG")]
    assert said.code == 1
    assert len(wrong) == 1
    assert wrong[0].split()[1] == check
    assert words in wrong[0]
    assert "→" in wrong[0]
    assert said.sentence.startswith("1 problem")
    assert "Traceback" not in said.err
    if check != "mureka":
        assert "OK       balance " in said.out


async def test_an_address_that_is_no_supabase_is_told_so(healthy: Stack, tmp_path: Path) -> None:
    said = await doctor(healthy, tmp_path, SUPABASE_URL=healthy.simulator_url)
    assert said.code == 1
    assert "is no Supabase (HTTP 404)" in said.out


@pytest.mark.parametrize("name", ["SUPABASE_URL", "SUPABASE_SECRET_KEY"])
async def test_without_a_project_nothing_can_be_looked_at(
    healthy: Stack, tmp_path: Path, name: str
) -> None:
    changes = {name: "", "SUPABASE_SERVICE_ROLE_KEY": ""}
    said = await doctor(healthy, tmp_path, **changes)
    assert (said.code, said.out) == (2, "")
    assert f"{name} is not set" in said.sentence


async def test_no_secret_is_ever_said_by_the_doctor(healthy: Stack, tmp_path: Path) -> None:
    wrong = {
        "SUPABASE_SECRET_KEY": "sb_secret_this_must_not_be_shown",
        "MUREKA_API_KEY": "neither_must_this",
    }
    for changes in ({}, wrong, {"SUPABASE_URL": NOWHERE}):
        variables = healthy.environment() | changes
        said = await doctor(healthy, tmp_path, **changes)
        for name in ("SUPABASE_SECRET_KEY", "MUREKA_API_KEY"):
            assert variables[name] not in said.out + said.err
