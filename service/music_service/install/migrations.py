"""Our migrations as copies among those of an app.

The Supabase CLI refuses a file that is older than the last one applied, so a copy is dated after
all that the app has. Behind its date it keeps the name that the file has with us: by that it is
known again, and copied once. Its first line says where it comes from.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from music_service.errors import ConfigurationError

_DATED = "%Y%m%d%H%M%S"
_FILE_NAME = re.compile(r"(\d+)_(.*)\.sql")
_OUR_NAME = re.compile(r"\d{14}_\w+\.sql")
_OPTIONAL = re.compile(r"^-- Set: journeys\s*$", re.MULTILINE)
_MARK = "-- Copied by music-service init; "


@dataclass(frozen=True, slots=True)
class Migration:
    """One of our files; an optional one is copied only for those who ask for journeys."""

    name: str
    text: str
    is_optional: bool

    @property
    def copied_text(self) -> str:
        """What a copy holds."""
        return f"{_MARK}leave it as it is. The original: {self.name}\n{self.text}"


@dataclass(frozen=True, slots=True)
class Comparison:
    """What an app has of our migrations; each list is in order of the names."""

    missing: list[Migration] = field(default_factory=list)
    same: list[Path] = field(default_factory=list)
    changed: list[Path] = field(default_factory=list)
    other: list[Path] = field(default_factory=list)  # of another version, or a second copy

    @property
    def is_current(self) -> bool:
        """Whether the copies are exactly this version's."""
        return not (self.missing or self.changed or self.other)


def shipped(folder: Path) -> list[Migration]:
    """The migrations of this version, in order."""
    found = []
    for path in sorted(folder.glob("*.sql")):
        text = _read(path)
        # Only the opening comment speaks of the whole file.
        opening = re.match(r"(?:--.*\n|\s*\n)*", text)
        is_optional = bool(opening and _OPTIONAL.search(opening[0]))
        found.append(Migration(path.name, text, is_optional))
    return found


def compare(folder: Path, ours: Sequence[Migration], *, with_journeys: bool) -> Comparison:
    """What the folder of an app's migrations has of ours.

    Args:
        folder: need not be there yet.
        ours: the migrations of this version.
        with_journeys: whether the optional ones are wanted; where one is there, all are.
    """
    copies = dict(_copies_in(folder, {migration.name for migration in ours}))
    there = set(copies.values())
    wanted = with_journeys or any(m.is_optional and m.name in there for m in ours)
    found = Comparison()
    found.missing.extend(
        migration
        for migration in ours
        if migration.name not in there and (wanted or not migration.is_optional)
    )
    texts = {migration.name: migration.text for migration in ours}
    seen: set[str] = set()
    for path, name in copies.items():
        if name not in texts or name in seen:
            found.other.append(path)
        elif _without_mark(_read(path)) == texts[name]:
            found.same.append(path)
        else:
            found.changed.append(path)
        seen.add(name)
    return found


def named(folder: Path, missing: Sequence[Migration], now: datetime) -> dict[str, Migration]:
    """The names of new copies, all after the last migration of the folder and not before now.

    Raises:
        ConfigurationError: the last migration has a number after which nothing can be dated.
    """
    last = max((version for version, _ in _files(folder)), default="")
    first = now
    if last >= now.strftime(_DATED):
        try:
            first = _date(last) + timedelta(seconds=1)
            (first + timedelta(seconds=len(missing))).strftime(_DATED)
        except (ValueError, OverflowError):
            raise ConfigurationError(
                f"The last migration in {folder} begins with {last}, which is no date "
                "(YYYYMMDDHHMMSS), so nothing can be dated after it; rename it first."
            ) from None
    return {
        f"{first + timedelta(seconds=count):{_DATED}}_{migration.name}": migration
        for count, migration in enumerate(missing)
    }


def write(folder: Path, copies: dict[str, Migration]) -> None:
    """Write the copies, each in one step.

    Raises:
        ConfigurationError: the folder cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, migration in copies.items():
            unfinished = folder / f".{name}.unfinished"
            unfinished.write_text(migration.copied_text, encoding="utf-8", newline="\n")
            unfinished.replace(folder / name)
    except OSError as error:
        raise ConfigurationError(f"{folder} cannot be written to: {error.strerror}.") from error


def _copies_in(folder: Path, our_names: set[str]) -> Iterator[tuple[Path, str]]:
    """Each copy with the name that it has with us, whether this version knows it or not."""
    for _, path in _files(folder):
        match = _FILE_NAME.fullmatch(path.name)
        suffix = f"{match[2]}.sql" if match else ""
        if path.name in our_names:  # copied by hand
            yield path, path.name
        elif suffix in our_names or _is_marked(path, suffix):
            yield path, suffix


def _is_marked(path: Path, suffix: str) -> bool:
    return bool(_OUR_NAME.fullmatch(suffix)) and _read(path).startswith(_MARK)


def _files(folder: Path) -> list[tuple[str, Path]]:
    """What the Supabase CLI takes for migrations, each with its version."""
    matches = ((_FILE_NAME.fullmatch(path.name), path) for path in sorted(folder.glob("*.sql")))
    return [(match[1], path) for match, path in matches if match is not None]


def _date(version: str) -> datetime:
    if len(version) != len("YYYYMMDDHHMMSS"):
        raise ValueError
    return datetime.strptime(version, _DATED)


def _without_mark(text: str) -> str:
    return text.partition("\n")[2] if text.startswith(_MARK) else text


def _read(path: Path) -> str:
    """The text with line ends of one kind; raises ConfigurationError where there is none."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = "is not UTF-8 text" if isinstance(error, ValueError) else error.strerror
        raise ConfigurationError(f"{path} cannot be read: {reason}.") from error
