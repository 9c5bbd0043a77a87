"""What Supabase answers, sorted into our classes, row by row."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import httpx
import pytest
from postgrest.exceptions import APIError
from storage3.exceptions import StorageApiError

from music_service.errors import (
    AudioRefusedError,
    ConfigurationError,
    ContractError,
    MusicServiceError,
    RefusedError,
    TransientError,
)
from music_service.store.failures import (
    calling_as_app,
    calling_database,
    calling_storage,
    of_database,
    of_storage,
)


def refused(code: str | None, message: str | None = "the reason") -> APIError:
    return APIError({"code": code, "message": message, "hint": None, "details": None})


NOT_THERE = [
    httpx.ConnectError("refused"),
    httpx.ConnectTimeout("late"),
    httpx.ReadTimeout("late"),
    httpx.ReadError("reset"),
    httpx.RemoteProtocolError("cut off"),
    httpx.PoolTimeout("full"),
]


@pytest.mark.parametrize("error", NOT_THERE, ids=lambda error: type(error).__name__)
def test_a_database_out_of_reach_is_asked_again_later(error: httpx.HTTPError) -> None:
    failure = of_database(error)
    assert isinstance(failure, TransientError)
    assert failure.code == "internal"
    assert type(error).__name__ in str(failure)


@pytest.mark.parametrize("code", ["PGRST205", "42P01", "PGRST202", "42883", "PGRST204", "PGRST106"])
def test_a_missing_object_asks_for_the_migrations(code: str) -> None:
    failure = of_database(refused(code))
    assert isinstance(failure, ConfigurationError)
    assert "music-service init" in str(failure)


def test_a_missing_right_asks_for_the_migrations_and_says_which() -> None:
    failure = of_database(refused("42501", "permission denied for function claim_music_tracks"))
    assert isinstance(failure, ConfigurationError)
    assert "permission denied for function claim_music_tracks" in str(failure)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("PGRST301", "JWSError"),
        ("PGRST302", "Anonymous access is disabled"),
        ("PGRST303", "JWT expired"),
        ("401", "Unauthorized"),
        (None, "Invalid API key"),
    ],
)
def test_a_refused_key_names_the_setting(code: str | None, message: str) -> None:
    failure = of_database(refused(code, message))
    assert isinstance(failure, ConfigurationError)
    assert "SUPABASE_SECRET_KEY" in str(failure)


@pytest.mark.parametrize("code", ["23514", "23502", "23503", "22P02", "MU001", "MU003"])
def test_bad_input_is_answered_in_the_words_of_the_database(code: str) -> None:
    failure = of_database(refused(code, "The prompt is empty."))
    assert isinstance(failure, ConfigurationError)
    assert str(failure).endswith("The prompt is empty.")


@pytest.mark.parametrize(
    "code",
    [
        "PGRST000",
        "PGRST001",
        "PGRST002",
        "PGRST003",
        "57014",
        "57P01",
        "08006",
        "08P01",
        "53300",
        "53400",
        "429",
        "500",
        "502",
        "503",
        "504",
        "520",
        "544",
        "",  # a gateway's words
        None,
    ],
)
def test_a_database_in_trouble_is_asked_again_later(code: str | None) -> None:
    assert isinstance(of_database(refused(code)), TransientError)


@pytest.mark.parametrize("code", ["P0001", "PGRST100", "42703", "400", "404", "5000"])
def test_any_other_refusal_was_not_agreed_on(code: str) -> None:
    failure = of_database(refused(code, None))
    assert isinstance(failure, ContractError)


@pytest.mark.parametrize("code", ["MU002", "MU010", "23514", "22P02", "42501", "P0001"])
def test_an_apps_own_call_is_refused_with_the_code_the_words_and_the_hint(code: str) -> None:
    said = {"code": code, "message": "Not so.", "hint": "Do so.", "details": None}
    with pytest.raises(RefusedError, match=r"^Not so\.$") as raised, calling_as_app():
        raise APIError(said)
    assert (raised.value.code, raised.value.hint) == (code, "Do so.")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (refused("PGRST205"), ConfigurationError),
        (refused("PGRST301"), ConfigurationError),
        (refused("PGRST100"), ContractError),
        (refused("57014"), TransientError),
        (httpx.ConnectError("refused"), TransientError),
    ],
)
def test_what_is_no_refusal_of_an_apps_call_stays_what_it_is(
    error: Exception, expected: type[MusicServiceError]
) -> None:
    with pytest.raises(expected), calling_as_app():
        raise error


@pytest.mark.parametrize("error", NOT_THERE, ids=lambda error: type(error).__name__)
def test_a_storage_out_of_reach_is_tried_again(error: httpx.HTTPError) -> None:
    failure = of_storage(error)
    assert isinstance(failure, TransientError)
    assert failure.code == "storage_failed"
    assert str(failure).startswith("The music is made")


@pytest.mark.parametrize(
    ("status", "code"),
    [("413", "EntityTooLarge"), (413, ""), ("415", "InvalidMimeType"), ("400", "InvalidKey")],
)
def test_audio_that_storage_will_never_take_is_final(status: str | int, code: str) -> None:
    failure = of_storage(StorageApiError("the reason", code, status))
    assert isinstance(failure, AudioRefusedError)
    assert not isinstance(failure, TransientError)
    assert failure.code == "storage_failed"


@pytest.mark.parametrize(
    ("status", "code"),
    [
        ("404", "NoSuchBucket"),
        ("403", "AccessDenied"),
        ("401", "InvalidJWT"),
        ("400", "InvalidRequest"),
        ("429", "SlowDown"),
        ("500", "InternalError"),
        ("503", "Unavailable"),
        (544, "DatabaseTimeout"),
    ],
)
def test_what_somebody_can_fix_in_storage_is_tried_again(status: str | int, code: str) -> None:
    failure: MusicServiceError = of_storage(StorageApiError("the reason", code, status))
    assert isinstance(failure, TransientError)
    assert failure.code == "storage_failed"
    assert "the reason" in str(failure)


@pytest.mark.parametrize(
    ("door", "code"), [(calling_database, "internal"), (calling_storage, "storage_failed")]
)
def test_what_a_client_raises_leaves_the_door_as_an_error_of_ours(
    door: Callable[[], AbstractContextManager[None]], code: str
) -> None:
    foreign = httpx.ReadTimeout("late")
    with pytest.raises(TransientError) as caught, door():
        raise foreign
    assert (caught.value.code, caught.value.__cause__) == (code, foreign)


@pytest.mark.parametrize("door", [calling_database, calling_storage])
def test_an_error_that_is_nobody_elses_passes_the_door(
    door: Callable[[], AbstractContextManager[None]],
) -> None:
    with pytest.raises(KeyError), door():
        raise KeyError("a bug")
