"""What came from elsewhere is shown as one line, and never with a key in it."""

from __future__ import annotations

import json

import pytest
from postgrest.exceptions import APIError

from music_service.mureka.failures import poll_failure, refusal, submit_failure
from music_service.mureka.http import Answer
from music_service.redact import address, plain
from music_service.store.failures import of_database

MUREKA_KEY = "op_4711secret"
SUPABASE_KEY = "sb_secret_4711secret"
LEGACY_KEY = "eyJhbGciOi.4711secret.x"


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
    assert "(a key)"[:15] in shown or len(shown) == 300


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
    assert plain("x" * 10_000) == "x" * 300
    assert plain("x" * 10_000, 5) == "x" * 5


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
