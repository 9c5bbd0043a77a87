"""What commands are given, checked before anything is sent."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from music_service.errors import ConfigurationError, ErrorCode
from music_service.tracks import (
    MAX_HINT_CHARACTERS,
    MAX_LYRICS_CHARACTERS,
    MAX_PROMPT_CHARACTERS,
)

# What Postgres has no place for, and what Python makes of arguments that are no UTF-8.
_NO_TEXT = re.compile("[\0\ud800-\udfff]")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}

Json = Annotated[bool, typer.Option("--json", help="Answer in JSON, a line each, for scripts.")]
Karaoke = Annotated[
    bool, typer.Option("--karaoke", help="Then show the words of the song in time.")
]
TrackId = Annotated[str, typer.Argument(metavar="TRACK_ID", help="The id of a track.")]


def checked_prompt(prompt: str) -> str:
    """The prompt; raises ConfigurationError when it is empty, too long or no text."""
    if not prompt.strip():
        raise ConfigurationError("The prompt is empty; say what the music should be.")
    return checked_text("The prompt", prompt, MAX_PROMPT_CHARACTERS)


def checked_hint(option: str, hint: str | None) -> str | None:
    """A wish, if there is one; raises as `checked_text`."""
    return checked_wish(option, hint, MAX_HINT_CHARACTERS)


def checked_wish(option: str, wish: str | None, most_characters: int) -> str | None:
    """A wish of so many characters, if there is one; raises as `checked_text`."""
    return None if wish is None else checked_text(option, wish, most_characters)


def checked_text(name: str, text: str, most_characters: int) -> str:
    """The text; raises ConfigurationError, which begins with `name`, if no row could hold it."""
    if _NO_TEXT.search(text):
        raise ConfigurationError(f"{name} is not plain UTF-8 text; write it again.")
    if len(text) > most_characters:
        raise ConfigurationError(
            f"{name} has {len(text)} characters; at most {most_characters} are allowed: shorten it."
        )
    return text


def read_lyrics(path: Path) -> str:
    """The text of a file of lyrics; raises ConfigurationError when it is of no use."""
    try:
        lyrics = path.read_text(encoding="utf-8-sig").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = "is not UTF-8 text" if isinstance(error, ValueError) else error.strerror
        raise ConfigurationError(f"The lyrics in {path} cannot be read: {reason}.") from error
    if not lyrics:
        raise ConfigurationError(f"The file {path} holds no lyrics.")
    return checked_text(f"--lyrics-file {path}", lyrics, MAX_LYRICS_CHARACTERS)


def checked_id(text: str) -> UUID:
    """The id of a track; raises ConfigurationError when it is none."""
    try:
        return UUID(text)
    except ValueError:
        raise ConfigurationError(
            f'"{text}" is not the id of a track; ids look like '
            "0b0e7f5e-4f0a-4d3c-9d4e-2f6f7e1f9a11."
        ) from None


def checked_ids(texts: Sequence[str]) -> list[UUID]:
    """The ids, each once; raises ConfigurationError for one that is none."""
    return list(dict.fromkeys(checked_id(text) for text in texts))


def checked_code(text: str) -> str:
    """The error code; raises ConfigurationError when there is no such code."""
    if text not in list(ErrorCode):
        known = ", ".join(ErrorCode)
        raise ConfigurationError(f'There is no error code "{text}"; there are {known}.')
    return text


def checked_time(text: str, now: datetime) -> datetime:
    """A moment: so long ago, or a time in ISO form; raises ConfigurationError for neither."""
    ago = re.fullmatch(r"(\d{1,6})\s*([smhdw])", text.strip())
    try:
        if ago is not None:
            return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        time = datetime.fromisoformat(text.strip())
    except (ValueError, OverflowError):
        raise ConfigurationError(
            f'"{text}" is no time; say 30m, 2h or 3d for so long ago, or 2026-11-24T12:00:00Z.'
        ) from None
    return time if time.tzinfo else time.astimezone()
