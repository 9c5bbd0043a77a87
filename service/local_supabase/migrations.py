"""Apply a project's migrations and seed to the embedded Postgres, as the Supabase CLI does."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import psycopg

from local_supabase.errors import SetupError

_FILE_NAME = re.compile(r"^(\d+)_(.*)\.sql$")

_HISTORY = b"""
create schema if not exists supabase_migrations;
create table if not exists supabase_migrations.schema_migrations (
  version text not null primary key,
  statements text[],
  name text
);
create table if not exists supabase_migrations.seed_files (
  path text not null primary key,
  hash text not null
);
"""

Connection = psycopg.AsyncConnection[tuple[object, ...]]


class MigrationError(SetupError):
    """A migration or the seed was refused; the text names file, line and reason."""


async def apply(conninfo: str, supabase_dir: Path) -> list[str]:
    """Bring a database up to date.

    Each file of `migrations/` that the history does not list runs in one transaction together
    with its row in the history; `seed.sql` runs once, after the first migrations.

    Args:
        conninfo: libpq URL of the role that is to own what is created.
        supabase_dir: the folder with `migrations/` and perhaps `seed.sql`.

    Returns:
        The names of the files applied, in order.

    Raises:
        MigrationError: a file was refused; those before it stay applied.
    """
    applied: list[str] = []
    async with await psycopg.AsyncConnection.connect(conninfo, autocommit=True) as connection:
        await connection.execute(_HISTORY)
        known = await _column(
            connection, b"select version from supabase_migrations.schema_migrations"
        )
        for version, path in _files(supabase_dir / "migrations"):
            if version not in known:
                await _apply_migration(connection, version, path)
                applied.append(path.name)
        applied += await _apply_seed(connection, supabase_dir / "seed.sql")
        await connection.execute(b"notify pgrst, 'reload schema'")
    return applied


def _files(folder: Path) -> list[tuple[str, Path]]:
    found: dict[str, Path] = {}
    for path in sorted(folder.glob("*.sql")):
        match = _FILE_NAME.match(path.name)
        if match is None:
            continue  # the Supabase CLI skips such a file, too
        if match[1] in found:
            raise MigrationError(f"{found[match[1]].name} and {path.name} have the same version.")
        found[match[1]] = path
    return list(found.items())


async def _apply_migration(connection: Connection, version: str, path: Path) -> None:
    text = path.read_text()
    async with connection.transaction():
        await _execute(connection, path, text)
        await connection.execute(
            "insert into supabase_migrations.schema_migrations (version, statements, name)"
            " values (%s, %s, %s)",
            (version, [text], path.stem.partition("_")[2]),
        )
    # A migration may have changed the session, as dumps do; the next one starts afresh.
    await connection.execute(b"reset all")


async def _apply_seed(connection: Connection, path: Path) -> list[str]:
    known = await _column(connection, b"select path from supabase_migrations.seed_files")
    name = f"supabase/{path.name}"
    if name in known or not path.exists():
        return []
    text = path.read_text()
    async with connection.transaction():
        await _execute(connection, path, text)
        await connection.execute(
            "insert into supabase_migrations.seed_files (path, hash) values (%s, %s)",
            (name, hashlib.sha256(text.encode()).hexdigest()),
        )
    return [path.name]


async def _execute(connection: Connection, path: Path, text: str) -> None:
    """Run a whole file; without parameters the server takes any number of statements at once."""
    try:
        await connection.execute(text.encode())
    except psycopg.Error as error:
        raise _explain(error, path, text) from error


def _explain(error: psycopg.Error, path: Path, text: str) -> MigrationError:
    position = error.diag.statement_position
    line = "" if position is None else f", line {1 + text[: int(position) - 1].count(chr(10))}"
    message = error.diag.message_primary or str(error)
    hint = f" {error.diag.message_hint}" if error.diag.message_hint else ""
    return MigrationError(f"{path.name}{line}: {message}{hint}")


async def _column(connection: Connection, query: bytes) -> set[str]:
    cursor = await connection.execute(query)
    return {str(row[0]) for row in await cursor.fetchall()}
