"""What the doctor and the operators' commands say, and how they read what they are given."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from click import unstyle

from music_service.cli.arguments import checked_code, checked_time
from music_service.cli.doctor import described, summary
from music_service.cli.queue_health import health_line
from music_service.cli.retry import cost_in_words, price_of
from music_service.doctor.address import check_key
from music_service.doctor.findings import (
    Finding,
    Verdict,
    is_well,
    note,
    ok,
    skipped,
    warning,
    wrong,
)
from music_service.doctor.fleet import QueueHealth, check_budget
from music_service.doctor.probe import Answer, functions_in
from music_service.errors import ConfigurationError, ErrorCode
from music_service.settings import GivenSettings, Settings

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
SOUND = ok("bucket", "It is there.")
SHAKY = warning("clock", "It is off.", "Set it.")
BAD = wrong("key", "It is refused.", "Copy it.")


def plain_lines(finding: Finding, width: int | None = None) -> list[str]:
    return [unstyle(line) for line in described(finding, width)]


def test_a_finding_is_a_line_in_columns_with_its_fix_behind_an_arrow() -> None:
    assert plain_lines(SOUND) == ["OK       bucket      It is there."]
    assert plain_lines(BAD) == ["WRONG    key         It is refused. → Copy it."]


def test_on_a_terminal_a_finding_is_wrapped_between_words_under_its_column() -> None:
    statement = "alter table public.music_tracks disable trigger music_tracks_tell_owner_update;"
    lines = plain_lines(wrong("triggers", "One is off.", f"Run in the SQL editor: {statement}"), 80)
    assert lines[0] == "WRONG    triggers    One is off."
    assert lines[1] == " " * 21 + "→ Run in the SQL editor: alter table public.music_tracks"
    assert all(len(line) <= 80 and line[:21].isspace() for line in lines[1:])
    assert statement in " ".join(" ".join(lines).split())


def test_what_came_from_elsewhere_does_not_steer_the_terminal() -> None:
    evil = wrong("key", "It\x1b[2J is\nrefused.", "Copy\x07 it.")
    assert "\x1b[2J" not in described(evil)[0]
    assert "\x07" not in "".join(described(evil, 80))


@pytest.mark.parametrize("verdict", Verdict)
def test_every_verdict_has_a_look_of_its_own(verdict: Verdict) -> None:
    [line] = described(Finding("check", verdict, "found"))
    assert line != unstyle(line)


@pytest.mark.parametrize(
    ("findings", "words", "well"),
    [
        ([SOUND], "All is well: 1 check.", True),
        ([SOUND, note("access", "Open.")], "All is well: 2 checks, 1 note.", True),
        ([SOUND, SHAKY], "No problem, 1 warning; 1 of 2 checks are well.", True),
        (
            [SHAKY, SHAKY, skipped("x", "y")],
            "No problem, 2 warnings, 1 check skipped; 0 of 3 checks are well.",
            True,
        ),
        ([SOUND, SHAKY, BAD], "1 problem, 1 warning; 1 of 3 checks are well.", False),
        ([BAD, BAD], "2 problems; 0 of 2 checks are well.", False),
    ],
)
def test_only_what_is_wrong_makes_the_checkup_fail(
    findings: list[Any], words: str, *, well: bool
) -> None:
    assert (summary(findings), is_well(findings)) == (words, well)


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("30m", NOW - timedelta(minutes=30)),
        ("2h", NOW - timedelta(hours=2)),
        (" 3 d ", NOW - timedelta(days=3)),
        ("1w", NOW - timedelta(weeks=1)),
        ("2026-05-01T10:00:00+00:00", datetime(2026, 5, 1, 10, tzinfo=UTC)),
    ],
)
def test_a_time_is_so_long_ago_or_written_out(text: str, time: datetime) -> None:
    assert checked_time(text, NOW) == time


def test_a_time_without_a_zone_is_that_of_this_machine() -> None:
    assert checked_time("2026-05-01T10:00:00", NOW).utcoffset() is not None


@pytest.mark.parametrize("text", ["", "soon", "2x", "-2h", "1.5h", "999999w", "2026-13-01"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="is no time"):
        checked_time(text, NOW)


def test_every_error_code_can_be_asked_for() -> None:
    assert [checked_code(code) for code in ErrorCode] == list(ErrorCode)


def a_retry(cents: float | None, *, free: bool = False) -> dict[str, Any]:
    return {"is_free": free, "expected_cost_cents": cents}


def test_the_cost_of_a_retry_is_said_before_it_is_spent() -> None:
    rows = [a_retry(0, free=True), a_retry(4.5), a_retry(15), a_retry(None)]
    assert [price_of(row) for row in rows] == ["free", "4.5", "15", "?"]
    assert cost_in_words(rows[:3]) == "1 free, about 19.5 US cents for the others."
    assert cost_in_words(rows).endswith("the price of 1 is not known.")


def test_the_health_of_the_queue_is_one_line() -> None:
    waiting = {
        "paused": 0,
        "fleet_limit": 4,
        "user_limit": 0,
        "budget": 2,
        "worker": 0,
        "scheduled": 0,
        "put_off": {"rate_limited": 3},
    }
    health = {
        "paused": False,
        "waiting": waiting,
        "workers_alive": 2,
        "workers_blocked": [],
        "spent_today_cents": 9.0,
        "daily_budget_cents": None,
    }
    assert health_line(health) == (
        "4 wait for the limit of all · 2 wait for tomorrow's budget · 3 put off (rate_limited)"
        " · 2 workers · 9 US cents spent today"
    )


@pytest.mark.parametrize(
    ("for_all", "for_each", "verdict", "words"),
    [
        (None, None, Verdict.WARNING, "No daily budget is set: whoever may insert tracks can"),
        (1000, None, Verdict.OK, "A day may cost 1000 US cents."),
        (None, 50.5, Verdict.OK, "A day may cost 50.5 US cents for each user."),
        (1000, 50, Verdict.OK, "A day may cost 1000 US cents and 50 US cents for each user."),
        (0, None, Verdict.WRONG, "Today's budget of 0 US cents has no room for another track"),
        (None, 4, Verdict.WRONG, "A user's budget of 4 US cents a day is less than a track costs"),
        (1234567.5, None, Verdict.OK, "A day may cost 1234567.5 US cents."),
    ],
)
def test_no_budget_at_all_is_a_warning(
    for_all: float | None, for_each: float | None, verdict: Verdict, words: str
) -> None:
    row = {"daily_budget_cents": for_all, "daily_budget_cents_per_user": for_each}
    finding = check_budget(QueueHealth(row), is_free=False, price_cents=4.5)
    assert finding.verdict is verdict
    assert finding.found.startswith(words)


def test_the_simulator_needs_no_budget() -> None:
    row = {"daily_budget_cents": None, "daily_budget_cents_per_user": None}
    assert check_budget(QueueHealth(row), is_free=True).verdict is Verdict.OK


def test_a_budget_that_cannot_be_seen_is_not_judged() -> None:
    assert check_budget(QueueHealth(None), is_free=False).verdict is Verdict.SKIPPED


def test_the_description_of_an_api_names_functions_and_parameters() -> None:
    schema = {"properties": {"p_a": {}, "p_b": {}}, "required": ["p_a"]}
    post = {"parameters": [{"in": "body", "schema": schema}, {"$ref": "#/parameters/preferParams"}]}
    described_api = Answer(200, {"paths": {"/": {}, "/tracks": {}, "/rpc/f": {"post": post}}})
    [(name, call)] = functions_in(described_api).items()
    assert name == "f"
    assert (set(call.parameters), set(call.required)) == ({"p_a", "p_b"}, {"p_a"})


@pytest.mark.parametrize("body", [None, [], {}, {"paths": []}, {"paths": {"/rpc/f": None}}])
def test_a_description_that_is_none_names_nothing_that_could_be_relied_on(body: Any) -> None:
    assert all(not call.parameters for call in functions_in(Answer(200, body)).values())


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(401, {"message": "Invalid API key"}), "refuses the secret key: Invalid API key"),
        (Answer(403, {"message": "JWT expired", "code": "PGRST303"}), "refuses the secret key"),
        (Answer(540, None, "paused"), "does not answer (paused)"),
        (Answer(0, None, "ReadTimeout"), "does not answer (ReadTimeout)"),
        (Answer(404, {"code": "PGRST126", "message": "Root endpoint is disabled"}), "takes it"),
    ],
)
def test_a_key_is_judged_by_the_answer_to_it(answer: Answer, words: str) -> None:
    assert words in check_key(answer).found


def test_every_problem_of_the_settings_is_named_and_no_value_of_a_secret(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    given = {
        "SUPABASE_URL": " https://ref.supabase.co/rest/v1/ ",
        "SUPABASE_SECRET_KEY": "sb_publishable_hidden",
        "MUREKA_API_KEY": "hid\nden",
        "MUREKA_POLL_SECONDS": "soon",
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    problems = Settings.problems()
    assert problems.keys() >= {"SUPABASE_SECRET_KEY", "MUREKA_API_KEY", "MUREKA_POLL_SECONDS"}
    assert "hid" not in " ".join(problems.values())
    assert GivenSettings.load().supabase_url == "https://ref.supabase.co"
