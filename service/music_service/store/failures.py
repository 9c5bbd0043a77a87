"""What goes wrong between us and Supabase, sorted into our classes.

with calling_database():
await client.rpc(...).execute()
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx
from postgrest.exceptions import APIError

from music_service.errors import (
    AudioRefusedError,
    ConfigurationError,
    ContractError,
    ErrorCode,
    MusicServiceError,
    RefusedError,
    TransientError,
)
from music_service.network import proxy_to
from music_service.redact import plain

if TYPE_CHECKING:
    from storage3.exceptions import StorageApiError

_REMEDY = 'apply the migrations ("music-service init" copies them and says how).'
_LATER = ("PGRST000", "PGRST001", "PGRST002", "PGRST003", "57014", "57P01")
_LATER_CLASSES = ("08", "53")
_NOT_MIGRATED = ("PGRST205", "42P01", "PGRST202", "42883", "PGRST204", "PGRST106")
_NOT_ALLOWED = ("42501",)
_BAD_KEY = ("PGRST301", "PGRST302", "PGRST303")
_BAD_INPUT = ("22", "23", "MU")  # classes: no such value, a constraint, and our own
_NO_SENSE = "MU002"  # an argument of ours: no input of anybody's
_SQLSTATE = re.compile("[0-9A-Z]{5}")


@contextmanager
def calling_database() -> Iterator[None]:
    """What the database's client raises inside the block leaves it as an error of ours."""
    try:
        yield
    except httpx.InvalidURL as error:
        raise ConfigurationError("SUPABASE_URL is not an address that can be asked.") from error
    except (APIError, httpx.HTTPError) as error:
        raise of_database(error) from error


@contextmanager
def calling_as_app() -> Iterator[None]:
    """The same for an app's own call, whose refusals are told in the database's own words."""
    try:
        with calling_database():
            yield
    except (ConfigurationError, ContractError) as error:
        cause = error.__cause__
        if not isinstance(cause, APIError) or not _is_refusal(code := plain(str(cause.code or ""))):
            raise
        hint = plain(cause.hint) if cause.hint else None
        raise RefusedError(plain(cause.message or ""), code=code, hint=hint) from error


@contextmanager
def calling_storage() -> Iterator[None]:
    """The same for uploads of audio."""
    from storage3.exceptions import StorageApiError  # noqa: PLC0415  slow, and for the worker alone

    try:
        yield
    except (StorageApiError, httpx.HTTPError) as error:
        raise of_storage(error) from error


@contextmanager
def removing_audio(url: str) -> Iterator[None]:
    """The same for the removal of audio at a project's URL, for a person."""
    from storage3.exceptions import StorageApiError  # noqa: PLC0415  as above

    try:
        yield
    except (StorageApiError, httpx.HTTPError, ValueError) as error:  # ValueError: no JSON came
        reason = plain(str(getattr(error, "message", ""))) or type(error).__name__
        raise TransientError(f"Storage at {url} did not remove the audio ({reason}).") from error


@contextmanager
def calling_project(url: str) -> Iterator[None]:
    """A block that asks a project for a person, who has to know if none answers at the URL.

    Raises:
        ConfigurationError: the project refuses or lacks something.
        TransientError: no Supabase answers.
    """
    try:
        with calling_database():
            yield
    except (TransientError, ContractError, ValueError, TypeError) as error:
        # ValueError: no JSON came; TypeError: none of the kind that was asked for.
        code = _code_of(error.__cause__)
        if code in _LATER:
            raise TransientError(
                f"Supabase answers at {url}, but its database does not ({code}); "
                "wait, or see whether the project is paused."
            ) from error
        if isinstance(error, ContractError) and _SQLSTATE.fullmatch(code):
            raise
        proxy = proxy_to(url)
        also = f", and the proxy that {proxy} names" if proxy else ""
        raise TransientError(
            f"No Supabase answers at {url}; check SUPABASE_URL and whether the project is "
            f"running{also}."
        ) from error


def of_database(error: APIError | httpx.HTTPError) -> MusicServiceError:  # noqa: PLR0911  a table
    """The class of a failed call to the database."""
    if isinstance(error, httpx.HTTPError):
        return TransientError(
            f"The database cannot be reached ({type(error).__name__}).", code=ErrorCode.INTERNAL
        )
    code, message = plain(str(error.code or "")), plain(error.message or "")
    if code in _NOT_MIGRATED:
        return ConfigurationError(f"The database lacks what the service needs; {_REMEDY}")
    if code in _NOT_ALLOWED:
        return ConfigurationError(f"The database refuses the service ({message}); {_REMEDY}")
    if code in _BAD_KEY or "Invalid API key" in message or code == "401":
        return ConfigurationError("Supabase refuses the secret key; check SUPABASE_SECRET_KEY.")
    if not code:  # not PostgREST's own words: somebody before it answered
        return TransientError(
            f"The database cannot answer now ({message[:100]}).", code=ErrorCode.INTERNAL
        )
    if code.startswith(_BAD_INPUT) and _SQLSTATE.fullmatch(code) and code != _NO_SENSE:
        hint = plain(error.hint or "") if code.startswith("MU") else ""
        return ConfigurationError(f"The database refused this: {message} {hint}".rstrip())
    if code in _LATER or code.startswith(_LATER_CLASSES) or code in ("429",) or _is_5xx(code):
        return TransientError(
            f"The database cannot answer now ({code or message}).", code=ErrorCode.INTERNAL
        )
    return ContractError(f"The database refused a call ({code}): {message}")


def of_storage(error: StorageApiError | httpx.HTTPError) -> MusicServiceError:
    """The class of a failed upload.

    Only what is wrong with this very audio is final. All else, a missing bucket or right among it,
    is somebody's to fix, and then the audio can still be stored.
    """
    if isinstance(error, httpx.HTTPError):
        return TransientError(
            f"The music is made, but Storage cannot be reached ({type(error).__name__}).",
            code=ErrorCode.STORAGE_FAILED,
        )
    status, reason = str(error.status), plain(error.message)
    if status in ("413", "415") or error.code == "InvalidKey":
        return AudioRefusedError(f"Storage refused the audio ({status}: {reason}).")
    return TransientError(
        f"The music is made, but Storage does not take it now ({status}: {reason}).",
        code=ErrorCode.STORAGE_FAILED,
    )


def _is_refusal(code: str) -> bool:
    return code in _NOT_ALLOWED or (
        code.startswith((*_BAD_INPUT, "P0")) and bool(_SQLSTATE.fullmatch(code))
    )


def _code_of(error: BaseException | None) -> str:
    return plain(str(error.code or "")) if isinstance(error, APIError) else ""


def _is_5xx(code: str) -> bool:
    return len(code) == 3 and code.startswith("5")
