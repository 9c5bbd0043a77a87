"""What the service needs in an app's `supabase/config.toml`.

What the app has set is never changed: where it is in the way, a sentence says so. What is missing
is appended, so that every line of the file stays as it is.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from music_service.errors import ConfigurationError

BUCKET = "music-tracks"
BUCKET_MIB = 50
_NEEDED_MIB = 20  # for MP3s; formats that do not fit are left out
_AUDIO = "audio/mpeg"
_OTHER_AUDIO = ("audio/wav", "audio/flac")
# A claim answers up to MUSIC_MAX_CONCURRENT rows, and what is cut off would never be heard of.
_FEW_ROWS = 100
_UNITS = {"": 1, "k": 1000, "m": 1000**2, "g": 1000**3, "ki": 2**10, "mi": 2**20, "gi": 2**30}

ADDITION = f"""
# Where music-service keeps the audio. Say `public = false` together with MUSIC_BUCKET_PUBLIC=false.
[storage.buckets.{BUCKET}]
public = true
file_size_limit = "{BUCKET_MIB}MiB"
allowed_mime_types = {json.dumps([_AUDIO, *_OTHER_AUDIO])}
"""


@dataclass(frozen=True, slots=True)
class Merge:
    """The file as it should be; `added` names what is new in it, `warnings` are sentences."""

    text: str
    added: list[str]
    warnings: list[str]


def merge(path: Path) -> Merge:
    """What an app's file lacks, added, and what in it is in the service's way.

    Raises:
        ConfigurationError: it is not readable TOML.
    """
    text, values = _load(path)
    if BUCKET in _table(values, "storage", "buckets"):
        return Merge(text, [], _warnings(values))
    merged = text + ("" if not text or text.endswith("\n") else "\n") + ADDITION
    try:
        tomllib.loads(merged)
    except tomllib.TOMLDecodeError:  # `storage` is written on one line, which nothing can extend
        missing = f"[storage.buckets.{BUCKET}] is missing and could not be added: add it by hand."
        return Merge(text, [], [missing, *_warnings(values)])
    return Merge(merged, [f"[storage.buckets.{BUCKET}]"], _warnings(values))


def write(path: Path, text: str) -> None:
    """Write the file in one step, with the line ends that it has.

    Raises:
        ConfigurationError: it cannot be written.
    """
    try:
        newline = "\r\n" if b"\r\n" in path.read_bytes() else "\n"
        unfinished = path.with_name(f".{path.name}.unfinished")
        unfinished.write_text(text, encoding="utf-8", newline=newline)
        unfinished.chmod(path.stat().st_mode)
        unfinished.replace(path.resolve())
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror}.") from error


def has_declarative_schemas(supabase_dir: Path, path: Path) -> bool:
    """Whether the app keeps its schema in files from which the CLI writes migrations."""
    values = _load(path)[1] if path.exists() else {}
    declared = _table(values, "experimental", "pgdelta").get("declarative_schema_path", "schemas")
    folder = supabase_dir / str(declared)
    return bool(_table(values, "db", "migrations").get("schema_paths")) or any(
        folder.rglob("*.sql")
    )


def _load(path: Path) -> tuple[str, dict[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
        return text, tomllib.loads(text)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}.") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"{path} is not valid TOML: {error}.") from error


def _warnings(values: Mapping[str, Any]) -> list[str]:
    found = [sentence for is_so, sentence in _HINDRANCES if is_so(values)]
    own = _table(values, "storage", "buckets", BUCKET)
    if own and _AUDIO not in own.get("allowed_mime_types", [_AUDIO]):
        found.append(f"The bucket {BUCKET} takes no {_AUDIO}; add it to allowed_mime_types.")
    if own.get("public") is False:
        found.append(f"The bucket {BUCKET} is private; set MUSIC_BUCKET_PUBLIC=false.")
    for name, table in (("[storage]", _table(values, "storage")), (f"The bucket {BUCKET}", own)):
        size = _bytes(table.get("file_size_limit"))
        if size is not None and size < _NEEDED_MIB * 2**20:
            found.append(f"{name} allows less than {_NEEDED_MIB}MiB; raise its file_size_limit.")
    return found


def _is_off(*names: str) -> Callable[[Mapping[str, Any]], bool]:
    return lambda values: _table(values, *names).get("enabled") is False


def _schemas(values: Mapping[str, Any]) -> list[Any]:
    schemas = _table(values, "api").get("schemas", ["public"])
    return schemas if isinstance(schemas, list) else ["public"]


def _has_few_rows(values: Mapping[str, Any]) -> bool:
    most = _table(values, "api").get("max_rows", _FEW_ROWS)
    return isinstance(most, int) and most < _FEW_ROWS


_HINDRANCES: list[tuple[Callable[[Mapping[str, Any]], bool], str]] = [
    (_is_off("api"), "[api] is switched off, and the worker knows no other way in."),
    (_is_off("storage"), "[storage] is switched off, so no audio can be stored."),
    (_is_off("realtime"), "[realtime] is switched off: only the sweep will find tracks."),
    (_is_off("db", "migrations"), "[db.migrations] is switched off, so a push applies nothing."),
    (
        lambda values: "public" not in _schemas(values),
        '[api] schemas lacks "public", where apps and workers look for music_tracks; add it.',
    ),
    (
        lambda values: "music" in _schemas(values),
        '[api] schemas has "music", which is the service\'s own; take it out.',
    ),
    (
        _has_few_rows,
        f"[api] max_rows is below {_FEW_ROWS}: a worker that claims more at once hears of no more.",
    ),
    (
        lambda values: not _table(values, "auth").get("enable_anonymous_sign_ins"),
        "Guests cannot sign in ([auth] enable_anonymous_sign_ins); set it to true if your app has "
        "guests.",
    ),
]


def _table(values: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    for name in names:
        inner = values.get(name)
        values = inner if isinstance(inner, dict) else {}
    return values


def _bytes(size: object) -> float | None:
    """A size as the Supabase CLI reads it: a number, or one with a unit; None for anything else."""
    match = re.fullmatch(r"([\d.]+)\s*([kmg]?i?)b?", str(size).strip().lower())
    if match is None or match[2] not in _UNITS:
        return None
    try:
        return float(match[1]) * _UNITS[match[2]]
    except ValueError:
        return None
