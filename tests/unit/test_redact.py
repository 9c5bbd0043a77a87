"""What came from elsewhere is shown as one line, and never with a key in it."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Literal
from urllib.parse import quote

import pytest
import structlog
from postgrest.exceptions import APIError

from music_service import log, redact
from music_service.mureka.failures import poll_failure, refusal, submit_failure
from music_service.mureka.http import Answer
from music_service.redact import (
    LONGEST_TEXT,
    address,
    holds_secret,
    keep_secret,
    plain,
    spoken,
    without_secrets,
)
from music_service.settings import Settings
from music_service.store.failures import of_database

MUREKA_KEY = "op_4711secret"
SUPABASE_KEY = "sb_secret_4711secret"
LEGACY_KEY = "eyJhbGciOi.4711secret.x"
FORMS: tuple[Literal["json", "console"], ...] = ("json", "console")
ODD_KEY = 'mk/4711+"secret"&Key=='


@pytest.fixture
def kept() -> Iterator[str]:
    """A key that looks like nothing known, kept for the length of a test."""
    before = set(redact._secrets)
    keep_secret(ODD_KEY)
    yield ODD_KEY
    redact._secrets.clear()
    redact._secrets.update(before)
    redact._pattern.cache_clear()


@pytest.mark.parametrize(
    "text",
    [
        f"Blocked. authorization: Bearer {MUREKA_KEY}",
        f'{{"Authorization": "bearer   {MUREKA_KEY}"}}',
        f"Bearer\n{MUREKA_KEY}",
        f"Bearer%20{MUREKA_KEY}",
        f"Bea\0rer op_\0{MUREKA_KEY[3:]}",
        "".join(f"{c}\0" for c in f"Bearer {MUREKA_KEY}"),
        f"'apikey': '{SUPABASE_KEY}', 'x': 1",
        f"apikey={SUPABASE_KEY.upper()}",
        f"apikey: {LEGACY_KEY}",
        "GET /x?apikey=op_4711secret&y=1",
        "cannot reach https://user:op_4711secret@host/x",
        "x" * 280 + f" Bearer {MUREKA_KEY}",
    ],
)
def test_nothing_like_a_key_is_shown(text: str) -> None:
    shown = plain(text)
    assert "4711" not in shown
    assert "(a key)" in shown or len(shown) == 300


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://ref.supabase.co", "https://ref.supabase.co"),
        ("http://me:4711@kong:8000/rest?apikey=4711#4711", "http://kong:8000/rest"),
        ("https://a@b:4711@ref.supabase.co", "https://ref.supabase.co"),
        ("http://[4711", "(an address that cannot be read)"),
    ],
)
def test_an_address_is_shown_without_what_may_be_secret_in_it(url: str, shown: str) -> None:
    assert address(url) == shown


def test_a_text_is_one_printable_line_and_not_endless() -> None:
    assert plain(" a\n\tb\x1b[31m \u202e ") == "a b[31m "
    assert plain("x" * 300) == "x" * 300
    assert plain("x" * 301) == "x" * 299 + "…"
    assert plain("x" * 10_000, 5) == "xxxx…"


@pytest.mark.parametrize(
    "form",
    [
        ODD_KEY,
        ODD_KEY.upper(),
        quote(ODD_KEY, safe=""),
        quote(ODD_KEY, safe="").lower(),
        "".join(f"%{ord(c):02X}" for c in ODD_KEY),
        json.dumps(ODD_KEY),
        json.dumps(ODD_KEY).replace("/", "\\/"),
        "".join(f"\\u{ord(c):04x}" for c in ODD_KEY),
        ODD_KEY.encode().hex(),
        *(base64.b64encode(f"{n * 'u'}:{ODD_KEY}".encode()).decode() for n in range(3)),
        *(base64.urlsafe_b64encode(f"{n * 'u'}{ODD_KEY}!x".encode()).decode() for n in range(3)),
    ],
)
def test_a_key_of_ours_is_known_in_each_form_that_an_answer_may_give_it(
    kept: str, form: str
) -> None:
    text = f"denied ({form}) for you"
    shown = without_secrets(text)
    assert holds_secret(text)
    assert "(a key)" in shown
    assert shown.startswith("denied (")
    assert shown.endswith(") for you")
    assert "4711" not in shown
    assert "(a key)" in plain(text)


def test_text_without_a_key_of_ours_is_left_as_it_is(kept: str) -> None:
    assert without_secrets("bearer of news, mk/4711") == "bearer of news, mk/4711"
    keep_secret("short")
    assert not holds_secret("short")


def test_every_secret_among_the_settings_is_kept(kept: str) -> None:
    other = "sb_secret_of_another_4711"
    Settings(
        supabase_url="https://ref.supabase.co",
        supabase_secret_keys=json.dumps({"default": SUPABASE_KEY, "other": other}),
        mureka_api_key="no-pattern-4711",
    )
    for secret in (SUPABASE_KEY, other, "no-pattern-4711"):
        assert holds_secret(f"x{secret}y")


def test_no_line_of_the_log_holds_a_key_of_ours(
    kept: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for form in FORMS:
        log.configure("info", form)
        try:
            int(kept)
        except ValueError:
            structlog.get_logger().exception("odd", reason=kept, told={"by": [kept]})
    structlog.reset_defaults()
    shown = capsys.readouterr().err
    assert "odd" in shown
    assert "4711" not in shown


def test_what_a_stranger_says_holds_no_markup_and_leads_nowhere() -> None:
    said = "<b onclick='x'>Pay</b> at https://evil.example/pay?<x> now <script"
    assert spoken(said) == "Pay at (an address) now script"
    assert spoken("<" * 10_000) == ""
    assert spoken("fine [verse] 3 %") == "fine [verse] 3 %"


@pytest.mark.parametrize("status", [400, 403, 413, 422, 429, 451, 500, 503])
def test_a_gateway_that_repeats_the_call_does_not_make_its_key_known(status: int) -> None:
    for body in (
        f"Blocked. authorization: Bearer {MUREKA_KEY}",
        json.dumps({"error": {"message": f"Bearer {MUREKA_KEY} is blocked"}}),
    ):
        answer = Answer(status, body.encode())
        for error in (refusal(answer), submit_failure(answer), poll_failure(answer)):
            assert MUREKA_KEY not in str(error)


@pytest.mark.parametrize("code", ["", "42501", "23514", "PGRST999", "53", "08" + SUPABASE_KEY])
def test_a_gateway_that_repeats_a_call_does_not_make_the_secret_key_known(code: str) -> None:
    message = f"denied: {{'apikey': '{SUPABASE_KEY}', 'authorization': 'Bearer {SUPABASE_KEY}'}}"
    assert "4711" not in str(of_database(APIError({"code": code, "message": message})))


@pytest.mark.timeout(60)
@pytest.mark.parametrize("piece", ["a.", "a://", "<a", "bearer ", "eyJ", "a@", "://a", "+-."])
def test_a_long_text_of_a_stranger_does_not_stop_a_worker(piece: str) -> None:
    text = piece * (1_000_000 // len(piece))
    assert len(spoken(text)) <= LONGEST_TEXT
    assert len(plain(text)) <= LONGEST_TEXT


def test_no_half_of_a_key_of_ours_is_left_where_a_long_text_is_cut(kept: str) -> None:
    for length in range(9_990 - len(kept), 10_001):
        shown = spoken("<" + "a" * (length - 2) + ">" + kept)
        assert kept[:8] not in shown
